//! Depthwise convolution: a loop over the cells of a window, with vectors along channels.
//!
//! ```text
//! forward    y[cell, c] = bias[c] + Σ taps  x[cell at tap, c] k[tap, c]       sums of a cell stay in registers
//! backward   dk[tap, c] += Σ cells x[cell at tap, c] dy[cell, c]              sums of a tap stay in registers
//!            dx[cell at tap, c] += dy[cell, c] k[tap, c]
//! ```
//!
//! With several output channels for each of the input's (`depth_multiplier`) loads of the input are repeated.

mod forward;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod tests;

use core::ops::Range;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;
use cnn_ir::operation::DepthwiseConv2d;

/// Channels whose sums are made together.
const LANES: usize = 16;

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
        1 => isa.run(forward::Forward {
            conv,
            x,
            kernel,
            bias,
            y,
        }),
        _ => isa.run_loop(Multiplied {
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
    isa.run_loop(KernelGradient { conv, x, dy, dk });
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
    isa.run_loop(InputGradient {
        conv,
        dy,
        kernel,
        dx,
    });
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

/// The input's channels that belong to some of the output's.
#[inline(always)]
fn load<const M: bool>(x: &[f32], first: usize, multiplier: usize) -> [f32; LANES] {
    let mut values = [0.0; LANES];
    if M {
        for (lane, value) in values.iter_mut().enumerate() {
            if let Some(x) = x.get((first + lane) / multiplier) {
                *value = *x;
            }
        }
    } else if let Some(x) = x.get(first..first + LANES) {
        values.copy_from_slice(x);
    } else {
        for (value, x) in values.iter_mut().zip(&x[first..]) {
            *value = *x;
        }
    }
    values
}

/// Some channels of a cell or of a tap; what lies behind the last is zero.
#[inline(always)]
fn lanes(values: &[f32], first: usize) -> [f32; LANES] {
    load::<false>(values, first, 1)
}

/// The forward pass with several output channels for each of the input's, a tap of all channels at a time.
struct Multiplied<'a> {
    conv: &'a DepthwiseConv2d,
    x: &'a [f32],
    kernel: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl Loop for Multiplied<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { conv, .. } = self;
        let ([height, width, channels], [rows, columns, filters]) = (conv.input, conv.output);
        let multiplier = conv.multiplier();
        let images = self.x.chunks_exact(height * width * channels);
        for (x, y) in images.zip(self.y.chunks_exact_mut(rows * columns * filters)) {
            for (row, y) in y.chunks_exact_mut(columns * filters).enumerate() {
                for (column, y) in y.chunks_exact_mut(filters).enumerate() {
                    match self.bias.is_empty() {
                        true => y.fill(0.0),
                        false => y.copy_from_slice(self.bias),
                    }
                    for tap_row in taps(conv, 0, row) {
                        let from = place(conv, 0, row, tap_row) * width;
                        for tap_column in taps(conv, 1, column) {
                            let cell = from + place(conv, 1, column, tap_column);
                            let x = &x[cell * channels..(cell + 1) * channels];
                            let tap = tap_row * conv.kernel[1] + tap_column;
                            let k = &self.kernel[tap * filters..(tap + 1) * filters];
                            let groups = y.chunks_exact_mut(multiplier);
                            for (x, (y, k)) in x.iter().zip(groups.zip(k.chunks_exact(multiplier)))
                            {
                                for (y, k) in y.iter_mut().zip(k) {
                                    *y += x * k;
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

struct KernelGradient<'a> {
    conv: &'a DepthwiseConv2d,
    x: &'a [f32],
    dy: &'a [f32],
    dk: &'a mut [f32],
}

impl Loop for KernelGradient<'_> {
    #[inline(always)]
    fn run(self) {
        match self.conv.multiplier() {
            1 => self.with::<false>(),
            _ => self.with::<true>(),
        }
    }
}

impl KernelGradient<'_> {
    #[inline(always)]
    fn with<const M: bool>(self) {
        let Self { conv, .. } = self;
        let ([height, width, channels], [rows, columns, filters]) = (conv.input, conv.output);
        let multiplier = conv.multiplier();
        let images = self.x.chunks_exact(height * width * channels);
        for (x, dy) in images.zip(self.dy.chunks_exact(rows * columns * filters)) {
            for (tap, dk) in self.dk.chunks_exact_mut(filters).enumerate() {
                let (tap_row, tap_column) = (tap / conv.kernel[1], tap % conv.kernel[1]);
                for first in (0..filters).step_by(LANES) {
                    let mut sums = [0.0; LANES];
                    for row in steps(conv, 0, tap_row) {
                        let from = place(conv, 0, row, tap_row) * width;
                        for column in steps(conv, 1, tap_column) {
                            let cell = from + place(conv, 1, column, tap_column);
                            let x = load::<M>(
                                &x[cell * channels..(cell + 1) * channels],
                                first,
                                multiplier,
                            );
                            let cell = row * columns + column;
                            let dy = lanes(&dy[cell * filters..(cell + 1) * filters], first);
                            for lane in 0..LANES {
                                sums[lane] += x[lane] * dy[lane];
                            }
                        }
                    }
                    for (dk, sum) in dk[first..].iter_mut().zip(sums) {
                        *dk += sum;
                    }
                }
            }
        }
    }
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

struct InputGradient<'a> {
    conv: &'a DepthwiseConv2d,
    dy: &'a [f32],
    kernel: &'a [f32],
    dx: &'a mut [f32],
}

impl Loop for InputGradient<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { conv, .. } = self;
        let ([height, width, channels], [rows, columns, filters]) = (conv.input, conv.output);
        let multiplier = conv.multiplier();
        self.dx.fill(0.0);
        let images = self.dx.chunks_exact_mut(height * width * channels);
        for (dx, dy) in images.zip(self.dy.chunks_exact(rows * columns * filters)) {
            for (row, dy) in dy.chunks_exact(columns * filters).enumerate() {
                for tap_row in taps(conv, 0, row) {
                    let from = place(conv, 0, row, tap_row) * width;
                    for (column, dy) in dy.chunks_exact(filters).enumerate() {
                        for tap_column in taps(conv, 1, column) {
                            let cell = from + place(conv, 1, column, tap_column);
                            let dx = &mut dx[cell * channels..(cell + 1) * channels];
                            let tap = tap_row * conv.kernel[1] + tap_column;
                            let k = &self.kernel[tap * filters..(tap + 1) * filters];
                            if multiplier == 1 {
                                for ((dx, dy), k) in dx.iter_mut().zip(dy).zip(k) {
                                    *dx += dy * k;
                                }
                            } else {
                                let groups = dy.chunks_exact(multiplier);
                                let groups = groups.zip(k.chunks_exact(multiplier));
                                for (dx, (dy, k)) in dx.iter_mut().zip(groups) {
                                    for (dy, k) in dy.iter().zip(k) {
                                        *dx += dy * k;
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
