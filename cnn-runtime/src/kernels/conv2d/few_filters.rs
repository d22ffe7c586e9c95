//! Rows of a convolution whose filters fill one vector, or two at most.
//!
//! With so few filters, a register tile of a product loads one value of the image for each multiply-add or two, and
//! loads are its bottleneck. Here each loaded value is used for every tap of a kernel row that sees it. A tile is some
//! neighbouring cells of a row:
//!
//! ```text
//! for each kernel row, for each channel:
//!   the values that the cells see, CELLS + TAPS - 1 of them, into registers
//!   for each tap: a vector of weights; sums[cell] += values[cell + tap] * weights
//! ```
//!
//! Every value is the sum over kernel rows, channels and taps of a row in this order, whatever the tile. `direct` has
//! another order: channels inside taps.

use super::choice::rows::{REGISTERS, RowShape, tile_width};
use crate::kernels::simd::{Kernel, Simd, ValidPointers, from_fn, unrolled};

/// Rows of results that see the same rows of the kernel, with strides of 1 along a row.
pub(super) struct OutputRows<'a> {
    /// One that this module [supports](super::choice::rows::supports_few_filters).
    pub shape: RowShape,
    /// Rows of results.
    pub rows: usize,
    /// Rows of the kernel that they see.
    pub kernel_rows: usize,
    /// The first value that the first row sees.
    pub image: *const f32,
    /// From the first value that a row of results sees to that of the next row.
    pub row_step: usize,
    /// From the first value that a row of the kernel sees to that of the next row.
    pub kernel_row_step: usize,
    /// `[kernel rows, taps, channels, filters]`.
    pub weights: *const f32,
    /// `[filters]` or empty.
    pub bias: &'a [f32],
    /// Whether negative results become 0. NaN stays NaN.
    pub relu: bool,
    /// `[rows, cells, filters]`, overwritten.
    pub y: *mut f32,
    /// Image, weights and bias are valid for reads, and `y` for writes.
    pub _valid: ValidPointers,
}

impl Kernel for OutputRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // Asked in a `const` block, so that nothing is compiled for fewer registers.
        if const { S::REGISTERS < REGISTERS } {
            unreachable!("no registers for a tile");
        }
        let RowShape { cells, filters, .. } = self.shape;
        assert!(self.bias.is_empty() || self.bias.len() == filters);
        let width = tile_width(cells).expect("a row of a tile at least");
        for row in 0..self.rows {
            for filter in (0..filters).step_by(S::LANES) {
                for cell in (0..cells).step_by(width) {
                    let tile = Tile {
                        rows: &self,
                        row,
                        cell: cell.min(cells - width),
                        filter,
                    };
                    // SAFETY: row, cells and filters exist, and their pointers are valid.
                    unsafe {
                        match (width, self.shape.taps) {
                            (12, 5) => tile.run::<S, 12, 5, 16>(),
                            (12, _) => tile.run::<S, 12, 3, 14>(),
                            (10, 5) => tile.run::<S, 10, 5, 14>(),
                            (10, _) => tile.run::<S, 10, 3, 12>(),
                            (8, 5) => tile.run::<S, 8, 5, 12>(),
                            (8, _) => tile.run::<S, 8, 3, 10>(),
                            (_, 5) => tile.run::<S, 6, 5, 10>(),
                            (_, _) => tile.run::<S, 6, 3, 8>(),
                        }
                    }
                }
            }
        }
    }
}

/// Some cells of a row, from `cell` on, and a vector of filters, from `filter` on.
struct Tile<'a> {
    rows: &'a OutputRows<'a>,
    row: usize,
    cell: usize,
    filter: usize,
}

impl Tile<'_> {
    /// `CELLS` cells, which see `COLUMNS` columns of the image through the `TAPS` taps of a kernel row.
    ///
    /// # Safety
    /// They exist, and the machine has the features of `S`.
    #[inline(always)]
    unsafe fn run<S: Simd, const CELLS: usize, const TAPS: usize, const COLUMNS: usize>(self) {
        const { assert!(COLUMNS == CELLS + TAPS - 1) };
        let OutputRows { shape, .. } = *self.rows;
        let RowShape {
            cells,
            filters,
            channels,
            taps,
            ..
        } = shape;
        debug_assert_eq!(taps, TAPS);
        let count = S::LANES.min(filters - self.filter);
        // SAFETY: for the whole function: the cells see `COLUMNS` columns of as many rows of the image as the kernel
        // has rows here; the kernel has `TAPS` vectors of weights for each channel of a row; and only the lanes of
        // filters that exist are touched.
        unsafe {
            let start = match self.rows.bias {
                [] => S::splat(0.0),
                bias => S::load_first(bias.as_ptr().add(self.filter), count),
            };
            let mut sums = [start; CELLS];
            let image = self.rows.image;
            let mut image = image.add(self.row * self.rows.row_step + self.cell * channels);
            let mut weights = self.rows.weights.add(self.filter);
            for _ in 0..self.rows.kernel_rows {
                for channel in 0..channels {
                    let mut value = image.add(channel);
                    let values: [S::V; COLUMNS] = from_fn(|_| {
                        let v = S::splat(*value);
                        value = S::address(value.wrapping_add(channels));
                        v
                    });
                    let mut weight = weights.add(channel * filters);
                    unrolled!(tap in 0..TAPS => {
                        let w = S::load_first(weight, count);
                        weight = S::address(weight.wrapping_add(channels * filters));
                        for (cell, sum) in sums.iter_mut().enumerate() {
                            *sum = S::fma(values[cell + tap], w, *sum);
                        }
                    });
                }
                image = image.wrapping_add(self.rows.kernel_row_step);
                weights = weights.wrapping_add(TAPS * channels * filters);
            }
            let y = self
                .rows
                .y
                .add((self.row * cells + self.cell) * filters + self.filter);
            for (cell, &sum) in sums.iter().enumerate() {
                let sum = if self.rows.relu { S::relu(sum) } else { sum };
                S::store_first(y.add(cell * filters), sum, count);
            }
        }
    }
}
