//! `-sum(y * t) / (|y| * |t|)` over the last axis, as the mean over the positions of an output: -1 where both point in the
//! same direction, 1 where they are opposite. As in Keras, a norm below 1e-7 counts as 1e-7.

use super::{EPSILON, Function, sum};
use crate::kernels::batch_normalization::square_root;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct CosineSimilarity {
    /// The length of the last axis.
    pub(super) length: usize,
}

/// One over the norm of a vector, and whether the vector changes it.
#[inline(always)]
fn inverse_norm(vector: &[f32]) -> (f64, bool) {
    let square = sum(vector, vector, |a, b| a * b);
    let least = f64::from(EPSILON);
    // NaN passes.
    let is_small = square < least * least;
    (
        1.0 / square_root(if is_small { least * least } else { square }),
        !is_small,
    )
}

impl Function for CosineSimilarity {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        let positions = (units / self.length) as f64;
        let examples = output.chunks_exact(units).zip(target.chunks_exact(units));
        for (loss, (y, t)) in losses.iter_mut().zip(examples) {
            let rows = y.chunks_exact(self.length).zip(t.chunks_exact(self.length));
            let cosines =
                rows.map(|(y, t)| sum(y, t, |y, t| y * t) * inverse_norm(y).0 * inverse_norm(t).0);
            *loss = -(cosines.sum::<f64>() / positions) as f32;
        }
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let scale = f64::from(scale) / (output.len() / self.length) as f64;
        let rows = output
            .chunks_exact(self.length)
            .zip(target.chunks_exact(self.length));
        for (gradient, (y, t)) in gradient.chunks_exact_mut(self.length).zip(rows) {
            let ((of_y, changes), (of_t, _)) = (inverse_norm(y), inverse_norm(t));
            let along_t = scale * of_y * of_t;
            // The norm of the output changes with it.
            let along_y = match changes {
                true => along_t * of_y * of_y * sum(y, t, |y, t| y * t),
                false => 0.0,
            };
            let (along_t, along_y) = (along_t as f32, along_y as f32);
            for ((g, y), t) in gradient.iter_mut().zip(y).zip(t) {
                *g = along_y * y - along_t * t;
            }
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let mean = T::from_f64(self.length as f64 / y.len() as f64);
        let rows = y.chunks(self.length).zip(t.chunks(self.length));
        let cosine = |(y, t): (&[T], &[T])| {
            let dot: T = y.iter().zip(t).map(|(y, t)| *y * *t).sum();
            -mean * dot / (twin_of_norm(y) * twin_of_norm(t))
        };
        rows.map(cosine).sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let mean = T::from_f64(self.length as f64 / y.len() as f64);
        let least = T::from_f64(EPSILON.into());
        let rows = y.chunks(self.length).zip(t.chunks(self.length));
        let slopes = rows.map(|(y, t)| {
            let (of_y, of_t) = (twin_of_norm(y), twin_of_norm(t));
            let dot: T = y.iter().zip(t).map(|(y, t)| *y * *t).sum();
            let slope = |(y, t): (&T, &T)| {
                let of_norm = match of_y > least {
                    true => dot * *y / (of_y * of_y),
                    false => T::from_f64(0.0),
                };
                -mean * (*t - of_norm) / (of_y * of_t)
            };
            y.iter().zip(t).map(slope).collect::<Vec<T>>()
        });
        slopes.flatten().collect()
    }
}

#[cfg(any(test, feature = "reference"))]
fn twin_of_norm<T: Real>(vector: &[T]) -> T {
    let norm = vector.iter().map(|x| *x * *x).sum::<T>().sqrt();
    let least = T::from_f64(EPSILON.into());
    if norm < least { least } else { norm }
}
