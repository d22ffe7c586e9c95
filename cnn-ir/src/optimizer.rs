//! The optimizers, with the hyperparameters of Keras 3.

use crate::vocabulary::{Kind, Range, Setting, vocabulary};

/// What an update looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each parameter by itself: a tensor may be updated in pieces.
    Elements,
    /// A whole tensor, with its shape.
    Tensor,
    /// All parameters.
    Model,
}

vocabulary! {
    /// An update rule and its hyperparameters. They are `f64` as Keras' are, because `1 - beta_2` is
    /// off by 1e-5 of itself when taken in single precision; the arithmetic on tensors is single
    /// precision.
    ///
    /// ```
    /// use cnn_ir::Optimizer;
    ///
    /// let defaults = Optimizer::adam();
    /// let slower = Optimizer::adam().with_learning_rate(1e-4);
    /// // All hyperparameters, each written out:
    /// let momentum = Optimizer::Sgd { learning_rate: 0.01, momentum: 0.9, nesterov: true };
    /// # assert_eq!(defaults, slower.with_learning_rate(1e-3));
    /// # assert_eq!(momentum.name(), "sgd");
    /// ```
    pub enum Optimizer with scope: Scope {
        /// Stochastic gradient descent.
        ///
        /// Without momentum `w -= learning_rate * g`. With momentum `velocity = momentum * velocity -
        /// learning_rate * g` and then `w += velocity`, or after Nesterov
        /// `w += momentum * velocity - learning_rate * g`.
        sgd => Sgd {
            /// The step size.
            learning_rate: f64 = Kind::number(Range::Positive, 0.01),
            /// How much of the last step is kept.
            momentum: f64 = Kind::number(Range::Fraction, 0.0),
            /// Whether the step looks ahead.
            nesterov: bool = Kind::switch(false),
        } with Scope::Elements;

        /// RMSprop (Tieleman & Hinton 2012).
        ///
        /// `square = rho * square + (1 - rho) * g^2` and
        /// `step = learning_rate * g / sqrt(square + epsilon)`; then `w -= step`, or with momentum
        /// `velocity = momentum * velocity + step`, `w -= velocity`.
        rmsprop => RmsProp {
            /// The step size.
            learning_rate: f64 = Kind::number(Range::Positive, 1e-3),
            /// How much of the mean square is kept.
            rho: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the last step is kept.
            momentum: f64 = Kind::number(Range::Fraction, 0.0),
            /// Added to the mean square.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
        } with Scope::Elements;

        /// Adam (Kingma & Ba 2015), in the form just before their section 2.1.
        ///
        /// `m += (1 - beta_1) * (g - m)`, `v += (1 - beta_2) * (g^2 - v)`,
        /// `w -= alpha * m / (sqrt(v) + epsilon)`, where
        /// `alpha = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)` in step `t`.
        adam => Adam {
            /// The step size.
            learning_rate: f64 = Kind::number(Range::Positive, 1e-3),
            /// How much of the mean gradient is kept.
            beta_1: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the mean square is kept.
            beta_2: f64 = Kind::number(Range::Fraction, 0.999),
            /// Added to the root of the mean square.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
        } with Scope::Elements;

        /// Nadam (Dozat 2016), Adam with Nesterov's momentum.
        ///
        /// With `u(t) = beta_1 * (1 - 0.96^t / 2)` and `U(t) = u(1) * … * u(t)`:
        /// `m` and `v` as in Adam, `v' = v / (1 - beta_2^t)`,
        /// `m' = u(t + 1) * m / (1 - U(t + 1)) + (1 - u(t)) * g / (1 - U(t))`,
        /// `w -= learning_rate * m' / (sqrt(v') + epsilon)` in step `t`.
        nadam => Nadam {
            /// The step size.
            learning_rate: f64 = Kind::number(Range::Positive, 1e-3),
            /// How much of the mean gradient is kept, once the decay has risen to it.
            beta_1: f64 = Kind::number(Range::Fraction, 0.9),
            /// How much of the mean square is kept.
            beta_2: f64 = Kind::number(Range::Fraction, 0.999),
            /// Added to the root of the mean square.
            epsilon: f64 = Kind::number(Range::Positive, 1e-7),
        } with Scope::Elements;
    }
}

impl Optimizer {
    /// The same rule with another learning rate.
    pub fn with_learning_rate(self, learning_rate: f64) -> Self {
        let word = self.word();
        let mut settings = self.settings();
        for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
            if parameter.name == "learning_rate" {
                *setting = Setting::Number(learning_rate);
            }
        }
        (word.make)(&settings)
    }
}

/// As Keras' `compile` without an optimizer: RMSprop with its defaults.
impl Default for Optimizer {
    fn default() -> Self {
        Self::rmsprop()
    }
}
