//! Convolution as one matrix product for each image, through the matrix of its patches (Chellapilla et al. 2006).
//!
//! ```text
//! forward:          image ── im2col ──▶ columns, [cells, patch]      Y = columns * K
//! kernel gradient:                                                   dK += columnsᵀ * dY
//! input gradient:   dcolumns = dY * Kᵀ ── col2im ──▶ dX
//! ```
//!
//! On an instruction set without explicit vectors, matrixmultiply computes these products in place of all other
//! algorithms. On others only the input gradient runs, for the geometries that no other algorithm computes, and its
//! product is one of register tiles.

use super::pooled::MaxRow;
use super::{BackwardInput, BackwardKernel, Conv2d, Forward};
use crate::kernels::Isa;
use crate::kernels::matmul::{Matrix, MatrixMut, gemm};
use crate::kernels::microkernel::{Start, TiledGemm};
use crate::kernels::simd::ValidPointers;
use crate::ops::activation;
use cnn_ir::Activation;

/// Floats of scratch memory that [`forward`] takes.
pub(super) const fn forward_scratch(conv: &Conv2d) -> usize {
    if !cfg!(feature = "std") {
        return 0;
    }
    patches_scratch(conv) + conv.unpooled_len()
}

/// Floats of scratch memory that [`kernel_gradient`] and [`input_gradient`] take.
pub(super) const fn training_scratch(conv: &Conv2d) -> usize {
    conv.cells() * conv.patch() + conv.unpooled_len()
}

pub(super) fn forward(conv: &Conv2d, operands: Forward<'_>) {
    let Forward {
        isa,
        x,
        kernel,
        bias,
        y,
        argmax,
        scratch,
        ..
    } = operands;
    let filters = conv.output[2];
    let kernel = Matrix::new(kernel, conv.patch(), filters);
    let (patches, unpooled) = scratch.split_at_mut(patches_scratch(conv));
    let images = x.chunks_exact(conv.input_len());
    for (i, (image, y)) in images
        .zip(y.chunks_exact_mut(conv.output_len()))
        .enumerate()
    {
        let patches = self::patches(conv, image, patches);
        let product = |z: &mut [f32]| {
            gemm(
                1.0,
                patches,
                kernel,
                0.0,
                MatrixMut::new(z, conv.cells(), filters),
            );
        };
        let Some(pool) = conv.pool else {
            product(y);
            activation::forward_with_bias(conv.activation, isa, filters, bias, y);
            continue;
        };
        let z = &mut unpooled[..conv.unpooled_len()];
        product(z);
        activation::forward_with_bias(Activation::Linear, isa, filters, bias, z);
        let argmax = argmax
            .get_mut(i * conv.output_len()..(i + 1) * conv.output_len())
            .unwrap_or_default();
        let values = pool.output[1] * filters;
        for (row, y) in y.chunks_exact_mut(values).enumerate() {
            isa.run(MaxRow {
                pool,
                output: conv.output,
                row,
                rows: conv.output[0],
                z,
                relu: false,
                y,
                argmax: argmax
                    .get_mut(row * values..(row + 1) * values)
                    .unwrap_or_default(),
            });
        }
        activation::forward(conv.activation, isa, filters, y);
    }
}

pub(super) fn kernel_gradient(conv: &Conv2d, operands: BackwardKernel<'_>) {
    let BackwardKernel {
        isa,
        x,
        dz,
        argmax,
        kernel_gradient,
        scratch,
    } = operands;
    let filters = conv.output[2];
    let (patches, unpooled) = scratch.split_at_mut(patches_scratch(conv));
    let images = x.chunks_exact(conv.input_len());
    for (i, (image, dz)) in images.zip(dz.chunks_exact(conv.output_len())).enumerate() {
        let patches = self::patches(conv, image, patches);
        let dy = Matrix::new(
            super::pooled::unpool(conv, isa, i, dz, argmax, unpooled),
            conv.cells(),
            filters,
        );
        let gradient = MatrixMut::new(kernel_gradient, conv.patch(), filters);
        gemm(1.0, patches.transposed(), dy, 1.0, gradient);
    }
}

/// With the weights `[filters, ..patch]`.
pub(super) fn input_gradient(conv: &Conv2d, operands: BackwardInput<'_>) {
    let BackwardInput {
        isa,
        dz,
        argmax,
        packed,
        dx,
        scratch,
        ..
    } = operands;
    let [cells, patch, filters] = [conv.cells(), conv.patch(), conv.output[2]];
    let (columns, unpooled) = scratch.split_at_mut(cells * patch);
    // Weights that another algorithm would have packed have more room.
    let packed = &packed[..patch * filters];
    let gradients = dz.chunks_exact(conv.output_len());
    for (i, (dz, dx)) in gradients
        .zip(dx.chunks_exact_mut(conv.input_len()))
        .enumerate()
    {
        let dy = super::pooled::unpool(conv, isa, i, dz, argmax, unpooled);
        if is_flat(conv) {
            multiply(isa, [cells, filters, patch], dy, packed, dx);
        } else {
            multiply(isa, [cells, filters, patch], dy, packed, columns);
            dx.fill(0.0);
            super::im2col::col2im(conv, columns, dx);
        }
    }
}

/// `c = a * b` without gaps between rows: `[m, k] * [k, n] = [m, n]`.
fn multiply(isa: Isa, [m, k, n]: [usize; 3], a: &[f32], b: &[f32], c: &mut [f32]) {
    if isa.vectors().prefers_matrixmultiply() {
        let (a, b) = (Matrix::new(a, m, k), Matrix::new(b, k, n));
        return gemm(1.0, a, b, 0.0, MatrixMut::new(c, m, n));
    }
    assert_eq!([a.len(), b.len(), c.len()], [m * k, k * n, m * n]);
    isa.run(&TiledGemm {
        rows: m,
        columns: n,
        depth: k,
        segments: [1, 1],
        a: a.as_ptr(),
        a_row: k,
        line: m,
        a_line: 0,
        a_depth: 1,
        a_segments: [0, 0],
        b: b.as_ptr(),
        b_depth: n,
        b_segments: [0, 0],
        c: c.as_mut_ptr(),
        c_row: n,
        start: Start::Zero,
        relu: false,
        // SAFETY: the assertion compares all lengths.
        _valid: unsafe { ValidPointers::guarantee() },
    });
}

/// Whether an image is its own matrix of patches.
fn is_flat(conv: &Conv2d) -> bool {
    conv.kernel == [1, 1]
        && conv.strides == [1, 1]
        && conv.padding == [0, 0]
        && conv.input[..2] == conv.output[..2]
}

/// Floats that [`patches`] takes.
const fn patches_scratch(conv: &Conv2d) -> usize {
    conv.cells() * conv.patch()
}

/// The patches of one image as a matrix, `[cells, patch]`.
fn patches<'a>(conv: &Conv2d, image: &'a [f32], scratch: &'a mut [f32]) -> Matrix<'a> {
    let patches = if is_flat(conv) {
        image
    } else {
        super::im2col::im2col(conv, image, scratch);
        scratch
    };
    Matrix::new(patches, conv.cells(), conv.patch())
}
