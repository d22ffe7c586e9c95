use super::support::{Failures, Guarded, Random, to_f64};
use crate::kernels::Loss;
use crate::reference;

pub const ALL: [Loss; 3] = [
    Loss::CategoricalCrossentropy,
    Loss::BinaryCrossentropy,
    Loss::MeanSquaredError,
];

#[test]
fn matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for loss in ALL {
        for units in [1, 2, 3, 10, 17, 33] {
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
                let case = || format!("{loss:?} of {units}, n {n}, {target:?}");

                let mut output = Guarded::holding(&z);
                let sum = loss.forward(units, output.values(), &target);
                let output = output.into_values();
                let (expected_sum, expected) =
                    reference::loss::forward(loss, units, &to_f64(&z), &to_f64(&target));
                failures.compare(case, &[sum], &[expected_sum], 1e-6);
                failures.compare(case, &output, &expected, 1e-6);

                let mut gradient = Guarded::new(n * units);
                loss.backward(units, &output, &target, 0.25, gradient.values());
                let expected =
                    reference::loss::backward(loss, units, &to_f64(&z), &to_f64(&target), 0.25);
                failures.compare(case, &gradient.into_values(), &expected, 1e-6);
            }
        }
    }
    failures.report();
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
        let sum = loss.forward(z.len(), &mut z.to_vec(), target);
        // Relative: the small losses count too.
        let [actual, expected] = [sum, expected].map(|sum| [sum * 1e9]);
        failures.compare(|| format!("{loss:?} of {z:?}"), &actual, &expected, 1e-6);
    }
    failures.report();
}

#[test]
fn a_nan_shows_in_loss_and_gradient() {
    let mut failures = Failures::default();
    for loss in ALL {
        let mut output = [0.5, f32::NAN, 0.5, 0.5];
        let target = [1.0, 0.0, 0.0, 1.0];
        let sum = loss.forward(2, &mut output, &target);
        failures.compare(|| format!("{loss:?}"), &[sum], &[f64::NAN], 0.0);
        let mut gradient = [0.0; 4];
        loss.backward(2, &output, &target, 1.0, &mut gradient);
        assert!(
            gradient[1].is_nan() && !gradient[2].is_nan(),
            "{loss:?}: {gradient:?}"
        );
    }
    failures.report();
}
