//! Stochastic gradient descent.

use super::{Bounds, Rule, Step, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Sgd {
    pub(super) momentum: f64,
    pub(super) nesterov: bool,
}

impl Rule for Sgd {
    fn slots(self) -> &'static [&'static str] {
        match self.momentum == 0.0 {
            true => &[],
            false => &["velocity"],
        }
    }

    #[inline(always)]
    fn update(
        self,
        step: Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let (rate, momentum) = (step.learning_rate as f32, self.momentum as f32);
        let steps = parameters.iter_mut().zip(gradients);
        match slots {
            [velocity] => {
                for ((w, g), velocity) in steps.zip(velocity.iter_mut()) {
                    *velocity = momentum * *velocity - rate * g;
                    *w += if self.nesterov {
                        momentum * *velocity - rate * g
                    } else {
                        *velocity
                    };
                }
            }
            _ => {
                for (w, g) in steps {
                    *w -= rate * g;
                }
            }
        }
    }

    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let [velocity, ..] = before.slots;
        let step = single(step.learning_rate) * gradient;
        let velocity = single(self.momentum) * velocity + step;
        Bounds {
            parameters: before.parameters + velocity + step,
            slots: [velocity, 0.0, 0.0],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let [rate, momentum] = [step.learning_rate, self.momentum].map(T::from_f64);
        if self.momentum == 0.0 {
            return parameter - rate * g;
        }
        let velocity = slots[0] * momentum - g * rate;
        slots[0] = velocity;
        let step = if self.nesterov {
            velocity * momentum - g * rate
        } else {
            velocity
        };
        parameter + step
    }
}
