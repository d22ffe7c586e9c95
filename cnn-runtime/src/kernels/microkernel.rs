//! The microkernel of matrix products: the inner loop of convolutions, their gradients and dense layers.
//!
//! `C = start + Σ A_s · B_s`, where the segments `s` are for example the rows of a convolution's kernel. Nothing is
//! packed or copied: the operands of a small convolution are in the cache as they are stored, and strides say where.
//! The loops are those of Goto & van de Geijn 2008 without the packing, from the outermost to the innermost:
//!
//! ```text
//! TiledGemm      columns of C, as many as 4, 2 or 1 vectors hold     ── column_strip
//! column_strip   rows of C, at most MR                               ── microkernel
//! microkernel    MR rows of NR vectors of C stay in registers over all segments and the depth; each step loads NR
//!                vectors of B and multiplies them with MR single values of A
//! ```
//!
//! Every value of `C` is the sum over segments and depth in their order, however large the tile. So a product may be
//! cut by rows and columns without a change of a bit.

use super::matmul;
use super::simd::{Kernel, MAX_TILE_COLUMNS, Simd, ValidPointers, accumulate, from_fn};

/// A product of matrices in memory. All strides are in floats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TiledGemm {
    /// Rows of `A` and `C`.
    pub rows: usize,
    /// Columns of `B` and `C`. The columns of a row are next to each other.
    pub columns: usize,
    /// Columns of each `A_s`, rows of each `B_s`.
    pub depth: usize,
    /// How many segments there are, as two loops: outer, inner.
    pub segments: [usize; 2],
    /// The first value of the first `A_s`.
    pub a: *const f32,
    /// From a row of `A` to the next one of the same line.
    pub a_row: usize,
    /// Rows of `A` in a line: for example the cells of an image's row. `rows`, if there is but one line.
    pub line: usize,
    /// From the last row of a line to the first row of the next one.
    pub a_line: usize,
    /// From a column of `A` to the next.
    pub a_depth: usize,
    /// From a segment of `A` to the next, in both loops.
    pub a_segments: [usize; 2],
    /// The first value of the first `B_s`.
    pub b: *const f32,
    /// From a row of `B` to the next.
    pub b_depth: usize,
    /// From a segment of `B` to the next, in both loops.
    pub b_segments: [usize; 2],
    /// The first value of `C`.
    pub c: *mut f32,
    /// From a row of `C` to the next.
    pub c_row: usize,
    /// What the sums start with.
    pub start: Start,
    /// Whether negative results become 0. NaN stays NaN.
    pub relu: bool,
    /// `A`, `B` and a bias are valid for reads, and `C` for writes.
    pub _valid: ValidPointers,
}

/// What the sums of a product start with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// Zero; `C` is only written.
    Zero,
    /// What is in `C`.
    Sum,
    /// The values of a row, the same for all rows.
    Bias(*const f32),
}

impl Start {
    /// The values of `bias`, or zero if it is empty.
    pub fn bias(bias: &[f32]) -> Self {
        if bias.is_empty() {
            Self::Zero
        } else {
            Self::Bias(bias.as_ptr())
        }
    }
}

/// Computes the product.
impl Kernel for &TiledGemm {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let mut column = 0;
        while column < self.columns {
            let left = self.columns - column;
            // SAFETY: each strip is a part of the product, whose pointers are valid.
            unsafe {
                if const { S::TILE_VECTORS == 4 } && left >= 4 * S::LANES {
                    S::call(ColumnStrip::<4>::new(self, column, S::LANES));
                    column += 4 * S::LANES;
                } else if left >= 2 * S::LANES {
                    S::call(ColumnStrip::<2>::new(self, column, S::LANES));
                    column += 2 * S::LANES;
                } else {
                    let count = left.min(S::LANES);
                    S::call(ColumnStrip::<1>::new(self, column, count));
                    column += count;
                }
            }
        }
    }
}

/// The columns of a product that `NR` vectors hold, from `column` on. A single vector may have only `count` lanes.
///
/// Called out of line: functions with the tiles of all widths take LLVM long.
struct ColumnStrip<'a, const NR: usize> {
    product: &'a TiledGemm,
    column: usize,
    count: usize,
    /// The columns are the product's.
    _valid: ValidPointers,
}

impl<'a, const NR: usize> ColumnStrip<'a, NR> {
    /// # Safety
    /// The product has these columns.
    #[inline(always)]
    unsafe fn new(product: &'a TiledGemm, column: usize, count: usize) -> Self {
        Self {
            product,
            column,
            count,
            // SAFETY: the caller vouches for the columns, and the product's pointers are valid.
            _valid: unsafe { ValidPointers::guarantee() },
        }
    }
}

impl<const NR: usize> Kernel for ColumnStrip<'_, NR> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller vouches for the instruction set, and the columns are the product's.
        unsafe { column_strip::<S, NR>(self.product, self.column, self.count) }
    }
}

/// See [`ColumnStrip`].
///
/// # Safety
/// The machine has the target features of `S`. The product, whose pointers are valid, has these columns.
#[inline(always)]
unsafe fn column_strip<S: Simd, const NR: usize>(product: &TiledGemm, column: usize, count: usize) {
    let most = const { max_rows::<S>(NR) };
    // Heights that differ by at most one. A tile of one row would be slow, because each of its sums waits for the one
    // before.
    let tiles = product.rows.div_ceil(most);
    let (height, higher) = match tiles {
        0 => return,
        _ => (product.rows / tiles, product.rows % tiles),
    };
    let mut a_rows = RowsOfA {
        next: product.a,
        left: product.line,
    };
    let mut row = 0;
    for tile in 0..tiles {
        let height = height + usize::from(tile < higher);
        let origin = Origin { row, column, count };
        // SAFETY: the rows are those of the product.
        unsafe {
            match height {
                8 if const { max_rows::<S>(NR) >= 8 } => {
                    microkernel::<S, 8, NR>(product, origin, &mut a_rows)
                }
                7 if const { max_rows::<S>(NR) >= 7 } => {
                    microkernel::<S, 7, NR>(product, origin, &mut a_rows)
                }
                6 if const { max_rows::<S>(NR) >= 6 } => {
                    microkernel::<S, 6, NR>(product, origin, &mut a_rows)
                }
                5 if const { max_rows::<S>(NR) >= 5 } => {
                    microkernel::<S, 5, NR>(product, origin, &mut a_rows)
                }
                4 => microkernel::<S, 4, NR>(product, origin, &mut a_rows),
                3 => microkernel::<S, 3, NR>(product, origin, &mut a_rows),
                2 => microkernel::<S, 2, NR>(product, origin, &mut a_rows),
                _ => microkernel::<S, 1, NR>(product, origin, &mut a_rows),
            }
        }
        row += height;
    }
}

/// The most rows of a tile that is `vectors` wide. Asked in `const` blocks, so that higher tiles are not compiled.
const fn max_rows<S: Simd>(vectors: usize) -> usize {
    let fit = S::ACCUMULATORS / vectors;
    if fit < 8 { fit } else { 8 }
}

/// The first row and column of a tile of `C`.
#[derive(Clone, Copy)]
struct Origin {
    row: usize,
    column: usize,
    /// Lanes of its vector, if it has but one.
    count: usize,
}

/// Steps through the rows of `A`, line by line.
struct RowsOfA {
    next: *const f32,
    /// Rows of the line from `next` on.
    left: usize,
}

impl RowsOfA {
    #[inline(always)]
    fn next(&mut self, product: &TiledGemm) -> *const f32 {
        let row = self.next;
        self.left = self.left.wrapping_sub(1);
        let step = match self.left {
            0 => product.a_line,
            _ => product.a_row,
        };
        self.next = row.wrapping_add(step);
        if self.left == 0 {
            self.left = product.line;
        }
        row
    }
}

/// A row of zeros, as wide as the widest tile: sums that start with zero are loaded from here.
static ZEROS: [f32; MAX_TILE_COLUMNS] = [0.0; MAX_TILE_COLUMNS];

/// `MR` rows and `NR` vectors of `C`.
///
/// # Safety
/// The machine has the target features of `S`. The product, whose pointers are valid, has these rows and columns, and
/// `a_rows` has come to them.
#[inline(always)]
unsafe fn microkernel<S: Simd, const MR: usize, const NR: usize>(
    product: &TiledGemm,
    Origin { row, column, count }: Origin,
    a_rows: &mut RowsOfA,
) {
    const { assert!(NR * S::LANES <= ZEROS.len()) };
    // SAFETY: for the whole function: rows `row..row + MR` and the columns of the tile are the product's, whose
    // pointers are valid; of a single vector only `count` lanes are touched.
    unsafe {
        let load = |p: *const f32, vector: usize| match NR {
            1 => S::load_first(p, count),
            _ => S::load(p.add(vector * S::LANES)),
        };
        let c = product.c.add(row * product.c_row + column);
        let (start, start_row) = match product.start {
            Start::Zero => (ZEROS.as_ptr(), 0),
            Start::Sum => (c.cast_const(), product.c_row),
            Start::Bias(bias) => (bias.add(column), 0),
        };
        let mut sums: [[S::V; NR]; MR] =
            from_fn(|i| from_fn(|j| load(start.add(i * start_row), j)));
        let a: [*const f32; MR] = from_fn(|_| a_rows.next(product));
        for outer in 0..product.segments[0] {
            for inner in 0..product.segments[1] {
                let offset = |[first, second]: [usize; 2]| outer * first + inner * second;
                // One index for all rows: so each row's address stays in its register.
                let mut index = offset(product.a_segments);
                let mut b = product.b.add(offset(product.b_segments) + column);
                for _ in 0..product.depth {
                    let vectors: [S::V; NR] = from_fn(|j| load(b, j));
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let value = S::splat(*a[i].add(index));
                        accumulate::<S, _>(sums, value, &vectors);
                    }
                    index += product.a_depth;
                    b = b.wrapping_add(product.b_depth);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let c = c.add(i * product.c_row);
            for (j, &sum) in sums.iter().enumerate() {
                let sum = if product.relu { S::relu(sum) } else { sum };
                match NR {
                    1 => S::store_first(c, sum, count),
                    _ => S::store(c.add(j * S::LANES), sum),
                }
            }
        }
    }
}
