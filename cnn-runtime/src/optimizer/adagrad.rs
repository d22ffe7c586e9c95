//! Adagrad (Duchi et al. 2011).

use super::{Bounds, Rule, Step, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Adagrad {
    pub(super) initial_accumulator_value: f64,
    pub(super) epsilon: f64,
}

impl Rule for Adagrad {
    fn slots(self) -> &'static [&'static str] {
        &["sum"]
    }

    fn initial(self) -> f32 {
        self.initial_accumulator_value as f32
    }

    #[inline(always)]
    fn update(
        self,
        step: Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let (rate, epsilon) = (step.learning_rate as f32, self.epsilon as f32);
        let steps = parameters.iter_mut().zip(gradients);
        for ((w, g), sum) in steps.zip(slots[0].iter_mut()) {
            *sum += g * g;
            *w -= rate * g / (*sum + epsilon).sqrt();
        }
    }

    /// The denominator is at its least.
    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let [sum, ..] = before.slots;
        let least = single(self.epsilon).sqrt().min(1.0);
        let step = single(step.learning_rate) * gradient / least;
        Bounds {
            parameters: before.parameters + step,
            slots: [sum + gradient * gradient, 0.0, 0.0],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let accumulator = slots[0] + g * g;
        slots[0] = accumulator;
        let root = (accumulator + T::from_f64(self.epsilon)).sqrt();
        parameter - T::from_f64(step.learning_rate) * g / root
    }
}
