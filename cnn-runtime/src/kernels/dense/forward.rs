//! The forward pass in blocks of the kernel.

use super::blocks::{BLOCK_COLUMNS, BLOCK_DEPTH, copy, depth_blocks};
use crate::kernels::matmul;
use crate::kernels::microkernel::{Start, TiledGemm};
use crate::kernels::simd::{Kernel, Simd};

/// A product in blocks of `B`.
pub(super) struct BlockedGemm<'a> {
    /// A product of one segment, whose guarantee covers the blocks.
    pub product: &'a TiledGemm,
    /// Room for a block.
    pub scratch: &'a mut [f32],
}

impl Kernel for BlockedGemm<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let Self { product, scratch } = self;
        assert!(
            scratch.len() >= BLOCK_DEPTH * BLOCK_COLUMNS,
            "scratch of a dense layer"
        );
        let to = scratch.as_mut_ptr();
        let mut block = *product;
        for column in (0..product.columns).step_by(BLOCK_COLUMNS) {
            block.columns = BLOCK_COLUMNS.min(product.columns - column);
            block.start = match product.start {
                Start::Bias(bias) => Start::Bias(bias.wrapping_add(column)),
                start => start,
            };
            for [done, steps] in depth_blocks(product.depth) {
                // SAFETY: blocks are parts of the product, whose pointers are valid; the scratch holds a
                // block.
                unsafe {
                    block.c = product.c.add(column);
                    block.depth = steps;
                    block.a = product.a.add(done * product.a_depth);
                    let from = product.b.add(done * product.b_depth + column);
                    copy::<S>(
                        steps,
                        block.columns,
                        from,
                        product.b_depth,
                        to,
                        BLOCK_COLUMNS,
                    );
                    (block.b, block.b_depth) = (to, BLOCK_COLUMNS);
                    block.relu = product.relu && done + steps == product.depth;
                    S::call(&block);
                }
                block.start = Start::Sum;
            }
        }
    }
}
