//! `sum(t * ln(t / softmax(z)))` over the classes, as the mean over the positions of an output (Kullback & Leibler 1951).
//!
//! That is the cross-entropy less the entropy of the targets, which no output changes: the gradients are the same.

use super::categorical_crossentropy::CategoricalCrossentropy;
use super::{Function, sum};
use crate::kernels::math;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct KlDivergence {
    /// The scores of a position.
    pub(super) classes: usize,
}

impl KlDivergence {
    fn crossentropy(self) -> CategoricalCrossentropy {
        CategoricalCrossentropy {
            classes: self.classes,
            label_smoothing: 0.0,
        }
    }
}

impl Function for KlDivergence {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        self.crossentropy().forward(units, output, target, losses);
        let positions = (units / self.classes) as f64;
        for (loss, t) in losses.iter_mut().zip(target.chunks_exact(units)) {
            let of = |t: f32, _| if t > 0.0 { t * math::ln(t) } else { 0.0 };
            *loss = (f64::from(*loss) + sum(t, t, of) / positions) as f32;
        }
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        self.crossentropy()
            .backward(output, target, scale, gradient);
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let [mean, zero] = [self.classes as f64 / y.len() as f64, 0.0].map(T::from_f64);
        let of = |(p, t): (&T, &T)| match *t > zero {
            true => mean * *t * (*t / *p).ln(),
            // NaN is passed on.
            false => zero * *p,
        };
        y.iter().zip(t).map(of).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let mean = T::from_f64(self.classes as f64 / y.len() as f64);
        y.iter().zip(t).map(|(p, t)| -*t / *p * mean).collect()
    }
}
