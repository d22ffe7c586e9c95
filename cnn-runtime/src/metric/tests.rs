use crate::kernels::test_support::{Failures, Random};
use crate::reference;
use cnn_ir::Metric::{Accuracy, MeanAbsoluteError, MeanSquaredError};
use cnn_ir::{Loss, Metric};
use ndarray::{ArrayD, IxDyn, array, aview1};

const ALL: [Metric; 3] = [Accuracy, MeanAbsoluteError, MeanSquaredError];

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
    for metric in ALL {
        for loss in crate::loss::tests::all() {
            for shape in shapes {
                for examples in [0, 1, 6] {
                    // Few distinct values, so that ties and hits are common, and now and then NaN.
                    let len = examples * shape.iter().product::<usize>();
                    let nan = random.pick(&[1.0, f32::NAN]);
                    let mut values = || -> Vec<f32> {
                        let choices = [0.0, 0.0, 0.0, 0.25, 0.5, 0.5, 1.0, nan];
                        (0..len).map(|_| random.pick(&choices)).collect()
                    };
                    let [output, target] = [values(), values()];
                    let found = super::sum(metric, loss, shape, &output, &target);
                    let expected = reference::metric::sum(metric, loss, shape, &output, &target);
                    let case = || {
                        format!("{metric:?} under {loss:?} of {shape:?}, {output:?} for {target:?}")
                    };
                    if metric != Accuracy && expected.is_nan() {
                        assert!(found.is_nan(), "{}", case());
                    } else {
                        failures.compare(case, &[found], &[expected], 1e-12);
                    }
                }
            }
        }
    }
    failures.report();
}

const CATEGORICAL: Loss = Loss::CategoricalCrossentropy;
const BINARY: Loss = Loss::BinaryCrossentropy;
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
        let found = super::sum(*metric, *loss, shape, output, target);
        let case = || format!("{metric:?} under {loss:?} of {shape:?}: {output:?} for {target:?}");
        failures.compare(case, &[found], &[*expected], 1e-7);
    }
    failures.report();
}

#[test]
fn argmax_is_along_the_last_axis() {
    let cases: [(&[f32], usize); 8] = [
        (&[3.0], 0),
        (&[1.0, 3.0, 2.0], 1),
        (&[-3.0, -1.0, -2.0], 1),
        (&[2.0, 2.0, 1.0], 0),
        (&[f32::NEG_INFINITY, f32::INFINITY], 1),
        (&[0.0, NAN, 5.0, NAN], 1),
        (&[NAN, NAN], 0),
        (&[5.0, NAN], 1),
    ];
    for (row, expected) in cases {
        assert_eq!(
            super::argmax(&aview1(row)).into_scalar(),
            expected,
            "{row:?}"
        );
    }
    let values = array![[[1, 2], [4, 3]], [[5, 6], [8, 7]], [[0, 0], [0, 9]]];
    assert_eq!(super::argmax(&values), array![[1, 0], [1, 0], [0, 1]]);
    assert_eq!(super::argmax(&values.t()), array![[1, 1], [1, 2]]);
    let dynamic: ArrayD<usize> = super::argmax(&values.into_dyn());
    assert_eq!(dynamic.shape(), [3, 2]);
    let none = ArrayD::<f64>::zeros(IxDyn(&[0, 5]));
    assert_eq!(super::argmax(&none).shape(), [0]);
    let none = ArrayD::<f64>::zeros(IxDyn(&[0, 0]));
    assert_eq!(super::argmax(&none).shape(), [0]);
}

#[test]
#[should_panic(expected = "a value in each row")]
fn argmax_of_nothing() {
    super::argmax(&ArrayD::<f32>::zeros(IxDyn(&[2, 0])));
}
