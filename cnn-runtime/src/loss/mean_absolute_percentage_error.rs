//! `100 * mean(|y - t| / max(|t|, 1e-7))` over the outputs; the bound is Keras' `epsilon`.

use super::{EPSILON, Pointwise, sign};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct MeanAbsolutePercentageError;

impl Pointwise for MeanAbsolutePercentageError {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        100.0 * (y - t).abs() / t.abs().max(EPSILON)
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        100.0 * sign(y - t) / t.abs().max(EPSILON)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        let error = T::from_f64(100.0) * (y - t).abs();
        let least = T::from_f64(EPSILON.into());
        error / if t.abs() > least { t.abs() } else { least }
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        let sign = T::from_f64(if y > t { 100.0 } else { -100.0 });
        let least = T::from_f64(EPSILON.into());
        sign / if t.abs() > least { t.abs() } else { least }
    }
}
