//! The optimizers, with the hyperparameters of Keras 3.
//!
//! An [`Optimizer`] is an [`UpdateRule`] with what Keras gives every optimizer: a learning rate, which may be a
//! [`Schedule`], weight decay, and clipping of the gradients.

use core::iter;

use crate::Schedule;
use crate::vocabulary::{Kind, Parameter, Range, vocabulary};

/// What an update looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each parameter by itself: a tensor may be updated in pieces.
    Elements,
    /// A whole tensor, with its shape.
    Tensor,
}

/// What is known of an update rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Properties {
    /// What an update looks at.
    pub scope: Scope,
    /// The learning rate where none is given.
    pub learning_rate: f64,
    /// The weight decay where none is given.
    pub weight_decay: f64,
}

const ELEMENTS: Properties = Properties {
    scope: Scope::Elements,
    learning_rate: 1e-3,
    weight_decay: 0.0,
};

vocabulary! {
    /// The update of a parameter `w` by its gradient `g`, with the hyperparameters of the rule. They are `f64` as Keras'
    /// are, because `1 - beta_2` is off by 1e-5 of itself when taken in single precision; the arithmetic on tensors is
    /// single precision.
    ///
    /// An [`Optimizer`] is such a rule with a learning rate.
    pub enum UpdateRule with properties: Properties {
        /// Stochastic gradient descent.
        ///
        /// Without momentum `w -= learning_rate * g`. With momentum `velocity = momentum * velocity -
        /// learning_rate * g` and then `w += velocity`, or after Nesterov
        /// `w += momentum * velocity - learning_rate * g`.
        sgd => Sgd {
            /// How much of the last step is kept.
            momentum: f64 = Kind::number(Range::Fraction, 0.0),
            /// Whether the step looks ahead.
            nesterov: bool = Kind::switch(false),
        } with Properties { learning_rate: 0.01, ..ELEMENTS };

        /// RMSprop (Tieleman & Hinton 2012).
        ///
        /// `square = rho * square + (1 - rho) * g^2` and
        /// `step = learning_rate * g / sqrt(square + epsilon)`; then `w -= step`, or with momentum
        /// `velocity = momentum * velocity + step`, `w -= velocity`. Centered (Graves 2013), with
        /// `mean = rho * mean + (1 - rho) * g`, it divides by `sqrt(square - mean^2 + epsilon)`.
        rmsprop => RmsProp {
            /// How much of the mean square is kept.
            rho: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the last step is kept.
            momentum: f64 = Kind::number(Range::Fraction, 0.0),
            /// Added to the mean square.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
            /// Whether it divides by the variance in place of the mean square.
            centered: bool = Kind::switch(false),
        } with ELEMENTS;

        /// Adam (Kingma & Ba 2015), in the form just before their section 2.1.
        ///
        /// `m += (1 - beta_1) * (g - m)`, `v += (1 - beta_2) * (g^2 - v)`,
        /// `w -= alpha * m / (sqrt(v) + epsilon)`, where
        /// `alpha = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)` in step `t`. With `amsgrad` (Reddi et al.
        /// 2018) the largest `v` so far takes the place of `v`.
        adam => Adam {
            /// How much of the mean gradient is kept.
            beta_1: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the mean square is kept.
            beta_2: f64 = Kind::number(Range::Fraction, 0.999),
            /// Added to the root of the mean square.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
            /// Whether the largest mean square so far is used.
            amsgrad: bool = Kind::switch(false),
        } with ELEMENTS;

        /// Adam with decoupled weight decay (Loshchilov & Hutter 2019): `adam` with another default of
        /// `weight_decay`.
        adamw => AdamW {
            /// How much of the mean gradient is kept.
            beta_1: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the mean square is kept.
            beta_2: f64 = Kind::number(Range::Fraction, 0.999),
            /// Added to the root of the mean square.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
            /// Whether the largest mean square so far is used.
            amsgrad: bool = Kind::switch(false),
        } with Properties { weight_decay: 0.004, ..ELEMENTS };

        /// Nadam (Dozat 2016), Adam with Nesterov's momentum.
        ///
        /// With `u(t) = beta_1 * (1 - 0.96^t / 2)` and `U(t) = u(1) * … * u(t)`:
        /// `m` and `v` as in Adam, `v' = v / (1 - beta_2^t)`,
        /// `m' = u(t + 1) * m / (1 - U(t + 1)) + (1 - u(t)) * g / (1 - U(t))`,
        /// `w -= learning_rate * m' / (sqrt(v') + epsilon)` in step `t`.
        nadam => Nadam {
            /// How much of the mean gradient is kept, once the decay has risen to it.
            beta_1: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the mean square is kept.
            beta_2: f64 = Kind::number(Range::Fraction, 0.999),
            /// Added to the root of the mean square.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
        } with ELEMENTS;

        /// Adamax (Kingma & Ba 2015, section 7.1): Adam with the infinity norm.
        ///
        /// `m += (1 - beta_1) * (g - m)`, `u = max(beta_2 * u, |g|)`,
        /// `w -= learning_rate / (1 - beta_1^t) * m / (u + epsilon)` in step `t`.
        adamax => Adamax {
            /// How much of the mean gradient is kept.
            beta_1: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the largest magnitude is kept.
            beta_2: f64 = Kind::number(Range::Fraction, 0.999),
            /// Added to the largest magnitude.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
        } with ELEMENTS;

        /// Adagrad (Duchi et al. 2011).
        ///
        /// `sum += g^2`, `w -= learning_rate * g / sqrt(sum + epsilon)`.
        adagrad => Adagrad {
            /// What the sum of squares begins with.
            initial_accumulator_value: f64 = Kind::number(Range::NonNegative, 0.1),
            /// Added to the sum of squares.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
        } with ELEMENTS;

        /// Adadelta (Zeiler 2012). With `learning_rate = 1` it is that of the paper.
        ///
        /// `square = rho * square + (1 - rho) * g^2`,
        /// `delta = sqrt(steps + epsilon) / sqrt(square + epsilon) * g`,
        /// `steps = rho * steps + (1 - rho) * delta^2`, `w -= learning_rate * delta`.
        adadelta => Adadelta {
            /// How much of the mean squares is kept.
            rho: f64 = Kind::number(Range::Fraction, 0.95),
            /// Added to the mean squares.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
        } with ELEMENTS;

        /// Lion (Chen et al. 2023). It wants a learning rate of a third to a tenth of Adam's.
        ///
        /// `w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g)`, then
        /// `m = beta_2 * m + (1 - beta_2) * g`.
        lion => Lion {
            /// How much of the mean gradient decides the sign.
            beta_1: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the mean gradient is kept.
            beta_2: f64 = Kind::number(Range::Fraction, 0.99),
        } with ELEMENTS;

        /// Muon (Jordan et al. 2024) for kernels of dense layers, which are matrices, and AdamW for all other tensors.
        ///
        /// `m = momentum * m + g`, `X = g + momentum * m` with `nesterov`, else `m`, divided by its norm;
        /// `ns_steps` times `X = a * X + (b * A + c * A * A) * X` with `A = X * transpose(X)`, which brings the singular
        /// values of `X` near 1; `w -= learning_rate * rms_rate * sqrt(max(rows, columns)) * X`. Weight decay is
        /// `weight_decay` for matrices, and `adam_weight_decay` for other tensors.
        muon => Muon {
            /// Of AdamW: how much of the mean gradient is kept.
            adam_beta_1: f64 = Kind::number(Range::Fraction, 0.9),
            /// Of AdamW: how much of the mean square is kept.
            adam_beta_2: f64 = Kind::number(Range::Fraction, 0.999),
            /// Of AdamW: the weight decay.
            adam_weight_decay: f64 = Kind::number(Range::NonNegative, 0.004),
            /// Of AdamW: added to the root of the mean square.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
            /// The first coefficient of a Newton-Schulz step.
            muon_a: f64 = Kind::number(Range::Any, 3.4445),
            /// The second one.
            muon_b: f64 = Kind::number(Range::Any, -4.7750),
            /// The third one.
            muon_c: f64 = Kind::number(Range::Any, 2.0315),
            /// Of AdamW: what the learning rate is multiplied by.
            adam_lr_ratio: f64 = Kind::number(Range::Positive, 1.0),
            /// How much of the momentum is kept.
            momentum: f64 = Kind::number(Range::Fraction, 0.95),
            /// Newton-Schulz steps.
            ns_steps: u64 = Kind::Count { least: 1, default: Some(5) },
            /// Whether the step looks ahead.
            nesterov: bool = Kind::switch(true),
            /// How large an update is, beside one of Adam; 0 leaves it as it is.
            rms_rate: f64 = Kind::number(Range::NonNegative, 0.2),
            /// Whether kernels of convolutions are matrices too, of `height * width * inputs` rows and a column for each
            /// filter. Keras leaves them to AdamW.
            flatten_kernels: bool = Kind::switch(false),
        } with Properties { scope: Scope::Tensor, weight_decay: 0.004, ..ELEMENTS };
    }
}

/// How gradients are clipped before an update. With `c` the number that is given:
#[derive(Clone, Copy, PartialEq)]
pub enum Clip {
    /// Not at all.
    None,
    /// Each gradient to `-c..=c`.
    Value(f64),
    /// Those of a tensor are multiplied by `min(1, c / norm)`, where `norm` is their Euclidean norm.
    Norm(f64),
    /// All gradients are multiplied by `min(1, c / norm)`, where `norm` is the Euclidean norm of all of them.
    GlobalNorm(f64),
}

/// An [`UpdateRule`], and what every optimizer has.
///
/// ```
/// use cnn_ir::{Clip, Optimizer, Schedule, UpdateRule};
///
/// let defaults = Optimizer::adam();
/// let slower = Optimizer::adam().with_learning_rate(1e-4);
/// assert_eq!(defaults, slower.with_learning_rate(1e-3));
///
/// let scheduled = Optimizer::adamw()
///     .with_learning_rate(Schedule::cosine_decay(1e-3, 10_000).with_warmup(500))
///     .with_weight_decay(0.05)
///     .with_clip(Clip::GlobalNorm(1.0));
/// assert_eq!(scheduled.name(), "adamw");
///
/// // Hyperparameters of the rule:
/// let momentum = Optimizer::from(UpdateRule::Sgd { momentum: 0.9, nesterov: true });
/// assert_eq!(momentum.learning_rate, Schedule::constant(0.01));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// The update of a parameter by its gradient.
    pub rule: UpdateRule,
    /// The learning rate of each step.
    pub learning_rate: Schedule,
    /// What is taken from a parameter `w` before each update: `weight_decay * learning_rate * w`, which is decoupled
    /// from the gradient (Loshchilov & Hutter 2019). 0 is no decay.
    pub weight_decay: f64,
    /// Whether biases, and the scales and shifts of normalizations, decay as well as kernels.
    pub decay_biases: bool,
    /// How gradients are clipped.
    pub clip: Clip,
    /// How much of the moving average of the weights is kept in each step: `average = ema_momentum * average + (1 -
    /// ema_momentum) * w` (Polyak & Juditsky 1992). The average is what is validated and saved. 0 is no average.
    pub ema_momentum: f64,
}

impl Optimizer {
    /// The arguments of this optimizer in a description, with their defaults: the learning rate, those of the rule, and
    /// what every optimizer has.
    pub fn arguments(rule: UpdateRule) -> impl Iterator<Item = Parameter> {
        let Properties {
            learning_rate,
            weight_decay,
            ..
        } = rule.properties();
        let first = Parameter {
            name: "learning_rate",
            docs: &[" The step size: a number or a schedule."],
            kind: Kind::number(Range::Positive, learning_rate),
        };
        let decay = Parameter {
            name: "weight_decay",
            docs: &[
                " Kernels decay by `w -= weight_decay * learning_rate * w` before each update.",
            ],
            kind: Kind::number(Range::NonNegative, weight_decay),
        };
        iter::once(first)
            .chain(rule.word().parameters.iter().copied())
            .chain(iter::once(decay))
            .chain(SHARED.iter().copied())
    }

    /// Its name in a description.
    pub fn name(&self) -> &'static str {
        self.rule.name()
    }

    /// The same with another learning rate: a number, or a schedule.
    pub fn with_learning_rate(self, learning_rate: impl Into<Schedule>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            ..self
        }
    }

    /// The same with this weight decay: 0 or more.
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        Self {
            weight_decay,
            ..self
        }
    }

    /// The same with gradients clipped so.
    pub fn with_clip(self, clip: Clip) -> Self {
        Self { clip, ..self }
    }

    /// The same with a moving average of the weights: at least 0 and less than 1.
    pub fn with_ema(self, ema_momentum: f64) -> Self {
        Self {
            ema_momentum,
            ..self
        }
    }
}

/// What every optimizer takes last.
const SHARED: &[Parameter] = &[
    Parameter {
        name: "decay_biases",
        docs: &[" Whether biases, and the scales and shifts of normalizations, decay too."],
        kind: Kind::switch(false),
    },
    Parameter {
        name: "clip_value",
        docs: &[" The largest magnitude of a gradient; larger ones are cut."],
        kind: Kind::Other(Some("none")),
    },
    Parameter {
        name: "clip_norm",
        docs: &[
            " The largest Euclidean norm of the gradients of a tensor; larger ones are scaled down.",
        ],
        kind: Kind::Other(Some("none")),
    },
    Parameter {
        name: "global_clip_norm",
        docs: &[
            " The largest Euclidean norm of all gradients together; larger ones are scaled down.",
        ],
        kind: Kind::Other(Some("none")),
    },
    Parameter {
        name: "ema_momentum",
        docs: &[
            " How much of the moving average of the weights is kept in each step; 0 is no average.",
        ],
        kind: Kind::number(Range::Fraction, 0.0),
    },
];

/// With the learning rate and the weight decay that Keras gives the rule.
impl From<UpdateRule> for Optimizer {
    fn from(rule: UpdateRule) -> Self {
        let Properties {
            learning_rate,
            weight_decay,
            ..
        } = rule.properties();
        Self {
            rule,
            learning_rate: learning_rate.into(),
            weight_decay,
            decay_biases: false,
            clip: Clip::None,
            ema_momentum: 0.0,
        }
    }
}

/// A function for each optimizer that makes it with its defaults.
macro_rules! constructors {
    ($($name:ident)+) => {
        impl Optimizer {
            $(
                #[doc = concat!("The `", stringify!($name), "` of a description, with its defaults.")]
                pub fn $name() -> Self {
                    UpdateRule::$name().into()
                }
            )+

            /// What makes each of them.
            #[cfg(test)]
            const MADE: &'static [fn() -> Self] = &[$(Self::$name),+];
        }
    };
}

constructors!(sgd rmsprop adam adamw nadam adamax adagrad adadelta lion muon);

/// As Keras' `compile` without an optimizer: RMSprop with its defaults.
impl Default for Optimizer {
    fn default() -> Self {
        Self::rmsprop()
    }
}

/// The Rust expression that makes it.
impl core::fmt::Debug for Clip {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::None => f.write_str("Clip::None"),
            Self::Value(most) => write!(f, "Clip::Value({most:?})"),
            Self::Norm(most) => write!(f, "Clip::Norm({most:?})"),
            Self::GlobalNorm(most) => write!(f, "Clip::GlobalNorm({most:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Optimizer, UpdateRule};

    #[test]
    fn every_rule_has_a_function() {
        assert_eq!(Optimizer::MADE.len(), UpdateRule::WORDS.len());
        for (make, word) in Optimizer::MADE.iter().zip(UpdateRule::WORDS) {
            assert_eq!(make().name(), word.name);
        }
    }
}
