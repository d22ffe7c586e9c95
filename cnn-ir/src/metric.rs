//! The metrics.

use crate::loss::Output;
use crate::vocabulary::{Kind, Range, vocabulary};

/// What the compiler has to know of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Whether larger is better.
    pub larger_is_better: bool,
    /// The outputs that it is of.
    pub of: Of,
}

/// The outputs that a metric is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All.
    Anything,
    /// Answers of yes or no, and scores of classes.
    Answers,
    /// Answers of yes or no.
    YesOrNo,
    /// Probabilities of a yes.
    Probabilities,
    /// Scores of classes along the last axis.
    Classes,
}

impl Output {
    /// What outputs with so many values on the last axis mean to a metric of answers: a single number is a yes or no,
    /// and of several the largest wins.
    pub const fn answers(self, last: usize) -> Self {
        match (self, last) {
            (Self::Values, 1) => Self::Binary,
            (Self::Values | Self::Classes, _) => Self::Classes,
            (Self::Binary, _) => Self::Binary,
            (Self::Signs, _) => Self::Signs,
        }
    }
}

/// Better where larger, and at most 1.
const fn score(of: Of) -> Properties {
    Properties {
        larger_is_better: true,
        of,
    }
}

/// Better where smaller.
const ERROR: Properties = Properties {
    larger_is_better: false,
    of: Of::Anything,
};

/// The most thresholds of `auc`.
pub const MOST_THRESHOLDS: u64 = 10_000;

vocabulary! {
    /// What is reported beside the loss.
    pub enum Metric with properties: Properties {
        /// The share classified rightly. A class for each position: positions whose largest output along the
        /// last axis is that of the target. Yes or no: outputs on the target's side of 0.5, or of 0 under `hinge`.
        accuracy => Accuracy with score(Of::Anything);

        /// The share of the outputs that are above `threshold` where the target is a yes, and not above it elsewhere.
        binary_accuracy => BinaryAccuracy {
            /// Outputs above it are a yes.
            threshold: f32 = Kind::number(Range::Any, 0.5),
        } with score(Of::YesOrNo);

        /// The share of the positions where fewer than `k` outputs are larger than that of the target's class.
        top_k_accuracy => TopKAccuracy {
            /// How many classes are looked at.
            k: u64 = Kind::Count { least: 1, default: Some(5) },
        } with score(Of::Classes);

        /// `TP / (TP + FP)`: how many of those that were found are right. Of classes, the mean over the classes that
        /// occur in targets or outputs.
        precision => Precision {
            /// Outputs above it are a yes. Of classes, the largest output is found.
            threshold: f32 = Kind::number(Range::Any, 0.5),
        } with score(Of::Answers);

        /// `TP / (TP + FN)`: how many of those that are there were found. Of classes, as `precision`.
        recall => Recall {
            /// As in `precision`.
            threshold: f32 = Kind::number(Range::Any, 0.5),
        } with score(Of::Answers);

        /// `2 * TP / (2 * TP + FP + FN)`, the harmonic mean of precision and recall. Of classes, as `precision`.
        f1_score => F1Score {
            /// As in `precision`.
            threshold: f32 = Kind::number(Range::Any, 0.5),
        } with score(Of::Answers);

        /// The area under the ROC curve: the probability that a yes has a larger output than a no. The curve has a
        /// point for each threshold, and lines between them.
        auc => Auc {
            /// How many points the curve has.
            num_thresholds: u64 = Kind::Count { least: 2, default: Some(200) },
        } with score(Of::Probabilities);

        /// `TP / (TP + FP + FN)` of each class (intersection over union), the mean over the classes that occur in
        /// targets or outputs.
        mean_iou => MeanIou with score(Of::Classes);

        /// The mean of `TP / (TP + FP + FN)` of yes and of no.
        binary_iou => BinaryIou {
            /// Outputs above it are a yes.
            threshold: f32 = Kind::number(Range::Any, 0.5),
        } with score(Of::YesOrNo);

        /// `mean(|y - t|)`.
        mae | mean_absolute_error => MeanAbsoluteError with ERROR;

        /// `mean((y - t)^2)`.
        mse | mean_squared_error => MeanSquaredError with ERROR;

        /// `sqrt(mean((y - t)^2))` over all values of all examples.
        rmse | root_mean_squared_error => RootMeanSquaredError with ERROR;

        /// `100 * mean(|y - t| / max(|t|, 1e-7))`.
        mape | mean_absolute_percentage_error => MeanAbsolutePercentageError with ERROR;

        /// `1 - sum((y - t)^2) / sum((t - mean(t))^2)`: the share of the targets' variance that the outputs explain. The
        /// mean over the last axis.
        r2_score => R2Score with score(Of::Anything);
    }
}
