//! Losses, fused with the activation that belongs to them.
//!
//! Cross-entropies start from logits, where they are stable and their gradient is a plain
//! difference: the forward pass leaves the probabilities in place of the logits, and the backward
//! pass reads those.

use super::activation::{normalise_exponentials, subtract_maximum};
use super::math;

/// What training minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// `-sum(t * ln(softmax(z)))` over the classes; the targets are probabilities.
    CategoricalCrossentropy,
    /// `-mean(t * ln(p) + (1 - t) * ln(1 - p))` over the outputs, with `p = sigmoid(z)`.
    BinaryCrossentropy,
    /// `mean((y - t)^2)` over the outputs.
    MeanSquaredError,
}

impl Loss {
    /// The sum of the losses of all examples; `output` and `target` are `[n, units]`.
    ///
    /// A cross-entropy takes logits and leaves probabilities in `output`; the mean squared error
    /// leaves it untouched.
    ///
    /// # Panics
    /// If the slices differ in length or are not made of whole rows of `units`.
    pub fn forward(self, units: usize, output: &mut [f32], target: &[f32]) -> f64 {
        check(units, output.len(), target.len());
        let rows = output
            .chunks_exact_mut(units)
            .zip(target.chunks_exact(units));
        match self {
            Self::CategoricalCrossentropy => rows.map(|(z, t)| categorical(z, t)).sum(),
            Self::BinaryCrossentropy => rows.map(|(z, t)| binary(z, t)).sum::<f64>() / units as f64,
            Self::MeanSquaredError => {
                let square = |(y, t): (&mut f32, &f32)| f64::from(*y - t) * f64::from(*y - t);
                rows.map(|(y, t)| y.iter_mut().zip(t).map(square).sum::<f64>())
                    .sum::<f64>()
                    / units as f64
            }
        }
    }

    /// `scale` times the gradient of each example's loss, written to `gradient`, `[n, units]`.
    ///
    /// `output` is what [`Loss::forward`] left. The gradient of a cross-entropy is with respect
    /// to the logits, that of the mean squared error with respect to the outputs.
    ///
    /// # Panics
    /// If the slices differ in length or are not made of whole rows of `units`.
    pub fn backward(
        self,
        units: usize,
        output: &[f32],
        target: &[f32],
        scale: f32,
        gradient: &mut [f32],
    ) {
        check(units, output.len(), target.len());
        assert_eq!(gradient.len(), output.len(), "a gradient for each output");
        let rows = gradient
            .chunks_exact_mut(units)
            .zip(output.chunks_exact(units))
            .zip(target.chunks_exact(units));
        for ((gradient, output), target) in rows {
            // Gradient = factor * (whole * output - target).
            let (whole, factor) = match self {
                Self::CategoricalCrossentropy => (target.iter().sum(), scale),
                Self::BinaryCrossentropy => (1.0, scale / units as f32),
                Self::MeanSquaredError => (1.0, 2.0 * scale / units as f32),
            };
            for ((g, y), t) in gradient.iter_mut().zip(output).zip(target) {
                *g = factor * (whole * y - t);
            }
        }
    }
}

/// `sum(t * (ln(sum(exp(z))) - z))`, leaving the probabilities in `z`.
fn categorical(z: &mut [f32], t: &[f32]) -> f64 {
    subtract_maximum(z);
    // A class without a target adds nothing, also where its logit is infinite.
    let used = z.iter().zip(t).filter(|(_, t)| **t != 0.0);
    let logits: f64 = used.map(|(z, t)| f64::from(*t) * f64::from(*z)).sum();
    let total: f64 = t.iter().map(|t| f64::from(*t)).sum();
    total * f64::from(math::ln(normalise_exponentials(z))) - logits
}

/// `sum(max(z, 0) - z * t + ln(1 + exp(-|z|)))`, leaving the probabilities in `z`.
fn binary(z: &mut [f32], t: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (z, t) in z.iter_mut().zip(t) {
        let positive = if *z < 0.0 { 0.0 } else { *z };
        sum += f64::from(positive - *z * t) + f64::from(math::ln_1p(math::exp(-z.abs())));
        *z = math::sigmoid(*z);
    }
    sum
}

fn check(units: usize, output: usize, target: usize) {
    assert!(
        units > 0 && output.is_multiple_of(units),
        "whole rows of `units`"
    );
    assert_eq!(output, target, "a target for each output");
}
