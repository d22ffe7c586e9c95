//! `mean((y - t)^2)` over the outputs.

use super::{Function, means};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct MeanSquaredError;

impl Function for MeanSquaredError {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        means(units, output, target, losses, |y, t| (y - t) * (y - t));
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let factor = 2.0 * scale / output.len() as f32;
        for ((g, y), t) in gradient.iter_mut().zip(output).zip(target) {
            *g = factor * (y - t);
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let mean = T::from_f64(1.0 / y.len() as f64);
        let of = |(y, t): (&T, &T)| (*y - *t) * (*y - *t) * mean;
        y.iter().zip(t).map(of).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let factor = T::from_f64(2.0 / y.len() as f64);
        y.iter().zip(t).map(|(y, t)| factor * (*y - *t)).collect()
    }
}
