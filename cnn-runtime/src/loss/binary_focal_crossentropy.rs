//! `mean(w * m^gamma * h)` over the outputs: `h` is the binary cross-entropy of an output, and
//! `m = t * (1 - p) + (1 - t) * p` how far `p = sigmoid(z)` is from its target (Lin et al. 2017). With
//! `apply_class_balancing`, `w` is `t * alpha + (1 - t) * (1 - alpha)`, else 1, as in Keras.

use super::binary_crossentropy::{of_logit, smoothing};
use super::{Function, means, power};
use crate::kernels::math;
use crate::ops::activation::map;
#[cfg(any(test, feature = "reference"))]
use crate::{
    loss::binary_crossentropy::twin_of_smoothing, loss::reference::power as twin_of_power,
    reference::Real,
};

#[derive(Clone, Copy)]
pub(super) struct BinaryFocalCrossentropy {
    pub(super) alpha: f32,
    pub(super) gamma: f32,
    pub(super) apply_class_balancing: bool,
    pub(super) label_smoothing: f32,
}

impl BinaryFocalCrossentropy {
    /// The weights of a target of 1 and of 0.
    #[inline(always)]
    fn weights(self) -> [f32; 2] {
        match self.apply_class_balancing {
            true => [self.alpha, 1.0 - self.alpha],
            false => [1.0; 2],
        }
    }
}

impl Function for BinaryFocalCrossentropy {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let smooth = smoothing(self.label_smoothing);
        let [of_yes, of_no] = self.weights();
        means(units, output, target, losses, |z, t| {
            let t = smooth(t);
            let (p, q) = math::sigmoids(z);
            let distance = t * q + (1.0 - t) * p;
            let weight = t * of_yes + (1.0 - t) * of_no;
            weight * power(distance, self.gamma) * of_logit(z, t)
        });
        map(&[], output, math::sigmoid);
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let smooth = smoothing(self.label_smoothing);
        let [of_yes, of_no] = self.weights();
        let factor = scale / output.len() as f32;
        for ((g, p), t) in gradient.iter_mut().zip(output).zip(target) {
            let (p, q, t) = (*p, 1.0 - p, smooth(*t));
            let distance = t * q + (1.0 - t) * p;
            let weight = t * of_yes + (1.0 - t) * of_no;
            // Where a probability has been rounded to 0, so is its product with the logarithm.
            let crossentropy = -(t * math::ln(at_least(p)) + (1.0 - t) * math::ln(at_least(q)));
            let steeper = self.gamma * power(at_least(distance), self.gamma - 1.0);
            let of_distance = steeper * ((1.0 - 2.0 * t) * (p * q)) * crossentropy;
            *g = factor * weight * (of_distance + power(distance, self.gamma) * (p - t));
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let [mean, gamma, one] = [1.0 / y.len() as f64, self.gamma.into(), 1.0].map(T::from_f64);
        let of = |(p, t): (&T, &T)| {
            let t = twin_of_smoothing(self.label_smoothing, *t);
            let distance = t * (one - *p) + (one - t) * *p;
            let crossentropy = -(t * p.ln() + (one - t) * (one - *p).ln());
            mean * self.twin_of_weight(t) * twin_of_power(distance, gamma) * crossentropy
        };
        y.iter().zip(t).map(of).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let [mean, gamma, one] = [1.0 / y.len() as f64, self.gamma.into(), 1.0].map(T::from_f64);
        let of = |(p, t): (&T, &T)| {
            let t = twin_of_smoothing(self.label_smoothing, *t);
            let distance = t * (one - *p) + (one - t) * *p;
            let focus = twin_of_power(distance, gamma);
            let crossentropy = -(t * p.ln() + (one - t) * (one - *p).ln());
            let slope = (one - t) / (one - *p) - t / *p;
            let of_focus = gamma * focus / distance * (one - t - t);
            mean * self.twin_of_weight(t) * (of_focus * crossentropy + focus * slope)
        };
        y.iter().zip(t).map(of).collect()
    }
}

#[cfg(any(test, feature = "reference"))]
impl BinaryFocalCrossentropy {
    fn twin_of_weight<T: Real>(self, t: T) -> T {
        let [one, alpha] = [1.0, self.alpha.into()].map(T::from_f64);
        match self.apply_class_balancing {
            true => t * alpha + (one - t) * (one - alpha),
            false => one,
        }
    }
}

/// A probability, or the least normal number; NaN stays NaN.
#[inline(always)]
pub(super) fn at_least(p: f32) -> f32 {
    if p < f32::MIN_POSITIVE {
        f32::MIN_POSITIVE
    } else {
        p
    }
}
