//! What a step does to the weights: the optimizer, its decay, clipping and moving average.

use crate::frozen;
use crate::optimizers::sgd;
use crate::small::{STRIPES, XOR, bits, stripes, xor};
use cnn::runtime::{Examples, Model};
use cnn::{Clip, Network, Optimizer, Schedule};
use ndarray::Array2;

#[test]
fn the_history_tells_the_learning_rate_of_the_last_step() {
    // Three steps an epoch.
    let data = stripes(45);
    let schedule = Schedule::polynomial_decay(0.01, 6).with_warmup(4);
    let mut model = Model::new(&STRIPES, 5);
    let trainer = model.trainer().learning_rate(schedule).epochs(3);
    let history = trainer.fit(&data).unwrap();
    let found: Vec<_> = (history.epochs.iter())
        .map(|epoch| epoch.learning_rate)
        .collect();
    let line = |steps: f64| 1e-4 + (0.01 - 1e-4) * (1.0 - steps / 6.0);
    let expected = [0.01 * 2.0 / 4.0, line(1.0), line(4.0)];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{found}, not {expected}");
    }
    assert_eq!(found.len(), 3);
}

/// One step of gradient descent, by hand: kernels decay, biases only where that is asked for, and frozen tensors do not.
#[test]
fn weight_decay_is_for_kernels() {
    let data = stripes(15);
    let sgd = Optimizer::sgd().with_learning_rate(0.1);
    for decay_biases in [false, true] {
        let optimizer = Optimizer {
            decay_biases,
            ..sgd.with_weight_decay(0.5)
        };
        let fit = |optimizer| {
            let mut model = Model::new(frozen::Frozen::spec(), 5);
            model
                .parameters_mut()
                .iter_mut()
                .for_each(|value| *value += 0.25);
            let before = model.clone();
            let trainer = model.trainer().optimizer(optimizer).batch_size(15);
            trainer.epochs(1).fit(&data).unwrap();
            (before, model)
        };
        let (before, decayed) = fit(optimizer);
        let (_, plain) = fit(sgd);
        for ((name, before), ((_, decayed), (_, plain))) in
            before.tensors().zip(decayed.tensors().zip(plain.tensors()))
        {
            let is_frozen = ["conv2d_1.", "dense_1."]
                .iter()
                .any(|of| name.starts_with(of));
            let share = match name.ends_with("kernel") || decay_biases {
                true if !is_frozen => 0.5 * 0.1,
                _ => 0.0,
            };
            for ((before, decayed), plain) in before.iter().zip(&decayed).zip(&plain) {
                let expected = plain - share * before;
                assert!(
                    (decayed - expected).abs() < 1e-6,
                    "{name}: {decayed}, not {expected}"
                );
            }
        }
    }
}

/// Batches that are accumulated are one batch, also where the last one is smaller and the last step has one alone.
#[test]
fn accumulated_batches_are_one_batch() {
    let data = stripes(45);
    let optimizer = sgd(0.9, false).with_clip(Clip::GlobalNorm(0.5));
    let fit = |batch_size, accumulate, threads| {
        let mut model = Model::new(frozen::Frozen::spec(), 5);
        let trainer = model.trainer().optimizer(optimizer).epochs(3);
        let trainer = trainer.batch_size(batch_size).accumulate(accumulate);
        let history = trainer.threads(threads).fit(&data).unwrap();
        (model, history)
    };
    for (batch_size, accumulate) in [(4, 5), (7, 3), (20, 2), (45, 2)] {
        let (large, expected) = fit(batch_size * accumulate, 1, 1);
        let (model, history) = fit(batch_size, accumulate, 1);
        let case = format!("{accumulate} batches of {batch_size}");
        for (found, expected) in model.parameters().iter().zip(large.parameters()) {
            assert!(
                (found - expected).abs() < 1e-5,
                "{case}: {found}, not {expected}"
            );
        }
        for (found, expected) in history.epochs.iter().zip(&expected.epochs) {
            let deviation = (found.scores.loss - expected.scores.loss).abs();
            assert!(deviation < 1e-5, "{case}: {found:?}, not {expected:?}");
            assert_eq!(found.examples, 45);
        }
        let (threaded, _) = fit(batch_size, accumulate, 3);
        assert_eq!(
            bits(threaded.parameters()),
            bits(model.parameters()),
            "{case}"
        );
    }
    let (one, _) = fit(16, 1, 1);
    let (two, _) = fit(16, 2, 1);
    assert_ne!(bits(one.parameters()), bits(two.parameters()));
}

/// One step of gradient descent, by hand.
#[test]
fn clipping_is_that_of_the_batch() {
    let (model, data) = (Model::new(&XOR, 1), xor());
    let (_, gradients) = model.gradients(&data, 0).unwrap();
    let norm = |values: &[f32]| {
        let squares = values.iter().map(|value| f64::from(*value).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let most = 0.5 * norm(&gradients);
    let ranges: Vec<_> = XOR.parameters.iter().map(|tensor| tensor.range()).collect();
    for clip in [
        Clip::Value(0.01),
        Clip::Norm(most / 4.0),
        Clip::GlobalNorm(most),
    ] {
        let mut expected = model.parameters().to_vec();
        for range in &ranges {
            for index in range.clone() {
                let g = f64::from(gradients[index]);
                let clipped = match clip {
                    Clip::None => g,
                    Clip::Value(most) => g.clamp(-most, most),
                    Clip::Norm(most) => g * (most / norm(&gradients[range.clone()])).min(1.0),
                    Clip::GlobalNorm(most) => g * (most / norm(&gradients)).min(1.0),
                };
                expected[index] -= (0.1 * clipped) as f32;
            }
        }
        let mut trained = model.clone();
        let optimizer = Optimizer::sgd().with_learning_rate(0.1).with_clip(clip);
        let trainer = trained.trainer().optimizer(optimizer).shuffle(false);
        trainer.epochs(1).fit(&data).unwrap();
        for (found, expected) in trained.parameters().iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{clip:?}: {found}, not {expected}"
            );
        }
        assert_ne!(bits(&expected), bits(model.parameters()));
    }
}

#[test]
fn the_moving_average_of_the_weights_is_shown_between_epochs() {
    let data = stripes(45);
    let optimizer = Optimizer::adam().with_ema(0.75);
    let mut averages = Vec::new();
    let mut shown = Vec::new();
    let mut model = Model::new(&STRIPES, 5);
    let trainer = model
        .trainer()
        .optimizer(optimizer)
        .epochs(3)
        .validation(&data);
    let history = trainer
        .on_step(|_, model| {
            let weights = model.parameters();
            if averages.is_empty() {
                averages = weights.to_vec();
            } else {
                for (average, weight) in averages.iter_mut().zip(weights) {
                    *average = 0.75 * *average + 0.25 * weight;
                }
            }
        })
        .on_epoch(|_, model| shown.push(model.parameters().to_vec()))
        .fit(&data)
        .unwrap();
    assert_eq!(bits(model.parameters()), bits(&averages));
    assert_eq!(bits(&shown[2]), bits(&averages));
    // The validation is that of the average.
    let scores = history.epochs[2].validation.as_ref();
    assert_eq!(scores, Some(&model.evaluate(&data).unwrap()));
    // The weights aside are those of a training without an average.
    let mut plain = Model::new(&STRIPES, 5);
    let fit = |model: &mut Model, optimizer, epochs| {
        let trainer = model.trainer().optimizer(optimizer).epochs(epochs);
        trainer.fit(&data).unwrap().epochs[0].scores.loss
    };
    fit(&mut plain, Optimizer::adam(), 3);
    assert_ne!(bits(plain.parameters()), bits(model.parameters()));
    let next = fit(&mut plain, Optimizer::adam(), 1);
    assert_eq!(fit(&mut model.clone(), optimizer, 1), next);
    // Without an average, training goes on from what the parameters are; so it does after they were changed.
    let mut changed = model.clone();
    changed.parameters_mut()[0] += 0.0;
    let from_average = fit(&mut model, Optimizer::adam(), 1);
    assert_ne!(from_average, next);
    assert_eq!(fit(&mut changed, optimizer, 1), from_average);
}

#[test]
fn another_kind_of_optimizer_begins_anew() {
    let data = stripes(45);
    let adam = Optimizer::adam();
    let with_momentum = sgd(0.9, false);
    let without = sgd(0.0, false);
    let mut model = Model::new(&STRIPES, 5);
    for optimizer in [adam, with_momentum, without, with_momentum, adam] {
        let before = bits(model.parameters());
        model
            .trainer()
            .optimizer(optimizer)
            .epochs(1)
            .fit(&data)
            .unwrap();
        assert_ne!(bits(model.parameters()), before, "{optimizer:?}");
    }
}

#[test]
fn a_step_follows_the_gradient_of_the_mean_loss() {
    for examples in [1, 5, 8, 13] {
        let data = Examples::labelled(
            Array2::from_shape_fn((examples, 2), |(i, j)| (i * 2 + j) as f32 / 10.0),
            (0..examples).map(|i| i % 2),
        )
        .unwrap();
        let mut model = Model::new(&XOR, 1);

        // Plain gradient descent by hand.
        let (_, gradients) = model.gradients(&data, 0).unwrap();
        let expected: Vec<f32> = model
            .parameters()
            .iter()
            .zip(&gradients)
            .map(|(weight, gradient)| weight - 0.1 * gradient)
            .collect();

        let sgd = Optimizer::sgd().with_learning_rate(0.1);
        let trainer = model
            .trainer()
            .optimizer(sgd)
            .batch_size(examples)
            .epochs(1);
        trainer.fit(&data).unwrap();
        let worst = model
            .parameters()
            .iter()
            .zip(&expected)
            .map(|(found, expected)| (found - expected).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-6, "{examples} examples: off by {worst}");
    }
}
