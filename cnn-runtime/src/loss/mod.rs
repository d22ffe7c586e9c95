//! Losses, fused with the activation that belongs to them: a file each, and one table.
//!
//! Cross-entropies start from logits, where they are stable and their gradient is a plain
//! difference: the forward pass leaves the probabilities in place of the logits, and the backward
//! pass reads those.

mod binary_crossentropy;
mod categorical_crossentropy;
mod huber;
mod mean_squared_error;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
pub(crate) mod tests;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;
use cnn_ir::Loss;

/// A loss. Outputs and targets are `[n, units]`: a row of all values for each example.
trait Function: Copy {
    /// The loss of each example, to `losses`, `[n]`. Logits become what the activation of the loss makes
    /// of them.
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]);

    /// `scale` times the gradient of one example's loss, from what the forward pass left.
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]);

    /// By definition: the loss of one example from the outputs behind the activation.
    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T;

    /// The derivative of [`twin`](Self::twin) with respect to each output.
    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T>;
}

/// Calls a body with the [`Function`] of a loss over outputs of a shape.
macro_rules! with_function {
    ($loss:expr, $shape:expr, $function:ident => $body:expr) => {
        match $loss {
            Loss::CategoricalCrossentropy => {
                let $function = $crate::loss::categorical_crossentropy::CategoricalCrossentropy {
                    classes: $crate::loss::classes($shape),
                };
                $body
            }
            Loss::BinaryCrossentropy => {
                let $function = $crate::loss::binary_crossentropy::BinaryCrossentropy;
                $body
            }
            Loss::MeanSquaredError => {
                let $function = $crate::loss::mean_squared_error::MeanSquaredError;
                $body
            }
            Loss::Huber { delta } => {
                let $function = $crate::loss::huber::Huber { delta };
                $body
            }
        }
    };
}
#[cfg(any(test, feature = "reference"))]
use with_function;

/// The loss of each example, to `losses`, `[n]`: its mean over the positions or values of an output of `shape`,
/// `[H, W, C]` or `[C]`. `output` and `target` are `[n, ..shape]`.
///
/// A loss with an activation takes logits and leaves what the activation makes of them in `output`;
/// others leave it untouched.
///
/// # Panics
/// If `shape` is empty along an axis, or the slices differ in length or are not made of whole examples.
pub fn forward(
    loss: Loss,
    isa: Isa,
    shape: &[usize],
    output: &mut [f32],
    target: &[f32],
    losses: &mut [f32],
) {
    check(shape, output.len(), target.len());
    assert_eq!(
        losses.len() * units(shape),
        output.len(),
        "a loss for each example"
    );
    isa.run_loop(Forward {
        loss,
        shape,
        output,
        target,
        losses,
    });
}

/// `scale` times the gradient of each example's loss, written to `gradient`, `[n, ..shape]`.
///
/// `output` is what [`forward`] left. The gradient is with respect to what `forward` took: the logits of
/// a loss with an activation, the outputs of others.
///
/// # Panics
/// If `shape` is empty along an axis, or the slices differ in length or are not made of whole examples.
pub fn backward(
    loss: Loss,
    isa: Isa,
    shape: &[usize],
    output: &[f32],
    target: &[f32],
    scale: f32,
    gradient: &mut [f32],
) {
    check(shape, output.len(), target.len());
    assert_eq!(gradient.len(), output.len(), "a gradient for each output");
    isa.run_loop(Backward {
        loss,
        shape,
        output,
        target,
        scale,
        gradient,
    });
}

struct Forward<'a> {
    loss: Loss,
    shape: &'a [usize],
    output: &'a mut [f32],
    target: &'a [f32],
    losses: &'a mut [f32],
}

impl Loop for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            loss,
            shape,
            output,
            target,
            losses,
        } = self;
        let units = units(shape);
        with_function!(loss, shape, function => function.forward(units, output, target, losses));
    }
}

struct Backward<'a> {
    loss: Loss,
    shape: &'a [usize],
    output: &'a [f32],
    target: &'a [f32],
    scale: f32,
    gradient: &'a mut [f32],
}

impl Loop for Backward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            loss,
            shape,
            output,
            target,
            scale,
            gradient,
        } = self;
        let units = units(shape);
        let rows = gradient
            .chunks_exact_mut(units)
            .zip(output.chunks_exact(units))
            .zip(target.chunks_exact(units));
        with_function!(loss, shape, function => {
            for ((gradient, output), target) in rows {
                function.backward(output, target, scale, gradient);
            }
        });
    }
}

/// Each example's loss, as the mean of `f` over its outputs.
#[inline(always)]
fn means(
    units: usize,
    output: &[f32],
    target: &[f32],
    losses: &mut [f32],
    f: impl Fn(f32, f32) -> f32,
) {
    let mean = 1.0 / units as f64;
    let rows = output.chunks_exact(units).zip(target.chunks_exact(units));
    for (loss, (y, t)) in losses.iter_mut().zip(rows) {
        *loss = (sum(y, t, &f) * mean) as f32;
    }
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

/// The values of an output.
fn units(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The classes that an output has a score for at each position: its last axis.
fn classes(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

fn check(shape: &[usize], output: usize, target: usize) {
    let units = units(shape);
    assert!(
        units > 0 && output.is_multiple_of(units),
        "whole examples of `shape`"
    );
    assert_eq!(output, target, "a target for each output");
}
