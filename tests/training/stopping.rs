//! What ends training early: the stop flag, a loss that is not finite, a panic of the dataset.

use crate::small::{STRIPES, bits, stripe_images, stripes};
use cnn::runtime::{Dataset, Error, Examples, Model};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn the_stop_flag_ends_training_between_epochs() {
    let data = stripes(45);
    let flag = AtomicBool::new(false);
    let mut model = Model::new(&STRIPES, 1);
    let mut seen = Vec::new();
    let history = model
        .trainer()
        .epochs(10)
        .stop(&flag)
        .on_epoch(|epoch, model| {
            assert_eq!(model.spec().name, "Stripes");
            seen.push(epoch.number);
            flag.store(epoch.number == 2, Ordering::Relaxed);
        })
        .fit(&data)
        .unwrap();
    assert_eq!(seen, [1, 2]);
    assert!(history.stopped);
    assert_eq!(history.epochs.len(), 2);

    // Set before the start: nothing happens.
    let before = bits(model.parameters());
    let history = model.trainer().stop(&flag).fit(&data).unwrap();
    assert!(history.stopped && history.epochs.is_empty());
    assert_eq!(bits(model.parameters()), before);
}

/// Sets a flag once an example is read.
struct Tripwire<'a> {
    inner: Examples<'a>,
    index: usize,
    flag: &'a AtomicBool,
}

impl Dataset for Tripwire<'_> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.inner.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        if index == self.index {
            self.flag.store(true, Ordering::Relaxed);
        }
        self.inner.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.inner.read_target(index, out);
    }
}

#[test]
fn the_stop_flag_ends_training_after_the_step() {
    let flag = AtomicBool::new(false);
    let data = Tripwire {
        inner: stripes(45),
        index: 20,
        flag: &flag,
    };
    let mut stopped = Model::new(&STRIPES, 1);
    let trainer = stopped
        .trainer()
        .shuffle(false)
        .stop(&flag)
        .validation(&data);
    let history = trainer.fit(&data).unwrap();
    assert!(history.stopped);
    assert_eq!(history.epochs.len(), 1);
    assert_eq!(history.epochs[0].examples, 32);
    assert_eq!(history.epochs[0].validation, None);

    let mut two_steps = Model::new(&STRIPES, 1);
    let first = data.inner.take(32);
    two_steps
        .trainer()
        .shuffle(false)
        .epochs(1)
        .fit(&first)
        .unwrap();
    assert_eq!(bits(stopped.parameters()), bits(two_steps.parameters()));
}

#[test]
fn a_loss_that_is_not_finite_ends_training_before_its_step() {
    for poison in [f32::NAN, f32::INFINITY] {
        let mut images = stripe_images(45);
        images[[35, 4, 4, 0]] = poison;
        let data = Examples::labelled(images, (0..45).map(|i| i % 3)).unwrap();
        let mut model = Model::new(&STRIPES, 1);
        let result = model.trainer().shuffle(false).fit(&data);
        match result {
            Err(Error::NonFiniteLoss {
                epoch: 1,
                step: 3,
                loss,
                ..
            }) => assert!(!loss.is_finite()),
            other => panic!("{poison}: {other:?}"),
        }
        let mut two_steps = Model::new(&STRIPES, 1);
        let first = data.take(32);
        two_steps
            .trainer()
            .shuffle(false)
            .epochs(1)
            .fit(&first)
            .unwrap();
        assert_eq!(bits(model.parameters()), bits(two_steps.parameters()));
    }
}

/// Panics on one example.
struct Broken<'a>(Examples<'a>);

impl Dataset for Broken<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.0.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        assert_ne!(index, 40, "a broken example");
        self.0.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.0.read_target(index, out);
    }
}

#[test]
fn a_panic_of_the_dataset_reaches_the_caller_and_harms_nothing() {
    let broken = Broken(stripes(45));
    let mut model = Model::new(&STRIPES, 1);
    for threads in [1, 3] {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = model.trainer().threads(threads).fit(&broken);
        }));
        assert!(panic.is_err());
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = model.evaluate(&broken);
        }));
        assert!(panic.is_err());
    }
    model.fit(&stripes(45)).unwrap();
    model.evaluate(&stripes(45)).unwrap();
}
