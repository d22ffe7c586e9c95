//! `-mean(t * ln(p) + (1 - t) * ln(1 - p))` over the outputs, with `p = sigmoid(z)`. With label smoothing, the targets
//! are moved towards 1/2.

use super::{Function, means};
use crate::kernels::math;
use crate::ops::activation::map;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct BinaryCrossentropy {
    pub(super) label_smoothing: f32,
}

impl Function for BinaryCrossentropy {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let smooth = smoothing(self.label_smoothing);
        means(units, output, target, losses, |z, t| of_logit(z, smooth(t)));
        map(&[], output, math::sigmoid);
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let smooth = smoothing(self.label_smoothing);
        let factor = scale / output.len() as f32;
        for ((g, p), t) in gradient.iter_mut().zip(output).zip(target) {
            *g = factor * (p - smooth(*t));
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let [one, mean] = [1.0, 1.0 / y.len() as f64].map(T::from_f64);
        let of = |(p, t): (&T, &T)| {
            let t = twin_of_smoothing(self.label_smoothing, *t);
            -(t * p.ln() + (one - t) * (one - *p).ln()) * mean
        };
        y.iter().zip(t).map(of).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let [one, mean] = [1.0, 1.0 / y.len() as f64].map(T::from_f64);
        let of = |(p, t): (&T, &T)| {
            let t = twin_of_smoothing(self.label_smoothing, *t);
            mean * ((one - t) / (one - *p) - t / *p)
        };
        y.iter().zip(t).map(of).collect()
    }
}

/// Targets moved towards 1/2.
#[inline(always)]
pub(super) fn smoothing(label_smoothing: f32) -> impl Fn(f32) -> f32 {
    let (kept, shared) = (1.0 - label_smoothing, 0.5 * label_smoothing);
    move |t| t * kept + shared
}

#[cfg(any(test, feature = "reference"))]
pub(super) fn twin_of_smoothing<T: Real>(label_smoothing: f32, t: T) -> T {
    let smoothing = f64::from(label_smoothing);
    t * T::from_f64(1.0 - smoothing) + T::from_f64(0.5 * smoothing)
}

/// `max(z, 0) - z * t + ln(1 + exp(-|z|))`: the cross-entropy of `sigmoid(z)` and `t`.
#[inline(always)]
pub(super) fn of_logit(z: f32, t: f32) -> f32 {
    let positive = if z < 0.0 { 0.0 } else { z };
    positive - z * t + math::ln_1p(math::exp(-z.abs()))
}
