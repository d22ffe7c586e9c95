//! Settings and data that do not fit are refused before the first step.

#[path = "support/small.rs"]
mod small;

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use cnn::runtime::{Dataset, Error, Examples, Model};
use cnn::{Clip, Optimizer, Schedule, UpdateRule};
use ndarray::{Array1, Array2, s};
use small::{STRIPES, UNTRAINABLE, bits, stripe_images, stripes, xor};

#[test]
fn data_are_checked_before_training() {
    let good = stripes(12);
    let images = stripe_images(12);
    let wide = Examples::labelled(images.slice(s![.., .., ..7, ..]), 0..12).unwrap();
    let flat = images.to_shape((12, 64)).unwrap();
    let flat = Examples::labelled(flat.view(), (0..12).map(|i| i % 3)).unwrap();
    let label = Examples::labelled(&images, (0..12).map(|i| i % 4)).unwrap();
    let values = Array2::<f32>::zeros((12, 2));
    let values = Examples::with_values(&images, values.view()).unwrap();
    let values_of_one = Array1::<f32>::zeros(12);
    let values_of_one = Examples::with_values(&images, values_of_one.view()).unwrap();
    let empty = good.take(0);

    let mut model = Model::new(&STRIPES, 1);
    let before = bits(model.parameters());
    let cases: [(&Examples<'_>, &str); 6] = [
        (
            &wide,
            "the network's input is 8x8x1, but an example is 8x7x1",
        ),
        (&flat, "the network's input is 8x8x1, but an example is 64"),
        (
            &label,
            "the label of example 3 is 3, but there are 3 classes, counted from 0",
        ),
        (&values, "the network's output is 3, but a target is 2"),
        (
            &values_of_one,
            "the network's output is 3, but a target is a scalar",
        ),
        (&empty, "the dataset holds no examples"),
    ];
    for (data, expected) in cases {
        assert_eq!(model.evaluate(data).unwrap_err().to_string(), expected);
        let errors = [
            model.fit(data).unwrap_err(),
            model.trainer().validation(&good).fit(data).unwrap_err(),
            model.trainer().epochs(0).fit(data).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.to_string(), format!("training data: {expected}"));
        }
        for epochs in [0, 1] {
            let trainer = model.trainer().epochs(epochs).validation(data);
            let error = trainer.fit(&good).unwrap_err();
            assert_eq!(error.to_string(), format!("validation data: {expected}"));
            assert_eq!(error.source().unwrap().to_string(), expected);
        }
    }
    assert_eq!(bits(model.parameters()), before);
}

/// Counts how often it is checked.
struct Counting<'a> {
    inner: Examples<'a>,
    checks: AtomicUsize,
}

impl Dataset for Counting<'_> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.inner.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.inner.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.inner.read_target(index, out);
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        self.inner.check(input, output)
    }
}

#[test]
fn data_are_checked_once_however_many_epochs_there_are() {
    let counting = |n| Counting {
        inner: stripes(n),
        checks: AtomicUsize::new(0),
    };
    let (data, validation) = (counting(12), counting(9));
    let mut model = Model::new(&STRIPES, 1);
    let trainer = model.trainer().epochs(3).validation(&validation);
    let history = trainer.fit(&data).unwrap();
    assert!(history.validation().is_some());
    assert_eq!(data.checks.into_inner(), 1);
    assert_eq!(validation.checks.load(Ordering::Relaxed), 1);
    model.evaluate(&validation).unwrap();
    assert_eq!(validation.checks.into_inner(), 2);
}

#[test]
fn nothing_is_done_in_no_epochs() {
    let mut model = Model::new(&STRIPES, 1);
    let before = bits(model.parameters());
    let history = model.trainer().epochs(0).fit(&stripes(12)).unwrap();
    assert!(history.epochs.is_empty() && !history.stopped && history.loss().is_none());
    assert_eq!(bits(model.parameters()), before);
}

fn sgd(learning_rate: f64, momentum: f64) -> Optimizer {
    let rule = UpdateRule::Sgd {
        momentum,
        nesterov: false,
    };
    Optimizer::from(rule).with_learning_rate(learning_rate)
}

fn rmsprop(learning_rate: f64, rho: f64, momentum: f64, epsilon: f64) -> Optimizer {
    let rule = UpdateRule::RmsProp {
        rho,
        momentum,
        epsilon,
        centered: false,
    };
    Optimizer::from(rule).with_learning_rate(learning_rate)
}

fn adam(learning_rate: f64, beta_1: f64, beta_2: f64, epsilon: f64) -> Optimizer {
    let rule = UpdateRule::Adam {
        beta_1,
        beta_2,
        epsilon,
        amsgrad: false,
    };
    Optimizer::from(rule).with_learning_rate(learning_rate)
}

#[test]
fn settings_out_of_range_are_refused() {
    let data = stripes(12);
    let mut model = Model::new(&STRIPES, 1);
    let before = bits(model.parameters());
    let mut wrong = Vec::new();
    let mut expect = |expected: String, result| match result {
        Err(error @ Error::Setting { .. }) if error.to_string() == expected => {}
        other => wrong.push((expected, other)),
    };

    let result = model.trainer().batch_size(0).fit(&data);
    expect("`batch_size` is 0, but must be at least 1".into(), result);
    let result = model.trainer().accumulate(0).fit(&data);
    expect("`accumulate` is 0, but must be at least 1".into(), result);

    // The last ones are in range only as `f64`.
    let not_positive = [0.0, -0.1, f64::NAN, f64::INFINITY, 1e-50, 1e50];
    let no_fraction = [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY, 1.0 - 1e-12];
    for value in not_positive {
        let range = "above 0 and finite as `f32`";
        let text = |name| format!("`{name}` is {value:?}, but must be {range}");
        let result = model.trainer().learning_rate(value).fit(&data);
        expect(text("learning_rate"), result);
        for (name, optimizer) in [
            ("learning_rate", sgd(value, 0.0)),
            ("learning_rate", rmsprop(value, 0.9, 0.0, 1e-7)),
            ("epsilon", rmsprop(0.1, 0.9, 0.0, value)),
            ("learning_rate", adam(value, 0.9, 0.999, 1e-7)),
            ("epsilon", adam(0.1, 0.9, 0.999, value)),
        ] {
            expect(text(name), model.trainer().optimizer(optimizer).fit(&data));
        }
    }
    for value in no_fraction {
        let range = "at least 0 and less than 1 as `f32`";
        let text = |name| format!("`{name}` is {value:?}, but must be {range}");
        for (name, optimizer) in [
            ("momentum", sgd(0.1, value)),
            ("rho", rmsprop(0.1, value, 0.0, 1e-7)),
            ("momentum", rmsprop(0.1, 0.9, value, 1e-7)),
            ("beta_1", adam(0.1, value, 0.999, 1e-7)),
            ("beta_2", adam(0.1, 0.9, value, 1e-7)),
        ] {
            expect(text(name), model.trainer().optimizer(optimizer).fit(&data));
        }
    }
    let descending = Schedule::piecewise_constant_decay(&[20, 10], &[0.1, 0.01, 0.001]);
    let too_few = Schedule::piecewise_constant_decay(&[10, 20], &[0.1, 0.01]);
    let not_positive = Schedule::piecewise_constant_decay(&[10], &[0.1, -0.01]);
    let refused = [
        (
            Optimizer::sgd().with_weight_decay(-1.0),
            "`weight_decay` is -1.0, but must be zero or more and finite as `f32`",
        ),
        (
            Optimizer::sgd().with_clip(Clip::Value(0.0)),
            "`clip_value` is 0.0, but must be above 0 and finite as `f32`",
        ),
        (
            Optimizer::sgd().with_clip(Clip::Norm(-1.0)),
            "`clip_norm` is -1.0, but must be above 0 and finite as `f32`",
        ),
        (
            Optimizer::sgd().with_clip(Clip::GlobalNorm(f64::NAN)),
            "`global_clip_norm` is NaN, but must be above 0 and finite as `f32`",
        ),
        (
            Optimizer::sgd().with_learning_rate(Schedule::cosine_decay(0.1, 0)),
            "`decay_steps` is 0, but must be at least 1",
        ),
        (
            Optimizer::sgd().with_learning_rate(Schedule::one_cycle(-0.1, 10)),
            "`max_learning_rate` is -0.1, but must be above 0 and finite as `f32`",
        ),
        (
            Optimizer::sgd().with_learning_rate(descending),
            "`boundaries` is [20, 10], but must be ascending",
        ),
        (
            Optimizer::sgd().with_learning_rate(too_few),
            "`values` is [0.1, 0.01], but must be one more than `boundaries`",
        ),
        (
            Optimizer::sgd().with_learning_rate(not_positive),
            "`values` is -0.01, but must be above 0 and finite as `f32`",
        ),
    ];
    for (optimizer, text) in refused {
        expect(text.into(), model.trainer().optimizer(optimizer).fit(&data));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(bits(model.parameters()), before);
}

#[test]
fn settings_at_the_ends_of_their_ranges_are_taken() {
    for optimizer in [
        sgd(1e-37, 0.0),
        rmsprop(1e-37, 0.0, 0.999_999, 1e-37),
        adam(1e-37, 0.0, 0.0, 1e-37),
    ] {
        let mut model = Model::new(&STRIPES, 1);
        let trainer = model.trainer().optimizer(optimizer).epochs(1);
        trainer.fit(&stripes(12)).unwrap();
    }
    // The learning rate of `learning_rate` replaces the optimizer's.
    let mut model = Model::new(&STRIPES, 1);
    let trainer = model.trainer().optimizer(sgd(f64::NAN, 0.0));
    trainer.learning_rate(0.1).fit(&stripes(12)).unwrap();
}

#[test]
fn a_network_without_a_train_block_is_neither_trained_nor_evaluated() {
    let mut untrainable = Model::new(&UNTRAINABLE, 1);
    for error in [
        untrainable.evaluate(&xor()).unwrap_err(),
        untrainable.fit(&xor()).unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "`Xor` has no `train` block, so its loss is not known"
        );
    }
}
