//! Adadelta (Zeiler 2012).

use super::{Bounds, Rule, Step, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Adadelta {
    pub(super) rho: f64,
    pub(super) epsilon: f64,
}

impl Rule for Adadelta {
    fn slots(self) -> &'static [&'static str] {
        &["square", "steps"]
    }

    #[inline(always)]
    fn update(
        self,
        step: Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [square, steps] = slots else {
            unreachable!("as many slots as `slots` says");
        };
        let rate = step.learning_rate as f32;
        let (rho, fresh) = (self.rho as f32, (1.0 - self.rho) as f32);
        let epsilon = self.epsilon as f32;
        let slots = square.iter_mut().zip(steps.iter_mut());
        for ((w, g), (square, steps)) in parameters.iter_mut().zip(gradients).zip(slots) {
            *square = rho * *square + fresh * (g * g);
            let delta = (*steps + epsilon).sqrt() / (*square + epsilon).sqrt() * g;
            *steps = rho * *steps + fresh * (delta * delta);
            *w -= rate * delta;
        }
    }

    /// The mean square of the gradients is at least the share of the last one.
    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let [square, steps, _] = before.slots;
        let (epsilon, fresh) = (single(self.epsilon), single(1.0 - self.rho));
        let root = (steps + epsilon).sqrt();
        let ratio = root / epsilon.sqrt();
        // Twice as much, for gradients whose squares are too small for a float.
        let delta = (ratio * gradient).min(2.0 * root / fresh.sqrt());
        let moved = before.parameters + single(step.learning_rate) * delta;
        Bounds {
            // What is computed on the way may be the largest.
            parameters: moved.max(ratio).max(delta * delta),
            slots: [
                square + gradient * gradient,
                steps + fresh * delta * delta,
                0.0,
            ],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let real = T::from_f64;
        let rms = |x: T| (x + real(self.epsilon)).sqrt();
        let mean = |old: T, x: T| real(self.rho) * old + real(1.0 - self.rho) * (x * x);
        slots[0] = mean(slots[0], g);
        let delta = -(rms(slots[1]) * g / rms(slots[0]));
        slots[1] = mean(slots[1], delta);
        parameter + real(step.learning_rate) * delta
    }
}
