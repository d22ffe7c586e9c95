//! `mean(max(1 - s * y, 0))` over the outputs, and the mean of its square: `s` is the sign that an output should have.
//!
//! As in Keras, targets of 0 and 1 become signs. Keras does so where all targets of a batch are 0 or 1, and here each 0
//! stands for -1.

use super::Pointwise;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

/// `max(1 - s * y, 0)`.
#[derive(Clone, Copy)]
pub(super) struct Hinge;

/// `max(1 - s * y, 0)^2`.
#[derive(Clone, Copy)]
pub(super) struct SquaredHinge;

impl Pointwise for Hinge {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        margin(y, t)
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        let margin = margin(y, t);
        // Without a margin there is no gradient, and NaN is passed on.
        let is_within = if margin > 0.0 { 1.0 } else { margin };
        -sign(t) * is_within
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        twin_of_margin(y, t)
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        let margin = twin_of_margin(y, t);
        match margin > T::from_f64(0.0) {
            true => -twin_of_sign(t),
            false => margin,
        }
    }
}

impl Pointwise for SquaredHinge {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        margin(y, t) * margin(y, t)
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        -2.0 * sign(t) * margin(y, t)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        twin_of_margin(y, t) * twin_of_margin(y, t)
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        T::from_f64(-2.0) * twin_of_sign(t) * twin_of_margin(y, t)
    }
}

/// The sign of a target.
#[inline(always)]
fn sign(t: f32) -> f32 {
    if t == 0.0 { -1.0 } else { t }
}

/// How far an output is from the right side of 1 or -1; NaN stays NaN.
#[inline(always)]
fn margin(y: f32, t: f32) -> f32 {
    let margin = 1.0 - sign(t) * y;
    if margin < 0.0 { 0.0 } else { margin }
}

#[cfg(any(test, feature = "reference"))]
fn twin_of_sign<T: Real>(t: T) -> T {
    if t.to_f64() == 0.0 {
        T::from_f64(-1.0)
    } else {
        t
    }
}

#[cfg(any(test, feature = "reference"))]
fn twin_of_margin<T: Real>(y: T, t: T) -> T {
    let margin = T::from_f64(1.0) - twin_of_sign(t) * y;
    let zero = T::from_f64(0.0);
    if margin < zero { zero } else { margin }
}
