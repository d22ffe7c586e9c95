//! Inputs that are read on a thread of their own, before they are needed.

#[path = "support/small.rs"]
mod small;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use cnn::data::Dataset;
use cnn::runtime::Model;
use cnn::{Error, Examples};
use ndarray::{Array2, Ix2, array};
use small::{STRIPES, bits, stripes};

/// How reading goes wrong.
#[derive(Clone, Copy, PartialEq)]
enum Failure {
    None,
    /// The input of this example is an error.
    Error(usize),
    /// Reading this example panics.
    Panic(usize),
}

/// A dataset that takes its time and keeps a record of who reads what.
struct Slow {
    examples: Examples<'static>,
    pause: Duration,
    failure: Failure,
    reads: Mutex<Vec<(usize, ThreadId)>>,
    /// How many are being read at this moment.
    open: AtomicUsize,
}

impl Slow {
    fn new(examples: Examples<'static>, pause_in_microseconds: u64, failure: Failure) -> Self {
        Self {
            examples,
            pause: Duration::from_micros(pause_in_microseconds),
            failure,
            reads: Mutex::default(),
            open: AtomicUsize::new(0),
        }
    }

    /// The examples read since the last call: all of them, and by other threads than those that train.
    fn reads(&self, trainers: &[ThreadId]) -> (usize, usize) {
        let reads = std::mem::take(&mut *self.reads.lock().unwrap());
        let others = reads
            .iter()
            .filter(|(_, thread)| !trainers.contains(thread));
        (reads.len(), others.count())
    }
}

impl Dataset for Slow {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.examples.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        if self.try_read_input_of(0, index, out).is_err() {
            out.fill(f32::NAN);
        }
    }

    fn try_read_input_of(&self, _: usize, index: usize, out: &mut [f32]) -> Result<(), Error> {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.reads
            .lock()
            .unwrap()
            .push((index, thread::current().id()));
        thread::sleep(self.pause);
        self.examples.read_input(index, out);
        self.open.fetch_sub(1, Ordering::SeqCst);
        match self.failure {
            Failure::Error(wrong) if wrong == index => Err(Error::Unlabelled { index }),
            Failure::Panic(wrong) if wrong == index => panic!("example {index}"),
            _ => Ok(()),
        }
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.examples.read_target(index, out);
    }
}

#[test]
fn what_is_learned_has_the_same_bits() {
    let examples = stripes(50);
    for threads in [1, 3] {
        let train = |data: &dyn Dataset| {
            let mut model = Model::new(&STRIPES, 4);
            let trainer = model.trainer().epochs(3).batch_size(8).threads(threads);
            let history = trainer.validation_split(0.2).fit(data).unwrap();
            let evaluated = model.evaluate(data).unwrap();
            let predicted = model.predict_dataset::<Ix2>(data).unwrap();
            let losses = history
                .epochs
                .iter()
                .map(|epoch| epoch.scores.loss.to_bits());
            let losses: Vec<u64> = losses.chain([evaluated.loss.to_bits()]).collect();
            (bits(model.parameters()), losses, predicted)
        };
        let expected = train(&examples);
        for ahead in [0, 1, 5, 16, 1000] {
            let slow = Slow::new(examples.clone(), 20, Failure::None).read_ahead(ahead);
            assert!(train(&slow) == expected, "{ahead} ahead, {threads} threads");
            // Also around and within other datasets.
            let shuffled = Arc::new(examples.clone()).shuffled(7).read_ahead(ahead);
            let expected = train(&(&examples).shuffled(7));
            assert!(
                train(&shuffled) == expected,
                "{ahead} ahead, {threads} threads"
            );
            let outside = examples.clone().read_ahead(ahead).shuffled(7);
            assert!(
                train(&outside) == expected,
                "{ahead} ahead, {threads} threads"
            );
        }
    }
}

#[test]
fn every_example_is_read_once_and_mostly_by_the_other_thread() {
    let data = Slow::new(stripes(60), 0, Failure::None).read_ahead(20);
    let this = thread::current().id();
    let mut input = vec![0.0; 64];
    // As many are read as were asked for, and the others once there is room.
    data.will_read(&mut (0..60).rev());
    let start = Instant::now();
    let read = || data.get_ref().reads.lock().unwrap().len();
    while read() < 20 && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    assert_eq!(read(), 20);
    for index in (0..60).rev() {
        data.try_read_input_of(0, index, &mut input).unwrap();
        assert_eq!(
            input,
            data.get_ref()
                .examples
                .input(index)
                .into_raw_vec_and_offset()
                .0
        );
    }
    let (all, ahead) = data.get_ref().reads(&[this]);
    assert_eq!(all, 60);
    assert!(ahead >= 20, "{ahead} read ahead");
    // Another order, with numbers that come twice and others that nobody announced.
    data.will_read(&mut [5, 6, 5, 7].into_iter());
    for index in [5, 6, 5, 7, 59] {
        data.try_read_input_of(0, index, &mut input).unwrap();
        assert_eq!(
            input,
            data.get_ref()
                .examples
                .input(index)
                .into_raw_vec_and_offset()
                .0
        );
    }
}

#[test]
fn several_inputs_belong_to_one_example() {
    let examples = Examples::labelled(array![[1.0], [2.0], [3.0]], [0, 1, 0]).unwrap();
    let two = Array2::from_shape_fn((3, 2), |(n, place)| (n * 2 + place) as f32);
    let examples = examples.and_input(two).unwrap();
    let data = examples.clone().read_ahead(2);
    for _ in 0..20 {
        data.will_read(&mut (0..3));
        for index in 0..3 {
            for input in 0..2 {
                let mut values = [[0.0; 2]; 2];
                let size = examples.shape_of_input(input)[0];
                data.try_read_input_of(input, index, &mut values[0][..size])
                    .unwrap();
                examples.read_input_of(input, index, &mut values[1][..size]);
                assert_eq!(values[0], values[1]);
            }
        }
    }
}

#[test]
fn an_error_of_the_other_thread_is_an_error_of_fit() {
    for (threads, ahead) in [(1, 3), (1, 100), (3, 10)] {
        let train = |data: &dyn Dataset| {
            let mut model = Model::new(&STRIPES, 4);
            let trainer = model.trainer().epochs(2).batch_size(8).threads(threads);
            let error = trainer.shuffle(false).fit(data).unwrap_err();
            (bits(model.parameters()), error.to_string())
        };
        // The steps before it are applied, those with and after it are not.
        let slow = || Slow::new(stripes(50), 50, Failure::Error(33));
        let (parameters, error) = train(&slow());
        assert_eq!(
            error,
            "training data: the target of example 33 is no class label"
        );
        assert!(train(&slow().read_ahead(ahead)) == (parameters, error));
        let data = slow().read_ahead(ahead);
        let model = Model::new(&STRIPES, 4);
        for error in [
            model.evaluate(&data).err(),
            model.predict_dataset::<Ix2>(&data).err(),
        ] {
            assert!(
                matches!(error, Some(Error::Unlabelled { index: 33 })),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_panic_of_the_other_thread_is_one_of_the_reader_as_without_it() {
    let data = Slow::new(stripes(20), 0, Failure::Panic(4)).read_ahead(3);
    let mut input = vec![0.0; 64];
    data.will_read(&mut (0..20));
    for index in 0..20 {
        let read = AssertUnwindSafe(|| data.try_read_input_of(0, index, &mut input));
        assert_eq!(catch_unwind(read).is_err(), index == 4, "{index}");
    }
    // It goes on without the thread.
    data.will_read(&mut (5..20));
    data.try_read_input_of(0, 7, &mut input).unwrap();
}

#[test]
fn dropping_it_ends_the_thread() {
    let slow = Arc::new(Slow::new(stripes(50), 2_000, Failure::None));
    let data = Arc::clone(&slow).read_ahead(50);
    data.will_read(&mut (0..50));
    while slow.reads.lock().unwrap().len() < 3 {
        thread::yield_now();
    }
    drop(data);
    // The thread is gone, with its share of the dataset.
    assert_eq!(slow.open.load(Ordering::SeqCst), 0);
    assert_eq!(Arc::strong_count(&slow), 1);
    assert!(slow.reads.lock().unwrap().len() < 50);
    // One that nothing was asked of ends as well.
    drop(Arc::clone(&slow).read_ahead(10));
    assert_eq!(Arc::strong_count(&slow), 1);
}
