//! `mean(h(y - t))` over the outputs, where `h(e)` is `e^2 / 2` up to `|e| = delta` and the tangent there beyond
//! (Huber 1964). The scale is that of Keras and PyTorch.

use super::Pointwise;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Huber {
    pub(super) delta: f32,
}

impl Pointwise for Huber {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        let error = (y - t).abs();
        // NaN takes the second branch, which passes it on.
        if error <= self.delta {
            0.5 * error * error
        } else {
            self.delta * (error - 0.5 * self.delta)
        }
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        // `clamp` leaves NaN as it is.
        (y - t).clamp(-self.delta, self.delta)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        let [delta, half] = [self.delta.into(), 0.5].map(T::from_f64);
        let error = (y - t).abs();
        if error <= delta {
            half * error * error
        } else {
            delta * error - half * delta * delta
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        let delta = T::from_f64(self.delta.into());
        let error = y - t;
        if error > delta {
            delta
        } else if error < -delta {
            -delta
        } else {
            error
        }
    }
}
