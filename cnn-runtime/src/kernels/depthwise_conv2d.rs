//! Depthwise convolution: each channel by itself, with vectors along channels.
//!
//! ```text
//! forward    y[cell, c] = bias[c] + Σ taps  x[cell at tap, c] k[tap, c]      gather: sums of several cells in registers
//! backward   dx[cell, c] = Σ taps  dy[cell that sees it through tap, c] k[tap, c]    gather
//!            dk[tap, c] += Σ cells x[cell at tap, c] dy[cell, c]             kernel_gradient: sums of 3x3 taps in registers
//! ```
//!
//! With several output channels for each of the input's (`depth_multiplier`) all three are plain loops, in `multiplied`.

mod axis;
mod gather;
mod kernel_gradient;
mod multiplied;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod tests;

use core::ops::Range;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;
use axis::Pass;
use cnn_ir::operation::DepthwiseConv2d;
use gather::Gather;

/// Writes `x * kernel + bias`, `[n, ..output]`, without activation, of `x`, `[n, ..input]`, and a kernel
/// `[height, width, channels, multiplier]`. An empty bias means none.
///
/// # Panics
/// If a slice is of another length.
pub(crate) fn forward(
    conv: &DepthwiseConv2d,
    isa: Isa,
    n: usize,
    x: &[f32],
    kernel: &[f32],
    bias: &[f32],
    y: &mut [f32],
) {
    check(conv, n, x.len(), kernel.len(), y.len());
    assert!(bias.is_empty() || bias.len() == conv.output[2], "bias");
    match conv.multiplier() {
        1 => isa.run(Gather {
            conv,
            pass: Pass::Forward,
            source: x,
            kernel,
            bias,
            target: y,
        }),
        _ => isa.run_loop(multiplied::Forward {
            conv,
            x,
            kernel,
            bias,
            y,
        }),
    }
}

/// Adds the gradient of the kernel, from `dy`, `[n, ..output]`, before the activation.
///
/// # Panics
/// If a slice is of another length.
pub(crate) fn backward_kernel(
    conv: &DepthwiseConv2d,
    isa: Isa,
    n: usize,
    x: &[f32],
    dy: &[f32],
    dk: &mut [f32],
) {
    check(conv, n, x.len(), dk.len(), dy.len());
    match conv.multiplier() {
        1 => isa.run(kernel_gradient::KernelGradient { conv, x, dy, dk }),
        _ => isa.run_loop(multiplied::KernelGradient { conv, x, dy, dk }),
    }
}

/// Adds the gradient of the bias.
///
/// # Panics
/// If `dy` is no whole number of cells.
pub(crate) fn backward_bias(isa: Isa, dy: &[f32], db: &mut [f32]) {
    assert!(dy.len().is_multiple_of(db.len()), "whole cells");
    isa.run_loop(BiasGradient { dy, db });
}

/// Writes the gradient with respect to the input, `[n, ..input]`.
///
/// # Panics
/// If a slice is of another length.
pub(crate) fn backward_input(
    conv: &DepthwiseConv2d,
    isa: Isa,
    n: usize,
    dy: &[f32],
    kernel: &[f32],
    dx: &mut [f32],
) {
    check(conv, n, dx.len(), kernel.len(), dy.len());
    match conv.multiplier() {
        1 => isa.run(Gather {
            conv,
            pass: Pass::InputGradient,
            source: dy,
            kernel,
            bias: &[],
            target: dx,
        }),
        _ => isa.run_loop(multiplied::InputGradient {
            conv,
            dy,
            kernel,
            dx,
        }),
    }
}

fn check(conv: &DepthwiseConv2d, n: usize, x: usize, kernel: usize, y: usize) {
    let values = |shape: [usize; 3]| n * shape.iter().product::<usize>();
    assert_eq!(x, values(conv.input), "the input");
    assert_eq!(y, values(conv.output), "the output");
    let [height, width] = conv.kernel;
    assert_eq!(kernel, height * width * conv.output[2], "the kernel");
    assert!(conv.output[2].is_multiple_of(conv.input[2]), "channels");
}

/// The kernel rows or columns that the window at `step` has inside the image.
#[inline(always)]
fn taps(conv: &DepthwiseConv2d, axis: usize, step: usize) -> Range<usize> {
    let (start, dilation) = (step * conv.strides[axis], conv.dilation[axis]);
    let first = conv.padding[axis].saturating_sub(start).div_ceil(dilation);
    let end = (conv.input[axis] + conv.padding[axis]).saturating_sub(start);
    let end = end.div_ceil(dilation).min(conv.kernel[axis]);
    first.min(end)..end
}

/// Where a tap of the window at `step` lies in the image.
#[inline(always)]
fn place(conv: &DepthwiseConv2d, axis: usize, step: usize, tap: usize) -> usize {
    step * conv.strides[axis] + tap * conv.dilation[axis] - conv.padding[axis]
}

/// The steps of an axis at which a tap lies inside the image.
#[inline(always)]
fn steps(conv: &DepthwiseConv2d, axis: usize, tap: usize) -> Range<usize> {
    let (offset, stride) = (tap * conv.dilation[axis], conv.strides[axis]);
    let first = conv.padding[axis].saturating_sub(offset).div_ceil(stride);
    let end = (conv.input[axis] + conv.padding[axis]).saturating_sub(offset);
    let end = end.div_ceil(stride).min(conv.output[axis]);
    first.min(end)..end
}

struct BiasGradient<'a> {
    dy: &'a [f32],
    db: &'a mut [f32],
}

impl Loop for BiasGradient<'_> {
    #[inline(always)]
    fn run(self) {
        for cell in self.dy.chunks_exact(self.db.len()) {
            for (db, dy) in self.db.iter_mut().zip(cell) {
                *db += dy;
            }
        }
    }
}
