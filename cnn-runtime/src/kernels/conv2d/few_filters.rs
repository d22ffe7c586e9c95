//! Rows of a convolution whose filters fill one vector, or two at most.
//!
//! A register tile of a product loads a value of the image for each multiplication then, and loads are what
//! it waits for. Here a value that is in a register meets every tap of a kernel row that sees it: a tile is
//! some neighbouring cells of a row, and for each channel it loads the values that they see, once, and
//! a vector of weights for each tap.
//!
//! Every value is the sum over kernel rows, channels and taps of a row in this order, whatever the tile.

use crate::kernels::simd::{Kernel, Simd, ValidPointers, from_fn, unrolled};

/// Whether [`Rows`] computes this faster than a product: it has tiles for kernels of these widths, and they
/// fit the rows of results without much work done twice. Images of up to three channels have kernels of
/// their own, whose sums have another order.
pub(crate) fn is_best(lanes: usize, shape: Shape) -> bool {
    lanes == 16
        && shape.filters < 2 * lanes
        && shape.channels > 3
        && matches!(shape.taps, 3 | 5)
        && tile_width(shape.cells).is_some_and(|width| {
            let computed = shape.cells.next_multiple_of(width);
            8 * computed <= 9 * shape.cells
        })
}

/// Cells of a tile that suits rows of so many, which the last tile may compute again; none if rows are
/// shorter than every tile.
fn tile_width(cells: usize) -> Option<usize> {
    let widths = [12, 10, 8, 6].into_iter().filter(|width| *width <= cells);
    widths.min_by_key(|width| cells.next_multiple_of(*width))
}

/// What decides about the kernel.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Of a row of results.
    pub cells: usize,
    pub filters: usize,
    /// Of the image.
    pub channels: usize,
    /// Of a kernel row, which see neighbouring cells.
    pub taps: usize,
}

/// Rows of results that see the same rows of the kernel, with strides of 1 along a row.
pub(super) struct Rows<'a> {
    /// As [`is_best`] wants it.
    pub shape: Shape,
    /// Rows of results.
    pub rows: usize,
    /// Rows of the kernel that they see.
    pub kernel_rows: usize,
    /// The first value that the first row sees.
    pub image: *const f32,
    /// From what a row of results sees to what the next one sees.
    pub row_step: usize,
    /// From what a row of the kernel sees to what the next one sees.
    pub kernel_row_step: usize,
    /// `[kernel rows, taps, channels, filters]`.
    pub weights: *const f32,
    /// `[filters]` or empty.
    pub bias: &'a [f32],
    /// Whether negative results become 0. NaN stays.
    pub relu: bool,
    /// `[rows, cells, filters]`, overwritten.
    pub y: *mut f32,
    /// That all of these places may be read, and those of `y` written.
    pub _valid: ValidPointers,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // Asked in a `const` block, so that nothing is compiled for fewer registers.
        if const { S::LANES != 16 } {
            unreachable!("a machine that `is_best` refuses");
        }
        let Shape { cells, filters, .. } = self.shape;
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
                    // SAFETY: row, cells and filters exist, and the caller vouches for their places.
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

/// Some cells of a row from `cell` on, and the filters from `filter` on that a vector holds.
struct Tile<'a> {
    rows: &'a Rows<'a>,
    row: usize,
    cell: usize,
    filter: usize,
}

impl Tile<'_> {
    /// `CELLS` cells, which see `REACH` columns through the `TAPS` taps of a kernel row.
    ///
    /// # Safety
    /// They exist, and the machine has the features of `S`.
    #[inline(always)]
    unsafe fn run<S: Simd, const CELLS: usize, const TAPS: usize, const REACH: usize>(self) {
        const { assert!(REACH == CELLS + TAPS - 1) };
        let Rows { shape, .. } = *self.rows;
        let Shape {
            cells,
            filters,
            channels,
            taps,
        } = shape;
        debug_assert_eq!(taps, TAPS);
        let count = S::LANES.min(filters - self.filter);
        // SAFETY: for the whole function: the cells see `REACH` columns of as many rows as the kernel has
        // here, the kernel has `TAPS` vectors of weights for each channel of these, and only the lanes of
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
                    let values: [S::V; REACH] = from_fn(|_| {
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
