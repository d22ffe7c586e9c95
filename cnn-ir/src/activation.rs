//! The activations.

use crate::vocabulary::{Kind, Range, vocabulary};

/// What the compiler has to know of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Whether a larger input never has a smaller output. The largest value of a pool's window then
    /// stays the largest, so the pool may be computed first.
    pub is_monotone: bool,
    /// Whether each value has an output of its own, whatever its neighbours are.
    pub is_elementwise: bool,
    /// Whether no output is below 0.
    pub is_non_negative: bool,
    /// What the backward pass computes the derivative from.
    pub saves: Saved,
}

/// What a backward pass reads of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The output: the derivative is a function of it.
    Output,
    /// The pre-activation: two of them may have the same output and other derivatives.
    PreActivation,
}

/// A monotone activation of single values whose derivative is a function of its output.
const MONOTONE: Properties = Properties {
    is_monotone: true,
    is_elementwise: true,
    is_non_negative: false,
    saves: Saved::Output,
};

/// An activation of single values that falls and rises again: its derivative is no function of its
/// output.
const NOT_MONOTONE: Properties = Properties {
    is_monotone: false,
    saves: Saved::PreActivation,
    ..MONOTONE
};

vocabulary! {
    /// An activation function.
    pub enum Activation with properties: Properties {
        /// The identity.
        linear => Linear with MONOTONE;

        /// `max(x, 0)`; NaN stays NaN.
        relu => Relu with Properties { is_non_negative: true, ..MONOTONE };

        /// `x` where positive, `negative_slope * x` elsewhere.
        leaky_relu => LeakyRelu {
            /// The slope below zero; not negative, as the backward pass tells the sides apart by the
            /// sign of the output.
            negative_slope: f32 = Kind::number(Range::NonNegative, 0.2).as_layer(0.3),
        } with MONOTONE;

        /// `min(max(x, 0), 6)`; NaN stays NaN (Krizhevsky 2010).
        relu6 => Relu6 with Properties { is_non_negative: true, ..MONOTONE };

        /// `x` where positive, `alpha * (exp(x) - 1)` elsewhere (Clevert et al. 2015).
        elu => Elu {
            /// What it approaches far below zero, with a minus; not negative, as the backward pass tells
            /// the sides apart by the sign of the output.
            alpha: f32 = Kind::number(Range::NonNegative, 1.0),
        } with MONOTONE;

        /// `1.05070099 * elu(x)` with `alpha = 1.67326324` (Klambauer et al. 2017).
        selu => Selu with MONOTONE;

        /// `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks & Gimpel 2016).
        /// That is `x` times the probability that a standard normal variable lies below it.
        gelu => Gelu {
            /// Whether it is computed as `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`, which
            /// differs by less than 0.0005.
            approximate: bool = Kind::switch(false),
        } with NOT_MONOTONE;

        /// `x * sigmoid(x)` (Elfwing et al. 2017).
        silu | swish => Silu with NOT_MONOTONE;

        /// `x * tanh(softplus(x))` (Misra 2019).
        mish => Mish with NOT_MONOTONE;

        /// `x * hard_sigmoid(x)` (Howard et al. 2019).
        hard_swish | hard_silu => HardSwish with NOT_MONOTONE;

        /// `1 / (1 + exp(-x))`.
        sigmoid => Sigmoid with Properties { is_non_negative: true, ..MONOTONE };

        /// `min(max(x + 3, 0), 6) / 6`; NaN stays NaN.
        hard_sigmoid => HardSigmoid with Properties { is_non_negative: true, ..MONOTONE };

        /// The hyperbolic tangent.
        tanh => Tanh with MONOTONE;

        /// `x / (1 + |x|)`.
        softsign => Softsign with MONOTONE;

        /// `ln(1 + exp(x))`.
        softplus => Softplus with Properties { is_non_negative: true, ..MONOTONE };

        /// `exp(x)`.
        exponential => Exponential with Properties { is_non_negative: true, ..MONOTONE };

        /// `exp(x) / sum(exp(x))` over the last axis.
        softmax => Softmax with Properties {
            is_monotone: false,
            is_elementwise: false,
            is_non_negative: true,
            saves: Saved::Output,
        };

        /// `x - ln(sum(exp(x)))` over the last axis: the logarithm of `softmax`.
        log_softmax => LogSoftmax with Properties {
            is_monotone: false,
            is_elementwise: false,
            is_non_negative: false,
            saves: Saved::Output,
        };
    }
}
