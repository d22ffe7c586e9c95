//! `mean(|y - t|)` over the outputs. The derivative at 0 is 0.

use super::{Pointwise, sign};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct MeanAbsoluteError;

impl Pointwise for MeanAbsoluteError {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        (y - t).abs()
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        sign(y - t)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        (y - t).abs()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        (y - t) / (y - t).abs()
    }
}
