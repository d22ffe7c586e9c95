//! Activation functions, applied in place to the output of a layer.
//!
//! The backward pass needs the output only, not the input, so a layer keeps one buffer.

use super::math;

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The identity.
    Linear,
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `x` where positive, `negative_slope * x` elsewhere.
    LeakyRelu {
        /// The slope below zero; not negative, as the backward pass tells the sides apart by the
        /// sign of the output.
        negative_slope: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `exp(x) / sum(exp(x))` over the last axis.
    Softmax,
}

impl Activation {
    /// Replaces each value of `y`, `[.., units]`, by its activation.
    ///
    /// # Panics
    /// If `y` is not made of whole rows of `units`.
    pub fn forward(self, units: usize, y: &mut [f32]) {
        self.forward_with_bias(units, &[], y);
    }

    /// Adds `bias`, `[units]` (empty: none), to each row of `y` and applies the activation.
    pub(crate) fn forward_with_bias(self, units: usize, bias: &[f32], y: &mut [f32]) {
        assert_rows(units, y.len());
        assert!(
            bias.is_empty() || bias.len() == units,
            "a bias for each unit, or none"
        );
        match self {
            Self::Linear if bias.is_empty() => {}
            Self::Linear => map(bias, y, |z| z),
            Self::Relu => map(bias, y, |z| if z < 0.0 { 0.0 } else { z }),
            Self::LeakyRelu { negative_slope } => {
                map(bias, y, |z| if z > 0.0 { z } else { negative_slope * z });
            }
            Self::Sigmoid => map(bias, y, math::sigmoid),
            Self::Tanh => map(bias, y, math::tanh),
            Self::Softmax => {
                if !bias.is_empty() {
                    map(bias, y, |z| z);
                }
                for row in y.chunks_exact_mut(units) {
                    subtract_maximum(row);
                    normalise_exponentials(row);
                }
            }
        }
    }

    /// Turns `dy`, the gradient with respect to the output `y`, into the gradient with respect to
    /// the input of the activation, in place. Both are `[.., units]`.
    ///
    /// # Panics
    /// If the two differ in length or are not made of whole rows of `units`.
    pub fn backward(self, units: usize, y: &[f32], dy: &mut [f32]) {
        assert_rows(units, y.len());
        assert_eq!(y.len(), dy.len(), "an output for each gradient");
        let pairs = dy.iter_mut().zip(y);
        match self {
            Self::Linear => {}
            Self::Relu => pairs.for_each(|(d, &y)| *d = if y <= 0.0 { 0.0 } else { *d }),
            Self::LeakyRelu { negative_slope } => {
                pairs.for_each(|(d, &y)| *d = if y <= 0.0 { negative_slope * *d } else { *d });
            }
            Self::Sigmoid => pairs.for_each(|(d, &y)| *d *= y * (1.0 - y)),
            Self::Tanh => pairs.for_each(|(d, &y)| *d *= 1.0 - y * y),
            Self::Softmax => {
                for (dy, y) in dy.chunks_exact_mut(units).zip(y.chunks_exact(units)) {
                    let mean: f32 = dy.iter().zip(y).map(|(d, y)| d * y).sum();
                    dy.iter_mut().zip(y).for_each(|(d, y)| *d = y * (*d - mean));
                }
            }
        }
    }
}

/// The first half of a softmax: shifts a row so that its maximum is 0, which no exponential
/// overflows. A +∞ becomes NaN, as does everything where there is nothing but -∞.
pub(crate) fn subtract_maximum(row: &mut [f32]) {
    let larger = |m, &z: &f32| if z > m { z } else { m };
    let maximum = row.iter().fold(f32::NEG_INFINITY, larger);
    row.iter_mut().for_each(|z| *z -= maximum);
}

/// The second half: turns shifted logits into probabilities. Returns the sum of exponentials.
pub(crate) fn normalise_exponentials(row: &mut [f32]) -> f32 {
    row.iter_mut().for_each(|z| *z = math::exp(*z));
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|e| *e /= sum);
    sum
}

#[inline(always)]
fn map(bias: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32) {
    if bias.is_empty() {
        y.iter_mut().for_each(|z| *z = f(*z));
    } else {
        for row in y.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(z, b)| *z = f(*z + b));
        }
    }
}

fn assert_rows(units: usize, length: usize) {
    assert!(
        units > 0 && length.is_multiple_of(units),
        "whole rows of `units`"
    );
}
