use crate::kernels::test_support::{Failures, Random};
use crate::reference;
use cnn_ir::{Loss, Metric};

const ALL: [Metric; 3] = [
    Metric::Accuracy,
    Metric::MeanAbsoluteError,
    Metric::MeanSquaredError,
];

#[test]
fn matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for metric in ALL {
        for loss in crate::loss::tests::all() {
            for units in [1, 2, 10] {
                // Few distinct values, so that ties and hits are common.
                let mut values = || -> Vec<f32> {
                    (0..6 * units)
                        .map(|_| random.pick(&[0.0, 0.25, 0.5, 1.0]))
                        .collect()
                };
                let [output, target] = [values(), values()];
                failures.compare(
                    || format!("{metric:?} under {loss:?} of {units}"),
                    &[super::sum(metric, loss, units, &output, &target)],
                    &[reference::metric::sum(
                        metric, loss, units, &output, &target,
                    )],
                    1e-12,
                );
            }
        }
    }
    failures.report();
}

#[test]
fn by_hand() {
    let output = [0.1, 0.9, 0.6, 0.4];
    let target = [0.0, 1.0, 0.0, 1.0];
    let sum = |metric: Metric, loss| super::sum(metric, loss, 2, &output, &target);
    let cases = [
        (sum(Metric::Accuracy, Loss::CategoricalCrossentropy), 1.0),
        (sum(Metric::Accuracy, Loss::MeanSquaredError), 1.0),
        (sum(Metric::Accuracy, Loss::BinaryCrossentropy), 1.0),
        (sum(Metric::MeanAbsoluteError, Loss::MeanSquaredError), 0.7),
        (sum(Metric::MeanSquaredError, Loss::MeanSquaredError), 0.37),
        (
            super::sum(
                Metric::Accuracy,
                Loss::MeanSquaredError,
                1,
                &output,
                &target,
            ),
            2.0,
        ),
    ];
    let mut failures = Failures::default();
    for (i, (actual, expected)) in cases.into_iter().enumerate() {
        failures.compare(|| format!("case {i}"), &[actual], &[expected], 1e-7);
    }
    failures.report();
}
