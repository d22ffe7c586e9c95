//! Rows of results whose filters fill one vector, or two at most.

use crate::operation::Conv2d;
use crate::vector_shape::VectorShape;

/// What computes rows of a direct convolution that see the whole width of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Tiles of neighbouring cells, each value of the image loaded once for all taps of a kernel row.
    FewFilters,
    /// Register tiles of a product.
    Gemm,
}

/// What decides which kernel computes rows of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowShape {
    /// Cells of a row of results.
    pub cells: usize,
    /// Filters of the results.
    pub filters: usize,
    /// Channels of the image.
    pub channels: usize,
    /// Taps of a kernel row that see neighbouring cells.
    pub taps: usize,
    /// From a cell of the results to the next, in cells of the image.
    pub stride: usize,
}

impl RowShape {
    /// The rows that a forward pass computes.
    pub const fn of_images(conv: &Conv2d) -> Self {
        Self {
            cells: conv.output[1],
            filters: conv.output[2],
            channels: conv.input[2],
            taps: conv.neighbours(),
            stride: conv.strides[1],
        }
    }

    /// The rows that an input gradient computes: a forward pass of the flipped kernel on the gradients of the output.
    pub const fn of_gradients(conv: &Conv2d) -> Self {
        Self {
            cells: conv.input[1],
            filters: conv.input[2],
            channels: conv.output[2],
            ..Self::of_images(conv)
        }
    }
}

/// Registers that the widest tile for few filters takes: its sums, the values that they see through the widest kernel,
/// and a vector of weights.
pub const REGISTERS: usize = 12 + (12 + 5 - 1) + 1;

/// Cells of the tiles that compute rows of so many cells with the least work: the last tile may overlap the one before
/// it. None if rows are shorter than every tile.
pub fn tile_width(cells: usize) -> Option<usize> {
    let widths = [12, 10, 8, 6].into_iter().filter(|width| *width <= cells);
    widths.min_by_key(|width| cells.next_multiple_of(*width))
}

/// Whether there are tiles for few filters and these rows: of 3 or 5 taps with strides of 1, and as long as a tile at
/// least. Images of up to three channels have kernels of their own, whose sums have another order.
pub fn supports_few_filters(shape: RowShape) -> bool {
    shape.stride == 1
        && shape.channels > 3
        && matches!(shape.taps, 3 | 5)
        && tile_width(shape.cells).is_some()
}

/// Loading each value of the image once for all taps pays where a product loads a value for one or two multiply-adds.
/// It needs registers for all values that a tile sees, and rows of results that its tiles fill: at most an eighth of
/// the cells may be computed twice.
pub fn rows(shape: RowShape, vectors: VectorShape) -> Rows {
    let is_best = supports_few_filters(shape)
        && vectors.registers >= REGISTERS
        && shape.filters < 2 * vectors.lanes
        && tile_width(shape.cells).is_some_and(|width| {
            let computed = shape.cells.next_multiple_of(width);
            8 * computed <= 9 * shape.cells
        });
    if is_best {
        Rows::FewFilters
    } else {
        Rows::Gemm
    }
}
