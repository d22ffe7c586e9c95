//! RMSprop (Tieleman & Hinton 2012).

use super::{Bounds, Rule, Step, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct RmsProp {
    pub(super) rho: f64,
    pub(super) momentum: f64,
    pub(super) epsilon: f64,
    pub(super) centered: bool,
}

impl Rule for RmsProp {
    fn slots(self) -> &'static [&'static str] {
        match (self.centered, self.momentum != 0.0) {
            (false, false) => &["square"],
            (false, true) => &["square", "velocity"],
            (true, false) => &["square", "mean"],
            (true, true) => &["square", "velocity", "mean"],
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
        let step = Increment {
            rate: step.learning_rate as f32,
            rho: self.rho as f32,
            fresh: (1.0 - self.rho) as f32,
            epsilon: self.epsilon as f32,
        };
        let momentum = self.momentum as f32;
        let steps = parameters.iter_mut().zip(gradients);
        match (self.centered, slots) {
            (false, [square, velocity]) => {
                let slots = square.iter_mut().zip(velocity.iter_mut());
                for ((w, g), (square, velocity)) in steps.zip(slots) {
                    *velocity = momentum * *velocity + step.take(*g, square);
                    *w -= *velocity;
                }
            }
            (true, [square, velocity, mean]) => {
                let slots = square.iter_mut().zip(velocity.iter_mut());
                let slots = slots.zip(mean.iter_mut());
                for ((w, g), ((square, velocity), mean)) in steps.zip(slots) {
                    *velocity = momentum * *velocity + step.take_centered(*g, square, mean);
                    *w -= *velocity;
                }
            }
            (true, [square, mean]) => {
                let slots = square.iter_mut().zip(mean.iter_mut());
                for ((w, g), (square, mean)) in steps.zip(slots) {
                    *w -= step.take_centered(*g, square, mean);
                }
            }
            (_, slots) => {
                for ((w, g), square) in steps.zip(slots[0].iter_mut()) {
                    *w -= step.take(*g, square);
                }
            }
        }
    }

    /// The denominator is at its least.
    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let [square, second, third] = before.slots;
        let (velocity, mean) = match self.momentum == 0.0 {
            true => (0.0, second),
            false => (second, third),
        };
        let least = single(self.epsilon).sqrt().min(1.0);
        let step = single(step.learning_rate) * gradient / least;
        let velocity = single(self.momentum) * velocity + step;
        // Its square is subtracted from the mean square.
        let mean = mean.max(gradient);
        let square = (square + gradient * gradient).max(mean * mean);
        let [second, third] = match (self.centered, self.momentum == 0.0) {
            (false, _) => [velocity, 0.0],
            (true, true) => [mean, 0.0],
            (true, false) => [velocity, mean],
        };
        Bounds {
            parameters: before.parameters + velocity,
            slots: [square, second, third],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let real = T::from_f64;
        let velocity = real(self.rho) * slots[0] + real(1.0 - self.rho) * (g * g);
        slots[0] = velocity;
        let mut denominator = velocity + real(self.epsilon);
        if self.centered {
            let place = slots.len() - 1;
            let average = real(self.rho) * slots[place] + real(1.0 - self.rho) * g;
            slots[place] = average;
            denominator = velocity - average * average + real(self.epsilon);
        }
        let mut increment = real(step.learning_rate) * g / denominator.sqrt();
        if self.momentum != 0.0 {
            increment = real(self.momentum) * slots[1] + increment;
            slots[1] = increment;
        }
        parameter - increment
    }
}

/// RMSprop before momentum.
struct Increment {
    rate: f32,
    rho: f32,
    fresh: f32,
    epsilon: f32,
}

impl Increment {
    /// The step for a gradient and its mean square, which it updates.
    #[inline(always)]
    fn take(&self, g: f32, square: &mut f32) -> f32 {
        *square = self.rho * *square + self.fresh * (g * g);
        self.rate * g / (*square + self.epsilon).sqrt()
    }

    /// The step for a gradient, its mean square and its mean, both of which it updates. A variance that rounding makes
    /// negative is 0.
    #[inline(always)]
    fn take_centered(&self, g: f32, square: &mut f32, mean: &mut f32) -> f32 {
        *square = self.rho * *square + self.fresh * (g * g);
        *mean = self.rho * *mean + self.fresh * g;
        let variance = (*square - *mean * *mean).max(0.0);
        self.rate * g / (variance + self.epsilon).sqrt()
    }
}
