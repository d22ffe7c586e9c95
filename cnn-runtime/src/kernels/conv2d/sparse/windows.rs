//! The input gradient for short patches and few filters: a list for each window of the pool.
//!
//! With few filters, few of them have their argmax in the same cell of a window. Lists for each cell would be short,
//! and loading and storing their sums would take most of the time. So here a sum is the whole region of a window, all
//! that the patches of its cells cover, over all its filters. The weights of a filter are surrounded by zeros, in one
//! copy for each column of the window. The row of the argmax says at which row of the copy the region starts:
//!
//! ```text
//! 0 0 0 0   0 0 0 0
//! w w w 0   0 w w w     a window of 2x2 cells, a kernel of 3x3, so a region of 4x4: for an argmax in the upper row,
//! w w w 0   0 w w w     whose patch starts with the region, it starts in row 1, for one in the lower row in row 0
//! w w w 0   0 w w w
//! 0 0 0 0   0 0 0 0
//! ```
//!
//! Rows of weights start with a cache line, so that no vector straddles two.
//!
//! The zeros cost multiply-adds; [`window_region`] says how many of them pay. A gradient that is not
//! finite times a zero is NaN, in its window's region and nowhere else.

use super::super::choice::pooled::window_region;
use super::super::padded_input::PaddedInput;
use super::super::{BackwardInput, Conv2d};
use super::lists::{Lists, as_u32};
use super::sums::Sums;
use super::{INPUT_BLOCK, MAX_ROWS, for_each_block, fused, min, windows_of_image};
use crate::kernels::simd::{Kernel, MAX_LANES, Simd, ValidPointers};

/// What the patches of a window cover, and how weights are stored.
#[derive(Clone, Copy)]
pub(super) struct WindowRegion {
    /// Rows of the region.
    rows: usize,
    /// Values of a row of the region.
    columns: usize,
    /// From a row of weights to the next.
    row: usize,
    /// From a filter's weights to the next one's.
    filter: usize,
    /// From the weights for an argmax in a column of the window to those for the next column.
    copy: usize,
}

impl WindowRegion {
    /// That of a convolution whose input gradient is best summed up window by window.
    pub(super) const fn of(conv: &Conv2d) -> Option<Self> {
        let (Some(pool), Some([rows, columns])) = (conv.pool, window_region(conv)) else {
            return None;
        };
        let row = columns.next_multiple_of(MAX_LANES);
        let filter = (rows + pool.size[0] - 1) * row;
        Some(Self {
            rows,
            columns,
            row,
            filter,
            copy: conv.output[2] * filter,
        })
    }

    /// Floats of what [`Self::pack`] writes.
    pub(super) const fn packed(&self, conv: &Conv2d) -> usize {
        match conv.pool {
            Some(pool) => pool.size[1] * self.copy,
            None => 0,
        }
    }

    /// Writes the weights of each filter among zeros.
    pub(super) fn pack(&self, conv: &Conv2d, kernel: &[f32], packed: &mut [f32]) {
        let pool = fused(conv);
        let [_, width] = conv.kernel;
        let [channels, filters] = [conv.input[2], conv.output[2]];
        packed.fill(0.0);
        for (tap, weights) in kernel.chunks_exact(channels * filters).enumerate() {
            let [row, column] = [tap / width + pool.size[0] - 1, tap % width];
            for (channel, weights) in weights.chunks_exact(filters).enumerate() {
                for (shift, packed) in packed.chunks_exact_mut(self.copy).enumerate() {
                    let offset = row * self.row + (column + shift) * channels + channel;
                    let taps = packed[offset..].iter_mut().step_by(self.filter);
                    for (to, weight) in taps.zip(weights) {
                        *to = *weight;
                    }
                }
            }
        }
    }

    /// Floats of scratch memory.
    pub(super) const fn scratch(&self, conv: &Conv2d) -> usize {
        let block = min(windows_of_image(conv), INPUT_BLOCK);
        PaddedInput::new(conv).scratch()
            + Lists::scratch(block * conv.output[2] + MAX_LANES, block)
            + table(conv)
    }

    /// Overwrites `dx`. The weights are as [`Self::pack`] wrote them.
    pub(super) fn input_gradient(&self, conv: &Conv2d, operands: BackwardInput<'_>) {
        let BackwardInput {
            isa,
            dz,
            argmax,
            packed,
            dx,
            scratch,
            ..
        } = operands;
        let padded_input = PaddedInput::new(conv);
        let cells = windows_of_image(conv);
        let filters = conv.output[2];
        let (copy, scratch) = scratch.split_at_mut(padded_input.scratch());
        let (starts, scratch) = scratch.split_at_mut(table(conv));
        let starts = as_u32(starts);
        self.write_starts(conv, starts);
        let block = cells.min(INPUT_BLOCK);
        let mut lists = Lists::new(scratch, block * filters + MAX_LANES, block);

        for_each_block(
            conv,
            &padded_input,
            dx,
            copy,
            (dz, argmax),
            |first, dz, argmax, dx| {
                isa.run(Windows {
                    conv,
                    region: *self,
                    padded_input,
                    first,
                    dz,
                    argmax,
                    starts,
                    weights: packed,
                    dx,
                    lists: &mut lists,
                });
            },
        );
    }

    /// Writes the offset of the region in the weights, for each cell of a window and each filter.
    fn write_starts(&self, conv: &Conv2d, starts: &mut [u32]) {
        let [height, width] = fused(conv).size;
        let filters = conv.output[2].next_multiple_of(MAX_LANES);
        for (cell, starts) in starts.chunks_exact_mut(filters).enumerate() {
            let mut start = (height - 1 - cell / width) * self.row + cell % width * self.copy;
            for offset in &mut starts[..conv.output[2]] {
                *offset = start as u32;
                start += self.filter;
            }
        }
    }
}

/// Floats of [`WindowRegion::write_starts`]: whole vectors.
const fn table(conv: &Conv2d) -> usize {
    match conv.pool {
        Some(pool) => pool.size[0] * pool.size[1] * conv.output[2].next_multiple_of(MAX_LANES),
        None => 0,
    }
}

/// The part of some windows of an image in the input gradient.
struct Windows<'a, 'b> {
    conv: &'a Conv2d,
    region: WindowRegion,
    padded_input: PaddedInput,
    /// The first window.
    first: usize,
    /// `[windows, filters]`.
    dz: &'a [f32],
    /// As long as `dz`.
    argmax: &'a [u8],
    /// [`WindowRegion::write_starts`].
    starts: &'a [u32],
    weights: &'a [f32],
    /// The padded gradient of the image.
    dx: &'a mut [f32],
    lists: &'a mut Lists<'b>,
}

impl Kernel for Windows<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            conv,
            region,
            padded_input,
            lists,
            ..
        } = self;
        let pool = fused(conv);
        let filters = conv.output[2];
        let padded = filters.next_multiple_of(MAX_LANES);
        let windows = self.dz.len() / filters;
        let cells = pool.size[0] * pool.size[1];
        assert!(self.dz.len() == windows * filters && self.argmax.len() == self.dz.len());
        assert!(self.starts.len() == cells * padded);
        assert!(self.weights.len() == region.packed(conv) && self.dx.len() >= padded_input.len());
        assert!(lists.scales.len() >= self.dz.len() + S::LANES);
        lists.clear();
        for window in 0..windows {
            let mut length = lists.length;
            for filter in (0..filters).step_by(S::LANES) {
                let count = S::LANES.min(filters - filter);
                // SAFETY: the window has `count` filters from `filter` on, and each cell a vector of starts; each
                // filter is in one list, so the lists have room for all, and for a vector behind them.
                unsafe {
                    let from = window * filters + filter;
                    let g = S::load_first(self.dz.as_ptr().add(from), count);
                    let argmax = S::load_bytes(self.argmax.as_ptr().add(from), count);
                    let starts = self.starts.as_ptr().add(filter).cast::<f32>();
                    let mut start = S::load(starts);
                    for cell in 1..cells {
                        let is_argmax = S::eq(argmax, S::splat(cell as f32));
                        let of_cell = S::load(starts.add(cell * padded));
                        start = S::select(is_argmax, of_cell, start);
                    }
                    // True for NaN too.
                    let is_entry = S::ne(g, S::splat(0.0));
                    let to = lists.offsets.as_mut_ptr().add(length).cast();
                    S::compress(to, is_entry, start, count);
                    let to = lists.scales.as_mut_ptr().add(length);
                    length += S::compress(to, is_entry, g, count);
                }
            }
            let [row, column] = [
                (self.first + window) / pool.output[1],
                (self.first + window) % pool.output[1],
            ];
            let sum = padded_input.patch(conv, [row * pool.strides[0], column * pool.strides[1]]);
            lists.end(sum as u32, length);
        }
        // SAFETY: the lists have offsets of regions in the weights. Their sums are regions of the padded gradient,
        // which has all of them, as `window_region` has checked.
        unsafe {
            S::call(&Sums {
                rows: region.rows,
                rows_at_once: MAX_ROWS,
                runs: 1,
                run: region.columns,
                to: self.dx.as_mut_ptr(),
                to_row: padded_input.patch_row,
                to_run: 0,
                from: self.weights.as_ptr(),
                from_row: region.row,
                from_run: 0,
                in_lines: true,
                lists,
                _valid: ValidPointers::guarantee(),
            });
        }
    }
}
