//! Adam (Kingma & Ba 2015), in the form just before their section 2.1.

use super::{Bounds, Rule, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Adam {
    pub(super) learning_rate: f64,
    pub(super) beta_1: f64,
    pub(super) beta_2: f64,
    pub(super) epsilon: f64,
}

impl Rule for Adam {
    fn slots(self) -> usize {
        2
    }

    #[inline(always)]
    fn update(
        self,
        iteration: u64,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [mean, square] = slots else {
            unreachable!("as many slots as `slots` says");
        };
        let t = iteration as f64;
        let root = (1.0 - self.beta_2.powf(t)).sqrt();
        let alpha = (self.learning_rate * root / (1.0 - self.beta_1.powf(t))) as f32;
        let (fresh_1, fresh_2) = ((1.0 - self.beta_1) as f32, (1.0 - self.beta_2) as f32);
        let epsilon = self.epsilon as f32;
        let steps = parameters.iter_mut().zip(gradients);
        for ((w, g), (mean, square)) in steps.zip(mean.iter_mut().zip(square.iter_mut())) {
            *mean += fresh_1 * (g - *mean);
            *square += fresh_2 * (g * g - *square);
            *w -= alpha * *mean / (square.sqrt() + epsilon);
        }
    }

    /// The denominator is at its least.
    fn bounds(self, before: Bounds, gradient: f64) -> Bounds {
        let [mean, square] = before.slots;
        let alpha = self.learning_rate / (1.0 - self.beta_1);
        let least = single(self.epsilon).min(1.0);
        let mean = mean + gradient;
        Bounds {
            // `alpha` itself may be the largest.
            parameters: before.parameters + alpha * mean.max(1.0) / least,
            slots: [mean, square + gradient * gradient],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, iteration: u64, parameter: T, g: T, slots: &mut [T]) -> T {
        let real = T::from_f64;
        let power = |beta: f64| beta.powi(iteration as i32);
        let correction = (1.0 - power(self.beta_2)).sqrt() / (1.0 - power(self.beta_1));
        let m = slots[0] + (g - slots[0]) * real(1.0 - self.beta_1);
        let v = slots[1] + (g * g - slots[1]) * real(1.0 - self.beta_2);
        (slots[0], slots[1]) = (m, v);
        parameter - m * real(self.learning_rate * correction) / (v.sqrt() + real(self.epsilon))
    }
}
