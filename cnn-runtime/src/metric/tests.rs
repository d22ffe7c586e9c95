use crate::kernels::test_support::{Failures, Random};
use crate::loss::tests::{lines, made, numbers};
use crate::reference;
use cnn_ir::Metric::{Accuracy, MeanAbsoluteError, MeanSquaredError};
use cnn_ir::vocabulary::{MOST, Setting, Word};
use cnn_ir::{Loss, Metric};

/// Every metric with its defaults, and those with arguments with others, too.
fn all() -> Vec<Metric> {
    let of = |word: &Word<Metric>| {
        let mut settings = [Setting::Switch(false); MOST];
        for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
            *setting = parameter.kind.default(false).expect("a default");
        }
        (word.make)(&settings)
    };
    let mut all: Vec<Metric> = Metric::WORDS.iter().map(of).collect();
    let threshold = 0.25;
    all.extend([
        Metric::BinaryAccuracy { threshold },
        Metric::Precision { threshold },
        Metric::Recall { threshold },
        Metric::F1Score { threshold },
        Metric::BinaryIou { threshold },
        Metric::TopKAccuracy { k: 1 },
        Metric::TopKAccuracy { k: 2 },
        Metric::Auc { num_thresholds: 2 },
        Metric::Auc { num_thresholds: 7 },
    ]);
    all
}

/// The value over all examples, added up in batches of so many.
fn value(
    metric: Metric,
    loss: Loss,
    shape: &[usize],
    output: &[f32],
    target: &[f32],
    batch: usize,
) -> f64 {
    let units: usize = shape.iter().product();
    let mut sums = vec![0.0; super::columns(metric, loss, shape)];
    let batches = output
        .chunks(batch * units)
        .zip(target.chunks(batch * units));
    for (output, target) in batches {
        super::add(metric, loss, shape, output, target, &mut sums);
    }
    super::value(metric, loss, shape, &sums, output.len() / units)
}

#[test]
fn matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    let shapes: [&[usize]; 9] = [
        &[1],
        &[2],
        &[10],
        &[3, 1],
        &[4, 2],
        &[2, 3, 1],
        &[2, 3, 4],
        &[5, 1, 3],
        &[],
    ];
    for metric in all() {
        for loss in crate::loss::tests::all() {
            for shape in shapes {
                for examples in [1, 2, 7] {
                    // Few distinct values, so that ties and hits are common, and now and then NaN.
                    let len = examples * shape.iter().product::<usize>();
                    let nan = random.pick(&[1.0, f32::NAN]);
                    let mut values = || -> Vec<f32> {
                        let choices = [0.0, 0.0, 0.0, 0.25, 0.5, 0.5, 1.0, nan];
                        (0..len).map(|_| random.pick(&choices)).collect()
                    };
                    let [output, target] = [values(), values()];
                    let expected = reference::metric::value(metric, loss, shape, &output, &target);
                    let case = || {
                        format!("{metric:?} under {loss:?} of {shape:?}, {output:?} for {target:?}")
                    };
                    // Exact, whatever the batches are.
                    for batch in [1, 3, 100] {
                        let found = value(metric, loss, shape, &output, &target, batch);
                        failures.compare(case, &[found], &[expected], 1e-10);
                    }
                }
            }
        }
    }
    failures.report();
}

const CATEGORICAL: Loss = Loss::CategoricalCrossentropy {
    label_smoothing: 0.0,
};
const BINARY: Loss = Loss::BinaryCrossentropy {
    label_smoothing: 0.0,
};
const MSE: Loss = Loss::MeanSquaredError;
const NAN: f32 = f32::NAN;

#[test]
fn by_hand() {
    type Case<'a> = (Metric, Loss, &'a [usize], &'a [f32], &'a [f32], f64);
    let output: &[f32] = &[0.1, 0.9, 0.6, 0.4];
    let target: &[f32] = &[0.0, 1.0, 0.0, 1.0];
    let cases: &[Case] = &[
        (Accuracy, CATEGORICAL, &[2], output, target, 1.0),
        (Accuracy, MSE, &[2], output, target, 1.0),
        (Accuracy, BINARY, &[2], output, target, 1.0),
        (MeanAbsoluteError, MSE, &[2], output, target, 0.7),
        (MeanSquaredError, MSE, &[2], output, target, 0.37),
        // One value an example is a yes or a no.
        (Accuracy, MSE, &[1], output, target, 2.0),
        // A class for each position: one of two is right, in one example.
        (Accuracy, MSE, &[2, 2], output, target, 0.5),
        (Accuracy, MSE, &[2, 1, 2], output, target, 0.5),
        (Accuracy, CATEGORICAL, &[2, 2], output, target, 0.5),
        // Pictures of one channel are a yes or a no for each pixel.
        (Accuracy, MSE, &[2, 2, 1], output, target, 0.5),
        (Accuracy, BINARY, &[2, 2], output, target, 0.5),
        (MeanAbsoluteError, MSE, &[2, 2], output, target, 0.35),
        // NaN is no answer, wherever it stands in its row, and has none.
        (Accuracy, CATEGORICAL, &[2], &[NAN, NAN], &[1.0, 0.0], 0.0),
        (Accuracy, CATEGORICAL, &[2], &[0.9, NAN], &[1.0, 0.0], 0.0),
        (Accuracy, CATEGORICAL, &[2], &[NAN, 0.9], &[0.0, 1.0], 0.0),
        (Accuracy, MSE, &[2], &[NAN, 0.9], &[1.0, 0.0], 0.0),
        (Accuracy, MSE, &[2], &[0.1, 0.9], &[0.0, NAN], 0.0),
        (Accuracy, MSE, &[2], &[NAN, NAN], &[NAN, NAN], 0.0),
        (Accuracy, MSE, &[1], &[NAN, 0.9], &[0.0, 1.0], 1.0),
        (Accuracy, MSE, &[1], &[0.1], &[NAN], 0.0),
        (Accuracy, BINARY, &[2], &[NAN, 0.9], &[0.0, 1.0], 0.5),
        // The other positions still count.
        (
            Accuracy,
            MSE,
            &[2, 2],
            &[NAN, 0.0, 0.9, 0.1],
            &[1.0, 0.0, 1.0, 0.0],
            0.5,
        ),
        // An example without a label is never right; but numbers may all be zero.
        (Accuracy, CATEGORICAL, &[2], &[0.9, 0.1], &[0.0, 0.0], 0.0),
        (Accuracy, MSE, &[2], &[0.9, 0.1], &[0.0, 0.0], 1.0),
        // Soft labels: the likeliest class.
        (Accuracy, CATEGORICAL, &[2], &[0.9, 0.1], &[0.6, 0.4], 1.0),
    ];
    let mut failures = Failures::default();
    for (metric, loss, shape, output, target, expected) in cases {
        let units: usize = shape.iter().product();
        let examples = (output.len() / units) as f64;
        let found = examples * value(*metric, *loss, shape, output, target, 1);
        let case = || format!("{metric:?} under {loss:?} of {shape:?}: {output:?} for {target:?}");
        failures.compare(case, &[found], &[*expected], 1e-7);
    }
    failures.report();
}

/// Values are those of Keras and scikit-learn, in any batches, and there is one of every metric.
#[test]
fn metrics_are_those_of_keras() {
    let mut failures = Failures::default();
    let mut seen = Vec::new();
    let mut data: (Loss, Vec<usize>, Vec<f32>, Vec<f32>) = (MSE, vec![], vec![], vec![]);
    for line in lines(include_str!("keras.txt")) {
        match line[..] {
            [loss, shape, output, target] => {
                data = (
                    made(Loss::WORDS, loss, ""),
                    numbers(shape),
                    numbers(output),
                    numbers(target),
                );
            }
            [name, settings, expected] => {
                let metric = made(Metric::WORDS, name, settings);
                seen.push(metric.name());
                let (loss, shape, output, target) = &data;
                let expected: f64 = expected.parse().expect("a number");
                for batch in [1, 7, 100] {
                    let found = value(metric, *loss, shape, output, target, batch);
                    // Some of Keras' sums are in single precision.
                    let case = || format!("{metric:?} under {loss:?} of {shape:?}");
                    failures.compare(case, &[found], &[expected], 1e-6);
                }
            }
            _ => panic!("three or four fields: {line:?}"),
        }
    }
    failures.report();
    for word in Metric::WORDS {
        assert!(seen.contains(&word.name), "{}", word.name);
    }
}

/// Targets that are all the same, as in scikit-learn.
#[test]
fn no_variance_to_explain() {
    let of = |output: &[f32]| value(Metric::R2Score, MSE, &[1], output, &[0.1; 1000], 64);
    assert_eq!(of(&[0.1; 1000]), 1.0);
    assert_eq!(of(&[0.2; 1000]), 0.0);
}
