//! Winograd's minimal filtering F(2x2, 3x3), F(4x4, 3x3) and F(5x5, 3x3) (Winograd 1980; Lavin & Gray 2016): 3x3
//! kernels with strides and dilation of 1.
//!
//! A tile of 2x2 outputs takes 16 multiplications for each channel and filter instead of 36, one of 4x4 outputs 36
//! instead of 144, one of 5x5 outputs 49 instead of 225. With the names of the paper, g for a kernel, d for a tile of
//! an image:
//!
//! ```text
//! kernel ── G g Gᵀ, once after each change ──▶ U [panels][cells][channels][filters of a panel]
//! images ── tiles d, Bᵀ d B ──▶ V [groups of tiles][cells][channels]
//!                               └── for each panel: a product V · U for each cell ──▶ M ── Aᵀ m A ──▶ y
//! ```
//!
//! | file | |
//! |---|---|
//! | `geometry` | the tiles of a call and the memory that they take |
//! | `filtering` | the matrices `Bᵀ`, `G` and `Aᵀ`, in one dimension |
//! | `kernel_transform` | U |
//! | `pass` | V, M and the outputs, for a block of tiles at a time |
//! | `tile_transforms` | `Bᵀ d B`, and `Aᵀ m A` with bias, pool and relu |
//! | `gemm` | the products |
//! | `zero_patches` | outputs that see nothing but zeros |
//!
//! Tiles are numbered over all images of a call and processed in blocks: V and M of a block stay in the cache, and U is
//! read once for each block. M has one panel of filters at a time. If a tile is one window of a 2x2 pool, or four, the
//! output transform computes the pool. The input gradient is the same with the flipped kernel on the gradient of the
//! output.
//!
//! # Rounding
//!
//! F(2x2) rounds as little as a plain sum of products, the larger tiles several times as much. Where products cancel
//! out, they leave about 1e-7 of them, also where the exact result is 0. In the forward pass of training an output that
//! sees zeros alone is therefore set to the bias (see [`zero_patches`]): rounding must not activate a dead relu. NaN or
//! ∞ in an image would spread over its tiles, and ∞ turn into NaN. So an image whose output is not finite is computed
//! again by `direct`. Gradients are not: there it is enough that what is not finite stays so.

mod filtering;
mod gemm;
mod geometry;
mod kernel_transform;
mod pass;
mod tile_transforms;
mod zero_patches;

use self::gemm::UNROLL;
use self::geometry::Geometry;
use self::kernel_transform::TransformKernel;
use self::pass::Pass;
use super::choice::TileSize;
use super::pooled::MaxRow;
use super::{BackwardInput, Conv2d, Forward, direct};
use crate::kernels::Isa;
use crate::kernels::simd::MAX_LANES;
use cnn_ir::Activation;

/// Floats that V and M of a block may take together: half of a second-level cache of 1 MiB.
const BLOCK: usize = 128 * 1024;
/// Tiles that a block may have in any case: with fewer of them, reading U takes longer than the products.
const MIN_BLOCK_TILES: usize = 24;
/// The most images of one [`Pass`], whose result has a bit for each.
const MAX_IMAGES: usize = 64;
/// Floats of a cache line. No vector is longer.
const LINE: usize = 16;
const _: () = assert!(MAX_LANES <= LINE);

/// Floats of scratch memory that [`forward`] takes for up to `n` images.
pub(super) const fn forward_scratch(conv: &Conv2d, size: TileSize, n: usize) -> usize {
    scratch(&Geometry::forward(conv, size), n, dense_output(conv, size))
}

/// Floats of scratch memory that [`input_gradient`] takes for up to `n` images.
pub(super) const fn input_gradient_scratch(conv: &Conv2d, size: TileSize, n: usize) -> usize {
    scratch(
        &Geometry::input_gradient(conv, size),
        n,
        conv.unpooled_len(),
    )
}

/// The scratch memory of a pass, and of its images, each of `dense` floats.
const fn scratch(geometry: &Geometry, n: usize, dense: usize) -> usize {
    let images = geometry.images(n, dense > 0);
    geometry.scratch(images) + images * dense
}

/// Floats of what [`pack_forward`] writes.
pub(super) const fn packed_forward(conv: &Conv2d, size: TileSize) -> usize {
    packed(size, [conv.input[2], conv.output[2]])
}

/// Floats of what [`pack_backward`] writes.
pub(super) const fn packed_backward(conv: &Conv2d, size: TileSize) -> usize {
    packed(size, [conv.output[2], conv.input[2]])
}

/// Floats of U with so many rows and columns for each cell: enough for every length of vectors and number of panels.
const fn packed(size: TileSize, [depth, columns]: [usize; 2]) -> usize {
    let lines = columns.div_ceil(LINE);
    size.cells() * lines * odd_lines(depth.next_multiple_of(UNROLL) * LINE)
}

/// Writes U.
pub(super) fn pack_forward(
    conv: &Conv2d,
    size: TileSize,
    isa: Isa,
    kernel: &[f32],
    packed: &mut [f32],
) {
    isa.run(TransformKernel {
        size,
        depth: conv.input[2],
        columns: conv.output[2],
        kernel,
        flipped: false,
        u: packed,
    });
}

/// Writes U of the flipped kernel.
pub(super) fn pack_backward(
    conv: &Conv2d,
    size: TileSize,
    isa: Isa,
    kernel: &[f32],
    packed: &mut [f32],
) {
    isa.run(TransformKernel {
        size,
        depth: conv.output[2],
        columns: conv.input[2],
        kernel,
        flipped: true,
        u: packed,
    });
}

/// `u` is what [`pack_forward`] wrote. Returns whether the values stand: images whose values are not finite are computed
/// again here, but of a stripe they are not.
pub(super) fn forward(conv: &Conv2d, size: TileSize, u: &[f32], operands: Forward<'_>) -> bool {
    let Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        argmax,
        keeps_zeros,
        filters,
        is_stripe,
        scratch,
    } = operands;
    let geometry = Geometry::forward(conv, size);
    let conv = &super::of_filters(conv, &filters);
    let dense = dense_output(conv, size);
    let pass_images = geometry.images(n, dense > 0);
    let relu = conv.activation == Activation::Relu;
    for first in (0..n).step_by(pass_images.max(1)) {
        let images = pass_images.min(n - first);
        let x = &x[first * conv.input_len()..][..images * conv.input_len()];
        let range = first * conv.output_len()..(first + images) * conv.output_len();
        let y = &mut y[range.clone()];
        let argmax = argmax.get_mut(range).unwrap_or_default();
        let not_finite = if dense > 0 {
            let (rows, scratch) = scratch.split_at_mut(images * dense);
            let not_finite = isa.run(Pass {
                geometry,
                images,
                x,
                u,
                bias,
                y: rows,
                argmax: &mut [],
                keeps_zeros,
                filters: filters.clone(),
                pool: None,
                relu: false,
                scratch,
            });
            pool_images(conv, isa, rows, relu, y, argmax);
            not_finite
        } else {
            isa.run(Pass {
                geometry,
                images,
                x,
                u,
                bias,
                y,
                argmax,
                keeps_zeros,
                filters: filters.clone(),
                pool: conv.pool.map(|pool| pool.output),
                relu,
                scratch,
            })
        };
        super::activate(conv, isa, y);
        if is_stripe {
            return not_finite == 0;
        }
        for image in (0..images).filter(|image| not_finite >> image & 1 == 1) {
            let range = image * conv.output_len()..(image + 1) * conv.output_len();
            let operands = Forward {
                isa,
                n: 1,
                x: &x[image * conv.input_len()..][..conv.input_len()],
                kernel,
                bias,
                y: &mut y[range.clone()],
                argmax: argmax.get_mut(range).unwrap_or_default(),
                keeps_zeros,
                filters: filters.clone(),
                is_stripe,
                scratch,
            };
            direct::forward(conv, operands);
        }
    }
    true
}

/// The fused pool of whole images of the convolution's own output.
fn pool_images(
    conv: &Conv2d,
    isa: Isa,
    images: &[f32],
    relu: bool,
    y: &mut [f32],
    argmax: &mut [u8],
) {
    let Some(pool) = conv.pool else { return };
    let windows = pool.output[1] * conv.output[2];
    let images = images.chunks_exact(conv.cells() * conv.output[2]);
    for (i, (z, y)) in images
        .zip(y.chunks_exact_mut(conv.output_len()))
        .enumerate()
    {
        for (row, y) in y.chunks_exact_mut(windows).enumerate() {
            let offset = i * conv.output_len() + row * windows;
            isa.run(MaxRow {
                pool,
                output: conv.output,
                row,
                rows: conv.output[0],
                z,
                relu,
                y,
                argmax: argmax.get_mut(offset..offset + windows).unwrap_or_default(),
            });
        }
    }
}

pub(super) fn input_gradient(conv: &Conv2d, size: TileSize, operands: BackwardInput<'_>) {
    let BackwardInput {
        isa,
        n,
        dz,
        argmax,
        packed,
        dx,
        scratch,
    } = operands;
    let geometry = Geometry::input_gradient(conv, size);
    let dense = conv.unpooled_len();
    let pass_images = geometry.images(n, dense > 0);
    for first in (0..n).step_by(pass_images.max(1)) {
        let images = pass_images.min(n - first);
        let dz = &dz[first * conv.output_len()..][..images * conv.output_len()];
        let (dy, scratch) = scratch.split_at_mut(images * dense);
        if dense > 0 {
            let gradients = dz.chunks_exact(conv.output_len());
            for (i, (dz, dy)) in gradients.zip(dy.chunks_exact_mut(dense)).enumerate() {
                super::pooled::unpool(conv, isa, first + i, dz, argmax, dy);
            }
        }
        isa.run(Pass {
            geometry,
            images,
            x: if dense > 0 { dy } else { dz },
            u: packed,
            bias: &[],
            y: &mut dx[first * conv.input_len()..][..images * conv.input_len()],
            argmax: &mut [],
            keeps_zeros: false,
            filters: 0..conv.input[2],
            pool: None,
            relu: false,
            scratch,
        });
    }
}

/// Floats of an image of the convolution's own output, which a pass writes to scratch memory if the output transform
/// cannot compute the fused pool; else 0.
const fn dense_output(conv: &Conv2d, size: TileSize) -> usize {
    if size.pools(conv) {
        0
    } else {
        conv.unpooled_len()
    }
}

/// The next length that is an odd number of cache lines: then neighbours do not share a cache set.
#[inline(always)]
const fn odd_lines(values: usize) -> usize {
    (values.div_ceil(LINE) | 1) * LINE
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}
