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
}

/// What the outputs under a loss are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One score for each class along the last axis, of which the largest wins.
    Classes,
    /// A yes or no of its own, on either side of 0.5.
    Binary,
    /// Numbers.
    Values,
}

/// Any output will do.
const VALUES: Properties = Properties {
    activation: Activation::Linear,
    output: Output::Values,
};

vocabulary! {
    /// What training minimises.
    pub enum Loss with properties: Properties {
        /// `-sum(t * ln(softmax(z)))` over the classes; the targets are probabilities. Of an `HxWxC` output, the
        /// mean over its positions, each with `C` classes.
        categorical_crossentropy => CategoricalCrossentropy with Properties {
            activation: Activation::Softmax,
            output: Output::Classes,
        };

        /// `-mean(t * ln(p) + (1 - t) * ln(1 - p))` over the outputs, with `p = sigmoid(z)`.
        binary_crossentropy => BinaryCrossentropy with Properties {
            activation: Activation::Sigmoid,
            output: Output::Binary,
        };

        /// `mean((y - t)^2)` over the outputs.
        mse | mean_squared_error => MeanSquaredError with VALUES;

        /// `mean(h(y - t))` over the outputs: `h(e)` is `e^2 / 2` up to `|e| = delta`, and
        /// `delta * (|e| - delta / 2)` beyond (Huber 1964).
        huber => Huber {
            /// Where the square ends and the line begins.
            delta: f32 = Kind::number(Range::Positive, 1.0),
        } with VALUES;
    }
}
