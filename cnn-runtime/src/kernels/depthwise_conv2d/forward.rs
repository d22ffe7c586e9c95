//! The forward pass, with vectors along channels.
//!
//! ```text
//! row of y ──▶ columns whose window is cut by an edge     a cell at a time
//!         ╰──▶ the others                                 several cells at a time: a weight is loaded once for all
//! ```
//!
//! The sums of a tile stay in registers. Where a vector holds several cells (few channels, stride 1), the columns
//! between the edges are one long row of values, and the weights are repeated.

use core::ops::Range;

use super::{place, taps};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, unrolled};
use cnn_ir::operation::DepthwiseConv2d;

/// Vectors of the output that are made together.
const TILE: usize = 8;

/// The most taps whose weights are repeated.
const MAX_REPEATED: usize = 25;

/// The forward pass with one output channel for each of the input's. The lengths of the slices have been checked.
pub(super) struct Forward<'a> {
    pub(super) conv: &'a DepthwiseConv2d,
    /// `[n, ..input]`.
    pub(super) x: &'a [f32],
    pub(super) kernel: &'a [f32],
    /// Empty: none.
    pub(super) bias: &'a [f32],
    /// `[n, ..output]`.
    pub(super) y: &'a mut [f32],
}

/// Weights and bias of all channels, repeated to fill a vector.
struct Repeated {
    kernel: [f32; MAX_REPEATED * MAX_LANES],
    bias: [f32; MAX_LANES],
}

impl Repeated {
    /// None, where a vector does not hold whole cells that lie side by side for each tap.
    #[inline(always)]
    fn new(conv: &DepthwiseConv2d, lanes: usize, kernel: &[f32], bias: &[f32]) -> Option<Self> {
        let [channels, taps] = [conv.input[2], conv.kernel[0] * conv.kernel[1]];
        let fits = channels < lanes && lanes.is_multiple_of(channels) && taps <= MAX_REPEATED;
        if !fits || conv.strides[1] != 1 {
            return None;
        }
        let mut repeated = Self {
            kernel: [0.0; MAX_REPEATED * MAX_LANES],
            bias: [0.0; MAX_LANES],
        };
        for (tap, weights) in kernel.chunks_exact(channels).enumerate() {
            let vector = &mut repeated.kernel[tap * lanes..(tap + 1) * lanes];
            for cell in vector.chunks_exact_mut(channels) {
                cell.copy_from_slice(weights);
            }
        }
        if !bias.is_empty() {
            for cell in repeated.bias[..lanes].chunks_exact_mut(channels) {
                cell.copy_from_slice(bias);
            }
        }
        Some(repeated)
    }
}

/// Vectors of the output side by side, whose windows have the same taps inside the image.
struct Run<S: Simd> {
    /// The values under the first tap of the first window.
    x: *const f32,
    /// From a window to the next.
    x_step: usize,
    y: *mut f32,
    y_step: usize,
    /// The weights of the first tap.
    kernel: *const f32,
    bias: S::V,
    /// How many vectors.
    len: usize,
    /// Rows and columns of taps.
    taps: [usize; 2],
    /// From a row of taps to the next, and from a tap to the next in its row: in `x` and in `kernel`.
    x_steps: [usize; 2],
    kernel_steps: [usize; 2],
}

/// The columns whose whole window lies inside the image.
fn inner_columns(conv: &DepthwiseConv2d) -> Range<usize> {
    let (stride, padding) = (conv.strides[1], conv.padding[1]);
    let extent = (conv.kernel[1] - 1) * conv.dilation[1] + 1;
    let end = match (conv.input[1] + padding).checked_sub(extent) {
        Some(last) => (last / stride + 1).min(conv.output[1]),
        None => 0,
    };
    padding.div_ceil(stride).min(end)..end
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { conv, kernel, .. } = self;
        let ([height, width, channels], [rows, columns, _]) = (conv.input, conv.output);
        let inner = inner_columns(conv);
        let repeated = Repeated::new(conv, S::LANES, kernel, self.bias);

        let images = self.x.chunks_exact(height * width * channels);
        for (x, y) in images.zip(self.y.chunks_exact_mut(rows * columns * channels)) {
            for (row, y) in y.chunks_exact_mut(columns * channels).enumerate() {
                let kernel_rows = taps(conv, 0, row);
                let first_row = match kernel_rows.is_empty() {
                    true => 0,
                    false => place(conv, 0, row, kernel_rows.start),
                };
                // The run of `len` vectors from the one of the channels from `first` in `column`, by the weights of
                // one cell.
                let mut run = |column: usize, len: usize, first: usize| {
                    let kernel_columns = taps(conv, 1, column);
                    let first_column = match kernel_columns.is_empty() {
                        true => 0,
                        false => place(conv, 1, column, kernel_columns.start),
                    };
                    let tap = kernel_rows.start * conv.kernel[1] + kernel_columns.start;
                    let count = S::LANES.min(channels - first);
                    Run::<S> {
                        x: x[(first_row * width + first_column) * channels + first..].as_ptr(),
                        x_step: conv.strides[1] * channels,
                        y: y[column * channels + first..].as_mut_ptr(),
                        y_step: channels,
                        // Without a tap inside the image, this may lie behind the last.
                        kernel: kernel.as_ptr().wrapping_add(tap * channels + first),
                        bias: match self.bias.is_empty() {
                            // SAFETY: the machine has the features of `S`.
                            true => unsafe { S::splat(0.0) },
                            // SAFETY: there are `count` channels from `first`.
                            false => unsafe { S::load_first(self.bias[first..].as_ptr(), count) },
                        },
                        len,
                        taps: [kernel_rows.len(), kernel_columns.len()],
                        x_steps: [
                            conv.dilation[0] * width * channels,
                            conv.dilation[1] * channels,
                        ],
                        kernel_steps: [conv.kernel[1] * channels, channels],
                    }
                };
                // SAFETY: the machine has the features of `S`. `taps` gives the taps of a window that lie inside the
                // image, and the windows of `inner` lie inside it as a whole: under each tap of a run there is a cell
                // of `x`. A vector holds channels of one cell, or whole cells side by side, up to the last of `inner`.
                unsafe {
                    for first in (0..channels).step_by(S::LANES) {
                        let count = S::LANES.min(channels - first);
                        for column in (0..inner.start).chain(inner.end..columns) {
                            run(column, 1, first).write(count);
                        }
                        if repeated.is_none() && !inner.is_empty() {
                            run(inner.start, inner.len(), first).write(count);
                        }
                    }
                    if let Some(repeated) = &repeated
                        && !inner.is_empty()
                    {
                        let values = inner.len() * channels;
                        let tap = kernel_rows.start * conv.kernel[1];
                        let mut run = Run {
                            x_step: S::LANES,
                            y_step: S::LANES,
                            kernel: repeated.kernel.as_ptr().wrapping_add(tap * S::LANES),
                            bias: S::load(repeated.bias.as_ptr()),
                            kernel_steps: [conv.kernel[1] * S::LANES, S::LANES],
                            ..run(inner.start, values / S::LANES, 0)
                        };
                        run.write(S::LANES);
                        let rest = values % S::LANES;
                        if rest > 0 {
                            run.x = run.x.add(values - rest);
                            run.y = run.y.add(values - rest);
                            run.len = 1;
                            run.write(rest);
                        }
                    }
                }
            }
        }
    }
}

impl<S: Simd> Run<S> {
    /// Writes the first `count` lanes of each vector of the output.
    ///
    /// # Safety
    /// The machine has the features of `S`. Under each tap of each vector there are `count` values of `x`; `kernel` has as
    /// many for each tap, and `y` for each vector.
    #[inline(always)]
    unsafe fn write(&self, count: usize) {
        // SAFETY: as above.
        unsafe {
            if count == S::LANES {
                self.tiles::<false>(count);
            } else {
                self.tiles::<true>(count);
            }
        }
    }

    /// # Safety
    /// As of [`Run::write`]; where not `CUT`, `count` is `LANES`.
    #[inline(always)]
    unsafe fn tiles<const CUT: bool>(&self, count: usize) {
        let mut done = 0;
        // SAFETY: as above; tiles end with the last vector.
        unsafe {
            while done + TILE <= self.len {
                self.tile::<TILE, CUT>(done, count);
                done += TILE;
            }
            if done + TILE / 2 <= self.len {
                self.tile::<{ TILE / 2 }, CUT>(done, count);
                done += TILE / 2;
            }
            while done < self.len {
                self.tile::<1, CUT>(done, count);
                done += 1;
            }
        }
    }

    /// # Safety
    /// As of [`Run::tiles`], for the `N` vectors from number `first`.
    #[inline(always)]
    unsafe fn tile<const N: usize, const CUT: bool>(&self, first: usize, count: usize) {
        // SAFETY: as above.
        unsafe {
            let x = self.x.add(first * self.x_step);
            let mut sums = [self.bias; N];
            for row in 0..self.taps[0] {
                for column in 0..self.taps[1] {
                    let kernel = row * self.kernel_steps[0] + column * self.kernel_steps[1];
                    let weights = load::<S, CUT>(self.kernel.add(kernel), count);
                    let x = x.add(row * self.x_steps[0] + column * self.x_steps[1]);
                    unrolled!(vector in 0..N => {
                        let values = load::<S, CUT>(x.add(vector * self.x_step), count);
                        sums[vector] = S::fma(values, weights, sums[vector]);
                    });
                }
            }
            let y = self.y.add(first * self.y_step);
            unrolled!(vector in 0..N => {
                let y = y.add(vector * self.y_step);
                match CUT {
                    true => S::store_first(y, sums[vector], count),
                    false => S::store(y, sums[vector]),
                }
            });
        }
    }
}

/// The first `count` values at `p`: all lanes, where not `CUT`.
///
/// # Safety
/// The machine has the features of `S`, and there are `count` values at `p`.
#[inline(always)]
unsafe fn load<S: Simd, const CUT: bool>(p: *const f32, count: usize) -> S::V {
    // SAFETY: as above.
    unsafe {
        match CUT {
            true => S::load_first(p, count),
            false => S::load(p),
        }
    }
}
