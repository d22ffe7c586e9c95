//! Adamax (Kingma & Ba 2015, section 7.1): Adam with the infinity norm.

use super::{Bounds, Rule, Step, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Adamax {
    pub(super) beta_1: f64,
    pub(super) beta_2: f64,
    pub(super) epsilon: f64,
}

impl Rule for Adamax {
    fn slots(self) -> &'static [&'static str] {
        &["mean", "norm"]
    }

    #[inline(always)]
    fn update(
        self,
        step: Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [mean, norm] = slots else {
            unreachable!("as many slots as `slots` says");
        };
        let correction = 1.0 - self.beta_1.powf(step.iteration as f64);
        let rate = (step.learning_rate / correction) as f32;
        let (fresh, kept) = ((1.0 - self.beta_1) as f32, self.beta_2 as f32);
        let epsilon = self.epsilon as f32;
        let steps = parameters.iter_mut().zip(gradients);
        for ((w, g), (mean, norm)) in steps.zip(mean.iter_mut().zip(norm.iter_mut())) {
            *mean += fresh * (g - *mean);
            *norm = (kept * *norm).max(g.abs());
            *w -= rate * *mean / (*norm + epsilon);
        }
    }

    /// The denominator is at its least.
    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let [mean, norm, _] = before.slots;
        let rate = step.learning_rate / (1.0 - self.beta_1);
        let least = single(self.epsilon).min(1.0);
        let mean = mean + gradient;
        Bounds {
            // `rate` itself may be the largest.
            parameters: before.parameters + rate * mean.max(1.0) / least,
            slots: [mean, norm.max(gradient), 0.0],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let real = T::from_f64;
        let m = slots[0] + (g - slots[0]) * real(1.0 - self.beta_1);
        let mut u = real(self.beta_2) * slots[1];
        if g.abs() > u {
            u = g.abs();
        }
        (slots[0], slots[1]) = (m, u);
        let power = self.beta_1.powi(step.iteration as i32);
        let denominator = real(1.0 - power) * (u + real(self.epsilon));
        parameter - real(step.learning_rate) * m / denominator
    }
}
