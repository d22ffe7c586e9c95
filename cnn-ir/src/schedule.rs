//! Learning rates that change from step to step, with the names and arguments of Keras 3.

use crate::vocabulary::{Kind, Range, vocabulary};

vocabulary! {
    /// The learning rate as a function of the step alone. `s` counts the updates of the optimizer so far, so it is 0 in
    /// the first step, and goes on over several calls of `fit`.
    ///
    /// With `warmup_steps = n` the learning rate first rises linearly from 0: it is `s / n` of the schedule's first
    /// value in step `s < n`, and from then on the schedule runs, with `s - n` in the place of `s` (Goyal et al. 2017;
    /// the warm-up of Keras' `CosineDecay`).
    ///
    /// ```
    /// use cnn_ir::Schedule;
    ///
    /// let schedule = Schedule::cosine_decay(1e-3, 10_000).with_warmup(500);
    /// let written_out = Schedule::CosineDecay {
    ///     initial_learning_rate: 1e-3,
    ///     decay_steps: 10_000,
    ///     alpha: 0.0,
    ///     warmup_steps: 500,
    /// };
    /// assert_eq!(schedule, written_out);
    /// ```
    pub enum Schedule {
        /// The same in each step.
        constant => Constant {
            needs {
                /// The learning rate.
                learning_rate: f64 = Kind::needed(Range::Positive),
            }
            /// Steps in which the learning rate rises from 0.
            warmup_steps: u64 = WARMUP,
        };

        /// `values[i]`, where `i` is the number of boundaries below `s`.
        piecewise_constant_decay => PiecewiseConstantDecay {
            needs {
                /// The last step of each value but the last one, ascending.
                boundaries: &'static [u64] = Kind::Counts,
                /// One learning rate more than there are boundaries.
                values: &'static [f64] = Kind::Numbers(Range::Positive),
            }
            /// Steps in which the learning rate rises from 0.
            warmup_steps: u64 = WARMUP,
        };

        /// `initial_learning_rate * decay_rate^(s / decay_steps)`; as a staircase with the exponent rounded down.
        exponential_decay => ExponentialDecay {
            needs {
                /// The learning rate of the first step.
                initial_learning_rate: f64 = Kind::needed(Range::Positive),
                /// Steps in which the learning rate is multiplied by `decay_rate` once.
                decay_steps: u64 = STEPS,
                /// The factor.
                decay_rate: f64 = Kind::needed(Range::Positive),
            }
            /// Whether it decays at once after every `decay_steps` steps.
            staircase: bool = Kind::switch(false),
            /// Steps in which the learning rate rises from 0.
            warmup_steps: u64 = WARMUP,
        };

        /// `initial_learning_rate / (1 + decay_rate * s / decay_steps)`; as a staircase with `s / decay_steps` rounded
        /// down.
        inverse_time_decay => InverseTimeDecay {
            needs {
                /// The learning rate of the first step.
                initial_learning_rate: f64 = Kind::needed(Range::Positive),
                /// How often it decays.
                decay_steps: u64 = STEPS,
                /// How much.
                decay_rate: f64 = Kind::needed(Range::Positive),
            }
            /// Whether it decays at once after every `decay_steps` steps.
            staircase: bool = Kind::switch(false),
            /// Steps in which the learning rate rises from 0.
            warmup_steps: u64 = WARMUP,
        };

        /// `(initial_learning_rate - end_learning_rate) * (1 - min(s / decay_steps, 1))^power + end_learning_rate`: a
        /// line by default. With `cycle`, `decay_steps` is multiplied by `max(1, ceil(s / decay_steps))` before, so that
        /// the learning rate rises again after each end.
        polynomial_decay => PolynomialDecay {
            needs {
                /// The learning rate of the first step.
                initial_learning_rate: f64 = Kind::needed(Range::Positive),
                /// Steps until the end.
                decay_steps: u64 = STEPS,
            }
            /// The learning rate at the end.
            end_learning_rate: f64 = Kind::number(Range::NonNegative, 1e-4),
            /// The exponent.
            power: f64 = Kind::number(Range::Positive, 1.0),
            /// Whether it begins again after the end, lower each time.
            cycle: bool = Kind::switch(false),
            /// Steps in which the learning rate rises from 0.
            warmup_steps: u64 = WARMUP,
        };

        /// `initial_learning_rate * ((1 - alpha) * (1 + cos(pi * min(s / decay_steps, 1))) / 2 + alpha)` (Loshchilov &
        /// Hutter 2017).
        cosine_decay => CosineDecay {
            needs {
                /// The learning rate of the first step after the warm-up; `warmup_target` in Keras where there is one.
                initial_learning_rate: f64 = Kind::needed(Range::Positive),
                /// Steps until the end, without those of the warm-up.
                decay_steps: u64 = STEPS,
            }
            /// The share of the learning rate that is left at the end.
            alpha: f64 = Kind::number(Range::NonNegative, 0.0),
            /// Steps in which the learning rate rises from 0.
            warmup_steps: u64 = WARMUP,
        };

        /// `cosine_decay` that begins again after its end (SGDR, Loshchilov & Hutter 2017): period `i`, from 0, takes
        /// `first_decay_steps * t_mul^i` steps. `p` of it have passed at
        /// `initial_learning_rate * ((1 - alpha) * m_mul^i * (1 + cos(pi * p)) / 2 + alpha)`, `0 <= p < 1`.
        cosine_decay_restarts => CosineDecayRestarts {
            needs {
                /// The learning rate of the first step.
                initial_learning_rate: f64 = Kind::needed(Range::Positive),
                /// Steps of the first period.
                first_decay_steps: u64 = STEPS,
            }
            /// How much longer each period is than the one before; at least 1.
            t_mul: f64 = Kind::number(Range::AtLeastOne, 2.0),
            /// How much larger the learning rate of each period is.
            m_mul: f64 = Kind::number(Range::Positive, 1.0),
            /// The share of the learning rate that is left at the end of a period.
            alpha: f64 = Kind::number(Range::NonNegative, 0.0),
            /// Steps in which the learning rate rises from 0.
            warmup_steps: u64 = WARMUP,
        };

        /// Up and down once in `total_steps` steps, by cosines (Smith & Topin 2018, as PyTorch's `OneCycleLR`): from
        /// `max_learning_rate / div_factor` to `max_learning_rate` in step `pct_start * total_steps - 1`, then to
        /// `max_learning_rate / (div_factor * final_div_factor)` in the last step.
        one_cycle => OneCycle {
            needs {
                /// The largest learning rate.
                max_learning_rate: f64 = Kind::needed(Range::Positive),
                /// Steps of the whole training.
                total_steps: u64 = STEPS,
            }
            /// The share of the steps in which the learning rate rises.
            pct_start: f64 = Kind::number(Range::Fraction, 0.3),
            /// How much smaller the first learning rate is.
            div_factor: f64 = Kind::number(Range::AtLeastOne, 25.0),
            /// How much smaller still the last one is.
            final_div_factor: f64 = Kind::number(Range::AtLeastOne, 1e4),
        };
    }
}

const WARMUP: Kind = Kind::Count {
    least: 0,
    default: Some(0),
};

const STEPS: Kind = Kind::Count {
    least: 1,
    default: None,
};

impl Schedule {
    /// The same after a warm-up of `steps` steps; [`one_cycle`](Self::OneCycle) has its own, and stays as it is.
    pub fn with_warmup(mut self, steps: u64) -> Self {
        match &mut self {
            Self::Constant { warmup_steps, .. }
            | Self::PiecewiseConstantDecay { warmup_steps, .. }
            | Self::ExponentialDecay { warmup_steps, .. }
            | Self::InverseTimeDecay { warmup_steps, .. }
            | Self::PolynomialDecay { warmup_steps, .. }
            | Self::CosineDecay { warmup_steps, .. }
            | Self::CosineDecayRestarts { warmup_steps, .. } => *warmup_steps = steps,
            Self::OneCycle { .. } => {}
        }
        self
    }
}

/// The same learning rate in each step.
impl From<f64> for Schedule {
    fn from(learning_rate: f64) -> Self {
        Self::constant(learning_rate)
    }
}
