//! `-sum(t * ln(softmax(z)))` over the classes.

use super::{Function, sum};
use crate::kernels::math;
use crate::ops::activation::map;
use crate::ops::activation::softmax::{normalise, subtract_maximum};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct CategoricalCrossentropy;

impl Function for CategoricalCrossentropy {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let targets = target.chunks_exact(units);
        let rows = output.chunks_exact_mut(units).zip(targets.clone());
        for (loss, (z, t)) in losses.iter_mut().zip(rows) {
            subtract_maximum(z);
            // A class without a target adds nothing, also where its logit is infinite.
            *loss = -sum(z, t, |z, t| if t != 0.0 { t * z } else { 0.0 }) as f32;
        }
        // Over all rows at once: rows are often shorter than a vector.
        map(&[], output, math::exp);
        let rows = output.chunks_exact_mut(units).zip(targets);
        for (loss, (z, t)) in losses.iter_mut().zip(rows) {
            let total = sum(t, t, |t, _| t) as f32;
            *loss += total * math::ln(normalise(z));
        }
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let total = sum(target, target, |t, _| t) as f32;
        for ((g, y), t) in gradient.iter_mut().zip(output).zip(target) {
            *g = scale * (total * y - t);
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        y.iter().zip(t).map(|(p, t)| -*t * p.ln()).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        y.iter().zip(t).map(|(p, t)| -*t / *p).collect()
    }
}
