//! Activation functions, applied in place to the output of a layer.
//!
//! `functions` holds an entry for each activation of single values; `softmax` and `log_softmax` work on rows. The loops
//! are plain Rust that LLVM vectorises for the instruction set they run with; every value has the same
//! bits on each of them.

mod functions;
mod log_softmax;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
pub(crate) mod softmax;
#[cfg(test)]
pub(crate) mod tests;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;
use cnn_ir::Activation;

/// Replaces each value of `y`, `[.., units]`, by its activation.
///
/// # Panics
/// If `y` is not made of whole rows of `units`.
pub fn forward(activation: Activation, isa: Isa, units: usize, y: &mut [f32]) {
    forward_with_bias(activation, isa, units, &[], y);
}

/// Adds `bias`, `[units]` (empty: none), to each row of `y` and applies the activation.
pub(crate) fn forward_with_bias(
    activation: Activation,
    isa: Isa,
    units: usize,
    bias: &[f32],
    y: &mut [f32],
) {
    assert_rows(units, y.len());
    assert!(
        bias.is_empty() || bias.len() == units,
        "a bias for each unit, or none"
    );
    if activation != Activation::Linear || !bias.is_empty() {
        isa.run_loop(Forward {
            activation,
            units,
            bias,
            y,
        });
    }
}

/// Turns `dy`, the gradient with respect to the output, into the gradient with respect to the input of
/// the activation, in place. `saved` is what
/// [`Properties::saves`](cnn_ir::activation::Properties::saves) says: the output or the
/// pre-activation. Both are `[.., units]`.
///
/// # Panics
/// If the two differ in length or are not made of whole rows of `units`.
pub fn backward(activation: Activation, isa: Isa, units: usize, saved: &[f32], dy: &mut [f32]) {
    assert_rows(units, saved.len());
    assert_eq!(saved.len(), dy.len(), "a value for each gradient");
    if activation != Activation::Linear {
        isa.run_loop(Backward {
            activation,
            units,
            saved,
            dy,
        });
    }
}

struct Forward<'a> {
    activation: Activation,
    units: usize,
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl Loop for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            activation,
            units,
            bias,
            y,
        } = self;
        functions::forward(activation, units, bias, y);
    }
}

struct Backward<'a> {
    activation: Activation,
    units: usize,
    saved: &'a [f32],
    dy: &'a mut [f32],
}

impl Loop for Backward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            activation,
            units,
            saved,
            dy,
        } = self;
        functions::backward(activation, units, saved, dy);
    }
}

/// `f` of each value of `y` and its bias, if there is one.
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
fn scale(saved: &[f32], dy: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    for (d, saved) in dy.iter_mut().zip(saved) {
        *d = f(*saved, *d);
    }
}

fn assert_rows(units: usize, length: usize) {
    assert!(
        units > 0 && length.is_multiple_of(units),
        "whole rows of `units`"
    );
}
