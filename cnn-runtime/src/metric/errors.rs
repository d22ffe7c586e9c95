//! `mae`, `mse`, `mape`: means of an error over all values; and the root of `mse`.

use super::Function;

/// The mean of `of` over all values of all examples.
pub(super) struct MeanError<F> {
    /// The values of an example.
    units: usize,
    of: F,
    #[cfg(any(test, feature = "reference"))]
    twin: fn(f64, f64) -> f64,
}

/// `mean(|y - t|)`.
pub(super) fn absolute(units: usize) -> MeanError<impl Fn(f32, f32) -> f64> {
    MeanError {
        units,
        of: |y: f32, t: f32| f64::from((y - t).abs()),
        #[cfg(any(test, feature = "reference"))]
        twin: |y, t| (y - t).abs(),
    }
}

/// `mean((y - t)^2)`.
pub(super) fn squared(units: usize) -> MeanError<impl Fn(f32, f32) -> f64> {
    MeanError {
        units,
        of: |y: f32, t: f32| f64::from(y - t) * f64::from(y - t),
        #[cfg(any(test, feature = "reference"))]
        twin: |y, t| (y - t).powi(2),
    }
}

/// `100 * mean(|y - t| / max(|t|, 1e-7))`, with the `epsilon` of Keras.
pub(super) fn percentage(units: usize) -> MeanError<impl Fn(f32, f32) -> f64> {
    MeanError {
        units,
        of: |y: f32, t: f32| 100.0 * f64::from((y - t).abs()) / f64::from(t.abs()).max(1e-7),
        #[cfg(any(test, feature = "reference"))]
        twin: |y, t| match t.abs() < 1e-7 {
            true => 100.0 * (y - t).abs() / 1e-7,
            false => 100.0 * ((y - t) / t).abs(),
        },
    }
}

impl<F: Fn(f32, f32) -> f64> Function for MeanError<F> {
    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]) {
        let pairs = output.iter().zip(target);
        let sum: f64 = pairs.map(|(y, t)| (self.of)(*y, *t)).sum();
        sums[0] += sum / self.units as f64;
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, output: &[f64], target: &[f64]) -> f64 {
        super::reference::mean(output, target, self.twin)
    }
}

/// `sqrt(mean((y - t)^2))` over all values of all examples: of their squares together, not a mean of roots.
pub(super) struct RootMeanSquaredError {
    /// The values of an example.
    pub(super) units: usize,
}

impl Function for RootMeanSquaredError {
    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]) {
        squared(self.units).add(output, target, sums);
    }

    fn value(&self, sums: &[f64], examples: f64) -> f64 {
        (sums[0] / examples).sqrt()
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, output: &[f64], target: &[f64]) -> f64 {
        super::reference::mean(output, target, |y, t| (y - t).powi(2)).sqrt()
    }
}
