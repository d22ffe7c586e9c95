use crate::kernels::Isa;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::reference;
use cnn_ir::Loss;
use cnn_ir::vocabulary::{MOST, Setting, Word};

/// Every loss with its defaults.
pub fn all() -> Vec<Loss> {
    let of = |word: &Word<Loss>| {
        let mut settings = [Setting::Switch(false); MOST];
        for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
            *setting = parameter.kind.default(false).expect("a default");
        }
        (word.make)(&settings)
    };
    Loss::WORDS.iter().map(of).collect()
}

#[test]
fn matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for loss in all() {
        let flat = [&[1][..], &[2], &[3], &[10], &[17], &[33]];
        let positions = [
            &[2, 3, 1][..],
            &[3, 1, 2],
            &[1, 5, 3],
            &[7, 5, 4],
            &[2, 2, 21],
        ];
        for shape in [&flat[..], &positions].concat() {
            let units: usize = shape.iter().product();
            for n in 1..=5 {
                let z: Vec<f32> = random.floats(n * units).iter().map(|z| 5.0 * z).collect();
                let hot = random.bits().is_multiple_of(2);
                let target: Vec<f32> = (0..n * units)
                    .map(|_| {
                        if hot {
                            random.pick(&[0.0, 1.0])
                        } else {
                            random.value().abs()
                        }
                    })
                    .collect();
                let case = || format!("{loss:?} of {shape:?}, n {n}, {target:?}");

                let [z64, target64] = [&z, &target].map(|values| to_f64(values));
                let (expected_losses, expected_output): (Vec<f64>, Vec<Vec<f64>>) = z64
                    .chunks(units)
                    .zip(target64.chunks(units))
                    .map(|(z, target)| reference::loss::forward(loss, shape, z, target))
                    .unzip();
                let expected_output = expected_output.concat();
                let expected_gradient =
                    reference::loss::backward(loss, shape, &z64, &target64, 0.25);
                for isa in Isa::available() {
                    let case = |what: &str| format!("{what}, {}, {}", case(), isa.name());
                    let mut output = Guarded::holding(&z);
                    let mut losses = Guarded::new(n);
                    super::forward(loss, isa, shape, output.values(), &target, losses.values());
                    let (output, losses) = (output.into_values(), losses.into_values());
                    failures.compare(|| case("losses"), &losses, &expected_losses, 1e-6);
                    failures.compare(|| case("output"), &output, &expected_output, 1e-6);

                    let mut gradient = Guarded::new(n * units);
                    super::backward(loss, isa, shape, &output, &target, 0.25, gradient.values());
                    let gradient = gradient.into_values();
                    failures.compare(|| case("gradient"), &gradient, &expected_gradient, 1e-6);
                }
            }
        }
    }
    failures.report();
}

/// Positions are rows as those of examples are: the same probabilities, and of a power of two of them the same
/// gradients, to the bit.
#[test]
fn positions_are_rows() {
    let mut random = Random::new(2);
    let loss = Loss::CategoricalCrossentropy;
    for classes in [2, 3, 10, 21] {
        let z = random.floats(3 * 8 * classes);
        let target: Vec<f32> = z.iter().map(|z| f32::from(*z > 0.5)).collect();
        for isa in Isa::available() {
            let run = |shape: &[usize], examples: usize, scale: f32| {
                let (mut output, mut losses) = (z.clone(), vec![0.0; examples]);
                super::forward(loss, isa, shape, &mut output, &target, &mut losses);
                let mut gradient = vec![0.0; z.len()];
                super::backward(loss, isa, shape, &output, &target, scale, &mut gradient);
                (output, gradient, losses)
            };
            let (output, gradient, losses) = run(&[4, 2, classes], 3, 0.3);
            let (rows, row_gradient, row_losses) = run(&[classes], 24, 0.3 / 8.0);
            assert_eq!(output, rows, "{classes}, {}", isa.name());
            assert_eq!(gradient, row_gradient, "{classes}, {}", isa.name());
            for (loss, rows) in losses.iter().zip(row_losses.chunks(8)) {
                let mean = rows.iter().map(|loss| f64::from(*loss)).sum::<f64>() / 8.0;
                assert!((f64::from(*loss) - mean).abs() < 1e-6 * mean.max(1.0));
            }
        }
    }
}

#[test]
fn large_logits_are_exact() {
    let cases: [(Loss, &[f32], &[f32], f64); 6] = [
        (
            Loss::CategoricalCrossentropy,
            &[1000.0, 0.0],
            &[0.0, 1.0],
            1000.0,
        ),
        (
            Loss::CategoricalCrossentropy,
            &[-1000.0, -1000.0],
            &[0.0, 1.0],
            2.0f64.ln(),
        ),
        (
            Loss::CategoricalCrossentropy,
            &[0.0, f32::NEG_INFINITY],
            &[1.0, 0.0],
            0.0,
        ),
        (
            Loss::BinaryCrossentropy,
            &[1000.0, -1000.0],
            &[0.0, 1.0],
            1000.0,
        ),
        (
            Loss::BinaryCrossentropy,
            &[1000.0, -1000.0],
            &[1.0, 0.0],
            0.0,
        ),
        (
            Loss::BinaryCrossentropy,
            &[20.0],
            &[1.0],
            (-20.0f64).exp().ln_1p(),
        ),
    ];
    let mut failures = Failures::default();
    for (loss, z, target, expected) in cases {
        for isa in Isa::available() {
            let mut sum = [f32::NAN];
            super::forward(loss, isa, &[z.len()], &mut z.to_vec(), target, &mut sum);
            // Relative: the small losses count too.
            let [actual, expected] = [f64::from(sum[0]), expected].map(|sum| [sum * 1e9]);
            let case = || format!("{loss:?} of {z:?}, {}", isa.name());
            failures.compare(case, &actual, &expected, 1e-6);
        }
    }
    failures.report();
}

#[test]
fn a_nan_shows_in_loss_and_gradient() {
    for loss in all() {
        for isa in Isa::available() {
            let mut output = [0.5, f32::NAN, 0.5, 0.5];
            let target = [1.0, 0.0, 0.0, 1.0];
            let mut losses = [0.0; 2];
            super::forward(loss, isa, &[2], &mut output, &target, &mut losses);
            let mut gradient = [0.0; 4];
            super::backward(loss, isa, &[2], &output, &target, 1.0, &mut gradient);
            assert!(
                losses[0].is_nan() && losses[1].is_finite(),
                "{loss:?}: {losses:?}"
            );
            assert!(
                gradient[1].is_nan() && !gradient[2].is_nan(),
                "{loss:?}: {gradient:?}"
            );
        }
    }
}
