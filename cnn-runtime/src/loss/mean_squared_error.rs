//! `mean((y - t)^2)` over the outputs.

use super::Pointwise;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct MeanSquaredError;

impl Pointwise for MeanSquaredError {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        (y - t) * (y - t)
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        2.0 * (y - t)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        (y - t) * (y - t)
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        T::from_f64(2.0) * (y - t)
    }
}
