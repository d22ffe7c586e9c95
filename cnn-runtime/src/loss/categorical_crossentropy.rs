//! `-sum(t * ln(softmax(z)))` over the classes, as the mean over the positions of an output.
//!
//! With label smoothing, a share of the target is spread over all classes (Szegedy et al. 2016). The targets of a
//! position keep their sum, so that one without a label still adds nothing.

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
    pub(super) label_smoothing: f32,
}

impl CategoricalCrossentropy {
    /// What a target is multiplied by, and what every class gets of the sum of a position's targets.
    #[inline(always)]
    fn smoothing(self) -> (f32, f32) {
        let shared = self.label_smoothing / self.classes as f32;
        (1.0 - self.label_smoothing, shared)
    }
}

impl Function for CategoricalCrossentropy {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let (kept, shared) = self.smoothing();
        let targets = target.chunks_exact(units);
        let examples = output.chunks_exact_mut(units).zip(targets.clone());
        for (loss, (z, t)) in losses.iter_mut().zip(examples) {
            z.chunks_exact_mut(self.classes).for_each(subtract_maximum);
            // A class without a target adds nothing, also where its logit is infinite.
            let of_targets = sum(z, t, |z, t| if t != 0.0 { t * z } else { 0.0 });
            *loss = -kept * of_targets as f32;
            if shared > 0.0 {
                let rows = z.chunks_exact(self.classes);
                for (z, t) in rows.zip(t.chunks_exact(self.classes)) {
                    *loss -= shared * (sum(t, t, |t, _| t) * sum(z, z, |z, _| z)) as f32;
                }
            }
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
        let (kept, shared) = self.smoothing();
        let scale = scale / (output.len() / self.classes) as f32;
        let rows = output
            .chunks_exact(self.classes)
            .zip(target.chunks_exact(self.classes));
        for (gradient, (y, t)) in gradient.chunks_exact_mut(self.classes).zip(rows) {
            let total = sum(t, t, |t, _| t) as f32;
            for ((g, y), t) in gradient.iter_mut().zip(y).zip(t) {
                *g = scale * (total * (y - shared) - kept * t);
            }
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let mean = T::from_f64(self.classes as f64 / y.len() as f64);
        let t = twin_of_smoothing(self.label_smoothing, self.classes, t);
        y.iter().zip(t).map(|(p, t)| -t * p.ln() * mean).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let mean = T::from_f64(self.classes as f64 / y.len() as f64);
        let t = twin_of_smoothing(self.label_smoothing, self.classes, t);
        y.iter().zip(t).map(|(p, t)| -t / *p * mean).collect()
    }
}

/// The targets of an example with a share of them spread over the classes of each position.
#[cfg(any(test, feature = "reference"))]
pub(super) fn twin_of_smoothing<T: Real>(
    label_smoothing: f32,
    classes: usize,
    target: &[T],
) -> Vec<T> {
    let smoothing = f64::from(label_smoothing);
    let [kept, shared] = [1.0 - smoothing, smoothing / classes as f64].map(T::from_f64);
    let rows = target.chunks(classes).flat_map(|row| {
        let total: T = row.iter().copied().sum();
        row.iter().map(move |t| kept * *t + shared * total)
    });
    rows.collect()
}
