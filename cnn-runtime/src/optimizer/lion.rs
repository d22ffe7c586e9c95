//! Lion (Chen et al. 2023): the sign of a mean gradient.

use super::{Bounds, Rule, Step, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Lion {
    pub(super) beta_1: f64,
    pub(super) beta_2: f64,
}

impl Rule for Lion {
    fn slots(self) -> &'static [&'static str] {
        &["mean"]
    }

    #[inline(always)]
    fn update(
        self,
        step: Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let rate = step.learning_rate as f32;
        let [kept_1, kept_2] = [self.beta_1, self.beta_2].map(|beta| beta as f32);
        let [fresh_1, fresh_2] = [self.beta_1, self.beta_2].map(|beta| (1.0 - beta) as f32);
        let steps = parameters.iter_mut().zip(gradients);
        for ((w, g), mean) in steps.zip(slots[0].iter_mut()) {
            let direction = kept_1 * *mean + fresh_1 * g;
            *w -= if direction > 0.0 {
                rate
            } else if direction < 0.0 {
                -rate
            } else {
                // Zero, or not a number.
                direction
            };
            *mean = kept_2 * *mean + fresh_2 * g;
        }
    }

    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let [mean, ..] = before.slots;
        Bounds {
            parameters: before.parameters + single(step.learning_rate),
            slots: [mean.max(gradient), 0.0, 0.0],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let (real, zero) = (T::from_f64, T::from_f64(0.0));
        let mix = |beta: f64| slots[0] * real(beta) + g * real(1.0 - beta);
        let (direction, mean) = (mix(self.beta_1), mix(self.beta_2));
        slots[0] = mean;
        let rate = real(step.learning_rate);
        if direction > zero {
            parameter - rate
        } else if direction < zero {
            parameter + rate
        } else {
            parameter - direction
        }
    }
}
