//! The input gradient where patches are short and filters few: a list for each window of the pool.
//!
//! Few winners share a place of a window then, and most of the time would go into loading and storing sums. So the
//! sums are those of a window's whole region, all that its patches cover, for the winners at all of its
//! places. The weights of a filter lie among zeros, once for each column of the window, and the winner's row says where
//! the region starts in them:
//!
//! ```text
//! 0 0 0 0   0 0 0 0
//! w w w 0   0 w w w     a window of 2x2 places, a kernel of 3x3, so a region of 4x4: it starts in row 1 for a winner
//! w w w 0   0 w w w     in the upper row, whose patch is above as well, and in row 0 for one in the lower row
//! w w w 0   0 w w w
//! 0 0 0 0   0 0 0 0
//! ```
//!
//! Rows start with a cache line, because vectors that lie in two take twice as long.
//!
//! A gradient that is not finite makes NaN of the zeros, in its window's region and nowhere else.

use super::super::padded_input::PaddedInput;
use super::super::{BackwardInput, Conv2d, FusedPool};
use super::lists::{Lists, as_u32};
use super::sums::Sums;
use super::{INPUT_BLOCK, MOST_ROWS, WIDEST, for_each_block, fused, min, pooled_cells};
use crate::kernels::simd::{Kernel, Simd, ValidPointers};

/// Multiply-adds of whole vectors that the zeros may cost for a window, if all its filters live. Measured on a Zen 5 core,
/// three of five alive, 3x3 kernels on 14x14 cells, AVX-512 (AVX2), of the time that a list for each place takes:
/// 8 → 16 channels 0.45 (0.86), 16 → 16, which has 112 such steps, 0.83 (1.00), 16 → 32 and 32 → 16 with 224 1.2 and
/// 1.4 (1.4 and 1.2); 5x5 kernels, 6 → 24, 0.75 (0.82). Counted in vectors of AVX-512: 8 → 64, 128 of them, takes 0.83 there,
/// but 1.3 with AVX2.
const MOST_ZEROS: usize = 200;

/// What the patches of a window cover, and how weights lie.
#[derive(Clone, Copy)]
pub(super) struct Region {
    /// Rows of the region.
    rows: usize,
    /// Values of one of them.
    columns: usize,
    /// From a row of weights to the next.
    row: usize,
    /// From a filter's weights to the next one's.
    filter: usize,
    /// From the weights for winners in a column of the window to those for the next one.
    copy: usize,
}

impl Region {
    /// That of a convolution whose windows are best taken whole.
    pub(super) const fn of(conv: &Conv2d) -> Option<Self> {
        let Some(pool) = conv.pool else { return None };
        let FusedPool { size, strides, .. } = pool;
        let [height, width] = conv.kernel;
        let channels = conv.input[2];
        let is_plain = conv.strides[0] == 1
            && conv.strides[1] == 1
            && conv.dilation[0] == 1
            && conv.dilation[1] == 1
            && pool.padding[0] == 0
            && pool.padding[1] == 0
            && (pool.output[0] - 1) * strides[0] + size[0] <= conv.output[0]
            && (pool.output[1] - 1) * strides[1] + size[1] <= conv.output[1];
        let rows = height + size[0] - 1;
        let columns = (width + size[1] - 1) * channels;
        let zeros = rows * columns.div_ceil(WIDEST) - height * (width * channels).div_ceil(WIDEST);
        if !is_plain || zeros * conv.output[2] > MOST_ZEROS {
            return None;
        }
        let row = columns.next_multiple_of(WIDEST);
        let filter = (rows + size[0] - 1) * row;
        Some(Self {
            rows,
            columns,
            row,
            filter,
            copy: conv.output[2] * filter,
        })
    }

    /// Floats of what [`Self::prepare`] writes.
    pub(super) const fn packed(&self, conv: &Conv2d) -> usize {
        match conv.pool {
            Some(pool) => pool.size[1] * self.copy,
            None => 0,
        }
    }

    /// Writes the weights of each filter among zeros.
    pub(super) fn prepare(&self, conv: &Conv2d, kernel: &[f32], packed: &mut [f32]) {
        let pool = fused(conv);
        let [_, width] = conv.kernel;
        let [channels, filters] = [conv.input[2], conv.output[2]];
        packed.fill(0.0);
        for (tap, weights) in kernel.chunks_exact(channels * filters).enumerate() {
            let [row, column] = [tap / width + pool.size[0] - 1, tap % width];
            for (channel, weights) in weights.chunks_exact(filters).enumerate() {
                for (shift, packed) in packed.chunks_exact_mut(self.copy).enumerate() {
                    let place = row * self.row + (column + shift) * channels + channel;
                    let places = packed[place..].iter_mut().step_by(self.filter);
                    for (to, weight) in places.zip(weights) {
                        *to = *weight;
                    }
                }
            }
        }
    }

    /// Floats of scratch memory.
    pub(super) const fn scratch(&self, conv: &Conv2d) -> usize {
        let block = min(pooled_cells(conv), INPUT_BLOCK);
        PaddedInput::new(conv).scratch()
            + Lists::scratch(block * conv.output[2] + WIDEST, block)
            + table(conv)
    }

    /// Overwrites `dx`. The weights are as [`Self::prepare`] wrote them.
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
        let cells = pooled_cells(conv);
        let filters = conv.output[2];
        let (copy, scratch) = scratch.split_at_mut(padded_input.scratch());
        let (starts, scratch) = scratch.split_at_mut(table(conv));
        let starts = as_u32(starts);
        self.place_starts(conv, starts);
        let block = cells.min(INPUT_BLOCK);
        let mut lists = Lists::new(scratch, block * filters + WIDEST, block);

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

    /// Where the region starts in the weights, for each place of a window and each filter.
    fn place_starts(&self, conv: &Conv2d, starts: &mut [u32]) {
        let [height, width] = fused(conv).size;
        let filters = conv.output[2].next_multiple_of(WIDEST);
        for (code, starts) in starts.chunks_exact_mut(filters).enumerate() {
            let mut start = (height - 1 - code / width) * self.row + code % width * self.copy;
            for place in &mut starts[..conv.output[2]] {
                *place = start as u32;
                start += self.filter;
            }
        }
    }
}

/// Floats of [`Region::place_starts`]: whole vectors.
const fn table(conv: &Conv2d) -> usize {
    match conv.pool {
        Some(pool) => pool.size[0] * pool.size[1] * conv.output[2].next_multiple_of(WIDEST),
        None => 0,
    }
}

/// The input gradient of some windows of an image.
struct Windows<'a, 'b> {
    conv: &'a Conv2d,
    region: Region,
    padded_input: PaddedInput,
    /// The first window.
    first: usize,
    /// `[windows, filters]`.
    dz: &'a [f32],
    /// As long as `dz`.
    argmax: &'a [u8],
    /// [`Region::place_starts`].
    starts: &'a [u32],
    weights: &'a [f32],
    /// The field of the image.
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
        let padded = filters.next_multiple_of(WIDEST);
        let windows = self.dz.len() / filters;
        let places = pool.size[0] * pool.size[1];
        assert!(self.dz.len() == windows * filters && self.argmax.len() == self.dz.len());
        assert!(self.starts.len() == places * padded);
        assert!(self.weights.len() == region.packed(conv) && self.dx.len() >= padded_input.len());
        assert!(lists.values.len() >= self.dz.len() + S::LANES);
        lists.clear();
        for window in 0..windows {
            let mut length = lists.length;
            for filter in (0..filters).step_by(S::LANES) {
                let count = S::LANES.min(filters - filter);
                // SAFETY: `count` filters of the window exist from `filter` on, and a vector of starts for
                // each place; a filter is put into one list, so the lists have room for all, and for a vector
                // behind them.
                unsafe {
                    let at = window * filters + filter;
                    let g = S::load_first(self.dz.as_ptr().add(at), count);
                    let winner = S::load_bytes(self.argmax.as_ptr().add(at), count);
                    let starts = self.starts.as_ptr().add(filter).cast::<f32>();
                    let mut start = S::load(starts);
                    for code in 1..places {
                        let wins = S::eq(winner, S::splat(code as f32));
                        start = S::select(wins, S::load(starts.add(code * padded)), start);
                    }
                    // NaN counts.
                    let counts = S::ne(g, S::splat(0.0));
                    let to = lists.places.as_mut_ptr().add(length).cast();
                    S::compress(to, counts, start, count);
                    let to = lists.values.as_mut_ptr().add(length);
                    length += S::compress(to, counts, g, count);
                }
            }
            let [row, column] = [
                (self.first + window) / pool.output[1],
                (self.first + window) % pool.output[1],
            ];
            let place = padded_input.patch(conv, [row * pool.strides[0], column * pool.strides[1]]);
            lists.end(place as u32, length);
        }
        // SAFETY: the lists hold starts of regions in the weights, and start where regions do in a field that, as
        // `Region::of` has checked, holds all of them.
        unsafe {
            S::call(&Sums {
                rows: region.rows,
                rows_at_once: MOST_ROWS,
                runs: 1,
                run: region.columns,
                to: self.dx.as_mut_ptr(),
                to_row: padded_input.tap_row,
                to_run: 0,
                from: self.weights.as_ptr(),
                from_row: region.row,
                from_run: 0,
                in_lines: true,
                lists,
                _valid: ValidPointers::new(),
            });
        }
    }
}
