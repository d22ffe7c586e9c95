use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::kernels::{Isa, math};
use crate::reference;
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::vocabulary::{MOST, Setting};

/// Every activation with its defaults, and what is special of some.
pub fn all() -> Vec<Activation> {
    let mut all: Vec<_> = Activation::WORDS
        .iter()
        .map(|word| {
            let mut settings = [Setting::Switch(false); MOST];
            for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
                *setting = parameter.kind.default(true).expect("a default");
            }
            (word.make)(&settings)
        })
        .collect();
    all.push(Activation::LeakyRelu {
        negative_slope: 0.0,
    });
    all
}

#[test]
fn forward_and_backward_match_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for activation in all() {
        for units in [1, 2, 3, 5, 7, 16, 17, 33] {
            for reach in [1.0, 20.0] {
                let z: Vec<f32> = random.floats(5 * units).iter().map(|z| z * reach).collect();
                let dy = random.floats(z.len());
                let expected_y = reference::activation::forward(activation, units, &to_f64(&z));
                let expected_dz =
                    reference::activation::backward(activation, units, &to_f64(&z), &to_f64(&dy));
                for isa in Isa::available() {
                    let saves = activation.properties().saves;
                    let mut y = Guarded::holding(&z);
                    super::forward(activation, isa, units, y.values());
                    let y = y.into_values();
                    let mut dz = Guarded::holding(&dy);
                    let saved = if saves == Saved::Output { &y } else { &z };
                    super::backward(activation, isa, units, saved, dz.values());
                    let case = || format!("{activation:?} of {units}, ±{reach}, {}", isa.name());
                    failures.compare(case, &y, &expected_y, 1e-6);
                    failures.compare(case, &dz.into_values(), &expected_dz, 1e-6);
                }
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
        for isa in Isa::available() {
            let mut y = z.to_vec();
            super::forward(activation, isa, z.len(), &mut y);
            let case = || format!("{activation:?} of {z:?}, {}", isa.name());
            failures.compare(case, &y, expected, 0.0);
        }
    }
    failures.report();
}

/// So the accuracy that the scalar functions are tested for is that of the loops over vectors.
#[test]
fn vectors_have_the_bits_of_the_scalar_functions() {
    let z: Vec<f32> = (0..1 << 17)
        .map(|i| (i - (1 << 16)) as f32 / 700.0)
        .collect();
    for activation in [Activation::Sigmoid, Activation::Tanh] {
        let function = match activation {
            Activation::Sigmoid => math::sigmoid,
            _ => math::tanh,
        };
        let expected: Vec<u32> = z.iter().map(|z| function(*z).to_bits()).collect();
        for isa in Isa::available() {
            let mut y = z.clone();
            super::forward(activation, isa, z.len(), &mut y);
            let differs = (0..z.len()).find(|i| y[*i].to_bits() != expected[*i]);
            assert_eq!(
                differs.map(|i| z[i]),
                None,
                "{activation:?}, {}",
                isa.name()
            );
        }
    }
}

#[test]
fn a_nan_passes_backward() {
    let mut failures = Failures::default();
    for activation in all() {
        for isa in Isa::available() {
            let mut dy = [f32::NAN, 1.0];
            super::backward(activation, isa, 2, &[0.5, 0.5], &mut dy);
            let expected = if activation == Activation::Softmax {
                [f32::NAN; 2]
            } else {
                [f32::NAN, dy[1]]
            };
            let case = || format!("{activation:?}, {}", isa.name());
            failures.compare(case, &dy, &expected, 0.0);
        }
    }
    failures.report();
}

#[test]
#[should_panic(expected = "whole rows")]
fn broken_rows_are_refused() {
    super::forward(Activation::Relu, Isa::PORTABLE, 3, &mut [0.0; 4]);
}
