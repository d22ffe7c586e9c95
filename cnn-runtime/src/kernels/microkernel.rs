//! The product of register tiles: the inner loop of convolutions, their gradients and dense layers.
//!
//! `C = start + Σ A_s · B_s`, where the segments `s` are, for example, the rows of a kernel: nothing is
//! packed or copied, because the operands of a small convolution lie in cache as they are. A tile of
//! `HEIGHT` rows and `VECTORS` vectors of `C` stays in registers while the depth runs by; per step it
//! loads `VECTORS` vectors of `B` and multiplies them with `HEIGHT` single values of `A`.
//!
//! Every value of `C` is the sum over segments and depth in their order, whatever the tile, so a product
//! may be cut up by rows and columns without a change of a bit.

use super::matmul;
use super::simd::{Kernel, Simd, ValidPointers, accumulate, from_fn};

/// The product of matrices in memory. Strides are in floats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TiledGemm {
    /// Rows of `A` and `C`.
    pub rows: usize,
    /// Columns of `B` and `C`, which lie side by side.
    pub columns: usize,
    /// Columns of each `A_s`, rows of each `B_s`.
    pub depth: usize,
    /// How many segments there are: outer, inner.
    pub segments: [usize; 2],
    /// The first value of the first `A`.
    pub a: *const f32,
    /// From a row to the next within a line.
    pub a_row: usize,
    /// Rows of `A` in a line, as the cells of a line of an image; `rows`, if there are no lines.
    pub line: usize,
    /// From the last row of a line to the first of the next.
    pub a_line: usize,
    /// From a column to the next.
    pub a_depth: usize,
    /// From a segment to the next.
    pub a_segments: [usize; 2],
    /// The first value of the first `B`.
    pub b: *const f32,
    /// From a row to the next.
    pub b_depth: usize,
    /// From a segment to the next.
    pub b_segments: [usize; 2],
    /// The first value of `C`.
    pub c: *mut f32,
    /// From a row to the next.
    pub c_row: usize,
    /// What the sums start with.
    pub start: Start,
    /// Whether negative results become 0. NaN stays.
    pub relu: bool,
    /// That all of these places may be read, and those of `C` written.
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
            // SAFETY: each panel is a part of the product, whose places the caller vouches for.
            unsafe {
                if const { S::TILE_VECTORS == 4 } && left >= 4 * S::LANES {
                    S::call(Panel::<4>::new(self, column, S::LANES));
                    column += 4 * S::LANES;
                } else if left >= 2 * S::LANES {
                    S::call(Panel::<2>::new(self, column, S::LANES));
                    column += 2 * S::LANES;
                } else {
                    let count = left.min(S::LANES);
                    S::call(Panel::<1>::new(self, column, count));
                    column += count;
                }
            }
        }
    }
}

/// The columns from `column` on that `VECTORS` vectors hold; of a single vector only `count` lanes.
///
/// Called out of line: LLVM takes long over functions that hold the tiles of all widths.
struct Panel<'a, const VECTORS: usize> {
    product: &'a TiledGemm,
    column: usize,
    count: usize,
    /// That the columns are the product's.
    _valid: ValidPointers,
}

impl<'a, const VECTORS: usize> Panel<'a, VECTORS> {
    /// # Safety
    /// The columns exist.
    #[inline(always)]
    unsafe fn new(product: &'a TiledGemm, column: usize, count: usize) -> Self {
        Self {
            product,
            column,
            count,
            // SAFETY: the caller vouches for the columns, the product's own promise for the rest.
            _valid: unsafe { ValidPointers::new() },
        }
    }
}

impl<const VECTORS: usize> Kernel for Panel<'_, VECTORS> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller vouches for the instruction set, the promise for the rest.
        unsafe { panel::<S, VECTORS>(self.product, self.column, self.count) }
    }
}

/// See [`Panel`].
///
/// # Safety
/// The machine has the target features of `S`. These columns are the product's, whose promise covers the
/// rest.
#[inline(always)]
unsafe fn panel<S: Simd, const VECTORS: usize>(product: &TiledGemm, column: usize, count: usize) {
    let most = const { highest::<S>(VECTORS) };
    // Heights that differ by one at most: a tile of one row waits for its own sums.
    let tiles = product.rows.div_ceil(most);
    let (height, higher) = match tiles {
        0 => return,
        _ => (product.rows / tiles, product.rows % tiles),
    };
    let mut rows = Rows {
        next: product.a,
        left: product.line,
    };
    let mut row = 0;
    for tile in 0..tiles {
        let height = height + usize::from(tile < higher);
        let place = Place { row, column, count };
        // SAFETY: the rows are those of the product.
        unsafe {
            match height {
                8 if const { highest::<S>(VECTORS) >= 8 } => {
                    self::tile::<S, 8, VECTORS>(product, place, &mut rows)
                }
                7 if const { highest::<S>(VECTORS) >= 7 } => {
                    self::tile::<S, 7, VECTORS>(product, place, &mut rows)
                }
                6 if const { highest::<S>(VECTORS) >= 6 } => {
                    self::tile::<S, 6, VECTORS>(product, place, &mut rows)
                }
                5 if const { highest::<S>(VECTORS) >= 5 } => {
                    self::tile::<S, 5, VECTORS>(product, place, &mut rows)
                }
                4 => self::tile::<S, 4, VECTORS>(product, place, &mut rows),
                3 => self::tile::<S, 3, VECTORS>(product, place, &mut rows),
                2 => self::tile::<S, 2, VECTORS>(product, place, &mut rows),
                _ => self::tile::<S, 1, VECTORS>(product, place, &mut rows),
            }
        }
        row += height;
    }
}

/// Rows of the highest tile of so many vectors. Asked in `const` blocks, so that higher ones are not compiled.
const fn highest<S: Simd>(vectors: usize) -> usize {
    let fit = S::ACCUMULATORS / vectors;
    if fit < 8 { fit } else { 8 }
}

/// Where a tile lies.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    column: usize,
    /// Lanes of its vector, if it has but one.
    count: usize,
}

/// Steps through the rows of `A`, line by line.
struct Rows {
    next: *const f32,
    /// Rows of the line from `next` on.
    left: usize,
}

impl Rows {
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

/// What sums that start with zero are loaded from: as much as the widest tile.
static ZEROS: [f32; 64] = [0.0; 64];

/// # Safety
/// The machine has the target features of `S`. These rows and columns are the product's, whose promise covers
/// the rest, and `rows` has come to them.
#[inline(always)]
unsafe fn tile<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
    product: &TiledGemm,
    Place { row, column, count }: Place,
    rows: &mut Rows,
) {
    const { assert!(VECTORS * S::LANES <= ZEROS.len()) };
    // SAFETY: for the whole function: rows `row..row + HEIGHT` and the columns of the panel are inside
    // the product, whose places the caller vouches for; of a single vector only `count` lanes are touched.
    unsafe {
        let load = |p: *const f32, vector: usize| match VECTORS {
            1 => S::load_first(p, count),
            _ => S::load(p.add(vector * S::LANES)),
        };
        let c = product.c.add(row * product.c_row + column);
        let (start, start_row) = match product.start {
            Start::Zero => (ZEROS.as_ptr(), 0),
            Start::Sum => (c.cast_const(), product.c_row),
            Start::Bias(bias) => (bias.add(column), 0),
        };
        let mut sums: [[S::V; VECTORS]; HEIGHT] =
            from_fn(|i| from_fn(|j| load(start.add(i * start_row), j)));
        let a: [*const f32; HEIGHT] = from_fn(|_| rows.next(product));
        for outer in 0..product.segments[0] {
            for inner in 0..product.segments[1] {
                let place = |[first, second]: [usize; 2]| outer * first + inner * second;
                // One index for all rows: their addresses are a register each, which stays as it is.
                let mut index = place(product.a_segments);
                let mut b = product.b.add(place(product.b_segments) + column);
                for _ in 0..product.depth {
                    let vectors: [S::V; VECTORS] = from_fn(|j| load(b, j));
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
                match VECTORS {
                    1 => S::store_first(c, sum, count),
                    _ => S::store(c.add(j * S::LANES), sum),
                }
            }
        }
    }
}
