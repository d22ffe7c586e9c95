//! What runs for each pass of a dense layer.
//!
//! matrixmultiply packs both operands of a product; register tiles read them in place or packed once. So matrixmultiply
//! is the faster one where tiles are badly filled, or where there is so little depth that the beginnings and ends of
//! tiles count.

use super::stripes::{Cut, Stripes};
use crate::operation::Dense;
use crate::vector_shape::{MAX_TILE_COLUMNS, VectorShape};

/// What computes a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// matrixmultiply.
    MatrixMultiply,
    /// A product with the packed kernel.
    PackedGemm,
    /// Register tiles on the kernel as it is stored.
    Gemm,
    /// The same, block by block of the kernel.
    BlockedGemm,
}

impl Forward {
    /// Its name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MatrixMultiply => "matrixmultiply",
            Self::PackedGemm => "packed gemm",
            Self::Gemm => "gemm",
            Self::BlockedGemm => "blocked gemm",
        }
    }
}

/// What computes the gradient of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelGradient {
    /// matrixmultiply.
    MatrixMultiply,
    /// Register tiles on the packed gradient of the output.
    PackedGemm,
}

impl KernelGradient {
    /// Its name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MatrixMultiply => "matrixmultiply",
            Self::PackedGemm => "packed gemm",
        }
    }
}

/// What computes the gradient with respect to the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputGradient {
    /// matrixmultiply.
    MatrixMultiply,
    /// Register tiles on the transposed kernel.
    TransposedKernel,
    /// Register tiles on transposed examples.
    TransposedExamples,
}

impl InputGradient {
    /// Its name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MatrixMultiply => "matrixmultiply",
            Self::TransposedKernel => "gemm, transposed kernel",
            Self::TransposedExamples => "gemm, transposed examples",
        }
    }
}

/// What computes the forward pass of `n` examples, with a packed kernel or without.
pub const fn forward(dense: &Dense, n: usize, is_packed: bool, vectors: VectorShape) -> Forward {
    if vectors.prefers_matrixmultiply() {
        Forward::MatrixMultiply
    } else if is_packed {
        Forward::PackedGemm
    } else if copies_blocks(dense, n) {
        Forward::BlockedGemm
    } else {
        Forward::Gemm
    }
}

/// How the prediction of one example is cut into up to so many stripes: by panels of the packed kernel.
pub fn cut(dense: &Dense, is_packed: bool, vectors: VectorShape, most: usize) -> Cut {
    match forward(dense, 1, is_packed, vectors) {
        Forward::PackedGemm => {
            Cut::columns(Stripes::new(dense.units, vectors.tile_columns(), most))
        }
        Forward::MatrixMultiply | Forward::Gemm | Forward::BlockedGemm => Cut::Whole,
    }
}

/// Columns of a block of the kernel: whole register tiles of every instruction set.
pub const BLOCK_COLUMNS: usize = MAX_TILE_COLUMNS;

/// The most examples for which the kernel is read in place: a few of them do not pay for copies of its blocks.
const MAX_EXAMPLES_IN_PLACE: usize = 12;

/// Whether the forward pass of `n` examples copies blocks of a kernel that is not packed. The same for all instruction
/// sets, because it decides how much scratch memory there is.
pub const fn copies_blocks(dense: &Dense, n: usize) -> bool {
    n > MAX_EXAMPLES_IN_PLACE && dense.units > BLOCK_COLUMNS
}

/// What computes the kernel gradient of `n` examples: their number is the depth of the product, the units are its
/// columns.
pub fn kernel_gradient(dense: &Dense, n: usize, vectors: VectorShape) -> KernelGradient {
    let is_shallow = shallow_depths(dense.units, vectors).contains(&n);
    let is_best = vectors.prefers_matrixmultiply()
        || (vectors.has_matrixmultiply && (leaves_lanes_idle(dense.units, vectors) || is_shallow));
    if is_best {
        KernelGradient::MatrixMultiply
    } else {
        KernelGradient::PackedGemm
    }
}

/// Whether a product with few columns leaves too many lanes of its last register tile idle: of free masks, half of the
/// last vector; else any, of the last tile.
const fn leaves_lanes_idle(columns: usize, vectors: VectorShape) -> bool {
    let (unit, most_used) = match vectors.has_free_masks {
        true => (vectors.lanes, vectors.lanes / 2),
        false => (vectors.tile_columns(), vectors.tile_columns() - 1),
    };
    let last = columns % unit;
    columns < 2 * unit && 1 <= last && last <= most_used
}

/// Columns whose rows lie a multiple of 2 KiB apart: then rows of `C` share sets of the first-level cache, which slows
/// matrixmultiply down.
const ALIASED_COLUMNS: usize = 512;

/// The depths of products with so many columns for which beginnings and ends of register tiles count so much that
/// matrixmultiply is faster.
fn shallow_depths(columns: usize, vectors: VectorShape) -> core::ops::RangeInclusive<usize> {
    let VectorShape { lanes, .. } = vectors;
    if vectors.has_free_masks {
        return match columns {
            _ if lanes <= columns && columns < vectors.tile_columns() - 1 => 0..=4,
            120 => 0..=2,
            _ => 0..=0,
        };
    }
    if columns.is_multiple_of(ALIASED_COLUMNS) {
        return 0..=0;
    }
    if columns.is_multiple_of(ALIASED_COLUMNS / 2) {
        // The more columns, the more rows share a set.
        return columns / (ALIASED_COLUMNS / 2) + 1..=12;
    }
    match columns % vectors.tile_columns() {
        0 => 0..=12,
        // One to five lanes of the last vector of a tile.
        last if lanes < last && last <= lanes + 5 => 0..=32,
        _ => 0..=16,
    }
}

/// What computes the input gradient of `n` examples: the units are the depth of the product.
pub const fn input_gradient(dense: &Dense, n: usize, vectors: VectorShape) -> InputGradient {
    let Dense { inputs, units, .. } = *dense;
    let shallow = match vectors.has_free_masks {
        true => 1,
        false => 10,
    };
    let is_shallow = 8 <= n && units <= shallow;
    if vectors.prefers_matrixmultiply() || (vectors.has_matrixmultiply && is_shallow) {
        return InputGradient::MatrixMultiply;
    }
    // The values that are transposed, in whole vectors.
    let kernel = units.next_multiple_of(vectors.lanes) * inputs;
    let examples = n.next_multiple_of(vectors.lanes) * (inputs + units);
    if kernel <= examples {
        InputGradient::TransposedKernel
    } else {
        InputGradient::TransposedExamples
    }
}
