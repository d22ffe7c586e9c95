//! `-sum(t * ln(softmax(z)))` over the classes, as the mean over the positions of an output.

use super::{Function, sum};
use crate::kernels::math;
use crate::ops::activation::map;
use crate::ops::activation::softmax::{normalise, subtract_maximum};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct CategoricalCrossentropy {
    /// The scores of a position.
    pub(super) classes: usize,
}

impl Function for CategoricalCrossentropy {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let targets = target.chunks_exact(units);
        let examples = output.chunks_exact_mut(units).zip(targets.clone());
        for (loss, (z, t)) in losses.iter_mut().zip(examples) {
            z.chunks_exact_mut(self.classes).for_each(subtract_maximum);
            // A class without a target adds nothing, also where its logit is infinite.
            *loss = -sum(z, t, |z, t| if t != 0.0 { t * z } else { 0.0 }) as f32;
        }
        // Over all rows at once: rows are often shorter than a vector.
        map(&[], output, math::exp);
        let positions = (units / self.classes) as f64;
        let examples = output.chunks_exact_mut(units).zip(targets);
        for (loss, (z, t)) in losses.iter_mut().zip(examples) {
            let rows = z.chunks_exact_mut(self.classes);
            let mut logarithms = 0.0;
            for (z, t) in rows.zip(t.chunks_exact(self.classes)) {
                let total = sum(t, t, |t, _| t) as f32;
                logarithms += f64::from(total * math::ln(normalise(z)));
            }
            *loss = ((f64::from(*loss) + logarithms) / positions) as f32;
        }
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let scale = scale / (output.len() / self.classes) as f32;
        let rows = output
            .chunks_exact(self.classes)
            .zip(target.chunks_exact(self.classes));
        for (gradient, (y, t)) in gradient.chunks_exact_mut(self.classes).zip(rows) {
            let total = sum(t, t, |t, _| t) as f32;
            for ((g, y), t) in gradient.iter_mut().zip(y).zip(t) {
                *g = scale * (total * y - t);
            }
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let mean = T::from_f64(self.classes as f64 / y.len() as f64);
        y.iter().zip(t).map(|(p, t)| -*t * p.ln() * mean).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let mean = T::from_f64(self.classes as f64 / y.len() as f64);
        y.iter().zip(t).map(|(p, t)| -*t / *p * mean).collect()
    }
}
