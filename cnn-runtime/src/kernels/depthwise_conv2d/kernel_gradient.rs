//! The gradient of the kernel, with vectors along channels.
//!
//! ```text
//! images ─▶ rows of dy with the same kernel rows inside the image ─▶ kernel cells, up to 3x3 ─▶ a vector of channels:
//!     dk[tap] += Σ rows Σ columns  x[under the tap] dy          all sums in registers, one load of dy for all
//! ```
//!
//! At the edges of a row some of the kernel's columns lie outside the image and are left out. Where a vector holds several
//! cells (few channels, stride 1), the other columns are one long row of values, and lanes of the same channel are added
//! up at the end. The sums of an image are added to the gradient in the order of the images.

use core::ops::Range;

use super::axis::{Pass, Span};
use super::steps;
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, from_fn, load, unrolled};
use cnn_ir::operation::DepthwiseConv2d;

/// Kernel rows and columns whose sums are made together.
const ROWS: usize = 3;
const COLUMNS: usize = 3;

/// The kernel gradient with one output channel for each of the input's. The lengths of the slices have been checked.
pub(super) struct KernelGradient<'a> {
    pub(super) conv: &'a DepthwiseConv2d,
    /// `[n, ..input]`.
    pub(super) x: &'a [f32],
    /// `[n, ..output]`.
    pub(super) dy: &'a [f32],
    /// Added to.
    pub(super) dk: &'a mut [f32],
}

impl Kernel for KernelGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { conv, .. } = self;
        let [input, output] = [conv.input, conv.output].map(|shape| shape.iter().product());
        for (x, dy) in self.x.chunks_exact(input).zip(self.dy.chunks_exact(output)) {
            for rows in Pass::Forward.spans(conv, 0) {
                let mut block = Block {
                    conv,
                    rows,
                    x,
                    dy,
                    dk: self.dk,
                };
                // SAFETY: the machine has the features of `S`.
                unsafe { block.add::<S>() }
            }
        }
    }
}

/// Rows of an image with the same kernel rows inside it.
struct Block<'a> {
    conv: &'a DepthwiseConv2d,
    rows: Span,
    x: &'a [f32],
    dy: &'a [f32],
    dk: &'a mut [f32],
}

impl Block<'_> {
    /// Adds what the rows bring to the gradient.
    ///
    /// # Safety
    /// The machine has the features of `S`.
    #[inline(always)]
    unsafe fn add<S: Simd>(&mut self) {
        let [rows, columns] = [self.rows.taps, self.conv.kernel[1]];
        for row in (0..rows).step_by(ROWS) {
            let mut column = 0;
            while column < columns {
                let height = ROWS.min(rows - row);
                let width = if columns - column < COLUMNS {
                    1
                } else {
                    COLUMNS
                };
                let taps = [row, column];
                // SAFETY: as above, and the taps exist.
                unsafe {
                    match (height, width) {
                        (1, 1) => self.taps::<S, 1, 1>(taps),
                        (2, 1) => self.taps::<S, 2, 1>(taps),
                        (_, 1) => self.taps::<S, ROWS, 1>(taps),
                        (1, _) => self.taps::<S, 1, COLUMNS>(taps),
                        (2, _) => self.taps::<S, 2, COLUMNS>(taps),
                        (_, _) => self.taps::<S, ROWS, COLUMNS>(taps),
                    }
                }
                column += width;
            }
        }
    }

    /// Adds to the gradient of `R` rows and `C` columns of taps from `taps` on: of those of the block, and of all.
    ///
    /// # Safety
    /// The machine has the features of `S`, and these taps exist.
    #[inline(always)]
    unsafe fn taps<S: Simd, const R: usize, const C: usize>(&mut self, taps: [usize; 2]) {
        let channels = self.conv.input[2];
        let is_long = channels < S::LANES && S::LANES.is_multiple_of(channels);
        // SAFETY: as above; `count` channels are left.
        unsafe {
            if is_long && self.conv.strides[1] == 1 {
                return self.tile::<S, R, C, true, true>(taps, 0, channels);
            }
            for first in (0..channels).step_by(S::LANES) {
                let count = S::LANES.min(channels - first);
                match count == S::LANES {
                    true => self.tile::<S, R, C, false, false>(taps, first, count),
                    false => self.tile::<S, R, C, false, true>(taps, first, count),
                }
            }
        }
    }

    /// The same of the `count` channels from `first` on. With `LONG`, a vector holds several cells.
    ///
    /// # Safety
    /// As of [`Block::taps`]. There are so many channels: if not `CUT`, `LANES`; with `LONG` all, which divide `LANES`, and
    /// the stride of columns is 1.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const C: usize, const LONG: bool, const CUT: bool>(
        &mut self,
        [tap_row, tap_column]: [usize; 2],
        first: usize,
        count: usize,
    ) {
        let Self { conv, rows, .. } = self;
        let [_, width, channels] = conv.input;
        let [stride, dilation] = [conv.strides[1], conv.dilation[1]];
        // Where each column of taps lies inside the image, and where all do.
        let inside: [[usize; 2]; C] = from_fn(|column| {
            let Range { start, end } = steps(conv, 1, tap_column + column);
            [start, end]
        });
        let [[start, _], [_, end]] = [inside[0], inside[C - 1]];
        let inner = if start < end {
            start..end
        } else {
            inside[0][1]..inside[0][1]
        };
        let edges = [[inside[C - 1][0], inner.start], [inner.end, inside[0][1]]];

        // What the first tap sees from column 0, which may be left of the image.
        let row = rows.place as usize + tap_row * conv.dilation[0];
        let column = (tap_column * dilation) as isize - conv.padding[1] as isize;
        let cell = (row * width) as isize + column;
        let x = self.x.as_ptr().wrapping_offset(cell * channels as isize);
        let x = x.wrapping_add(first);
        let dy = self.dy[rows.first * conv.output[1] * channels + first..].as_ptr();
        // From a row, a tap's row and a tap to the next.
        let rows_apart = [
            rows.place_step * width * channels,
            conv.output[1] * channels,
        ];
        let taps_apart = [conv.dilation[0] * width * channels, dilation * channels];
        // From a vector to the next.
        let [vectors, apart] = match LONG {
            true => [inner.len() * channels / S::LANES, S::LANES],
            false => [inner.len(), channels],
        };
        let rest = if LONG {
            inner.len() * channels % S::LANES
        } else {
            0
        };

        // SAFETY: as above. `steps` gives the columns at which a tap lies inside the image, and the rows of the block have
        // all of theirs inside: so `x` and `dy` have a cell there, and `count` channels from `first`. With `LONG`, the
        // values of `inner`, and those under a tap, lie side by side.
        unsafe {
            let mut sums = [[S::splat(0.0); C]; R];
            for row in 0..rows.len {
                let x = x.wrapping_add(row * rows_apart[0]);
                let dy = dy.wrapping_add(row * rows_apart[1]);
                for [start, end] in edges {
                    for column in start..end {
                        let gradient = load::<S, CUT>(dy.wrapping_add(column * channels), count);
                        let x = x.wrapping_add(column * stride * channels);
                        unrolled!(c in 0..C => {
                            if inside[c][0] <= column && column < inside[c][1] {
                                unrolled!(r in 0..R => {
                                    let x = x.wrapping_add(r * taps_apart[0] + c * taps_apart[1]);
                                    let x = load::<S, CUT>(x, count);
                                    sums[r][c] = S::fma(x, gradient, sums[r][c]);
                                });
                            }
                        });
                    }
                }
                let mut x = x.wrapping_add(inner.start * stride * channels);
                let mut dy = dy.wrapping_add(inner.start * channels);
                for _ in 0..vectors {
                    match LONG {
                        true => add::<S, R, C, false>(&mut sums, x, dy, taps_apart, S::LANES),
                        false => add::<S, R, C, CUT>(&mut sums, x, dy, taps_apart, count),
                    }
                    x = x.wrapping_add(apart * stride);
                    dy = dy.wrapping_add(apart);
                }
                if rest > 0 {
                    add::<S, R, C, true>(&mut sums, x, dy, taps_apart, rest);
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    let tap = (rows.tap + tap_row + r) * conv.kernel[1] + tap_column + c;
                    let dk = &mut self.dk[tap * channels + first..][..count];
                    let mut lanes = [0.0; MAX_LANES];
                    S::store(lanes.as_mut_ptr(), *sum);
                    if LONG {
                        let (first, others) = lanes[..S::LANES].split_at_mut(channels);
                        for cell in others.chunks_exact(channels) {
                            for (lane, other) in first.iter_mut().zip(cell) {
                                *lane += other;
                            }
                        }
                    }
                    for (dk, lane) in dk.iter_mut().zip(&lanes) {
                        *dk += lane;
                    }
                }
            }
        }
    }
}

/// Adds the product of the values under each tap and of the gradient there.
///
/// # Safety
/// The machine has the features of `S`. There are `count` values at `dy`, and at `x` for each tap: if not `CUT`, `LANES`.
#[inline(always)]
unsafe fn add<S: Simd, const R: usize, const C: usize, const CUT: bool>(
    sums: &mut [[S::V; C]; R],
    x: *const f32,
    dy: *const f32,
    [down, across]: [usize; 2],
    count: usize,
) {
    // SAFETY: as above.
    unsafe {
        let gradient = load::<S, CUT>(dy, count);
        unrolled!(r in 0..R => {
            unrolled!(c in 0..C => {
                let x = load::<S, CUT>(x.wrapping_add(r * down + c * across), count);
                sums[r][c] = S::fma(x, gradient, sums[r][c]);
            });
        });
    }
}
