//! The update rules, with the formulas of Keras 3, in one pass over flat slices.

#[cfg(feature = "std")]
use super::Isa;
#[cfg(feature = "std")]
use super::simd::{Kernel, Simd};

/// An update rule and its hyperparameters. They are `f64` as Keras' are, because `1 - beta_2` is
/// off by 1e-5 of itself when taken in single precision; the arithmetic on tensors is single
/// precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    ///
    /// Without momentum `w -= learning_rate * g`. With momentum `velocity = momentum * velocity -
    /// learning_rate * g` and then `w += velocity`, or after Nesterov
    /// `w += momentum * velocity - learning_rate * g`.
    Sgd {
        /// The step size.
        learning_rate: f64,
        /// How much of the last step is kept.
        momentum: f64,
        /// Whether the step looks ahead.
        nesterov: bool,
    },
    /// RMSprop (Tieleman & Hinton 2012).
    ///
    /// `square = rho * square + (1 - rho) * g^2` and
    /// `step = learning_rate * g / sqrt(square + epsilon)`; then `w -= step`, or with momentum
    /// `velocity = momentum * velocity + step`, `w -= velocity`.
    RmsProp {
        /// The step size.
        learning_rate: f64,
        /// How much of the mean square is kept.
        rho: f64,
        /// How much of the last step is kept.
        momentum: f64,
        /// Added to the mean square.
        epsilon: f64,
    },
    /// Adam (Kingma & Ba 2015), in the form just before their section 2.1.
    ///
    /// `m += (1 - beta_1) * (g - m)`, `v += (1 - beta_2) * (g^2 - v)`,
    /// `w -= alpha * m / (sqrt(v) + epsilon)`, where
    /// `alpha = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)` in step `t`.
    Adam {
        /// The step size.
        learning_rate: f64,
        /// How much of the mean gradient is kept.
        beta_1: f64,
        /// How much of the mean square is kept.
        beta_2: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
    },
}

impl Optimizer {
    /// The most [`slots`](Self::slots) of any optimizer.
    #[cfg(feature = "std")]
    pub(crate) const MAX_SLOTS: usize = 2;

    /// How many buffers of state it keeps, each as long as the parameters and zero at first.
    pub fn slots(&self) -> usize {
        match *self {
            Self::Sgd { momentum, .. } => usize::from(momentum != 0.0),
            Self::RmsProp { momentum, .. } => 1 + usize::from(momentum != 0.0),
            Self::Adam { .. } => 2,
        }
    }

    /// One step. `iteration` counts from 1.
    ///
    /// Elements do not influence each other, so a buffer can be updated in pieces.
    ///
    /// # Panics
    /// If the slices differ in length or there are not [`Optimizer::slots`] of them.
    #[cfg(feature = "std")]
    pub fn update(
        &self,
        isa: Isa,
        iteration: u64,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let lengths = slots.iter().map(|slot| slot.len()).chain([gradients.len()]);
        assert!(
            lengths.into_iter().all(|length| length == parameters.len()),
            "slices of equal length"
        );
        assert_eq!(slots.len(), self.slots(), "buffers of state");
        isa.run(Update {
            optimizer: *self,
            iteration,
            parameters,
            gradients,
            slots,
        });
    }
}

/// One step with slices of equal length, as many as the optimizer needs.
#[cfg(feature = "std")]
struct Update<'a, 'b> {
    optimizer: Optimizer,
    iteration: u64,
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    slots: &'a mut [&'b mut [f32]],
}

#[cfg(feature = "std")]
impl Kernel for Update<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let steps = self.parameters.iter_mut().zip(self.gradients);
        match (self.optimizer, self.slots) {
            (Optimizer::Sgd { learning_rate, .. }, []) => {
                let rate = learning_rate as f32;
                for (w, g) in steps {
                    *w -= rate * g;
                }
            }
            (
                Optimizer::Sgd {
                    learning_rate,
                    momentum,
                    nesterov,
                },
                [velocity],
            ) => {
                let (rate, momentum) = (learning_rate as f32, momentum as f32);
                for ((w, g), velocity) in steps.zip(velocity.iter_mut()) {
                    *velocity = momentum * *velocity - rate * g;
                    *w += if nesterov {
                        momentum * *velocity - rate * g
                    } else {
                        *velocity
                    };
                }
            }
            (
                Optimizer::RmsProp {
                    learning_rate,
                    rho,
                    epsilon,
                    ..
                },
                [square],
            ) => {
                let step = RmsStep::new(learning_rate, rho, epsilon);
                for ((w, g), square) in steps.zip(square.iter_mut()) {
                    *w -= step.take(*g, square);
                }
            }
            (
                Optimizer::RmsProp {
                    learning_rate,
                    rho,
                    momentum,
                    epsilon,
                },
                [square, velocity],
            ) => {
                let step = RmsStep::new(learning_rate, rho, epsilon);
                let momentum = momentum as f32;
                let slots = square.iter_mut().zip(velocity.iter_mut());
                for ((w, g), (square, velocity)) in steps.zip(slots) {
                    *velocity = momentum * *velocity + step.take(*g, square);
                    *w -= *velocity;
                }
            }
            (
                Optimizer::Adam {
                    learning_rate,
                    beta_1,
                    beta_2,
                    epsilon,
                },
                [mean, square],
            ) => {
                let t = self.iteration as f64;
                let alpha =
                    (learning_rate * (1.0 - beta_2.powf(t)).sqrt() / (1.0 - beta_1.powf(t))) as f32;
                let (fresh_1, fresh_2) = ((1.0 - beta_1) as f32, (1.0 - beta_2) as f32);
                let epsilon = epsilon as f32;
                for ((w, g), (mean, square)) in steps.zip(mean.iter_mut().zip(square.iter_mut())) {
                    *mean += fresh_1 * (g - *mean);
                    *square += fresh_2 * (g * g - *square);
                    *w -= alpha * *mean / (square.sqrt() + epsilon);
                }
            }
            _ => unreachable!("the number of slots was checked"),
        }
    }
}

/// RMSprop before momentum.
#[cfg(feature = "std")]
struct RmsStep {
    rate: f32,
    rho: f32,
    fresh: f32,
    epsilon: f32,
}

#[cfg(feature = "std")]
impl RmsStep {
    #[inline(always)]
    fn new(learning_rate: f64, rho: f64, epsilon: f64) -> Self {
        Self {
            rate: learning_rate as f32,
            rho: rho as f32,
            fresh: (1.0 - rho) as f32,
            epsilon: epsilon as f32,
        }
    }

    /// The step for a gradient and its mean square, which it updates.
    #[inline(always)]
    fn take(&self, g: f32, square: &mut f32) -> f32 {
        *square = self.rho * *square + self.fresh * (g * g);
        self.rate * g / (*square + self.epsilon).sqrt()
    }
}
