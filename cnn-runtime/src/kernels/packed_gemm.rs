//! Products with a matrix that is packed once and used often: the kernel of a dense layer or of a 1x1 convolution, or
//! the gradient of a dense layer's output.
//!
//! ```text
//! B, [depth, columns] ──pack──▶ packed panels of neighbouring columns, [depth, width] each ──multiply──▶ C = A * B + bias
//! ```
//!
//! A panel is as wide as a register tile, so a tile reads it from front to back, which suits caches and their
//! prefetchers, and nothing is copied in a call. The last panel is as many vectors wide as its columns need, with zeros
//! behind them. The width and so the layout belong to the instruction set; the length is the same for all.
//!
//! The depth is not cut into blocks, though a panel is larger than the first-level cache: loading and storing the sums
//! once for each block would cost more than reading the panel from the second-level cache.
//!
//! Every value is a sum in the order of the depth that starts with the bias, as in [`super::microkernel`], however many
//! rows there are.

use super::Isa;
use super::matmul;
use super::microkernel::{Start, TiledGemm};
use super::simd::{Kernel, MAX_LANES, Simd, ValidPointers, from_fn};
use core::ops::Range;

/// Floats of the packed panels of a matrix of shape `[depth, columns]`.
pub(crate) const fn length([depth, columns]: [usize; 2]) -> usize {
    depth * columns.next_multiple_of(MAX_LANES)
}

/// Writes the packed panels of a matrix of shape `[depth, columns]`, for products by the same instruction set.
/// Nothing is written for one whose products are matrixmultiply's.
///
/// # Panics
/// If a slice is of another length than the shape says.
pub(crate) fn pack(isa: Isa, shape: [usize; 2], matrix: &[f32], panels: &mut [f32]) {
    assert_eq!(matrix.len(), shape[0] * shape[1], "values of a matrix");
    assert_eq!(panels.len(), length(shape), "values of panels");
    if isa.vectors().prefers_matrixmultiply() {
        return;
    }
    isa.run(Pack {
        shape,
        matrix,
        panels,
    });
}

/// The packed panels of some columns of a matrix of that shape, which begin with a panel.
pub(crate) fn columns<'a>(
    [depth, _]: [usize; 2],
    columns: &Range<usize>,
    panels: &'a [f32],
) -> &'a [f32] {
    &panels[columns.start * depth..][..length([depth, columns.len()])]
}

/// A product with a packed matrix.
pub(crate) struct PackedGemm<'a> {
    /// Columns of `A`, rows of `B`.
    pub depth: usize,
    /// Columns of `B` and `C`.
    pub columns: usize,
    /// `[rows, depth]`.
    pub a: &'a [f32],
    /// `B`, as [`pack`] wrote it.
    pub panels: &'a [f32],
    /// `[columns]` or empty: what the sums of a row start with.
    pub bias: &'a [f32],
    /// `[rows, columns]`, overwritten.
    pub c: &'a mut [f32],
    /// Whether negative results become 0. NaN stays NaN.
    pub relu: bool,
}

impl PackedGemm<'_> {
    /// Computes the product.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn multiply(self, isa: Isa, rows: usize) {
        let shape = [self.depth, self.columns];
        assert_eq!(self.a.len(), rows * self.depth, "values of a factor");
        assert_eq!(self.panels.len(), length(shape), "values of panels");
        assert!(
            self.bias.is_empty() || self.bias.len() == self.columns,
            "a bias for each column, or none"
        );
        assert_eq!(self.c.len(), rows * self.columns, "values of a product");
        if rows == 1 {
            isa.run(Gemv(self));
        } else {
            isa.run(Gemm(self, rows));
        }
    }
}

/// The first column and the width of each panel.
#[inline(always)]
pub(super) fn panels<S: Simd>(columns: usize) -> impl Iterator<Item = [usize; 2]> {
    let widest = S::TILE_VECTORS * S::LANES;
    let firsts = (0..columns).step_by(widest);
    firsts.map(move |first| {
        let width = widest.min((columns - first).next_multiple_of(S::LANES));
        [first, width]
    })
}

struct Pack<'a> {
    shape: [usize; 2],
    matrix: &'a [f32],
    panels: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let [depth, columns] = self.shape;
        for [first, width] in panels::<S>(columns) {
            let panel = &mut self.panels[first * depth..][..width * depth];
            let rows = self.matrix.chunks_exact(columns);
            for (to, from) in panel.chunks_exact_mut(width).zip(rows) {
                let from = &from[first..columns.min(first + width)];
                let (to, zeros) = to.split_at_mut(from.len());
                to.copy_from_slice(from);
                zeros.fill(0.0);
            }
        }
    }
}

/// A product with this many rows, panel by panel. All lengths are checked.
struct Gemm<'a>(PackedGemm<'a>, usize);

impl Kernel for Gemm<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let Self(packed, rows) = self;
        let PackedGemm { depth, columns, .. } = packed;
        for [first, width] in panels::<S>(columns) {
            let bias = packed.bias.get(first..).unwrap_or_default();
            let product = TiledGemm {
                rows,
                columns: width.min(columns - first),
                depth,
                segments: [1, 1],
                a: packed.a.as_ptr(),
                a_row: depth,
                line: rows,
                a_line: 0,
                a_depth: 1,
                a_segments: [0, 0],
                b: packed.panels[first * depth..].as_ptr(),
                b_depth: width,
                b_segments: [0, 0],
                c: packed.c[first..].as_mut_ptr(),
                c_row: columns,
                start: Start::bias(bias),
                relu: packed.relu,
                // SAFETY: `multiply` has compared all lengths; the panel and its columns are inside them.
                _valid: unsafe { ValidPointers::guarantee() },
            };
            // SAFETY: the caller vouches for the target features.
            unsafe { S::call(&product) };
        }
    }
}

/// A product with one row: a vector times a matrix. All lengths are checked.
///
/// It reads each value of `B` once, so it is bound by loads. Several panels at a time keep more loads in flight and
/// give more independent sums.
struct Gemv<'a>(PackedGemm<'a>);

impl Kernel for Gemv<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let columns = self.0.columns;
        let mut first = 0;
        while first < columns {
            let vectors = (columns - first).div_ceil(S::LANES);
            // SAFETY: so many panels of that width begin at the column.
            first += unsafe {
                match (S::TILE_VECTORS, vectors) {
                    (4, 8..) => self.panels::<S, 2, 4>(first),
                    (4, 4..) => self.panels::<S, 1, 4>(first),
                    (4, 3) => self.panels::<S, 1, 3>(first),
                    (2, 8..) => self.panels::<S, 4, 2>(first),
                    (2, 4..) => self.panels::<S, 2, 2>(first),
                    (_, 2..) => self.panels::<S, 1, 2>(first),
                    (..) => self.panels::<S, 1, 1>(first),
                }
            };
        }
    }
}

impl Gemv<'_> {
    /// Computes the results of `PANELS` panels of `VECTORS` vectors that begin at column `first`, and
    /// returns their width.
    ///
    /// # Safety
    /// The machine has the target features of `S`, and there are such panels.
    #[inline(always)]
    unsafe fn panels<S: Simd, const PANELS: usize, const VECTORS: usize>(
        &mut self,
        first: usize,
    ) -> usize {
        let PackedGemm { depth, columns, .. } = self.0;
        let width = VECTORS * S::LANES;
        let bias = self.0.bias.get(first..).unwrap_or_default();
        let c = self.0.c[first..].as_mut_ptr();
        let b = self.0.panels[first * depth..].as_ptr();
        let column = |panel: usize, vector: usize| panel * width + vector * S::LANES;
        let count = |column: usize| S::LANES.min(columns - first - column);
        // SAFETY: the lengths were compared in `multiply`: the panels hold `width` values for each step,
        // and of the bias and the results no more than `columns` are touched.
        unsafe {
            let mut sums: [[S::V; VECTORS]; PANELS] = from_fn(|panel| {
                from_fn(|vector| match column(panel, vector) {
                    _ if bias.is_empty() => S::splat(0.0),
                    column => S::load_first(bias.as_ptr().add(column), count(column)),
                })
            });
            for (step, value) in self.0.a.iter().enumerate() {
                let value = S::splat(*value);
                for (panel, sums) in sums.iter_mut().enumerate() {
                    let b = b.add((panel * depth + step) * width);
                    for (vector, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(value, S::load(b.add(vector * S::LANES)), *sum);
                    }
                }
            }
            for (panel, sums) in sums.iter().enumerate() {
                for (vector, &sum) in sums.iter().enumerate() {
                    let column = column(panel, vector);
                    let sum = if self.0.relu { S::relu(sum) } else { sum };
                    S::store_first(c.add(column), sum, count(column));
                }
            }
        }
        PANELS * width
    }
}
