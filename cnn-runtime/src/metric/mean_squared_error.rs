//! `mean((y - t)^2)`, Keras' `mse`.

use super::sum_of_means;

pub(super) fn sum(units: usize, output: &[f32], target: &[f32]) -> f64 {
    sum_of_means(units, output, target, |y, t| {
        f64::from(y - t) * f64::from(y - t)
    })
}

/// By definition, of one example.
#[cfg(any(test, feature = "reference"))]
pub(super) fn twin(y: &[f64], t: &[f64]) -> f64 {
    super::reference::mean(y, t, |y, t| (y - t).powi(2))
}
