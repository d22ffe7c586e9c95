//! `-sum(alpha * (1 - p)^gamma * t * ln(p))` over the classes, with `p = softmax(z)`, as the mean over the positions of an
//! output (Lin et al. 2017). The default of `alpha` is that of Keras.

use super::binary_focal_crossentropy::at_least;
use super::{Function, power, sum};
use crate::kernels::math;
use crate::ops::activation::softmax::subtract_maximum;
#[cfg(any(test, feature = "reference"))]
use crate::{
    loss::categorical_crossentropy::twin_of_smoothing, loss::reference::power as twin_of_power,
    reference::Real,
};

#[derive(Clone, Copy)]
pub(super) struct CategoricalFocalCrossentropy {
    /// The scores of a position.
    pub(super) classes: usize,
    pub(super) alpha: f32,
    pub(super) gamma: f32,
    pub(super) label_smoothing: f32,
}

impl CategoricalFocalCrossentropy {
    /// The targets of a position, of which a share is spread over all classes.
    #[inline(always)]
    fn smoothed(self, target: &[f32]) -> impl Fn(f32) -> f32 {
        let total = sum(target, target, |t, _| t) as f32;
        let kept = 1.0 - self.label_smoothing;
        let shared = total * self.label_smoothing / self.classes as f32;
        move |t| t * kept + shared
    }
}

impl Function for CategoricalFocalCrossentropy {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let positions = (units / self.classes) as f64;
        let examples = output
            .chunks_exact_mut(units)
            .zip(target.chunks_exact(units));
        for (loss, (z, t)) in losses.iter_mut().zip(examples) {
            let mut all = 0.0;
            let rows = z.chunks_exact_mut(self.classes);
            for (z, t) in rows.zip(t.chunks_exact(self.classes)) {
                let smooth = self.smoothed(t);
                subtract_maximum(z);
                let total = sum(z, z, |z, _| math::exp(z)) as f32;
                let logarithm = math::ln(total);
                all += sum(z, t, |z, t| {
                    let t = smooth(t);
                    let p = math::exp(z) / total;
                    // A class without a target adds nothing, also where its logit is infinite.
                    let loss = t * power(1.0 - p, self.gamma) * (logarithm - z);
                    if t != 0.0 { loss } else { 0.0 * p }
                });
                for z in z {
                    *z = math::exp(*z) / total;
                }
            }
            *loss = (f64::from(self.alpha) * all / positions) as f32;
        }
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let scale = self.alpha * scale / (output.len() / self.classes) as f32;
        let rows = output
            .chunks_exact(self.classes)
            .zip(target.chunks_exact(self.classes));
        for (gradient, (y, t)) in gradient.chunks_exact_mut(self.classes).zip(rows) {
            let smooth = self.smoothed(t);
            // The derivative with respect to each `p`, times `p`.
            for ((g, p), t) in gradient.iter_mut().zip(y).zip(t) {
                let others = 1.0 - p;
                let steeper = self.gamma * power(at_least(others), self.gamma - 1.0);
                let of_focus = steeper * p * math::ln(at_least(*p));
                *g = smooth(*t) * (of_focus - power(others, self.gamma));
            }
            let total = sum(gradient, gradient, |g, _| g) as f32;
            for (g, p) in gradient.iter_mut().zip(y) {
                *g = scale * (*g - p * total);
            }
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let mean = f64::from(self.alpha) * self.classes as f64 / y.len() as f64;
        let [mean, gamma, one] = [mean, self.gamma.into(), 1.0].map(T::from_f64);
        let t = twin_of_smoothing(self.label_smoothing, self.classes, t);
        let of = |(p, t): (&T, T)| -mean * twin_of_power(one - *p, gamma) * t * p.ln();
        y.iter().zip(t).map(of).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let mean = f64::from(self.alpha) * self.classes as f64 / y.len() as f64;
        let [mean, gamma, one] = [mean, self.gamma.into(), 1.0].map(T::from_f64);
        let t = twin_of_smoothing(self.label_smoothing, self.classes, t);
        let of = |(p, t): (&T, T)| {
            let focus = twin_of_power(one - *p, gamma);
            let of_focus = match one - *p > T::from_f64(0.0) {
                true => gamma * focus / (one - *p) * p.ln(),
                // There the logarithm falls faster than the quotient rises.
                false => T::from_f64(0.0),
            };
            mean * t * (of_focus - focus / *p)
        };
        y.iter().zip(t).map(of).collect()
    }
}
