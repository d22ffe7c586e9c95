//! Penalties on tensors and constraints, through descriptions.

#[path = "support/small.rs"]
mod small;

use cnn::Network;
use small::{bits, stripes};

mod networks {
    cnn::network! {
        /// With a penalty on every tensor that takes one.
        pub network Penalized {
            input(8x8x1);
            conv2d(4, 3x3, kernel_regularizer = l2(0.02), bias_regularizer = l1(0.03));
            batch_normalization(gamma_regularizer = l2, beta_regularizer = l1_l2(l1 = 0.01, l2 = 0.05));
            relu;
            separable_conv2d(3, 3x3, depthwise_regularizer = l1, pointwise_regularizer = l2(0.5));
            frozen: conv2d(3, 1x1, trainable = false, kernel_regularizer = l2(100));
            flatten;
            dense(3, kernel_regularizer = l1_l2, activation = softmax);

            train { loss = categorical_crossentropy; optimizer = sgd(0.1); batch_size = 15; }
        }
    }

    cnn::network! {
        /// The same without.
        pub network Free {
            input(8x8x1);
            conv2d(4, 3x3);
            batch_normalization;
            relu;
            separable_conv2d(3, 3x3);
            frozen: conv2d(3, 1x1, trainable = false);
            flatten;
            dense(3, activation = softmax);

            train { loss = categorical_crossentropy; optimizer = sgd(0.1); batch_size = 15; }
        }
    }

    cnn::network! {
        /// Every constraint.
        pub network Constrained {
            input(8x8x1);
            conv2d(4, 3x3, kernel_constraint = unit_norm, bias_constraint = non_neg);
            batch_normalization(gamma_constraint = max_norm(0.5), beta_constraint = none);
            relu;
            depthwise_conv2d(3x3, depth_multiplier = 2, depthwise_constraint = min_max_norm(0.5, 0.75));
            flatten;
            dense(3, kernel_constraint = max_norm(0.3), activation = softmax);

            train { loss = categorical_crossentropy; optimizer = adam(0.05); epochs = 4; batch_size = 15; }
        }
    }
}
use networks::{Constrained, Free, Penalized};

/// The penalty of a tensor by definition.
fn penalty(name: &str, values: &[f32]) -> f64 {
    let [l1, l2] = match name {
        "conv2d_1.kernel" => [0.0, 0.02],
        "conv2d_1.bias" => [0.03, 0.0],
        "batch_normalization_1.gamma" => [0.0, 0.01],
        "batch_normalization_1.beta" => [0.01, 0.05],
        "separable_conv2d_1.depthwise_kernel" => [0.01, 0.0],
        "separable_conv2d_1.pointwise_kernel" => [0.0, 0.5],
        "dense_1.kernel" => [0.01, 0.01],
        _ => [0.0, 0.0],
    };
    let values = values.iter().copied().map(f64::from);
    values.map(|w| l1 * w.abs() + l2 * w * w).sum()
}

#[test]
fn penalties_are_added_to_the_loss_and_to_the_gradients() {
    let data = stripes(45);
    let mut free = Free::new(3);
    // Nothing is zero, where magnitudes have a kink.
    for (place, value) in free.model_mut().parameters_mut().iter_mut().enumerate() {
        *value += 0.01 + 0.001 * (place % 7) as f32;
        if value.abs() < 0.01 {
            *value = 0.02;
        }
    }
    let mut net = Penalized::new(0);
    (net.model_mut().parameters_mut()).copy_from_slice(free.model().parameters());
    let of_tensors = |net: &Penalized| -> f64 {
        let tensors = net.model().tensors();
        tensors
            .map(|(name, values)| penalty(name, values.as_slice().unwrap()))
            .sum()
    };
    let expected = of_tensors(&net);
    assert!(expected > 0.1);
    let (loss, gradients) = net.model().gradients(&data, 1).unwrap();
    let (free_loss, free_gradients) = free.model().gradients(&data, 1).unwrap();
    assert!(
        (loss - free_loss - expected).abs() < 1e-6,
        "{loss} for {free_loss} + {expected}"
    );
    let scores = net.evaluate(&data).unwrap();
    let free_scores = free.evaluate(&data).unwrap();
    assert!((scores.loss - free_scores.loss - expected).abs() < 1e-6);

    for place in 0..gradients.len() {
        let mut of = |step: f32| {
            let value = net.model().parameters()[place];
            net.model_mut().parameters_mut()[place] = value + step;
            let total = of_tensors(&net);
            net.model_mut().parameters_mut()[place] = value;
            total
        };
        let slope = (of(1e-3) - of(-1e-3)) / 2e-3;
        let difference = f64::from(gradients[place] - free_gradients[place]);
        assert!(
            (difference - slope).abs() < 1e-4,
            "value {place}: {difference} for {slope}"
        );
    }

    // A step takes all of it, and its loss is told.
    let before = net.model().parameters().to_vec();
    let scores = net
        .trainer()
        .seed(1)
        .shuffle(false)
        .train_on_batch(&data)
        .unwrap();
    assert!((scores.loss - loss).abs() < 1e-6);
    let moved = net.model().parameters().iter().zip(before).zip(&gradients);
    let state = |name: &str| name.contains("moving");
    let names = net
        .model()
        .tensors()
        .flat_map(|(name, values)| vec![name; values.len()]);
    for (((after, before), gradient), name) in moved.zip(names) {
        assert!(
            state(name) || (before - 0.1 * gradient - after).abs() < 1e-6,
            "{name}"
        );
    }
}

#[test]
fn tensors_are_kept_to_their_constraints_by_every_step() {
    let mut net = Constrained::new(1);
    let mut steps = 0;
    let trainer = net.trainer().threads(1).progress(false);
    let trainer = trainer.on_step(|_, net| {
        steps += 1;
        let norm = |values: &mut dyn Iterator<Item = f32>| {
            values.map(|w| f64::from(w).powi(2)).sum::<f64>().sqrt()
        };
        let model = net.model();
        for (name, values) in model.tensors() {
            let outputs = match name {
                "depthwise_conv2d_1.kernel" => 8,
                _ => *values.shape().last().unwrap(),
            };
            let flat = values.as_slice().unwrap();
            let columns = (0..outputs)
                .map(|column| norm(&mut flat.iter().skip(column).step_by(outputs).copied()));
            let columns: Vec<f64> = columns.collect();
            let all = |range: std::ops::RangeInclusive<f64>| {
                let is_in = |norm: &f64| *norm > range.start() - 1e-6 && *norm < range.end() + 1e-6;
                columns.iter().all(is_in)
            };
            let holds = match name {
                "conv2d_1.kernel" => all(1.0..=1.0),
                "conv2d_1.bias" => flat.iter().all(|value| *value >= 0.0),
                "batch_normalization_1.gamma" => norm(&mut flat.iter().copied()) < 0.5 + 1e-6,
                "depthwise_conv2d_1.kernel" => all(0.5..=0.75),
                "dense_1.kernel" => all(0.0..=0.3),
                _ => true,
            };
            assert!(holds, "step {steps}, {name}: {columns:?}");
        }
    });
    trainer.fit(&stripes(45)).unwrap();
    assert_eq!(steps, 12);
    let mut again = Constrained::new(1);
    again.trainer().threads(3).fit(&stripes(45)).unwrap();
    assert_eq!(
        bits(net.model().parameters()),
        bits(again.model().parameters())
    );
}
