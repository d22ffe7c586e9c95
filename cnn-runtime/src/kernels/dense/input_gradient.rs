//! The gradient with respect to the input, `dx = dy * kernelᵀ`.
//!
//! Register tiles want `B` with its columns next to each other, so something has to be transposed:
//!
//! - the kernel, block by block: `dx = dy * (kernelᵀ)`;
//! - or, if there are few examples, these and their results: `dxᵀ = kernel * (dyᵀ)`.
//!
//! Either way a value is the same sum in the order of the units.

use super::Dense;
use super::blocks::{BLOCK_COLUMNS, BLOCK_ROWS, depth_blocks};
use crate::kernels::matmul;
use crate::kernels::microkernel::{Start, TiledGemm};
use crate::kernels::simd::{Kernel, Simd, ValidPointers};
use crate::kernels::transpose::squares;

/// The gradient with respect to the input.
pub(super) struct BackwardInput<'a> {
    pub dense: Dense,
    pub n: usize,
    /// Whether the kernel is transposed, or the examples and their results.
    pub transposes_kernel: bool,
    /// `[n, units]`.
    pub dy: &'a [f32],
    /// `[inputs, units]`.
    pub kernel: &'a [f32],
    /// `[n, inputs]`, overwritten.
    pub dx: &'a mut [f32],
    /// At least [`Dense::training_scratch`].
    pub scratch: &'a mut [f32],
}

impl Kernel for BackwardInput<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let Self {
            dense: Dense { inputs, units, .. },
            n,
            transposes_kernel,
            dy,
            kernel,
            dx,
            scratch,
        } = self;
        let (dx_block, transposed) = scratch.split_at_mut(BLOCK_ROWS * BLOCK_COLUMNS);
        let (dx_block, transposed) = (dx_block.as_mut_ptr(), transposed.as_mut_ptr());
        if transposes_kernel {
            for column in (0..inputs).step_by(BLOCK_COLUMNS) {
                let columns = BLOCK_COLUMNS.min(inputs - column);
                for [done, depth] in depth_blocks(units) {
                    // SAFETY: the block of the kernel has `columns` rows from `column` on and `depth` values of
                    // each; the scratch has room for `units` times `BLOCK_COLUMNS`; `dx` has these columns.
                    unsafe {
                        let kernel = kernel.as_ptr().add(column * units + done);
                        squares::<S>([columns, depth], kernel, units, transposed, BLOCK_COLUMNS);
                        S::call(&TiledGemm {
                            rows: n,
                            columns,
                            depth,
                            segments: [1, 1],
                            a: dy.as_ptr().add(done),
                            a_row: units,
                            line: n,
                            a_line: 0,
                            a_depth: 1,
                            a_segments: [0, 0],
                            b: transposed,
                            b_depth: BLOCK_COLUMNS,
                            b_segments: [0, 0],
                            c: dx.as_mut_ptr().add(column),
                            c_row: inputs,
                            start: if done == 0 { Start::Zero } else { Start::Sum },
                            relu: false,
                            _valid: ValidPointers::guarantee(),
                        });
                    }
                }
            }
            return;
        }
        for first in (0..n).step_by(BLOCK_COLUMNS) {
            let examples = BLOCK_COLUMNS.min(n - first);
            // SAFETY: `examples` rows of `dy`; the block has room for `units` times `BLOCK_COLUMNS` values.
            unsafe {
                let dy = dy.as_ptr().add(first * units);
                squares::<S>([examples, units], dy, units, transposed, BLOCK_COLUMNS);
            }
            for row in (0..inputs).step_by(BLOCK_ROWS) {
                let rows = BLOCK_ROWS.min(inputs - row);
                for [done, depth] in depth_blocks(units) {
                    // SAFETY: `rows` rows of the kernel from `row` on, `depth` rows of the block of
                    // `dy`, and `rows` rows of that of `dx`.
                    unsafe {
                        S::call(&TiledGemm {
                            rows,
                            columns: examples,
                            depth,
                            segments: [1, 1],
                            a: kernel.as_ptr().add(row * units + done),
                            a_row: units,
                            line: rows,
                            a_line: 0,
                            a_depth: 1,
                            a_segments: [0, 0],
                            b: transposed.add(done * BLOCK_COLUMNS),
                            b_depth: BLOCK_COLUMNS,
                            b_segments: [0, 0],
                            c: dx_block,
                            c_row: BLOCK_COLUMNS,
                            start: if done == 0 { Start::Zero } else { Start::Sum },
                            relu: false,
                            _valid: ValidPointers::guarantee(),
                        });
                    }
                }
                // SAFETY: `examples` rows of `dx`, of which `rows` values from `row` on.
                unsafe {
                    let dx = dx.as_mut_ptr().add(first * inputs + row);
                    squares::<S>([rows, examples], dx_block, BLOCK_COLUMNS, dx, inputs);
                }
            }
        }
    }
}
