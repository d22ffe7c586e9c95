//! Metrics example by example.

use super::{accuracy, mean_absolute_error, mean_squared_error};
use crate::reference::Real;
use cnn_ir::{Loss, Metric};

/// The sum of the metric over the examples; `output` and `target` are `[n, ..shape]`.
pub fn sum<T: Real>(
    metric: Metric,
    loss: Loss,
    shape: &[usize],
    output: &[T],
    target: &[T],
) -> f64 {
    let units = shape.iter().product();
    let classes = shape.last().copied().unwrap_or(1);
    let doubles = |values: &[T]| -> Vec<f64> { values.iter().map(|v| v.to_f64()).collect() };
    let (output, target) = (doubles(output), doubles(target));
    let examples = output.chunks(units).zip(target.chunks(units));
    let of = |(y, t): (&[f64], &[f64])| match metric {
        Metric::Accuracy => accuracy::twin(loss, classes, y, t),
        Metric::MeanAbsoluteError => mean_absolute_error::twin(y, t),
        Metric::MeanSquaredError => mean_squared_error::twin(y, t),
    };
    examples.map(of).sum()
}

/// The mean of `f` over the outputs of an example.
pub(super) fn mean(y: &[f64], t: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let values = y.iter().zip(t).map(|(y, t)| f(*y, *t));
    values.sum::<f64>() / y.len() as f64
}
