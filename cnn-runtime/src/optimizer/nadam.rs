//! Nadam (Dozat 2016): Adam with Nesterov's momentum, whose decay rises to `beta_1` as in Keras.

use super::{Bounds, Rule, Step, single};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Nadam {
    pub(super) beta_1: f64,
    pub(super) beta_2: f64,
    pub(super) epsilon: f64,
}

/// How fast the decay of the momentum rises.
const DECAY: f64 = 0.96;

/// From here on `DECAY^t` is below the rounding of 1, and the decay is `beta_1`.
const LAST: u64 = 1000;

impl Nadam {
    /// The decay of the momentum in step `t`, from `DECAY^t`.
    fn decay(self, power: f64) -> f64 {
        self.beta_1 * (1.0 - 0.5 * power)
    }

    /// The decay in step `t`, the one after it, and the product of those of steps `1..=t`.
    fn decays(self, t: u64) -> [f64; 3] {
        let (mut power, mut product) = (1.0, 1.0);
        for _ in 0..t.min(LAST) {
            power *= DECAY;
            product *= self.decay(power);
        }
        product *= self.beta_1.powf(t.saturating_sub(LAST) as f64);
        [self.decay(power), self.decay(power * DECAY), product]
    }
}

impl Rule for Nadam {
    fn slots(self) -> &'static [&'static str] {
        &["mean", "square"]
    }

    #[inline(always)]
    fn update(
        self,
        step: Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let [mean, square] = slots else {
            unreachable!("as many slots as `slots` says");
        };
        let [decay, next, product] = self.decays(step.iteration);
        let of_mean = (step.learning_rate * next / (1.0 - product * next)) as f32;
        let of_gradient = (step.learning_rate * (1.0 - decay) / (1.0 - product)) as f32;
        let of_square = (1.0 / (1.0 - self.beta_2.powf(step.iteration as f64))) as f32;
        let (fresh_1, fresh_2) = ((1.0 - self.beta_1) as f32, (1.0 - self.beta_2) as f32);
        let epsilon = self.epsilon as f32;
        let steps = parameters.iter_mut().zip(gradients);
        for ((w, g), (mean, square)) in steps.zip(mean.iter_mut().zip(square.iter_mut())) {
            *mean += fresh_1 * (g - *mean);
            *square += fresh_2 * (g * g - *square);
            let increment = of_mean * *mean + of_gradient * g;
            *w -= increment / ((of_square * *square).sqrt() + epsilon);
        }
    }

    /// The denominator is at its least, and both means weigh as much as they ever do.
    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let [mean, square, _] = before.slots;
        let rate = step.learning_rate / (1.0 - self.beta_1);
        let least = single(self.epsilon).min(1.0);
        let mean = mean + gradient;
        let square = square + gradient * gradient;
        // `rate` itself may be the largest.
        let moved = before.parameters + 2.0 * rate * mean.max(1.0) / least;
        Bounds {
            // The mean square is divided by `1 - beta_2` in the first step.
            parameters: moved.max(square / (1.0 - self.beta_2)),
            slots: [mean, square, 0.0],
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T {
        let real = T::from_f64;
        let iteration = step.iteration;
        let decay = |step: u64| self.beta_1 * (1.0 - 0.5 * 0.96_f64.powf(step as f64));
        let product: f64 = (1..=iteration).map(decay).product();
        let m = slots[0] + (g - slots[0]) * real(1.0 - self.beta_1);
        let v = slots[1] + (g * g - slots[1]) * real(1.0 - self.beta_2);
        (slots[0], slots[1]) = (m, v);
        let next = decay(iteration + 1);
        let m = m * real(next / (1.0 - product * next))
            + g * real((1.0 - decay(iteration)) / (1.0 - product));
        let v = v * real(1.0 / (1.0 - self.beta_2.powf(iteration as f64)));
        parameter - m * real(step.learning_rate) / (v.sqrt() + real(self.epsilon))
    }
}

#[cfg(test)]
mod tests {
    use super::{LAST, Nadam};

    #[test]
    fn products_of_many_steps_are_exact() {
        let nadam = Nadam {
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon: 0.1,
        };
        for t in [1, 2, LAST - 1, LAST, LAST + 1, 2 * LAST] {
            let decay = |step: u64| 0.9 * (1.0 - 0.5 * 0.96_f64.powf(step as f64));
            let expected = [decay(t), decay(t + 1), (1..=t).map(decay).product()];
            for (found, expected) in nadam.decays(t).into_iter().zip(expected) {
                let deviation = (found - expected).abs() / expected;
                assert!(deviation < 1e-12, "step {t}: {found} is not {expected}");
            }
        }
    }
}
