//! Losses, fused with the activation that belongs to them.
//!
//! Cross-entropies start from logits, where they are stable and their gradient is a plain
//! difference: the forward pass leaves the probabilities in place of the logits, and the backward
//! pass reads those.

use super::activation::{map, normalise, subtract_maximum};
use super::simd::{Kernel, Simd};
use super::{Isa, math};

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
    /// The loss of each example, to `losses`, `[n]`; `output` and `target` are `[n, units]`.
    ///
    /// A cross-entropy takes logits and leaves probabilities in `output`; the mean squared error
    /// leaves it untouched.
    ///
    /// # Panics
    /// If the slices differ in length or are not made of whole rows of `units`.
    pub fn forward(
        self,
        isa: Isa,
        units: usize,
        output: &mut [f32],
        target: &[f32],
        losses: &mut [f32],
    ) {
        check(units, output.len(), target.len());
        assert_eq!(
            losses.len() * units,
            output.len(),
            "a loss for each example"
        );
        isa.run(Forward {
            loss: self,
            units,
            output,
            target,
            losses,
        });
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
        isa: Isa,
        units: usize,
        output: &[f32],
        target: &[f32],
        scale: f32,
        gradient: &mut [f32],
    ) {
        check(units, output.len(), target.len());
        assert_eq!(gradient.len(), output.len(), "a gradient for each output");
        isa.run(Backward {
            loss: self,
            units,
            output,
            target,
            scale,
            gradient,
        });
    }
}

struct Forward<'a> {
    loss: Loss,
    units: usize,
    output: &'a mut [f32],
    target: &'a [f32],
    losses: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            loss,
            units,
            output,
            target,
            losses,
        } = self;
        let targets = target.chunks_exact(units);
        let mean = 1.0 / units as f64;
        match loss {
            Loss::CategoricalCrossentropy => {
                let rows = output.chunks_exact_mut(units).zip(targets.clone());
                for (loss, (z, t)) in losses.iter_mut().zip(rows) {
                    subtract_maximum(z);
                    // A class without a target adds nothing, also where its logit is infinite.
                    *loss = -sum(z, t, |z, t| if t != 0.0 { t * z } else { 0.0 }) as f32;
                }
                // Over all rows at once: rows are often shorter than a vector.
                map(&[], output, math::exp);
                let rows = output.chunks_exact_mut(units).zip(targets);
                for (loss, (z, t)) in losses.iter_mut().zip(rows) {
                    let total = sum(t, t, |t, _| t) as f32;
                    *loss += total * math::ln(normalise(z));
                }
            }
            Loss::BinaryCrossentropy => {
                let rows = output.chunks_exact(units).zip(targets);
                for (loss, (z, t)) in losses.iter_mut().zip(rows) {
                    *loss = (sum(z, t, binary) * mean) as f32;
                }
                map(&[], output, math::sigmoid);
            }
            Loss::MeanSquaredError => {
                let rows = output.chunks_exact(units).zip(targets);
                for (loss, (y, t)) in losses.iter_mut().zip(rows) {
                    *loss = (sum(y, t, |y, t| (y - t) * (y - t)) * mean) as f32;
                }
            }
        }
    }
}

struct Backward<'a> {
    loss: Loss,
    units: usize,
    output: &'a [f32],
    target: &'a [f32],
    scale: f32,
    gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            loss,
            units,
            output,
            target,
            scale,
            gradient,
        } = self;
        let rows = gradient
            .chunks_exact_mut(units)
            .zip(output.chunks_exact(units))
            .zip(target.chunks_exact(units));
        for ((gradient, output), target) in rows {
            // Gradient = factor * (whole * output - target).
            let (whole, factor) = match loss {
                Loss::CategoricalCrossentropy => (sum(target, target, |t, _| t) as f32, scale),
                Loss::BinaryCrossentropy => (1.0, scale / units as f32),
                Loss::MeanSquaredError => (1.0, 2.0 * scale / units as f32),
            };
            for ((g, y), t) in gradient.iter_mut().zip(output).zip(target) {
                *g = factor * (whole * y - t);
            }
        }
    }
}

/// `max(z, 0) - z * t + ln(1 + exp(-|z|))`: the cross-entropy of `sigmoid(z)` and `t`.
#[inline(always)]
fn binary(z: f32, t: f32) -> f32 {
    let positive = if z < 0.0 { 0.0 } else { z };
    positive - z * t + math::ln_1p(math::exp(-z.abs()))
}

/// The sum of `f` over pairs, in sixteen partial sums, so that LLVM may use vectors.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    const LANES: usize = 16;
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f64; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        let mut values = [0.0; LANES];
        for lane in 0..LANES {
            values[lane] = f(a[lane], b[lane]);
        }
        for lane in 0..LANES {
            sums[lane] += f64::from(values[lane]);
        }
    }
    for &width in &[8, 4, 2, 1] {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    let mut total = sums[0];
    for (a, b) in a_rest.iter().zip(b_rest) {
        total += f64::from(f(*a, *b));
    }
    total
}

fn check(units: usize, output: usize, target: usize) {
    assert!(
        units > 0 && output.is_multiple_of(units),
        "whole rows of `units`"
    );
    assert_eq!(output, target, "a target for each output");
}
