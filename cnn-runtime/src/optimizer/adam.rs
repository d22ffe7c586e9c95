//! Adam (Kingma & Ba 2015), in the form just before their section 2.1; AMSGrad (Reddi et al. 2018).

use super::{Bounds, Rule, Step, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Adam {
    pub(super) beta_1: f64,
    pub(super) beta_2: f64,
    pub(super) epsilon: f64,
    pub(super) amsgrad: bool,
}

impl Rule for Adam {
    fn slots(self) -> &'static [&'static str] {
        match self.amsgrad {
            false => &["mean", "square"],
            true => &["mean", "square", "largest_square"],
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
        let t = step.iteration as f64;
        let root = (1.0 - self.beta_2.powf(t)).sqrt();
        let alpha = (step.learning_rate * root / (1.0 - self.beta_1.powf(t))) as f32;
        let (fresh_1, fresh_2) = ((1.0 - self.beta_1) as f32, (1.0 - self.beta_2) as f32);
        let epsilon = self.epsilon as f32;
        let steps = parameters.iter_mut().zip(gradients);
        match slots {
            [mean, square] => {
                let slots = mean.iter_mut().zip(square.iter_mut());
                for ((w, g), (mean, square)) in steps.zip(slots) {
                    *mean += fresh_1 * (g - *mean);
                    *square += fresh_2 * (g * g - *square);
                    *w -= alpha * *mean / (square.sqrt() + epsilon);
                }
            }
            [mean, square, largest] => {
                let slots = mean.iter_mut().zip(square.iter_mut());
                let slots = slots.zip(largest.iter_mut());
                for ((w, g), ((mean, square), largest)) in steps.zip(slots) {
                    *mean += fresh_1 * (g - *mean);
                    *square += fresh_2 * (g * g - *square);
                    *largest = largest.max(*square);
                    *w -= alpha * *mean / (largest.sqrt() + epsilon);
                }
            }
            _ => unreachable!("as many slots as `slots` says"),
        }
    }

    /// The denominator is at its least.
    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let [mean, square, largest] = before.slots;
        let alpha = step.learning_rate / (1.0 - self.beta_1);
        let least = single(self.epsilon).min(1.0);
        let mean = mean + gradient;
        let square = square + gradient * gradient;
        Bounds {
            // `alpha` itself may be the largest.
            parameters: before.parameters + alpha * mean.max(1.0) / least,
            slots: [
                mean,
                square,
                match self.amsgrad {
                    false => 0.0,
                    true => largest.max(square),
                },
            ],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let real = T::from_f64;
        let power = |beta: f64| beta.powi(step.iteration as i32);
        let correction = (1.0 - power(self.beta_2)).sqrt() / (1.0 - power(self.beta_1));
        let m = slots[0] + (g - slots[0]) * real(1.0 - self.beta_1);
        let mut v = slots[1] + (g * g - slots[1]) * real(1.0 - self.beta_2);
        (slots[0], slots[1]) = (m, v);
        if self.amsgrad {
            if slots[2] > v {
                v = slots[2];
            }
            slots[2] = v;
        }
        parameter - m * real(step.learning_rate * correction) / (v.sqrt() + real(self.epsilon))
    }
}
