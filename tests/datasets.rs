//! What is read of a dataset while a network trains, evaluates and predicts: targets are checked, and errors
//! say where.

#[path = "support/small.rs"]
mod small;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use cnn::runtime::spec::Spec;
use cnn::runtime::{Dataset, Error, Examples, History, Model};
use cnn::{Loss, Network as _};
use ndarray::{Array1, Array2, Array4, ArrayD, Ix2, IxDyn, array};
use small::{STRIPES, XOR, bits, stripe_images, stripes, xor};

cnn::network! {
    network Line {
        input(1);
        dense(1);
        train { loss = mse; metrics = [mae]; }
    }
}

static LINE: LazyLock<Spec> = LazyLock::new(|| *Line::spec());

/// A dataset that knows nothing of its targets before they are read, as one of files.
struct Lazy {
    shape: Vec<usize>,
    target: fn(usize, &mut [f32]),
    len: usize,
    inputs_read: AtomicUsize,
    targets_read: AtomicUsize,
}

impl Lazy {
    fn new(shape: &[usize], len: usize, target: fn(usize, &mut [f32])) -> Self {
        Self {
            shape: shape.to_vec(),
            target,
            len,
            inputs_read: AtomicUsize::new(0),
            targets_read: AtomicUsize::new(0),
        }
    }

    /// How many inputs and targets have been read since the last call.
    fn reads(&self) -> [usize; 2] {
        [&self.inputs_read, &self.targets_read].map(|count| count.swap(0, Ordering::Relaxed))
    }
}

impl Dataset for Lazy {
    fn len(&self) -> usize {
        self.len
    }

    fn input_shape(&self) -> &[usize] {
        &self.shape
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.inputs_read.fetch_add(1, Ordering::Relaxed);
        for (place, out) in out.iter_mut().enumerate() {
            *out = ((index * 31 + place * 17) % 11) as f32 * 0.1;
        }
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.targets_read.fetch_add(1, Ordering::Relaxed);
        (self.target)(index, out);
    }
}

/// What an error of a target says, in the training data of `fit` or by itself.
fn of_target(error: &Error) -> Option<(usize, f32, Loss)> {
    match error {
        Error::Training { source } => of_target(source),
        Error::TargetValue {
            index, value, loss, ..
        } => Some((*index, *value, *loss)),
        Error::TargetSum {
            index, sum, loss, ..
        } => Some((*index, *sum, *loss)),
        _ => None,
    }
}

#[test]
fn targets_that_the_loss_does_not_take_are_refused_before_the_first_step() {
    let inputs = array![[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let mut model = Model::new(&XOR, 1);
    let before = bits(model.parameters());
    for wrong in [255.0, -1.0, 1.5, f32::NAN, f32::INFINITY] {
        let values = array![0.0, 1.0, wrong, wrong];
        let data = Examples::with_values(&inputs, &values).unwrap();
        let errors = [
            (model.fit(&data).unwrap_err(), "training data: "),
            (
                model.trainer().epochs(0).fit(&data).unwrap_err(),
                "training data: ",
            ),
            (model.evaluate(&data).unwrap_err(), ""),
            (model.gradients(&data, 0).unwrap_err(), ""),
        ];
        for (error, whose) in errors {
            let (index, value, loss) = of_target(&error).expect("an error of a target");
            assert_eq!((index, value.to_bits()), (2, wrong.to_bits()));
            assert_eq!(loss, Loss::binary_crossentropy());
            let expected = format!(
                "{whose}a target of example 2 is {wrong}, but the targets of `binary_crossentropy` must be from 0 to 1"
            );
            assert_eq!(error.to_string(), expected);
        }
        let error = model.trainer().validation(&data).fit(&xor()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("validation data: a target of example 2 is")
        );
        assert!(matches!(error, Error::Validation { source } if of_target(&source).is_some()));
    }
    assert_eq!(bits(model.parameters()), before);
}

#[test]
fn soft_and_missing_labels_are_trained_on() {
    let images = stripe_images(12);
    let smoothed = Array2::from_shape_fn((12, 3), |(i, j)| if i % 3 == j { 0.9 } else { 0.05 });
    let mut missing = smoothed.clone();
    missing.row_mut(5).fill(0.0);
    let bytes = smoothed.mapv(|value| (value > 0.5) as u8);
    let mut model = Model::new(&STRIPES, 1);
    for data in [
        Examples::with_values(&images, &smoothed),
        Examples::with_values(&images, &missing),
        Examples::with_values(&images, &bytes),
    ] {
        model.fit(&data.unwrap()).unwrap();
    }
    // Zeros add nothing to the loss and are never right.
    let whole = Examples::with_values(&images, &missing).unwrap();
    let scores = model.evaluate(&whole).unwrap();
    let parts = [0..5, 6..12].map(|range| (range.len() as f64, whole.slice(range)));
    let (loss, right) = parts.iter().fold((0.0, 0.0), |(loss, right), (n, part)| {
        let scores = model.evaluate(part).unwrap();
        (
            loss + n * scores.loss,
            right + n * scores.accuracy().unwrap(),
        )
    });
    assert!((scores.loss * 12.0 - loss).abs() < 1e-6);
    assert!((scores.accuracy().unwrap() * 12.0 - right).abs() < 1e-9);
    // Two classes at once are no probabilities.
    let mut two = smoothed.mapv(f32::round);
    two.row_mut(7).fill(1.0);
    let two = Examples::with_values(&images, &two).unwrap();
    let error = model.fit(&two).unwrap_err();
    assert_eq!(
        of_target(&error),
        Some((7, 3.0, Loss::categorical_crossentropy()))
    );
}

#[test]
fn targets_of_any_dataset_are_checked_as_they_are_read() {
    let lazy = Lazy::new(&[2], 100, |index, out| {
        out[0] = [0.0, 1.0, 255.0][usize::from(index % 50 == 41) * 2];
    });
    for threads in [1, 3] {
        // Without shuffling, the fifth step of ten examples reads the first wrong target.
        let mut model = Model::new(&XOR, 1);
        let trainer = model.trainer().threads(threads).batch_size(10);
        let error = trainer.shuffle(false).epochs(1).fit(&lazy).unwrap_err();
        assert_eq!(
            of_target(&error),
            Some((41, 255.0, Loss::binary_crossentropy()))
        );
        assert_eq!(lazy.reads(), [50, 50]);

        // The model is as the four steps before left it.
        let good = Lazy::new(&[2], 40, |_, out| out[0] = 0.0);
        let mut expected = Model::new(&XOR, 1);
        let trainer = expected.trainer().threads(threads).batch_size(10);
        trainer.shuffle(false).epochs(1).fit(&good).unwrap();
        assert_eq!(bits(model.parameters()), bits(expected.parameters()));

        // Whatever the order, it is the first of a batch that is named, and training can go on.
        let trainer = model.trainer().threads(threads).batch_size(100);
        let error = trainer.fit(&lazy).unwrap_err();
        assert_eq!(of_target(&error).map(|(index, ..)| index), Some(41));
        assert_eq!(lazy.reads(), [100, 100]);
        model.trainer().epochs(1).fit(&good).unwrap();
    }
    let model = Model::new(&XOR, 1);
    for error in [model.evaluate(&lazy).err(), model.gradients(&lazy, 0).err()] {
        assert_eq!(of_target(&error.unwrap()).unwrap().0, 41);
    }
}

#[test]
fn wrong_validation_data_end_training_after_the_epoch() {
    // The last target becomes wrong when it is read for the third time.
    static READS: AtomicUsize = AtomicUsize::new(0);
    let validation = Lazy::new(&[2], 100, |index, out| {
        let wrong = index == 99 && READS.fetch_add(1, Ordering::Relaxed) == 2;
        out[0] = 0.0 - f32::from(u8::from(wrong));
    });
    let mut model = Model::new(&XOR, 1);
    let mut epochs = 0;
    let mut history = History::default();
    let trainer = model.trainer().epochs(5).validation(&validation);
    let trainer = trainer.history(&mut history).on_epoch(|_, _| epochs += 1);
    let error = trainer.fit(&xor()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "validation data: a target of example 99 is -1, but the targets of `binary_crossentropy` must be from 0 to 1"
    );
    assert_eq!(epochs, 2);
    // Nothing of what was trained is lost: the third epoch lacks its validation alone.
    let validated: Vec<_> = history
        .epochs
        .iter()
        .map(|epoch| epoch.validation.is_some())
        .collect();
    assert_eq!(validated, [true, true, false]);
    assert!(!history.stopped);
    let mut expected = Model::new(&XOR, 1);
    let whole = expected.trainer().epochs(3).fit(&xor()).unwrap();
    for (found, expected) in history.epochs.iter().zip(&whole.epochs) {
        assert_eq!(found.scores, expected.scores);
    }
    assert_eq!(bits(model.parameters()), bits(expected.parameters()));
}

#[test]
fn the_history_ends_with_the_step_before_a_wrong_target() {
    static READS: AtomicUsize = AtomicUsize::new(0);
    let lazy = Lazy::new(&[2], 40, |_, out| {
        // The fourth step of the second epoch.
        out[0] = f32::from(u8::from(READS.fetch_add(1, Ordering::Relaxed) >= 70));
        out[0] *= 2.0;
    });
    let mut model = Model::new(&XOR, 1);
    let mut history = History::default();
    let trainer = model.trainer().epochs(3).batch_size(10);
    let trainer = trainer.threads(1).shuffle(false).history(&mut history);
    let error = trainer.fit(&lazy).unwrap_err();
    assert!(error.to_string().starts_with("training data: a target of"));
    let epochs: Vec<_> = history
        .epochs
        .iter()
        .map(|epoch| (epoch.number, epoch.examples))
        .collect();
    assert_eq!(epochs, [(1, 40), (2, 30)]);
    assert!(history.epochs.iter().all(|e| e.scores.loss.is_finite()));

    // The next call begins a history of its own.
    let trainer = model.trainer().epochs(3).history(&mut history);
    let returned = trainer.fit(&xor()).unwrap();
    assert_eq!(history.epochs.len(), 3);
    assert_eq!(history, returned);
}

#[test]
fn nothing_is_read_for_the_check_alone() {
    let data = Lazy::new(&[2], 30, |index, out| out[0] = (index % 2) as f32);
    let validation = Lazy::new(&[2], 70, |index, out| out[0] = (index % 2) as f32);
    let mut model = Model::new(&XOR, 1);
    let trainer = model.trainer().epochs(3).validation(&validation);
    trainer.fit(&data).unwrap();
    assert_eq!((data.reads(), validation.reads()), ([90; 2], [210; 2]));
    model.evaluate(&data).unwrap();
    assert_eq!(data.reads(), [30; 2]);
}

#[test]
fn losses_of_numbers_take_what_is_finite() {
    let inputs = Array2::<f32>::ones((3, 1));
    let mut model = Model::new(&LINE, 1);
    for (wrong, expected) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        let values = array![0.0, wrong, -255.0];
        let data = Examples::with_values(&inputs, &values).unwrap();
        let expected =
            format!("a target of example 1 is {expected}, but the targets of `mse` must be finite");
        let in_training = format!("training data: {expected}");
        assert_eq!(model.fit(&data).unwrap_err().to_string(), in_training);
        assert_eq!(model.evaluate(&data).unwrap_err().to_string(), expected);
    }
    let data = Examples::with_values(&inputs, array![0.0, 300.0, -255.0]).unwrap();
    model.fit(&data).unwrap();
}

/// Delegates only what it must.
struct Wrapper<'a>(Examples<'a>);

impl Dataset for Wrapper<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.0.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.0.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.0.read_target(index, out);
    }
}

#[test]
fn targets_that_do_not_fit_are_errors_behind_a_wrapper_too() {
    let images = stripe_images(9);
    let mut model = Model::new(&STRIPES, 1);
    let labels = Examples::labelled(&images, (0..9).map(|i| if i < 8 { i % 3 } else { 3 }));
    let error = model.fit(&Wrapper(labels.unwrap())).unwrap_err();
    assert!(of_target(&error).is_some_and(|(index, value, _)| index == 8 && value.is_nan()));
    let narrow = Examples::with_values(&images, Array2::<f32>::zeros((9, 2))).unwrap();
    let error = model.evaluate(&Wrapper(narrow)).unwrap_err();
    assert!(of_target(&error).is_some_and(|(index, value, _)| index == 0 && value.is_nan()));
}

#[test]
fn a_scale_that_is_not_finite_is_refused() {
    let mut model = Model::new(&STRIPES, 1);
    let data = stripes(9).scaled(1e30).scaled(1e30);
    let errors = [
        (model.fit(&data).err(), "training data: "),
        (model.evaluate(&data).err(), ""),
    ];
    for (error, whose) in errors {
        assert_eq!(
            error.unwrap().to_string(),
            format!("{whose}`scale` is inf, but must be finite")
        );
    }
}

#[test]
fn predictions_over_a_dataset_are_those_of_its_inputs() {
    let model = Model::new(&STRIPES, 7);
    for n in [0, 1, 2, 63, 64, 65, 200] {
        let images = stripe_images(n);
        // Targets do not matter, nor whether they fit.
        let data = Examples::with_values(&images, Array1::from_elem(n, f32::NAN)).unwrap();
        let expected = model
            .predict_batch::<_, Ix2>(images.view().into_dyn())
            .unwrap();
        for threads in [1, 2, 3, 7] {
            cnn::set_threads(threads);
            let found = model.predict_dataset::<IxDyn>(&data).unwrap();
            assert_eq!(
                found,
                expected.clone().into_dyn(),
                "{n} on {threads} threads"
            );
        }
        cnn::set_threads(0);
    }

    let bytes = Array4::from_shape_fn((70, 8, 8, 1), |(i, y, x, _)| (i * 31 + y * 17 + x) as u8);
    let data = Examples::labelled(&bytes, vec![0; 70])
        .unwrap()
        .scaled(1.0 / 255.0);
    let inputs = data.inputs();
    let expected = model.predict_batch(inputs.view()).unwrap();
    let found: ArrayD<f32> = model.predict_dataset(&data).unwrap();
    assert_eq!(found, expected);

    let lazy = Lazy::new(&[8, 8, 1], 130, |_, _| {
        panic!("predictions need no targets")
    });
    assert_eq!(
        model.predict_dataset::<IxDyn>(&lazy).unwrap().shape(),
        [130, 3]
    );
    assert_eq!(lazy.reads(), [130, 0]);
    let wrong = Lazy::new(&[8, 8], 130, |_, _| {});
    assert_eq!(
        model
            .predict_dataset::<IxDyn>(&wrong)
            .unwrap_err()
            .to_string(),
        "the network's input is 8x8x1, but an example is 8x8"
    );
}
