//! `mean(y - t * ln(y + 1e-7))` over the outputs: the negative log-likelihood of counts `t` whose mean is `y`, without
//! `ln(t!)`, which no output changes. The `epsilon` is that of Keras.

use super::{EPSILON, Pointwise};
use crate::kernels::math;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Poisson;

impl Pointwise for Poisson {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        y - t * math::ln(y + EPSILON)
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        1.0 - t / (y + EPSILON)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        y - t * (y + T::from_f64(EPSILON.into())).ln()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        T::from_f64(1.0) - t / (y + T::from_f64(EPSILON.into()))
    }
}
