//! What is reported beside the loss: a file each, and one table.

mod accuracy;
mod argmax;
mod mean_absolute_error;
mod mean_squared_error;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod tests;

#[cfg(feature = "std")]
pub use argmax::argmax;
use cnn_ir::{Loss, Metric};

/// The sum of a metric over the examples: for each, the mean over its positions (accuracy) or values.
///
/// `shape` is that of one output, and the last axis of an output of classes holds a score for each.
/// `output` and `target` are `[n, ..shape]`, and `output` holds what
/// [`loss::forward`](crate::loss::forward) left: probabilities, not logits.
///
/// # Panics
/// If `shape` is empty along an axis, or the slices differ in length or are not made of whole examples.
pub fn sum(metric: Metric, loss: Loss, shape: &[usize], output: &[f32], target: &[f32]) -> f64 {
    let units: usize = shape.iter().product();
    assert!(
        units > 0 && output.len().is_multiple_of(units),
        "whole examples of `shape`"
    );
    assert_eq!(output.len(), target.len(), "a target for each output");
    match metric {
        Metric::Accuracy => accuracy::sum(loss, shape, output, target),
        Metric::MeanAbsoluteError => mean_absolute_error::sum(units, output, target),
        Metric::MeanSquaredError => mean_squared_error::sum(units, output, target),
    }
}

/// The sum over examples of the mean of `f` over their outputs.
fn sum_of_means(units: usize, output: &[f32], target: &[f32], f: impl Fn(f32, f32) -> f64) -> f64 {
    let pairs = output.iter().zip(target);
    pairs.map(|(y, t)| f(*y, *t)).sum::<f64>() / units as f64
}
