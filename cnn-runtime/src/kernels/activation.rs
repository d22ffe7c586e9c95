//! Activation functions, applied in place to the output of a layer.
//!
//! The backward pass needs the output only, not the input, so a layer keeps one buffer. The loops are
//! plain Rust that LLVM vectorises for the instruction set they run with; every value has the same bits
//! on each of them.

use super::simd::{Kernel, Simd};
use super::{Isa, math};

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
    pub fn forward(self, isa: Isa, units: usize, y: &mut [f32]) {
        self.forward_with_bias(isa, units, &[], y);
    }

    /// Adds `bias`, `[units]` (empty: none), to each row of `y` and applies the activation.
    pub(crate) fn forward_with_bias(self, isa: Isa, units: usize, bias: &[f32], y: &mut [f32]) {
        assert_rows(units, y.len());
        assert!(
            bias.is_empty() || bias.len() == units,
            "a bias for each unit, or none"
        );
        if self != Self::Linear || !bias.is_empty() {
            isa.run(Forward {
                activation: self,
                units,
                bias,
                y,
            });
        }
    }

    /// Turns `dy`, the gradient with respect to the output `y`, into the gradient with respect to
    /// the input of the activation, in place. Both are `[.., units]`.
    ///
    /// # Panics
    /// If the two differ in length or are not made of whole rows of `units`.
    pub fn backward(self, isa: Isa, units: usize, y: &[f32], dy: &mut [f32]) {
        assert_rows(units, y.len());
        assert_eq!(y.len(), dy.len(), "an output for each gradient");
        if self != Self::Linear {
            isa.run(Backward {
                activation: self,
                units,
                y,
                dy,
            });
        }
    }
}

struct Forward<'a> {
    activation: Activation,
    units: usize,
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            activation,
            units,
            bias,
            y,
        } = self;
        match activation {
            Activation::Linear => map(bias, y, |z| z),
            Activation::Relu => map(bias, y, |z| if z < 0.0 { 0.0 } else { z }),
            Activation::LeakyRelu { negative_slope } => {
                map(bias, y, |z| if z > 0.0 { z } else { negative_slope * z });
            }
            Activation::Sigmoid => map(bias, y, math::sigmoid),
            Activation::Tanh => map(bias, y, math::tanh),
            Activation::Softmax => {
                if !bias.is_empty() {
                    map(bias, y, |z| z);
                }
                for row in y.chunks_exact_mut(units) {
                    subtract_maximum(row);
                }
                // Over all rows at once: rows are often shorter than a vector.
                map(&[], y, math::exp);
                for row in y.chunks_exact_mut(units) {
                    normalise(row);
                }
            }
        }
    }
}

struct Backward<'a> {
    activation: Activation,
    units: usize,
    y: &'a [f32],
    dy: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            activation,
            units,
            y,
            dy,
        } = self;
        match activation {
            Activation::Linear => {}
            Activation::Relu => scale(y, dy, |y, d| if y <= 0.0 { 0.0 } else { d }),
            Activation::LeakyRelu { negative_slope } => {
                scale(y, dy, |y, d| if y <= 0.0 { negative_slope * d } else { d });
            }
            Activation::Sigmoid => scale(y, dy, |y, d| d * (y * (1.0 - y))),
            Activation::Tanh => scale(y, dy, |y, d| d * (1.0 - y * y)),
            Activation::Softmax => {
                for (dy, y) in dy.chunks_exact_mut(units).zip(y.chunks_exact(units)) {
                    let mean = sum(dy.iter().zip(y).map(|(d, y)| d * y));
                    for (d, y) in dy.iter_mut().zip(y) {
                        *d = y * (*d - mean);
                    }
                }
            }
        }
    }
}

/// The first step of a softmax: shifts a row so that its maximum is 0, which no exponential
/// overflows. A +∞ becomes NaN, as does everything where there is nothing but -∞.
#[inline(always)]
pub(crate) fn subtract_maximum(row: &mut [f32]) {
    let mut maximum = f32::NEG_INFINITY;
    for z in &*row {
        maximum = if *z > maximum { *z } else { maximum };
    }
    for z in row {
        *z -= maximum;
    }
}

/// The last step: turns exponentials into probabilities. Returns the sum of the exponentials.
#[inline(always)]
pub(crate) fn normalise(row: &mut [f32]) -> f32 {
    let total = sum(row.iter().copied());
    for e in row {
        *e /= total;
    }
    total
}

/// The sum in order.
#[inline(always)]
fn sum(values: impl Iterator<Item = f32>) -> f32 {
    let mut sum = 0.0;
    for value in values {
        sum += value;
    }
    sum
}

#[inline(always)]
pub(crate) fn map(bias: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32) {
    if bias.is_empty() {
        for z in y {
            *z = f(*z);
        }
    } else {
        for row in y.chunks_exact_mut(bias.len()) {
            for (z, b) in row.iter_mut().zip(bias) {
                *z = f(*z + b);
            }
        }
    }
}

#[inline(always)]
fn scale(y: &[f32], dy: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    for (d, y) in dy.iter_mut().zip(y) {
        *d = f(*y, *d);
    }
}

fn assert_rows(units: usize, length: usize) {
    assert!(
        units > 0 && length.is_multiple_of(units),
        "whole rows of `units`"
    );
}
