//! What makes the twins trustworthy: each gradient against finite differences in `f64`, each
//! formula against numbers worked out by hand.

use super::*;
use crate::kernels::conv2d::tests::{Algorithms, random_conv};
use crate::kernels::pool2d::tests::random_pool;
use crate::kernels::test_support::{Failures, Random};
use cnn_ir::operation::{Conv2d, ConvAlgorithm, Dense, InputGradient, KernelGradient, PoolKind};
use cnn_ir::{Activation, Loss};

/// The gradient of `f` at `x` by central differences.
fn finite_differences(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut x = x.to_vec();
    (0..x.len())
        .map(|i| {
            let centre = x[i];
            let [above, below] = [centre + STEP, centre - STEP].map(|value| {
                x[i] = value;
                f(&x)
            });
            x[i] = centre;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

fn weighted_sum(values: &[f64], weights: &[f64]) -> f64 {
    values.iter().zip(weights).map(|(v, w)| v * w).sum()
}

const TOLERANCE: f64 = 1e-7;

#[test]
fn convolution_gradients() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for _ in 0..20 {
        let algorithms = Algorithms {
            input_gradient: InputGradient::Columns,
            products: 400,
            channels: &[1, 2, 3],
            ..Algorithms::DIRECT
        };
        let conv = Conv2d {
            activation: Activation::Linear,
            ..random_conv(&mut random, algorithms)
        };
        let n = 1 + random.below(2);
        let patch = conv.kernel.iter().product::<usize>() * conv.input[2];
        let x = random.doubles(n * conv.input.iter().product::<usize>());
        let kernel = random.doubles(patch * conv.output[2]);
        let bias = random.doubles(conv.output[2]);
        let dy = random.doubles(n * conv.output.iter().product::<usize>());
        let (kernel_gradient, bias_gradient) = conv2d::backward_parameters(&conv, n, &x, &dy);
        let f = |x: &[f64], kernel: &[f64], bias: &[f64]| {
            weighted_sum(&conv2d::forward(&conv, n, x, kernel, bias), &dy)
        };
        failures.compare(
            || format!("kernel of {conv:?}, n {n}"),
            &kernel_gradient,
            &finite_differences(&kernel, |kernel| f(&x, kernel, &bias)),
            TOLERANCE,
        );
        failures.compare(
            || format!("bias of {conv:?}, n {n}"),
            &bias_gradient,
            &finite_differences(&bias, |bias| f(&x, &kernel, bias)),
            TOLERANCE,
        );
        failures.compare(
            || format!("input of {conv:?}, n {n}"),
            &conv2d::backward_input(&conv, n, &dy, &kernel),
            &finite_differences(&x, |x| f(x, &kernel, &bias)),
            TOLERANCE,
        );
    }
    failures.report();
}

#[test]
fn convolution_by_hand() {
    let conv = Conv2d {
        input: [2, 3, 1],
        output: [2, 2, 1],
        kernel: [2, 2],
        strides: [1, 2],
        padding: [1, 0],
        dilation: [1, 1],
        activation: Activation::Relu,
        pool: None,
        algorithm: ConvAlgorithm::Direct,
        kernel_gradient: KernelGradient::Direct,
        input_gradient: InputGradient::Columns,
    };
    // The padded image has a row of zeros on top and a column of them on the right.
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let kernel = [1.0, 10.0, 100.0, 1000.0];
    let y = conv2d::forward(&conv, 1, &x, &kernel, &[-300.0]);
    assert_eq!(y, [1800.0, 0.0, 5121.0 - 0.0, 303.0]);
}

#[test]
fn dense_gradients() {
    let mut random = Random::new(2);
    let mut failures = Failures::default();
    for (n, inputs, units) in [(1, 1, 1), (3, 5, 2), (2, 7, 4)] {
        let dense = Dense {
            inputs,
            units,
            activation: Activation::Linear,
        };
        let [x, kernel, bias, dy] =
            [n * inputs, inputs * units, units, n * units].map(|length| random.doubles(length));
        let (kernel_gradient, bias_gradient) = dense::backward_parameters(&dense, n, &x, &dy);
        let f = |x: &[f64], kernel: &[f64], bias: &[f64]| {
            weighted_sum(&dense::forward(&dense, n, x, kernel, bias), &dy)
        };
        failures.compare(
            || format!("kernel of {dense:?}"),
            &kernel_gradient,
            &finite_differences(&kernel, |kernel| f(&x, kernel, &bias)),
            TOLERANCE,
        );
        failures.compare(
            || format!("bias of {dense:?}"),
            &bias_gradient,
            &finite_differences(&bias, |bias| f(&x, &kernel, bias)),
            TOLERANCE,
        );
        failures.compare(
            || format!("input of {dense:?}"),
            &dense::backward_input(&dense, n, &dy, &kernel),
            &finite_differences(&x, |x| f(x, &kernel, &bias)),
            TOLERANCE,
        );
    }
    failures.report();
}

#[test]
fn pool_gradients() {
    let mut random = Random::new(3);
    let mut failures = Failures::default();
    for kind in [PoolKind::Max, PoolKind::Average] {
        for _ in 0..20 {
            let pool = random_pool(&mut random, kind, &[1, 2, 3]);
            let x = random.doubles(2 * pool.input.iter().product::<usize>());
            let dy = random.doubles(2 * pool.output.iter().product::<usize>());
            failures.compare(
                || format!("{pool:?}"),
                &pool2d::backward(&pool, 2, &x, &dy),
                &finite_differences(&x, |x| weighted_sum(&pool2d::forward(&pool, 2, x), &dy)),
                TOLERANCE,
            );
        }
    }
    failures.report();
}

#[test]
fn activation_gradients() {
    let mut random = Random::new(4);
    let mut failures = Failures::default();
    for activation in crate::ops::activation::tests::all() {
        for (units, reach) in [(1, 1.0), (2, 1.0), (10, 1.0), (10, 8.0)] {
            let [mut z, dy] = [3 * units, 3 * units].map(|length| random.doubles(length));
            z.iter_mut().for_each(|z| *z *= reach);
            failures.compare(
                || format!("{activation:?} of {units}, ±{reach}"),
                &activation::backward(activation, units, &z, &dy),
                &finite_differences(&z, |z| {
                    weighted_sum(&activation::forward(activation, units, z), &dy)
                }),
                TOLERANCE,
            );
        }
    }
    failures.report();
}

#[test]
fn loss_gradients() {
    let mut random = Random::new(5);
    let mut failures = Failures::default();
    for loss in crate::loss::tests::all() {
        for shape in [&[1][..], &[2], &[10], &[2, 1, 3], &[3, 2, 1]] {
            let values = 3 * shape.iter().product::<usize>();
            let mut z = random.doubles(values);
            if loss.properties().needs_non_negative {
                z.iter_mut().for_each(|z| *z = z.abs() + 0.1);
            }
            // Soft targets, which do not sum to one.
            let target: Vec<f64> = random.doubles(values).iter().map(|t| t.abs()).collect();
            let scale = 0.25;
            failures.compare(
                || format!("{loss:?} of {shape:?}"),
                &loss::backward(loss, shape, &z, &target, scale),
                &finite_differences(&z, |z| scale * loss::forward(loss, shape, z, &target).0),
                TOLERANCE,
            );
        }
    }
    failures.report();
}

#[test]
fn losses_by_hand() {
    let third = (1.0f64 / 3.0).ln();
    let (loss, p) = loss::forward(
        Loss::categorical_crossentropy(),
        &[3],
        &[0.0; 3],
        &[0.0, 1.0, 0.0],
    );
    assert!((loss + third).abs() < 1e-15 && p.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-15));
    let (loss, p) = loss::forward(Loss::binary_crossentropy(), &[2], &[0.0; 2], &[0.0, 1.0]);
    assert!((loss - 2.0f64.ln()).abs() < 1e-15 && p == [0.5; 2]);
    let (loss, _) = loss::forward(Loss::MeanSquaredError, &[2], &[1.0, 5.0], &[0.0, 2.0]);
    assert_eq!(loss, 5.0);
    // Two positions of two classes each: the mean of their losses.
    let (z, t) = ([0.0, 0.0, 0.0, 3f64.ln()], [1.0, 0.0, 1.0, 0.0]);
    let (loss, p) = loss::forward(Loss::categorical_crossentropy(), &[2, 1, 2], &z, &t);
    assert!((loss - (2f64.ln() + 4f64.ln()) / 2.0).abs() < 1e-15);
    assert!(
        p.iter()
            .zip([0.5, 0.5, 0.25, 0.75])
            .all(|(p, q)| (p - q).abs() < 1e-15)
    );
}
