//! A prediction allocates nothing once its workspace is there, and a step of training no buffers.

use cnn::Examples;
use cnn::ndarray::Array4;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// The most bytes of one call.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        LARGEST.set(LARGEST.get().max(layout.size()));
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

cnn::network! {
    network Every {
        input(12x12x3);
        conv2d(16, 3x3, padding = same, activation = relu);
        conv2d(24, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(8, 1x1, activation = tanh);
        avg_pool2d(2x2);
        flatten;
        dense(70, activation = relu);
        dense(10, activation = softmax);
    }
}

#[test]
fn predict_allocates_nothing() {
    let net = Every::new(0);
    let image = [[[0.5; 3]; 12]; 12];
    let first = net.predict(&image);
    let before = CALLS.get();
    let second = net.predict(&image);
    // The portable products are matrixmultiply's, which allocates where it packs.
    let portable = is_portable();
    assert!(
        portable || CALLS.get() == before,
        "{} calls",
        CALLS.get() - before
    );
    assert_eq!(first, second);

    // The counter does count.
    let batch = Array4::from_elem((2, 12, 12, 3), 0.5);
    net.predict_batch(&batch).unwrap();
    assert_ne!(CALLS.get(), before);
}

cnn::network! {
    network Large {
        input(32x32x16);
        conv2d(48, 3x3, padding = same, activation = relu);
        conv2d(48, 3x3, strides = 2, padding = same, activation = relu);
        depthwise_conv2d(3x3, padding = same);
        conv2d(48, 1x1, activation = relu);
        flatten;
        dense(200, activation = relu);
    }
}

/// The thread that predicts keeps memory for the largest stripe: after some predictions, one on two threads allocates
/// nothing there either.
#[test]
fn predict_on_two_threads_allocates_nothing() {
    cnn::set_threads(2);
    let net = Large::new(0);
    let image = Box::new([[[0.5; 16]; 32]; 32]);
    let first = net.predict(&image);
    // While another test has the threads, a prediction stays on this one.
    for _ in 0..20 {
        assert_eq!(net.predict(&image), first);
    }
    let before = CALLS.get();
    for _ in 0..100 {
        assert_eq!(net.predict(&image), first);
    }
    let calls = CALLS.get() - before;
    assert!(is_portable() || calls == 0, "{calls} calls");
}

fn is_portable() -> bool {
    cnn::runtime::kernels::Isa::detect() == cnn::runtime::kernels::Isa::PORTABLE
}

cnn::network! {
    network Trained {
        input(12x12x3);
        conv2d(16, 3x3, padding = same, activation = relu);
        conv2d(24, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(70, activation = relu);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adam;
            metrics = [accuracy];
            batch_size = 32;
        }
    }
}

#[test]
fn a_step_allocates_lists_but_no_buffers() {
    const STEPS: usize = 20;
    let images = Array4::from_shape_fn((32 * STEPS, 12, 12, 3), |(i, y, x, c)| {
        ((i * 7 + y * 5 + x * 3 + c) % 11) as f32 * 0.1
    });
    let data = Examples::labelled(images, (0..32 * STEPS).map(|i| i % 10)).unwrap();
    let mut calls = Vec::new();
    let mut largest = Vec::new();
    let mut net = Trained::new(0);
    let trainer = net.trainer().threads(1).progress(false).epochs(4);
    let trainer = trainer.on_epoch(|_, _| {
        calls.push(CALLS.get());
        largest.push(LARGEST.replace(0));
    });
    trainer.fit(&data).unwrap();
    let buffer = Trained::PARAMETERS * size_of::<f32>();
    // Buffers are made before the first step and in it: those of the optimizer and of a thread.
    assert!(largest[0] >= buffer, "{largest:?}");
    let portable = cnn::runtime::kernels::Isa::detect() == cnn::runtime::kernels::Isa::PORTABLE;
    for (calls, largest) in calls.windows(2).zip(&largest[1..]) {
        let calls = (calls[1] - calls[0]) / STEPS;
        assert!(
            portable || calls <= 20 && *largest < buffer / 20,
            "{calls} a step, {largest} bytes"
        );
    }
}
