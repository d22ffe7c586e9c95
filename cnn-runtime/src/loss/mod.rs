//! Losses, fused with the activation that belongs to them: a file each, and one table.
//!
//! Cross-entropies start from logits, where they are stable and their gradient is a plain
//! difference: the forward pass leaves the probabilities in place of the logits, and the backward
//! pass reads those.

mod binary_crossentropy;
mod binary_focal_crossentropy;
mod categorical_crossentropy;
mod categorical_focal_crossentropy;
mod categorical_hinge;
mod cosine_similarity;
mod hinge;
mod huber;
mod kl_divergence;
mod log_cosh;
mod mean_absolute_error;
mod mean_absolute_percentage_error;
mod mean_squared_error;
mod mean_squared_logarithmic_error;
mod poisson;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
pub(crate) mod tests;

use crate::kernels::simd::Loop;
use crate::kernels::{Isa, math};
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

/// A function of an output and its target, whose mean over the values of an example is a loss.
trait Pointwise: Copy {
    fn value(self, y: f32, t: f32) -> f32;

    /// With respect to the output. Where the function has a kink, one of the slopes on its sides or between them.
    fn derivative(self, y: f32, t: f32) -> f32;

    /// By definition.
    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T;

    /// The derivative of [`twin`](Self::twin).
    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T;
}

/// The mean of a [`Pointwise`] function.
#[derive(Clone, Copy)]
struct Mean<P>(P);

impl<P: Pointwise> Function for Mean<P> {
    #[inline(always)]
    fn forward(self, units: usize, output: &mut [f32], target: &[f32], losses: &mut [f32]) {
        means(units, output, target, losses, |y, t| self.0.value(y, t));
    }

    #[inline(always)]
    fn backward(self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let factor = scale / output.len() as f32;
        for ((g, y), t) in gradient.iter_mut().zip(output).zip(target) {
            *g = factor * self.0.derivative(*y, *t);
        }
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: &[T], t: &[T]) -> T {
        let mean = T::from_f64(1.0 / y.len() as f64);
        let values = y.iter().zip(t).map(|(y, t)| self.0.twin(*y, *t) * mean);
        values.sum()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: &[T], t: &[T]) -> Vec<T> {
        let mean = T::from_f64(1.0 / y.len() as f64);
        let slopes = y.iter().zip(t).map(|(y, t)| self.0.slope(*y, *t) * mean);
        slopes.collect()
    }
}

/// Calls a body with the [`Function`] of a loss over outputs of a shape.
macro_rules! with_function {
    ($loss:expr, $shape:expr, $function:ident => $body:expr) => {{
        use $crate::loss::{self, Mean};
        let classes = loss::classes($shape);
        // A copy of the body for each loss, as each is a type of its own.
        macro_rules! run {
            ($value:expr) => {{
                let $function = $value;
                $body
            }};
        }
        match $loss {
            Loss::CategoricalCrossentropy { label_smoothing } => {
                run!(loss::categorical_crossentropy::CategoricalCrossentropy {
                    classes,
                    label_smoothing,
                })
            }
            Loss::BinaryCrossentropy { label_smoothing } => {
                run!(loss::binary_crossentropy::BinaryCrossentropy { label_smoothing })
            }
            Loss::MeanSquaredError => {
                run!(Mean(loss::mean_squared_error::MeanSquaredError))
            }
            Loss::MeanAbsoluteError => {
                run!(Mean(loss::mean_absolute_error::MeanAbsoluteError))
            }
            Loss::MeanAbsolutePercentageError => {
                run!(Mean(
                    loss::mean_absolute_percentage_error::MeanAbsolutePercentageError
                ))
            }
            Loss::MeanSquaredLogarithmicError => {
                run!(Mean(
                    loss::mean_squared_logarithmic_error::MeanSquaredLogarithmicError
                ))
            }
            Loss::Huber { delta } => run!(Mean(loss::huber::Huber { delta })),
            Loss::LogCosh => run!(Mean(loss::log_cosh::LogCosh)),
            Loss::Hinge => run!(Mean(loss::hinge::Hinge)),
            Loss::SquaredHinge => run!(Mean(loss::hinge::SquaredHinge)),
            Loss::CategoricalHinge => run!(loss::categorical_hinge::CategoricalHinge { classes }),
            Loss::KlDivergence => run!(loss::kl_divergence::KlDivergence { classes }),
            Loss::Poisson => run!(Mean(loss::poisson::Poisson)),
            Loss::CosineSimilarity => {
                run!(loss::cosine_similarity::CosineSimilarity { length: classes })
            }
            Loss::BinaryFocalCrossentropy {
                alpha,
                gamma,
                apply_class_balancing,
                label_smoothing,
            } => run!(loss::binary_focal_crossentropy::BinaryFocalCrossentropy {
                alpha,
                gamma,
                apply_class_balancing,
                label_smoothing,
            }),
            Loss::CategoricalFocalCrossentropy {
                alpha,
                gamma,
                label_smoothing,
            } => run!(
                loss::categorical_focal_crossentropy::CategoricalFocalCrossentropy {
                    classes,
                    alpha,
                    gamma,
                    label_smoothing,
                }
            ),
        }
    }};
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

/// Keras' `epsilon`, which keeps divisors and arguments of logarithms away from 0.
const EPSILON: f32 = 1e-7;

/// -1, 0 or 1; NaN stays NaN.
#[inline(always)]
fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

/// `x^exponent` of a number from 0 on; NaN stays NaN.
#[inline(always)]
fn power(x: f32, exponent: f32) -> f32 {
    match exponent {
        0.0 => 1.0 + 0.0 * x,
        1.0 => x,
        2.0 => x * x,
        _ => math::exp(exponent * math::ln(x)),
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
