use super::support::{Failures, Guarded, Random, to_f64};
use crate::kernels::Activation;
use crate::reference;

pub const ALL: [Activation; 7] = [
    Activation::Linear,
    Activation::Relu,
    Activation::LeakyRelu {
        negative_slope: 0.3,
    },
    Activation::LeakyRelu {
        negative_slope: 0.0,
    },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Softmax,
];

#[test]
fn forward_and_backward_match_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for activation in ALL {
        for units in [1, 2, 3, 5, 7, 16, 17, 33] {
            for reach in [1.0, 20.0] {
                let z: Vec<f32> = random.floats(5 * units).iter().map(|z| z * reach).collect();
                let dy = random.floats(z.len());
                let mut y = Guarded::holding(&z);
                activation.forward(units, y.values());
                let y = y.into_values();
                let mut dz = Guarded::holding(&dy);
                activation.backward(units, &y, dz.values());
                let case = || format!("{activation:?} of {units}, ±{reach}");
                let expected = reference::activation::forward(activation, units, &to_f64(&z));
                failures.compare(case, &y, &expected, 1e-6);
                let expected =
                    reference::activation::backward(activation, units, &to_f64(&z), &to_f64(&dy));
                failures.compare(case, &dz.into_values(), &expected, 1e-6);
            }
        }
    }
    failures.report();
}

#[test]
fn extremes() {
    let inf = f32::INFINITY;
    let huge = 1e30;
    let cases: [(Activation, &[f32], &[f32]); 8] = [
        (Activation::Linear, &[f32::NAN, inf], &[f32::NAN, inf]),
        (
            Activation::Relu,
            &[f32::NAN, inf, -inf, -0.0],
            &[f32::NAN, inf, 0.0, 0.0],
        ),
        (
            Activation::LeakyRelu {
                negative_slope: 0.5,
            },
            &[f32::NAN, inf, -inf],
            &[f32::NAN, inf, -inf],
        ),
        (
            Activation::Sigmoid,
            &[f32::NAN, inf, -inf, huge, -huge],
            &[f32::NAN, 1.0, 0.0, 1.0, 0.0],
        ),
        (
            Activation::Tanh,
            &[f32::NAN, inf, -inf, huge, -huge],
            &[f32::NAN, 1.0, -1.0, 1.0, -1.0],
        ),
        (
            Activation::Softmax,
            &[huge, huge, -huge, -inf],
            &[0.5, 0.5, 0.0, 0.0],
        ),
        (Activation::Softmax, &[0.0, f32::NAN, 1.0], &[f32::NAN; 3]),
        (Activation::Softmax, &[-200.0, -200.0], &[0.5, 0.5]),
    ];
    let mut failures = Failures::default();
    for (activation, z, expected) in cases {
        let mut y = z.to_vec();
        activation.forward(z.len(), &mut y);
        failures.compare(|| format!("{activation:?} of {z:?}"), &y, expected, 0.0);
    }
    failures.report();
}

#[test]
fn a_nan_passes_backward() {
    let mut failures = Failures::default();
    for activation in ALL {
        let mut dy = [f32::NAN, 1.0];
        activation.backward(2, &[0.5, 0.5], &mut dy);
        let expected = if activation == Activation::Softmax {
            [f32::NAN; 2]
        } else {
            [f32::NAN, dy[1]]
        };
        failures.compare(|| format!("{activation:?}"), &dy, &expected, 0.0);
    }
    failures.report();
}

#[test]
#[should_panic(expected = "whole rows")]
fn broken_rows_are_refused() {
    Activation::Relu.forward(3, &mut [0.0; 4]);
}
