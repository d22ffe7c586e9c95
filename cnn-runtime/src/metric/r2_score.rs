//! The coefficient of determination, Keras' `R2Score`: of each place of the last axis, and the mean of those.
//!
//! Targets that are all the same have no variance to explain. As in scikit-learn, the score is 1 then if all outputs are
//! exact, else 0; Keras has NaN and 0.

use super::Function;

pub(super) struct R2Score {
    /// The length of the last axis.
    pub(super) classes: usize,
    /// The values of an example.
    pub(super) units: usize,
}

impl Function for R2Score {
    /// At each place the sums of `t`, of `t^2` and of `(y - t)^2`.
    fn columns(&self) -> usize {
        3 * self.classes
    }

    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]) {
        let rows = output.chunks_exact(self.classes);
        for (y, t) in rows.zip(target.chunks_exact(self.classes)) {
            for ((y, t), sums) in y.iter().zip(t).zip(sums.chunks_exact_mut(3)) {
                let (y, t) = (f64::from(*y), f64::from(*t));
                sums[0] += t;
                sums[1] += t * t;
                sums[2] += (y - t) * (y - t);
            }
        }
    }

    fn value(&self, sums: &[f64], examples: f64) -> f64 {
        let count = examples * (self.units / self.classes) as f64;
        let scores = sums.chunks_exact(3).map(|sums| {
            // Targets are single precision, so their squares are exact here, and far from the end of the digits.
            score(sums[1] - sums[0] * sums[0] / count, sums[2], sums[1])
        });
        scores.sum::<f64>() / self.classes as f64
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, output: &[f64], target: &[f64]) -> f64 {
        let scores = (0..self.classes).map(|place| {
            let of = |values: &[f64]| -> Vec<f64> {
                values.chunks(self.classes).map(|row| row[place]).collect()
            };
            let (y, t) = (of(output), of(target));
            let mean = t.iter().sum::<f64>() / t.len() as f64;
            let variation = t.iter().map(|t| (t - mean).powi(2)).sum();
            let error = y.iter().zip(&t).map(|(y, t)| (y - t).powi(2)).sum();
            let square = t.iter().map(|t| t * t).sum();
            score(variation, error, square)
        });
        scores.sum::<f64>() / self.classes as f64
    }
}

/// From the sum of the squared differences to the mean, that of the squared errors, and that of the squared targets,
/// which tells how much of the first may be rounding.
fn score(variation: f64, error: f64, square: f64) -> f64 {
    if variation > 1e-12 * square || variation.is_nan() || error.is_nan() {
        1.0 - error / variation
    } else if error == 0.0 {
        1.0
    } else {
        0.0
    }
}
