//! The update rules, with the formulas of Keras 3: a file each, and one table.
//!
//! A rule runs in one pass over flat slices. What it has to see at once says
//! [`Optimizer::scope`].

mod adam;
mod nadam;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod rmsprop;
mod sgd;
#[cfg(test)]
mod tests;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;
use cnn_ir::Optimizer;

/// The most [`slots`] of any optimizer.
pub(crate) const MAX_SLOTS: usize = 2;

/// No parameter, and no value of a slot, has a larger magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) parameters: f64,
    /// 0 where the optimizer has no such slot.
    pub(crate) slots: [f64; MAX_SLOTS],
}

impl Bounds {
    /// No bounds at all.
    pub(crate) const UNKNOWN: Self = Self {
        parameters: f64::INFINITY,
        slots: [f64::INFINITY; MAX_SLOTS],
    };
}

/// What the arithmetic on tensors makes of a hyperparameter.
fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// An update rule.
trait Rule: Copy {
    /// How many buffers of state it keeps.
    fn slots(self) -> usize;

    /// Step `iteration`, counted from 1. All slices have the same length, and there are as many slots as
    /// [`Rule::slots`] says.
    fn update(
        self,
        iteration: u64,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    );

    /// Bounds of the magnitudes of parameters and slots after an update, from bounds of those before it and of the
    /// gradients, in exact arithmetic. What is computed on the way is within them too. Infinite where a rule has
    /// none: its updates then keep a copy of what they change, which costs time alone.
    fn bounds(self, before: Bounds, gradient: f64) -> Bounds {
        let _ = (before, gradient);
        Bounds::UNKNOWN
    }

    /// An update of one parameter, in the words of the Keras 3 sources.
    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, iteration: u64, parameter: T, g: T, slots: &mut [T]) -> T;
}

/// Calls a body with the [`Rule`] of an optimizer.
macro_rules! with_rule {
    ($optimizer:expr, $rule:ident => $body:expr) => {
        match $optimizer {
            Optimizer::Sgd {
                learning_rate,
                momentum,
                nesterov,
            } => {
                let $rule = $crate::optimizer::sgd::Sgd {
                    learning_rate,
                    momentum,
                    nesterov,
                };
                $body
            }
            Optimizer::RmsProp {
                learning_rate,
                rho,
                momentum,
                epsilon,
            } => {
                let $rule = $crate::optimizer::rmsprop::RmsProp {
                    learning_rate,
                    rho,
                    momentum,
                    epsilon,
                };
                $body
            }
            Optimizer::Adam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
            } => {
                let $rule = $crate::optimizer::adam::Adam {
                    learning_rate,
                    beta_1,
                    beta_2,
                    epsilon,
                };
                $body
            }
            Optimizer::Nadam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
            } => {
                let $rule = $crate::optimizer::nadam::Nadam {
                    learning_rate,
                    beta_1,
                    beta_2,
                    epsilon,
                };
                $body
            }
        }
    };
}
#[cfg(any(test, feature = "reference"))]
use with_rule;

/// How many buffers of state an optimizer keeps, each as long as the parameters and zero at first.
pub fn slots(optimizer: &Optimizer) -> usize {
    with_rule!(*optimizer, rule => rule.slots())
}

/// Bounds of the magnitudes of parameters and slots after an update, from bounds of those before it and of the
/// gradients. An update whose bounds are far below [`f32::MAX`] cannot overflow.
pub(crate) fn bounds(optimizer: &Optimizer, before: Bounds, gradient: f64) -> Bounds {
    with_rule!(*optimizer, rule => rule.bounds(before, gradient))
}

/// One step. `iteration` counts from 1.
///
/// A buffer may be updated in pieces, as far as [`Optimizer::scope`] allows.
///
/// # Panics
/// If the slices differ in length or there are not [`slots`] of them.
pub fn update(
    optimizer: &Optimizer,
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
    assert_eq!(slots.len(), self::slots(optimizer), "buffers of state");
    isa.run_loop(Update {
        optimizer: *optimizer,
        iteration,
        parameters,
        gradients,
        slots,
    });
}

struct Update<'a, 'b> {
    optimizer: Optimizer,
    iteration: u64,
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    slots: &'a mut [&'b mut [f32]],
}

impl Loop for Update<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            optimizer,
            iteration,
            parameters,
            gradients,
            slots,
        } = self;
        with_rule!(optimizer, rule => rule.update(iteration, parameters, gradients, slots));
    }
}
