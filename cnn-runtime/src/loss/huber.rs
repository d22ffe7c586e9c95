//! `mean(h(y - t))` over the outputs, where `h(e)` is `e^2 / 2` up to `|e| = delta` and the tangent there beyond
//! (Huber 1964). The scale is that of Keras and PyTorch.

use super::{Function, means};
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct Huber {
    pub(super) delta: f32,
}

impl Function for Huber {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let delta = self.delta;
        means(units, output, target, losses, |y, t| {
            let error = (y - t).abs();
            // NaN takes the second branch, which passes it on.
            if error <= delta {
                0.5 * error * error
            } else {
                delta * (error - 0.5 * delta)
            }
        });
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let factor = scale / output.len() as f32;
        for ((g, y), t) in gradient.iter_mut().zip(output).zip(target) {
            // `clamp` leaves NaN as it is.
            *g = factor * (y - t).clamp(-self.delta, self.delta);
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let [delta, half] = [self.delta.into(), 0.5].map(T::from_f64);
        let mean = T::from_f64(1.0 / y.len() as f64);
        let of = |(y, t): (&T, &T)| {
            let error = (*y - *t).abs();
            if error <= delta {
                half * error * error * mean
            } else {
                (delta * error - half * delta * delta) * mean
            }
        };
        y.iter().zip(t).map(of).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let delta = T::from_f64(self.delta.into());
        let mean = T::from_f64(1.0 / y.len() as f64);
        let of = |(y, t): (&T, &T)| {
            let error = *y - *t;
            if error > delta {
                delta * mean
            } else if error < -delta {
                -delta * mean
            } else {
                error * mean
            }
        };
        y.iter().zip(t).map(of).collect()
    }
}
