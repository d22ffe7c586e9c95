//! Learning-rate multipliers: a tensor is trained as with another learning rate, and the others as before.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/optimizers.rs"]
mod optimizers;
#[path = "support/small.rs"]
mod small;

use std::sync::atomic::{AtomicBool, Ordering};

use cnn::runtime::CheckpointError;
use cnn::{Clip, Error, Examples, Model, Network, Optimizer, Schedule};
use folder::Folder;
use optimizers::optimizers;
use small::{STRIPES, bits, stripes};

// Two heads that know nothing of each other.
cnn::network! {
    network Heads {
        input(3);
        slow: dense(4, activation = tanh, from = input);
        a: dense(2);
        fast: dense(4, activation = tanh, from = input);
        b: dense(2, trainable = true);
        output(a, b);
        train { loss = [a = mse, b = mse]; batch_size = 8; epochs = 2; }
    }
}

// One layer of which nothing is trained.
cnn::network! {
    network Partly {
        input(3);
        dense(4, trainable = false);
        batch_normalization;
        relu;
        dense(1);
        train { loss = mse; }
    }
}

fn data() -> Examples<'static> {
    let inputs =
        ndarray::Array2::from_shape_fn((20, 3), |(i, j)| ((i * 7 + j * 5) % 11) as f32 * 0.1);
    let target = |shift: usize| {
        ndarray::Array2::from_shape_fn((20, 2), |(i, j)| ((i * 3 + j + shift) % 5) as f32 * 0.3)
    };
    let examples = Examples::with_values(inputs, target(0)).unwrap();
    examples.and_values(target(2)).unwrap()
}

fn head(model: &Model, names: [&str; 2]) -> Vec<u32> {
    let within = |name: &str| names.iter().any(|layer| name.starts_with(layer));
    let tensors = model.tensors().filter(|(name, _)| within(name));
    tensors
        .flat_map(|(_, values)| bits(values.as_slice().unwrap()))
        .collect()
}

#[test]
fn a_tensor_is_trained_as_with_another_learning_rate() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for optimizer in optimizers() {
        let Schedule::Constant {
            learning_rate,
            warmup_steps: 0,
        } = optimizer.learning_rate
        else {
            continue;
        };
        // The norm of all gradients joins the heads.
        if matches!(optimizer.clip, Clip::GlobalNorm(_)) {
            continue;
        }
        count += 1;
        let fit = |optimizer: Optimizer, multiplier: f64, threads| {
            let mut model = Model::new(Heads::spec(), 1);
            let trainer = model.trainer().optimizer(optimizer).progress(false);
            let trainer = trainer.threads(threads);
            let trainer = trainer.learning_rate_of("fast", 7.0).unwrap();
            let trainer = trainer.learning_rate_of("fast.kernel", multiplier).unwrap();
            let trainer = trainer.learning_rate_of("fast.bias", multiplier).unwrap();
            let trainer = trainer.learning_rate_of("b", multiplier).unwrap();
            trainer.fit(&data()).unwrap();
            model
        };
        // Powers of two, so that no product is rounded.
        for multiplier in [0.25, 4.0] {
            let plain = fit(optimizer, 1.0, 1);
            let found = fit(optimizer, multiplier, 1);
            let all = optimizer.with_learning_rate(learning_rate * multiplier);
            let expected = fit(all, 1.0, 1);
            let slow = ["slow", "a."];
            let fast = ["fast", "b."];
            if head(&found, slow) != head(&plain, slow) {
                wrong.push(format!("{optimizer:?}: the other head"));
            }
            if head(&found, fast) != head(&expected, fast) {
                wrong.push(format!("{optimizer:?}: times {multiplier}"));
            }
            if head(&found, fast) == head(&plain, fast) {
                wrong.push(format!("{optimizer:?}: unchanged"));
            }
            if bits(fit(optimizer, multiplier, 3).parameters()) != bits(found.parameters()) {
                wrong.push(format!("{optimizer:?}: threads"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= cnn::UpdateRule::WORDS.len());
}

/// A multiplier of 0 is no update and no decay; what a schedule says is multiplied in each step.
#[test]
fn zero_stands_still_and_schedules_are_multiplied() {
    let schedule = Schedule::exponential_decay(0.5, 2, 0.5);
    let scaled = Schedule::exponential_decay(0.125, 2, 0.5);
    let optimizer = Optimizer::sgd().with_weight_decay(0.1);
    let start = Model::new(Heads::spec(), 1);
    let fit = |schedule, multiplier| {
        let mut model = start.clone();
        let optimizer = optimizer.with_learning_rate(schedule);
        let trainer = model.trainer().optimizer(optimizer).progress(false);
        let trainer = trainer.learning_rate_of("fast", multiplier).unwrap();
        let trainer = trainer.learning_rate_of("b", multiplier).unwrap();
        trainer.fit(&data()).unwrap();
        head(&model, ["fast", "b."])
    };
    assert_eq!(fit(schedule, 0.0), head(&start, ["fast", "b."]));
    assert_eq!(fit(schedule, 0.25), fit(scaled, 1.0));
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let text = |name: &str, multiplier| {
        let mut net = Partly::new(1);
        let trainer = net.trainer().learning_rate_of(name, multiplier);
        trainer.unwrap_err().to_string()
    };
    for (name, multiplier, expected) in [
        (
            "dense2",
            1.0,
            "there is no layer, block or tensor `dense2`; did you mean `dense_2`?",
        ),
        (
            "dense_2.kernl",
            1.0,
            "there is no layer, block or tensor `dense_2.kernl`; did you mean `dense_2.kernel`?",
        ),
        ("relu_1", 1.0, "`relu_1` has no tensors"),
        (
            "dense_2",
            -0.5,
            "`learning_rate_of` is -0.5, but must be zero or more and finite as `f32`",
        ),
        (
            "dense_2",
            f64::NAN,
            "`learning_rate_of` is NaN, but must be zero or more and finite as `f32`",
        ),
        (
            "dense_2",
            1e39,
            "`learning_rate_of` is 1e39, but must be zero or more and finite as `f32`",
        ),
    ] {
        assert_eq!(text(name, multiplier), expected);
    }
    for name in ["dense_1", "batch_normalization_1.moving_mean"] {
        let mut net = Partly::new(1);
        let error = net.trainer().learning_rate_of(name, 1.0).unwrap_err();
        assert!(
            matches!(&error, Error::NotTrained { name: found } if found == name),
            "{error}"
        );
    }
    let mut net = Partly::new(1);
    let trainer = net.trainer().learning_rate_of("batch_normalization_1", 2.0);
    assert!(trainer.is_ok());
}

/// As the other settings, they are compared within an epoch, and may change between two.
#[test]
fn a_resumed_training_has_the_same_multipliers() {
    let folder = Folder::new("multipliers");
    let path = folder.file("run.safetensors");
    let train = |model: &mut Model, epochs, stop_after, resume, multiplier: f64| {
        let stop = AtomicBool::new(false);
        let mut steps = 0;
        let trainer = model.trainer().epochs(epochs).progress(false).stop(&stop);
        let trainer = trainer.learning_rate_of("conv2d_1", multiplier).unwrap();
        let mut trainer = trainer.checkpoint(&path).on_step(|_, _| {
            steps += 1;
            stop.store(steps == stop_after, Ordering::Relaxed);
        });
        if resume {
            trainer = trainer.resume_from(&path);
        }
        trainer.fit(&stripes(45)).map(|_| bits(model.parameters()))
    };
    let mut model = Model::new(&STRIPES, 5);
    let whole = train(&mut model, 2, 0, false, 0.3).unwrap();
    // Three steps an epoch; after 2 of them, or after the epoch.
    for (epochs, steps, is_within) in [(2, 2, true), (1, 0, false)] {
        train(&mut Model::new(&STRIPES, 5), epochs, steps, false, 0.3).unwrap();
        let written = std::fs::read(&path).unwrap();
        let error = train(&mut Model::new(&STRIPES, 6), 2, 0, true, 0.5);
        match is_within {
            true => {
                let Err(Error::Checkpoint { source, .. }) = error else {
                    panic!("{error:?}");
                };
                assert_eq!(
                    source.to_string(),
                    "training began with the learning-rate multipliers 0.3 of `conv2d_1.kernel`, 0.3 of `conv2d_1.bias`, but \
                     shall be resumed with 0.5 of `conv2d_1.kernel`, 0.5 of `conv2d_1.bias`"
                );
                assert!(matches!(source, CheckpointError::Setting { .. }));
            }
            false => drop(error.unwrap()),
        }
        std::fs::write(&path, written).unwrap();
        let found = train(&mut Model::new(&STRIPES, 6), 2, 0, true, 0.3).unwrap();
        assert_eq!(found, whole, "after {steps} steps");
    }
}
