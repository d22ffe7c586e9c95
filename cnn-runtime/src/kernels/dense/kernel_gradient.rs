//! The gradient of the kernel, `xᵀ * dy`, for a range of its rows.

use super::Dense;
use super::blocks::{BLOCK_ROWS, COPY_STRIDE, copy};
use crate::kernels::matmul;
use crate::kernels::microkernel::{Start, TiledGemm};
use crate::kernels::packed_gemm::panels;
use crate::kernels::simd::{Kernel, Simd, ValidPointers};
use core::ops::Range;

/// Some rows of the gradient of a kernel, block by block of rows, and for each packed panel of `dy`.
pub(super) struct BackwardKernel<'a> {
    pub dense: Dense,
    pub n: usize,
    /// `[n, inputs]`.
    pub x: &'a [f32],
    /// The packed panels of `dy`.
    pub packed: &'a [f32],
    pub rows: Range<usize>,
    /// `[rows, units]`, overwritten.
    pub kernel_gradient: &'a mut [f32],
    /// Room for a copy of a block of `x`.
    pub scratch: &'a mut [f32],
}

impl Kernel for BackwardKernel<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let Dense { inputs, units, .. } = self.dense;
        let copied = self.scratch.as_mut_ptr();
        for row in (0..self.rows.len()).step_by(BLOCK_ROWS) {
            let rows = BLOCK_ROWS.min(self.rows.len() - row);
            let mut a = self.x.as_ptr().wrapping_add(self.rows.start + row);
            let mut a_depth = inputs;
            // With a single panel each copied value would be used once: no copy.
            if units > S::TILE_VECTORS * S::LANES {
                // SAFETY: `rows` inputs of all examples, for which the scratch has a row each.
                unsafe { copy::<S>(self.n, rows, a, inputs, copied, COPY_STRIDE) };
                (a, a_depth) = (copied, COPY_STRIDE);
            }
            for [first, width] in panels::<S>(units) {
                let product = TiledGemm {
                    rows,
                    columns: width.min(units - first),
                    depth: self.n,
                    segments: [1, 1],
                    a,
                    a_row: 1,
                    line: rows,
                    a_line: 0,
                    a_depth,
                    a_segments: [0, 0],
                    b: self.packed[first * self.n..].as_ptr(),
                    b_depth: width,
                    b_segments: [0, 0],
                    c: self.kernel_gradient[row * units + first..].as_mut_ptr(),
                    c_row: units,
                    start: Start::Zero,
                    relu: false,
                    // SAFETY: `backward_parameters` has compared all lengths: the rows are among the inputs, and
                    // the panel and its columns are inside theirs.
                    _valid: unsafe { ValidPointers::guarantee() },
                };
                // SAFETY: the caller vouches for the target features.
                unsafe { S::call(&product) };
            }
        }
    }
}
