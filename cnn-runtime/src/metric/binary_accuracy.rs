//! The share of the outputs that are on their target's side, with a threshold of one's own: Keras' `BinaryAccuracy`.
//!
//! An output of NaN is no answer, and counts as wrong.

use super::Function;

pub(super) struct BinaryAccuracy {
    /// The values of an example.
    pub(super) units: usize,
    /// Outputs above it are a yes.
    pub(super) threshold: f32,
    /// Targets above it are a yes.
    pub(super) border: f32,
}

impl Function for BinaryAccuracy {
    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]) {
        // Without a branch, so that LLVM may use vectors.
        let is_right = |y: f32, t: f32| {
            ((y > self.threshold) == (t > self.border)) & !y.is_nan() & !t.is_nan()
        };
        let pairs = output.iter().zip(target);
        let right = pairs.filter(|(y, t)| is_right(**y, **t)).count();
        sums[0] += right as f64 / self.units as f64;
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, output: &[f64], target: &[f64]) -> f64 {
        super::reference::mean(output, target, |y, t| {
            let answer = (!y.is_nan()).then_some(y > self.threshold.into());
            let truth = (!t.is_nan()).then_some(t > self.border.into());
            f64::from(answer.is_some() && answer == truth)
        })
    }
}
