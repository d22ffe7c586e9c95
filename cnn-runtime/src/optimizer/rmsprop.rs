//! RMSprop (Tieleman & Hinton 2012).

use super::{Bounds, Rule, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct RmsProp {
    pub(super) learning_rate: f64,
    pub(super) rho: f64,
    pub(super) momentum: f64,
    pub(super) epsilon: f64,
}

impl Rule for RmsProp {
    fn slots(self) -> usize {
        1 + usize::from(self.momentum != 0.0)
    }

    #[inline(always)]
    fn update(
        self,
        _iteration: u64,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let step = Step {
            rate: self.learning_rate as f32,
            rho: self.rho as f32,
            fresh: (1.0 - self.rho) as f32,
            epsilon: self.epsilon as f32,
        };
        let momentum = self.momentum as f32;
        let steps = parameters.iter_mut().zip(gradients);
        match slots {
            [square, velocity] => {
                let slots = square.iter_mut().zip(velocity.iter_mut());
                for ((w, g), (square, velocity)) in steps.zip(slots) {
                    *velocity = momentum * *velocity + step.take(*g, square);
                    *w -= *velocity;
                }
            }
            slots => {
                for ((w, g), square) in steps.zip(slots[0].iter_mut()) {
                    *w -= step.take(*g, square);
                }
            }
        }
    }

    /// The denominator is at its least.
    fn bounds(self, before: Bounds, gradient: f64) -> Bounds {
        let [square, velocity] = before.slots;
        let least = single(self.epsilon).sqrt().min(1.0);
        let step = single(self.learning_rate) * gradient / least;
        let velocity = single(self.momentum) * velocity + step;
        Bounds {
            parameters: before.parameters + velocity,
            slots: [square + gradient * gradient, velocity],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, _iteration: u64, parameter: T, g: T, slots: &mut [T]) -> T {
        let real = T::from_f64;
        let velocity = real(self.rho) * slots[0] + real(1.0 - self.rho) * (g * g);
        slots[0] = velocity;
        let mut increment = real(self.learning_rate) * g / (velocity + real(self.epsilon)).sqrt();
        if self.momentum != 0.0 {
            increment = real(self.momentum) * slots[1] + increment;
            slots[1] = increment;
        }
        parameter - increment
    }
}

/// RMSprop before momentum.
struct Step {
    rate: f32,
    rho: f32,
    fresh: f32,
    epsilon: f32,
}

impl Step {
    /// The step for a gradient and its mean square, which it updates.
    #[inline(always)]
    fn take(&self, g: f32, square: &mut f32) -> f32 {
        *square = self.rho * *square + self.fresh * (g * g);
        self.rate * g / (*square + self.epsilon).sqrt()
    }
}
