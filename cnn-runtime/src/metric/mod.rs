//! What is reported beside the loss: a file each, and one table.
//!
//! ```text
//! outputs, targets ──add──▶ sums over examples ──value──▶ one number
//! ```
//!
//! A metric is a function of sums over examples, whose number depends on its settings and on the shape of the output
//! alone. The sums of parts of the data are added in a fixed order, so the value is exact whatever the batches and the
//! threads are.

mod accuracy;
mod auc;
mod binary_accuracy;
mod counts;
mod errors;
mod r2_score;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod tests;
mod top_k_accuracy;

use cnn_ir::{Loss, Metric};
pub(crate) use counts::Answers;
use counts::{Counts, Ratio};

/// A metric of outputs with some shape.
trait Function {
    /// The number of its sums.
    fn columns(&self) -> usize {
        1
    }

    /// Adds whole examples to the sums, each `[n, ..shape]`.
    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]);

    /// The value over so many examples.
    fn value(&self, sums: &[f64], examples: f64) -> f64 {
        sums[0] / examples
    }

    /// By definition, of all examples together.
    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, output: &[f64], target: &[f64]) -> f64;
}

/// Calls `f` with the function of a metric under a loss, of outputs with some shape.
fn with<R>(metric: Metric, loss: Loss, shape: &[usize], f: impl FnOnce(&dyn Function) -> R) -> R {
    let units = shape.iter().product();
    let classes = shape.last().copied().unwrap_or(1);
    let counts = |ratio, threshold| Counts {
        ratio,
        answers: Answers::new(loss, shape, threshold),
    };
    match metric {
        Metric::Accuracy => f(&accuracy::Accuracy {
            loss,
            classes,
            units,
        }),
        Metric::BinaryAccuracy { threshold } => f(&binary_accuracy::BinaryAccuracy {
            units,
            threshold,
            border: counts::border(loss),
        }),
        Metric::TopKAccuracy { k } => f(&top_k_accuracy::TopKAccuracy { classes, units, k }),
        Metric::Precision { threshold } => f(&counts(Ratio::Precision, threshold)),
        Metric::Recall { threshold } => f(&counts(Ratio::Recall, threshold)),
        Metric::F1Score { threshold } => f(&counts(Ratio::F1Score, threshold)),
        Metric::MeanIou => f(&counts(Ratio::Iou, 0.5)),
        Metric::BinaryIou { threshold } => f(&counts(Ratio::Iou, threshold)),
        Metric::Auc { num_thresholds } => f(&auc::Auc {
            buckets: (num_thresholds as usize).saturating_sub(1).max(1),
        }),
        Metric::MeanAbsoluteError => f(&errors::absolute(units)),
        Metric::MeanSquaredError => f(&errors::squared(units)),
        Metric::RootMeanSquaredError => f(&errors::RootMeanSquaredError { units }),
        Metric::MeanAbsolutePercentageError => f(&errors::percentage(units)),
        Metric::R2Score => f(&r2_score::R2Score { classes, units }),
    }
}

/// How many sums a metric has over outputs of a shape.
pub fn columns(metric: Metric, loss: Loss, shape: &[usize]) -> usize {
    with(metric, loss, shape, |function| function.columns())
}

/// Adds examples to the sums of a metric, [`columns`] of them.
///
/// `shape` is that of one output, and the last axis of an output of classes holds a score for each.
/// `output` and `target` are `[n, ..shape]`, and `output` holds what
/// [`loss::forward`](crate::loss::forward) left: probabilities, not logits.
///
/// # Panics
/// If `shape` is empty along an axis, or the slices differ in length or are not made of whole examples.
pub fn add(
    metric: Metric,
    loss: Loss,
    shape: &[usize],
    output: &[f32],
    target: &[f32],
    sums: &mut [f64],
) {
    let units: usize = shape.iter().product();
    assert!(
        units > 0 && output.len().is_multiple_of(units),
        "whole examples of `shape`"
    );
    assert_eq!(output.len(), target.len(), "a target for each output");
    with(metric, loss, shape, |function| {
        function.add(output, target, sums);
    });
}

/// The value of a metric, from its sums over so many examples.
pub fn value(metric: Metric, loss: Loss, shape: &[usize], sums: &[f64], examples: usize) -> f64 {
    with(metric, loss, shape, |function| {
        function.value(sums, examples as f64)
    })
}
