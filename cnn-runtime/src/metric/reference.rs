//! Metrics by their definitions, of all examples together.

use super::with;
use crate::reference::Real;
use cnn_ir::{Loss, Metric};

/// The value of the metric over all examples; `output` and `target` are `[n, ..shape]`.
pub fn value<T: Real>(
    metric: Metric,
    loss: Loss,
    shape: &[usize],
    output: &[T],
    target: &[T],
) -> f64 {
    let doubles = |values: &[T]| -> Vec<f64> { values.iter().map(|v| v.to_f64()).collect() };
    let (output, target) = (doubles(output), doubles(target));
    with(metric, loss, shape, |function| {
        function.twin(&output, &target)
    })
}

/// The mean of `f` over all outputs.
pub(super) fn mean(y: &[f64], t: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let values = y.iter().zip(t).map(|(y, t)| f(*y, *t));
    values.sum::<f64>() / y.len() as f64
}
