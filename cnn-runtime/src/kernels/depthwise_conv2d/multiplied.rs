//! The passes with several output channels for each of the input's (`depth_multiplier`), as plain loops.
//!
//! ```text
//! images ─▶ rows and columns of the output ─▶ taps inside the image ─▶ channels ─▶ the output channels of one
//! ```

use core::ops::Range;

use super::{place, taps};
use crate::kernels::simd::Loop;
use cnn_ir::operation::DepthwiseConv2d;

/// The forward pass. The lengths of the slices have been checked, as in the others.
pub(super) struct Forward<'a> {
    pub(super) conv: &'a DepthwiseConv2d,
    /// `[n, ..input]`.
    pub(super) x: &'a [f32],
    pub(super) kernel: &'a [f32],
    /// Empty: none.
    pub(super) bias: &'a [f32],
    /// `[n, ..output]`, overwritten.
    pub(super) y: &'a mut [f32],
}

impl Loop for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { conv, y, .. } = self;
        for y in y.chunks_exact_mut(conv.output[2]) {
            match self.bias.is_empty() {
                true => y.fill(0.0),
                false => y.copy_from_slice(self.bias),
            }
        }
        for_each_tap(conv, y.len(), |Cells { x, tap, y: cell }| {
            let groups = y[cell].chunks_exact_mut(conv.multiplier());
            let groups = groups.zip(self.kernel[tap].chunks_exact(conv.multiplier()));
            for (x, (y, k)) in self.x[x].iter().zip(groups) {
                for (y, k) in y.iter_mut().zip(k) {
                    *y += x * k;
                }
            }
        });
    }
}

/// The gradient of the kernel.
pub(super) struct KernelGradient<'a> {
    pub(super) conv: &'a DepthwiseConv2d,
    /// `[n, ..input]`.
    pub(super) x: &'a [f32],
    /// `[n, ..output]`.
    pub(super) dy: &'a [f32],
    /// Added to.
    pub(super) dk: &'a mut [f32],
}

impl Loop for KernelGradient<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { conv, dk, .. } = self;
        for_each_tap(conv, self.dy.len(), |Cells { x, tap, y }| {
            let groups = dk[tap].chunks_exact_mut(conv.multiplier());
            let groups = groups.zip(self.dy[y].chunks_exact(conv.multiplier()));
            for (x, (dk, dy)) in self.x[x].iter().zip(groups) {
                for (dk, dy) in dk.iter_mut().zip(dy) {
                    *dk += x * dy;
                }
            }
        });
    }
}

/// The gradient of the input.
pub(super) struct InputGradient<'a> {
    pub(super) conv: &'a DepthwiseConv2d,
    /// `[n, ..output]`.
    pub(super) dy: &'a [f32],
    pub(super) kernel: &'a [f32],
    /// `[n, ..input]`, overwritten.
    pub(super) dx: &'a mut [f32],
}

impl Loop for InputGradient<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { conv, dx, .. } = self;
        dx.fill(0.0);
        for_each_tap(conv, self.dy.len(), |Cells { x, tap, y }| {
            let groups = self.dy[y].chunks_exact(conv.multiplier());
            let groups = groups.zip(self.kernel[tap].chunks_exact(conv.multiplier()));
            for (dx, (dy, k)) in dx[x].iter_mut().zip(groups) {
                for (dy, k) in dy.iter().zip(k) {
                    *dx += dy * k;
                }
            }
        });
    }
}

/// Where the channels lie of a cell of the input, of the tap that sees it, and of the cell of the output.
struct Cells {
    x: Range<usize>,
    tap: Range<usize>,
    y: Range<usize>,
}

/// Visits each tap inside an image of each cell of an output of `len` values.
#[inline(always)]
fn for_each_tap(conv: &DepthwiseConv2d, len: usize, mut visit: impl FnMut(Cells)) {
    let ([height, width, channels], [rows, columns, filters]) = (conv.input, conv.output);
    let cell = |index: usize, channels: usize| index * channels..(index + 1) * channels;
    for image in 0..len / (rows * columns * filters) {
        for row in 0..rows {
            for column in 0..columns {
                for tap_row in taps(conv, 0, row) {
                    let from = (image * height + place(conv, 0, row, tap_row)) * width;
                    for tap_column in taps(conv, 1, column) {
                        visit(Cells {
                            x: cell(from + place(conv, 1, column, tap_column), channels),
                            tap: cell(tap_row * conv.kernel[1] + tap_column, filters),
                            y: cell((image * rows + row) * columns + column, filters),
                        });
                    }
                }
            }
        }
    }
}
