use crate::kernels::Isa;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64, units_off};
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
    all.extend([
        Activation::LeakyRelu {
            negative_slope: 0.0,
        },
        Activation::Elu { alpha: 0.0 },
        Activation::Elu { alpha: 2.5 },
        Activation::Gelu { approximate: true },
    ]);
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
    let gelu = |approximate| Activation::Gelu { approximate };
    let cases: [(Activation, &[f32], &[f32]); 25] = [
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
            Activation::Relu6,
            &[f32::NAN, inf, -inf, 6.0, 7.0],
            &[f32::NAN, 6.0, 0.0, 6.0, 6.0],
        ),
        (
            Activation::Elu { alpha: 2.0 },
            &[f32::NAN, inf, -inf, huge, -huge],
            &[f32::NAN, inf, -2.0, huge, -2.0],
        ),
        (
            Activation::Selu,
            &[f32::NAN, inf, -inf, -huge],
            &[f32::NAN, inf, -1.758_099_3, -1.758_099_3],
        ),
        (
            gelu(false),
            &[f32::NAN, inf, -inf, huge, -huge],
            &[f32::NAN, inf, 0.0, huge, 0.0],
        ),
        (
            gelu(true),
            &[f32::NAN, inf, -inf, huge, -huge],
            &[f32::NAN, inf, 0.0, huge, 0.0],
        ),
        (
            Activation::Silu,
            &[f32::NAN, inf, -inf, huge, -huge, -1000.0],
            &[f32::NAN, inf, 0.0, huge, 0.0, 0.0],
        ),
        (
            Activation::Mish,
            &[f32::NAN, inf, -inf, huge, -huge, 1000.0, -1000.0],
            &[f32::NAN, inf, 0.0, huge, 0.0, 1000.0, 0.0],
        ),
        (
            Activation::HardSwish,
            &[f32::NAN, inf, -inf, 3e38, -3e38, 3.0, -3.0],
            &[f32::NAN, inf, 0.0, 3e38, 0.0, 3.0, 0.0],
        ),
        (
            Activation::HardSigmoid,
            &[f32::NAN, inf, -inf, huge, -huge, 3.0, -3.0],
            &[f32::NAN, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
        ),
        (
            Activation::Softsign,
            &[f32::NAN, huge, -huge],
            &[f32::NAN, 1.0, -1.0],
        ),
        (
            Activation::Softplus,
            &[f32::NAN, inf, -inf, huge, -huge, 1000.0, -1000.0],
            &[f32::NAN, inf, 0.0, huge, 0.0, 1000.0, 0.0],
        ),
        (
            Activation::Exponential,
            &[f32::NAN, inf, -inf, huge, -huge],
            &[f32::NAN, inf, 0.0, inf, 0.0],
        ),
        (Activation::Softmax, &[inf, 0.0], &[f32::NAN, f32::NAN]),
        (
            Activation::Softmax,
            &[huge, huge, -huge, -inf],
            &[0.5, 0.5, 0.0, 0.0],
        ),
        (Activation::Softmax, &[0.0, f32::NAN, 1.0], &[f32::NAN; 3]),
        (Activation::Softmax, &[-200.0, -200.0], &[0.5, 0.5]),
        (Activation::LogSoftmax, &[inf, 0.0], &[f32::NAN, f32::NAN]),
        (
            Activation::LogSoftmax,
            &[0.0, -1000.0, -inf],
            &[0.0, -1000.0, -inf],
        ),
        (
            Activation::LogSoftmax,
            &[0.0, f32::NAN, 1.0],
            &[f32::NAN; 3],
        ),
        (Activation::LogSoftmax, &[huge], &[0.0]),
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

/// Numbers of every magnitude and both signs, and some more of those that networks see.
fn every_magnitude() -> Vec<f32> {
    let bits = (1..f32::INFINITY.to_bits()).step_by(20_011);
    let common = (0..60_000).map(|i| i as f32 / 500.0);
    bits.map(f32::from_bits)
        .chain(common)
        .flat_map(|z| [z, -z])
        .collect()
}

fn elementwise() -> impl Iterator<Item = Activation> {
    let all = all().into_iter();
    all.filter(|activation| activation.properties().is_elementwise)
}

#[test]
fn values_are_within_some_units_in_the_last_place() {
    let z = every_magnitude();
    let mut wrong = Vec::new();
    for activation in elementwise() {
        // Far below zero the approximation of `gelu` multiplies the rounding errors of its argument, which
        // reaches -80, and `silu` those of subnormal numbers by 100.
        let (units, absolute) = match activation {
            Activation::Linear | Activation::Relu | Activation::Relu6 => (0.0, 0.0),
            Activation::LeakyRelu { .. } | Activation::HardSigmoid => (1.0, 1e-7),
            Activation::Elu { .. } | Activation::Selu | Activation::Softsign => (2.0, 0.0),
            Activation::Exponential | Activation::HardSwish => (2.0, 0.0),
            Activation::Tanh | Activation::Softplus => (4.0, 0.0),
            Activation::Sigmoid => (4.0, 1e-38),
            Activation::Silu | Activation::Mish => (8.0, 1e-43),
            Activation::Gelu { approximate: false } => (8.0, 1e-43),
            Activation::Gelu { approximate: true } => (4.0, 1e-7),
            Activation::Softmax | Activation::LogSoftmax => {
                unreachable!("no activation of single values")
            }
        };
        let mut y = z.clone();
        super::forward(activation, Isa::PORTABLE, 1, &mut y);
        let expected = reference::activation::forward(activation, 1, &to_f64(&z));
        let worst = (0..z.len())
            .filter(|i| y[*i] != expected[*i] as f32)
            .map(|i| {
                let off = (f64::from(y[i]) - expected[i]).abs();
                let error = units_off(y[i], expected[i]);
                (if off <= absolute { 0.0 } else { error }, z[i])
            })
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((error, z)) = worst.filter(|(error, _)| error.is_nan() || *error > units) {
            wrong.push(format!("{activation:?} of {z:e} is off by {error} units"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Also where the derivative is a function of the output.
#[test]
fn gradients_are_right_for_every_magnitude() {
    let mut failures = Failures::default();
    let mut z = every_magnitude();
    z.extend([f32::INFINITY, f32::NEG_INFINITY]);
    for activation in elementwise() {
        // At infinity the twins are NaN; far away stands for it. There these are NaN themselves, of
        // 0 times infinity and of infinity over infinity.
        let is_nan_at_infinity = matches!(
            activation,
            Activation::LeakyRelu {
                negative_slope: 0.0
            } | Activation::Softsign
        );
        let count = z.len() - if is_nan_at_infinity { 2 } else { 0 };
        let z = &z[..count];
        let away: Vec<f64> = z.iter().map(|z| f64::from(z.clamp(-1e38, 1e38))).collect();
        let expected = reference::activation::backward(activation, 1, &away, &vec![1.0; z.len()]);
        let expected: Vec<f32> = expected.iter().map(|slope| *slope as f32).collect();
        let mut y = z.to_vec();
        super::forward(activation, Isa::PORTABLE, 1, &mut y);
        let saves = activation.properties().saves;
        let saved = if saves == Saved::Output { &y } else { z };
        let mut dz = vec![1.0; z.len()];
        super::backward(activation, Isa::PORTABLE, 1, saved, &mut dz);
        failures.compare(|| format!("{activation:?}"), &dz, &expected, 1e-6);
    }
    failures.report();
}

/// So what is tested for one value holds for the loops over vectors.
#[test]
fn vectors_have_the_bits_of_single_values() {
    let z = every_magnitude();
    for activation in elementwise() {
        for isa in Isa::available() {
            let bits = |one_by_one: bool| {
                let (mut y, mut dz) = (z.clone(), vec![0.7; z.len()]);
                let size = if one_by_one { 1 } else { z.len() };
                for y in y.chunks_mut(size) {
                    super::forward(activation, isa, 1, y);
                }
                let saves = activation.properties().saves;
                let saved = if saves == Saved::Output { &y } else { &z };
                for (saved, dz) in saved.chunks(size).zip(dz.chunks_mut(size)) {
                    super::backward(activation, isa, 1, saved, dz);
                }
                let pairs = y.iter().zip(&dz);
                pairs
                    .map(|(y, d)| [y, d].map(|x| x.to_bits()))
                    .collect::<Vec<_>>()
            };
            let (vectors, single) = (bits(false), bits(true));
            let differs = (0..z.len()).find(|i| vectors[*i] != single[*i]);
            let case = format!("{activation:?}, {}", isa.name());
            assert_eq!(differs.map(|i| z[i]), None, "{case}");
        }
    }
}

/// What the compiler believes of an activation is what the twin does.
#[test]
fn properties_are_those_of_the_definition() {
    let mut z = every_magnitude();
    z.retain(|z| z.abs() < 300.0);
    z.sort_by(f32::total_cmp);
    let mut wrong = Vec::new();
    for activation in elementwise() {
        let y = reference::activation::forward(activation, 1, &to_f64(&z));
        let properties = activation.properties();
        let is_monotone = y.windows(2).all(|pair| pair[0] <= pair[1]);
        let is_non_negative = y.iter().all(|y| *y >= 0.0);
        if properties.is_monotone != is_monotone {
            wrong.push(format!("{activation:?}: monotone is {is_monotone}"));
        }
        // With some settings an activation is more than it promises: `elu(0)` is `relu`.
        if properties.is_non_negative && !is_non_negative {
            wrong.push(format!("{activation:?}: negative outputs"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_nan_passes_backward() {
    let mut failures = Failures::default();
    for activation in all() {
        for isa in Isa::available() {
            let mut dy = [f32::NAN, 1.0];
            super::backward(activation, isa, 2, &[0.5, 0.5], &mut dy);
            let expected = if activation.properties().is_elementwise {
                [f32::NAN, dy[1]]
            } else {
                [f32::NAN; 2]
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
