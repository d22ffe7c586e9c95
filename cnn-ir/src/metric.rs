//! The metrics.

use crate::vocabulary::vocabulary;

/// What the compiler has to know of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Whether larger is better.
    pub larger_is_better: bool,
}

vocabulary! {
    /// What is reported beside the loss.
    pub enum Metric with properties: Properties {
        /// The share classified rightly. A class for each position: positions whose largest output along the
        /// last axis is that of the target. Yes or no: outputs on the target's side of 0.5.
        accuracy => Accuracy with Properties { larger_is_better: true };

        /// `mean(|y - t|)`.
        mae | mean_absolute_error => MeanAbsoluteError with Properties { larger_is_better: false };

        /// `mean((y - t)^2)`.
        mse | mean_squared_error => MeanSquaredError with Properties { larger_is_better: false };
    }
}
