//! What is reported beside the loss.

use super::Loss;

/// A measure of how well outputs fit targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The share classified rightly: examples whose largest output is that of the target, or, for
    /// yes/no outputs, outputs on the target's side of 0.5.
    Accuracy,
    /// `mean(|y - t|)`, Keras' `mae`.
    MeanAbsoluteError,
    /// `mean((y - t)^2)`, Keras' `mse`.
    MeanSquaredError,
}

impl Metric {
    /// The sum of the metric over the examples; `output` and `target` are `[n, units]`, and
    /// `output` holds what [`Loss::forward`] left: probabilities, not logits.
    ///
    /// The loss decides what accuracy means. Outputs are yes/no answers under binary
    /// cross-entropy, and under the mean squared error where there is only one.
    ///
    /// # Panics
    /// If the slices differ in length or are not made of whole rows of `units`.
    pub fn sum(self, loss: Loss, units: usize, output: &[f32], target: &[f32]) -> f64 {
        assert!(
            units > 0 && output.len().is_multiple_of(units),
            "whole rows of `units`"
        );
        assert_eq!(output.len(), target.len(), "a target for each output");
        let pairs = output.iter().zip(target);
        let mean = |sum: f64| sum / units as f64;
        match self {
            Self::Accuracy
                if loss == Loss::BinaryCrossentropy
                    || (loss == Loss::MeanSquaredError && units == 1) =>
            {
                mean(pairs.filter(|(y, t)| (**y > 0.5) == (**t > 0.5)).count() as f64)
            }
            Self::Accuracy => {
                let rows = output.chunks_exact(units).zip(target.chunks_exact(units));
                rows.filter(|(y, t)| argmax(y) == argmax(t)).count() as f64
            }
            Self::MeanAbsoluteError => mean(pairs.map(|(y, t)| f64::from((y - t).abs())).sum()),
            Self::MeanSquaredError => mean(
                pairs
                    .map(|(y, t)| f64::from(y - t) * f64::from(y - t))
                    .sum(),
            ),
        }
    }
}

/// The place of the largest value, the first one on ties.
fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = i;
        }
    }
    best
}
