//! Winograd's minimal filtering F(2x2, 3x3), F(4x4, 3x3) and F(5x5, 3x3) (Lavin & Gray 2016): 3x3 kernels,
//! strides and dilation 1.
//!
//! Four outputs take 16 multiplications for each channel and filter instead of 36, sixteen outputs 36
//! instead of 144, or twenty-five outputs 49 instead of 225:
//!
//! ```text
//! kernel ── G g Gᵀ, once after each change ──▶ U [panels][cells][channels][filters of a panel]
//! images ── tiles d, Bᵀ d B ─▶ V [groups of tiles][cells][channels]
//!                              └── for each panel: products V · U ─▶ M ── Aᵀ m A: outputs, bias, pool, relu
//! ```
//!
//! A prediction of one small image has few tiles, and its kernels come from larger caches: see [`few`].
//!
//! Tiles are numbered over all images of a call and worked off in blocks, so that V and M of a block stay
//! in cache and each block passes over U once for several images. Of M there is a panel of filters at a time.
//! A 2x2 pool behind the convolution is taken in the output transform where a tile is a window, or
//! four. The input gradient is the same with the flipped kernel on the gradient of the output.
//!
//! Beside its products, a tile of 2x2 outputs takes about as long as 200 multiplications for each channel and
//! each filter, one of 4x4 as long as 500, one of 5x5 as long as 900. So they win from some 20 or 10 channels and
//! filters on, if a call has a few tiles: with one, the products wait for U.
//!
//! F(2x2) rounds as little as the plain sum of products: of random values and 64 channels, its error has 0.6
//! times the root mean square of that of a sum in single precision. That of F(4x4) has 1.9 times and that of F(5x5) 6.6
//! times, and unlike F(2x2) they do not keep zeros: where products cancel out, about 1e-7 of them is left. In the
//! forward pass of training that is mended where an output sees zeros alone (see [`zero_patches`]), because there it would
//! wake dead relus. A NaN or ∞ would spread over its tiles, and ∞ turn into NaN, so images with an output that is not
//! finite are computed again by `direct`. Gradients are not: there it is enough that what is not finite stays so.

mod filtering;
mod gemm;
mod geometry;
mod kernel_transform;
mod pass;
mod small_batch;
mod tile_transforms;
mod zero_patches;

use self::gemm::UNROLL;
use self::geometry::Geometry;
use self::kernel_transform::TransformKernel;
use self::pass::Pass;
use self::small_batch::TransformColumns;
use super::pooled::MaxRow;
use super::{BackwardInput, Conv2d, Forward, direct};
use crate::kernels::Isa;
use cnn_ir::Activation;

/// Floats of V and M together that a block may take: half of a second-level cache of 1 MiB.
const BLOCK: usize = 128 * 1024;
/// Tiles that a block may have in any case: with fewer, passing over U takes longer than the products.
const TILES: usize = 24;
/// Images of one [`Pass`], whose result has a bit for each.
const IMAGES: usize = 64;
/// Floats in a cache line, and in the longest vector.
const LINE: usize = 16;
/// Filters of the widest panel of any instruction set.
const PANEL: usize = 64;

/// How many outputs a tile has in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TileSize {
    /// F(2x2, 3x3).
    Two,
    /// F(4x4, 3x3).
    Four,
    /// F(5x5, 3x3).
    Five,
}

impl TileSize {
    const fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
            Self::Five => 5,
        }
    }

    /// Cells of a transformed tile.
    const fn cells(self) -> usize {
        (self.outputs() + 2) * (self.outputs() + 2)
    }
}

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

/// A pass, and images of `dense` floats beside it.
const fn scratch(geometry: &Geometry, n: usize, dense: usize) -> usize {
    let images = geometry.images(n, dense > 0);
    geometry.scratch(images) + images * dense
}

/// Floats of what [`pack_forward`] writes.
pub(super) const fn packed_forward(conv: &Conv2d, size: TileSize) -> usize {
    packed(size, [conv.input[2], conv.output[2]])
}

/// Floats of what [`pack_inference`] writes.
pub(super) const fn packed_inference(conv: &Conv2d, size: TileSize) -> usize {
    let [rows, columns] = Geometry::forward(conv, size).tiles;
    let shape = [conv.input[2], conv.output[2]];
    packed_forward(conv, size) + small_batch::packed(size, rows * columns, shape)
}

/// Floats of what [`pack_backward`] writes.
pub(super) const fn packed_backward(conv: &Conv2d, size: TileSize) -> usize {
    packed(size, [conv.output[2], conv.input[2]])
}

/// Floats of U with as many rows and columns for each cell, for the longest vectors and the most panels.
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

/// Writes U, and W where few tiles take that.
pub(super) fn pack_inference(
    conv: &Conv2d,
    size: TileSize,
    isa: Isa,
    kernel: &[f32],
    packed: &mut [f32],
) {
    let (u, w) = packed.split_at_mut(packed_forward(conv, size));
    pack_forward(conv, size, isa, kernel, u);
    if !w.is_empty() {
        isa.run(TransformColumns {
            channels: conv.input[2],
            filters: conv.output[2],
            kernel,
            w,
        });
    }
}

/// Writes U of the kernel flipped round.
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

/// `packed` is what [`pack_forward`] or [`pack_inference`] wrote.
pub(super) fn forward(conv: &Conv2d, size: TileSize, packed: &[f32], operands: Forward<'_>) {
    let Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        argmax,
        keeps_zeros,
        scratch,
    } = operands;
    let geometry = Geometry::forward(conv, size);
    let (u, w) = packed.split_at(packed_forward(conv, size));
    let dense = dense_output(conv, size);
    let group = geometry.images(n, dense > 0);
    let relu = conv.activation == Activation::Relu;
    for first in (0..n).step_by(group.max(1)) {
        let images = group.min(n - first);
        let x = &x[first * conv.input_len()..][..images * conv.input_len()];
        let place = first * conv.output_len()..(first + images) * conv.output_len();
        let y = &mut y[place.clone()];
        let argmax = argmax.get_mut(place).unwrap_or_default();
        let odd = if dense > 0 {
            let (rows, scratch) = scratch.split_at_mut(images * dense);
            let odd = isa.run(Pass {
                geometry,
                images,
                x,
                u,
                w,
                bias,
                y: rows,
                argmax: &mut [],
                keeps_zeros,
                pool: None,
                relu: false,
                scratch,
            });
            pool_images(conv, isa, rows, relu, y, argmax);
            odd
        } else {
            isa.run(Pass {
                geometry,
                images,
                x,
                u,
                w,
                bias,
                y,
                argmax,
                keeps_zeros,
                pool: conv.pool.map(|pool| pool.output),
                relu,
                scratch,
            })
        };
        super::activate(conv, isa, y);
        for image in (0..images).filter(|image| odd >> image & 1 == 1) {
            let place = image * conv.output_len()..(image + 1) * conv.output_len();
            let operands = Forward {
                isa,
                n: 1,
                x: &x[image * conv.input_len()..][..conv.input_len()],
                kernel,
                bias,
                y: &mut y[place.clone()],
                argmax: argmax.get_mut(place).unwrap_or_default(),
                keeps_zeros,
                scratch,
            };
            direct::forward(conv, operands);
        }
    }
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
            let place = i * conv.output_len() + row * windows;
            isa.run(MaxRow {
                pool,
                output: conv.output,
                row,
                rows: conv.output[0],
                z,
                relu,
                y,
                argmax: argmax.get_mut(place..place + windows).unwrap_or_default(),
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
    let group = geometry.images(n, dense > 0);
    for first in (0..n).step_by(group.max(1)) {
        let images = group.min(n - first);
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
            w: &[],
            bias: &[],
            y: &mut dx[first * conv.input_len()..][..images * conv.input_len()],
            argmax: &mut [],
            keeps_zeros: false,
            pool: None,
            relu: false,
            scratch,
        });
    }
}

/// Floats of an image of the convolution's own output that a pass has to write to scratch, because its
/// fused pool is not one of tiles; else 0.
const fn dense_output(conv: &Conv2d, size: TileSize) -> usize {
    if pools_tiles(conv, size) {
        0
    } else {
        conv.unpooled_len()
    }
}

/// Whether tiles of the output are made of windows of the fused pool.
const fn pools_tiles(conv: &Conv2d, size: TileSize) -> bool {
    match conv.pool {
        Some(pool) => {
            size.outputs().is_multiple_of(2)
                && matches!(
                    (pool.size, pool.strides, pool.padding),
                    ([2, 2], [2, 2], [0, 0])
                )
                && 2 * pool.output[0] <= conv.output[0]
                && 2 * pool.output[1] <= conv.output[1]
        }
        None => false,
    }
}

#[inline(always)]
const fn odd_lines(values: usize) -> usize {
    (values.div_ceil(LINE) | 1) * LINE
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}
