//! The losses.

use crate::activation::Activation;
use crate::vocabulary::{Kind, Range, vocabulary};

/// What the compiler has to know of a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Properties {
    /// The activation that the outputs must end in. It is computed together with the loss, from the
    /// logits, where both are stable. `Linear`: any output does.
    pub activation: Activation,
    /// What an output means.
    pub output: Output,
    /// What the targets may be.
    pub targets: Targets,
    /// Whether outputs below 0 have no loss.
    pub needs_non_negative: bool,
}

/// What the outputs under a loss are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One score for each class along the last axis, of which the largest wins.
    Classes,
    /// A yes or no of its own, on either side of 0.5.
    Binary,
    /// A yes or no of its own, on either side of 0.
    Signs,
    /// Numbers.
    Values,
}

/// The targets that a loss takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Probabilities that sum to at most 1 along the last axis; zeros stand for an example without a label.
    Distribution,
    /// A probability each.
    Probability,
    /// -1 or 0 for no, 1 for yes.
    Sign,
    /// Finite numbers, zero or more.
    NonNegative,
    /// Finite numbers.
    Finite,
}

impl Targets {
    /// Whether one number may stand in a target.
    #[inline(always)]
    pub fn contains(self, value: f32) -> bool {
        match self {
            Self::Distribution | Self::Probability => (0.0..=1.0).contains(&value),
            Self::Sign => (value == 0.0) | (value.abs() == 1.0),
            Self::NonNegative => (0.0..f32::INFINITY).contains(&value),
            Self::Finite => value.is_finite(),
        }
    }

    /// As messages say it: `from 0 to 1`.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Distribution | Self::Probability => "from 0 to 1",
            Self::Sign => "-1, 0 or 1",
            Self::NonNegative => "zero or more and finite",
            Self::Finite => "finite",
        }
    }
}

/// Any output will do.
const VALUES: Properties = Properties {
    activation: Activation::Linear,
    output: Output::Values,
    targets: Targets::Finite,
    needs_non_negative: false,
};

/// A score for each class.
const CLASSES: Properties = Properties {
    output: Output::Classes,
    targets: Targets::Distribution,
    ..VALUES
};

/// A probability for each class.
const SOFTMAX: Properties = Properties {
    activation: Activation::Softmax,
    ..CLASSES
};

/// A probability each.
const SIGMOID: Properties = Properties {
    activation: Activation::Sigmoid,
    output: Output::Binary,
    targets: Targets::Probability,
    ..VALUES
};

/// A number each, whose sign is the answer.
const SIGNS: Properties = Properties {
    output: Output::Signs,
    targets: Targets::Sign,
    ..VALUES
};

vocabulary! {
    /// What training minimises.
    pub enum Loss with properties: Properties {
        /// `-sum(t * ln(softmax(z)))` over the classes; the targets are probabilities. Of an `HxWxC` output, the
        /// mean over its positions, each with `C` classes.
        categorical_crossentropy => CategoricalCrossentropy {
            /// How much of the target is shared by all classes: `t` becomes `(1 - label_smoothing) * t +
            /// label_smoothing / C` (Szegedy et al. 2016).
            label_smoothing: f32 = Kind::number(Range::Fraction, 0.0),
        } with SOFTMAX;

        /// `-mean(t * ln(p) + (1 - t) * ln(1 - p))` over the outputs, with `p = sigmoid(z)`.
        binary_crossentropy => BinaryCrossentropy {
            /// How far the targets are moved towards 1/2: `t` becomes `(1 - label_smoothing) * t +
            /// label_smoothing / 2`.
            label_smoothing: f32 = Kind::number(Range::Fraction, 0.0),
        } with SIGMOID;

        /// `mean((y - t)^2)` over the outputs.
        mse | mean_squared_error => MeanSquaredError with VALUES;

        /// `mean(|y - t|)` over the outputs.
        mae | mean_absolute_error => MeanAbsoluteError with VALUES;

        /// `100 * mean(|y - t| / max(|t|, 1e-7))` over the outputs.
        mape | mean_absolute_percentage_error => MeanAbsolutePercentageError with VALUES;

        /// `mean((ln(1 + max(y, 1e-7)) - ln(1 + max(t, 1e-7)))^2)` over the outputs.
        msle | mean_squared_logarithmic_error => MeanSquaredLogarithmicError with Properties {
            targets: Targets::NonNegative,
            ..VALUES
        };

        /// `mean(h(y - t))` over the outputs: `h(e)` is `e^2 / 2` up to `|e| = delta`, and
        /// `delta * (|e| - delta / 2)` beyond (Huber 1964).
        huber => Huber {
            /// Where the square ends and the line begins.
            delta: f32 = Kind::number(Range::Positive, 1.0),
        } with VALUES;

        /// `mean(ln(cosh(y - t)))` over the outputs.
        log_cosh => LogCosh with VALUES;

        /// `mean(max(1 - s * y, 0))` over the outputs; `s` is 1 for a target of 1, and -1 for 0 or -1 (Cortes & Vapnik
        /// 1995).
        hinge => Hinge with SIGNS;

        /// `mean(max(1 - s * y, 0)^2)` over the outputs, with `s` as in `hinge`.
        squared_hinge => SquaredHinge with SIGNS;

        /// `max(1 + max((1 - t) * y) - sum(t * y), 0)`, with the largest value and the sum over the classes. Of an
        /// `HxWxC` output, the mean over its positions.
        categorical_hinge => CategoricalHinge with CLASSES;

        /// `sum(t * ln(t / softmax(z)))` over the classes (Kullback & Leibler 1951). Of an `HxWxC` output, the mean
        /// over its positions.
        kl_divergence | kld => KlDivergence with SOFTMAX;

        /// `mean(y - t * ln(y + 1e-7))` over the outputs: the negative log-likelihood of counts, up to a constant.
        poisson => Poisson with Properties {
            targets: Targets::NonNegative,
            needs_non_negative: true,
            ..VALUES
        };

        /// `-sum(y * t) / (|y| * |t|)` over the last axis: -1 for vectors in the same direction. Of an `HxWxC` output,
        /// the mean over its positions.
        cosine_similarity => CosineSimilarity with VALUES;

        /// `mean(m^gamma * h)` over the outputs: `h` is the `binary_crossentropy` of an output, and
        /// `m = t * (1 - p) + (1 - t) * p` how far it is from its target (Lin et al. 2017).
        binary_focal_crossentropy => BinaryFocalCrossentropy {
            /// With `apply_class_balancing`, the weight of the targets of 1; those of 0 have `1 - alpha`.
            alpha: f32 = Kind::number(Range::Fraction, 0.25),
            /// How much less outputs count that are right already.
            gamma: f32 = Kind::number(Range::NonNegative, 2.0),
            /// Whether `alpha` is used.
            apply_class_balancing: bool = Kind::switch(false),
            /// As in `binary_crossentropy`.
            label_smoothing: f32 = Kind::number(Range::Fraction, 0.0),
        } with SIGMOID;

        /// `-sum(alpha * (1 - p)^gamma * t * ln(p))` over the classes, with `p = softmax(z)` (Lin et al. 2017). Of an
        /// `HxWxC` output, the mean over its positions.
        categorical_focal_crossentropy => CategoricalFocalCrossentropy {
            /// The weight of all classes.
            alpha: f32 = Kind::number(Range::Positive, 0.25),
            /// How much less positions count that are right already.
            gamma: f32 = Kind::number(Range::NonNegative, 2.0),
            /// As in `categorical_crossentropy`.
            label_smoothing: f32 = Kind::number(Range::Fraction, 0.0),
        } with SOFTMAX;
    }
}
