//! `mean((ln(1 + max(y, 1e-7)) - ln(1 + max(t, 1e-7)))^2)` over the outputs; the bound is Keras' `epsilon`. Outputs below
//! it have no gradient.

use super::{EPSILON, Pointwise};
use crate::kernels::math;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct MeanSquaredLogarithmicError;

impl Pointwise for MeanSquaredLogarithmicError {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        let error = logarithm(y) - logarithm(t);
        error * error
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        let error = logarithm(y) - logarithm(t);
        // NaN takes the second branch, which passes it on.
        if y < EPSILON {
            0.0
        } else {
            2.0 * error / (1.0 + y)
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        let error = twin_of_logarithm(y) - twin_of_logarithm(t);
        error * error
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        if y < T::from_f64(EPSILON.into()) {
            return T::from_f64(0.0);
        }
        let error = twin_of_logarithm(y) - twin_of_logarithm(t);
        T::from_f64(2.0) * error / (T::from_f64(1.0) + y)
    }
}

/// `ln(1 + max(x, 1e-7))`; NaN stays NaN.
#[inline(always)]
fn logarithm(x: f32) -> f32 {
    math::ln_1p(if x < EPSILON { EPSILON } else { x })
}

#[cfg(any(test, feature = "reference"))]
fn twin_of_logarithm<T: Real>(x: T) -> T {
    let least = T::from_f64(EPSILON.into());
    if x < least { least.ln_1p() } else { x.ln_1p() }
}
