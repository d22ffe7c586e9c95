//! Two-dimensional convolution, fused with the bias, the max-pooling and the activation that follow it.
//!
//! The plan names an algorithm for each direction. [`choice`] turns it into the kernel that is the fastest on an
//! instruction set, and this file sends each call there. Every file of this folder, and the directions that it
//! computes:
//!
//! | file | forward | kernel gradient | input gradient |
//! |---|---|---|---|
//! | `direct` | register tiles on the image as it is stored | the same | forward with the flipped kernel |
//! | `few_channels` | in `direct`, few input channels, with a 2x2 pool in registers | | |
//! | `channel_planes` | in `direct`, few filters on few input channels, with a 2x2 pool in registers | | |
//! | `winograd` | F(2x2, 3x3), F(4x4, 3x3), F(5x5, 3x3) | | F(2x2, 3x3), F(4x4, 3x3) |
//! | `permuted` | | before a max-pool, few input channels: along filters, each at its argmax | |
//! | `sparse` | | before a max-pool: sums over the argmax alone | the same |
//! | `columns` | im2col and a product | im2col and a product | a product and col2im |
//!
//! Beside these, `im2col` moves an image to the matrix of its patches and back, `padded_input` surrounds an image with
//! the zeros that kernels read, and `pooled` computes a fused pool and its gradient. A convolution that is one matrix
//! product, 1x1 with strides of 1, is multiplied by `packed_gemm`, beside this folder.
//!
//! ```text
//! forward:          x ── convolution + bias ── max-pool ──▶ y before activation, argmax ── activation ──▶ y
//! kernel gradient:  x, dz, argmax ──▶ dK, db          dz: with respect to the value before the activation
//! input gradient:   dz, argmax, K ──▶ dx
//! ```

mod channel_planes;
mod columns;
mod direct;
mod few_channels;
mod im2col;
mod padded_input;
mod permuted;
pub(in crate::kernels) mod pooled;
mod sparse;
#[cfg(test)]
pub(crate) mod tests;
mod winograd;

use self::choice::TileSize;
use self::choice::Weights;
use super::Isa;
use super::packed_gemm::{self, PackedGemm};
use super::transpose::transpose;
use crate::ops::activation;
use cnn_ir::Activation;
pub use cnn_ir::choice::conv2d as choice;
pub use cnn_ir::operation::{Conv2d, ConvAlgorithm, FusedPool, InputGradient, KernelGradient};
use core::ops::Range;

/// The scratch memory of [`forward`] and [`infer`], in floats, for up to `n` images.
pub const fn forward_scratch(conv: &Conv2d, n: usize) -> usize {
    max(
        columns::forward_scratch(conv),
        // What a network without packed weights takes instead.
        max(
            direct::forward_scratch(conv),
            match conv.algorithm {
                ConvAlgorithm::Winograd => winograd::forward_scratch(conv, TileSize::Two, n),
                ConvAlgorithm::Winograd4 => winograd::forward_scratch(conv, TileSize::Four, n),
                ConvAlgorithm::Winograd5 => winograd::forward_scratch(conv, TileSize::Five, n),
                ConvAlgorithm::Direct | ConvAlgorithm::Pointwise => 0,
            },
        ),
    )
}

/// The scratch memory of any pass of a training step, in floats, for up to `n` images.
pub const fn training_scratch(conv: &Conv2d, n: usize) -> usize {
    let kernel = match conv.kernel_gradient {
        KernelGradient::Direct | KernelGradient::Pointwise => direct::kernel_gradient_scratch(conv),
        KernelGradient::PoolSparse => max(
            sparse::kernel_gradient_scratch(conv),
            permuted::kernel_gradient_scratch(conv),
        ),
    };
    let input = input_gradient_scratch(conv, n);
    max(forward_scratch(conv, n), max(kernel, input))
}

/// The scratch memory of [`backward_input`], in floats, for up to `n` images.
pub const fn input_gradient_scratch(conv: &Conv2d, n: usize) -> usize {
    let chosen = match conv.input_gradient {
        InputGradient::Direct => direct::input_gradient_scratch(conv),
        InputGradient::Winograd => winograd::input_gradient_scratch(conv, TileSize::Two, n),
        InputGradient::Winograd4 => winograd::input_gradient_scratch(conv, TileSize::Four, n),
        InputGradient::Pointwise | InputGradient::Columns => 0,
        InputGradient::PoolSparse => sparse::input_gradient_scratch(conv),
    };
    // What an instruction set without vectors takes in place of all others.
    max(columns::training_scratch(conv), chosen)
}

/// Floats of the weights as [`forward`] and [`infer`] want them; 0 if it takes them as they are.
pub const fn packed_forward(conv: &Conv2d) -> usize {
    match conv.algorithm {
        ConvAlgorithm::Winograd => winograd::packed_forward(conv, TileSize::Two),
        ConvAlgorithm::Winograd4 => winograd::packed_forward(conv, TileSize::Four),
        ConvAlgorithm::Winograd5 => winograd::packed_forward(conv, TileSize::Five),
        ConvAlgorithm::Pointwise if conv.is_product() => {
            packed_gemm::length([conv.input[2], conv.output[2]])
        }
        ConvAlgorithm::Direct | ConvAlgorithm::Pointwise => 0,
    }
}

/// Floats of the weights as [`backward_input`] wants them.
pub const fn packed_backward(conv: &Conv2d) -> usize {
    match conv.input_gradient {
        InputGradient::Winograd => winograd::packed_backward(conv, TileSize::Two),
        InputGradient::Winograd4 => winograd::packed_backward(conv, TileSize::Four),
        InputGradient::Direct
        | InputGradient::Pointwise
        | InputGradient::Columns
        | InputGradient::PoolSparse => conv.patch() * conv.output[2],
    }
}

/// Writes the weights as [`forward`] and [`infer`] want them to `packed`, [`packed_forward`] floats.
/// Needed again after each change of the kernel. Nothing is written for kernels that take the weights as they are.
pub fn pack_forward(conv: &Conv2d, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
    match choice::forward(conv, Weights::Packed, isa.vectors()) {
        choice::Forward::Winograd(size) => {
            winograd::pack_forward(conv, size, isa, kernel, packed);
        }
        choice::Forward::PackedGemm => {
            packed_gemm::pack(isa, [conv.input[2], conv.output[2]], kernel, packed);
        }
        choice::Forward::Im2col
        | choice::Forward::ChannelPlanes
        | choice::Forward::FewChannels
        | choice::Forward::Direct => {}
    }
}

/// Writes the weights as [`backward_input`] wants them to `packed`,
/// [`packed_backward`] floats. Needed again after each change of the kernel.
pub fn pack_backward(conv: &Conv2d, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
    match choice::input_gradient(conv, isa.vectors()) {
        choice::InputGradient::Winograd(size) => {
            winograd::pack_backward(conv, size, isa, kernel, packed);
        }
        choice::InputGradient::Direct => direct::flip(conv, isa, kernel, packed),
        choice::InputGradient::PoolSparse
        | choice::InputGradient::Col2im
        | choice::InputGradient::Col2imMatrixMultiply => {
            let shape = [conv.patch(), conv.output[2]];
            let packed = &mut packed[..shape[0] * shape[1]];
            transpose(isa, shape, kernel, packed);
        }
    }
}

/// `y = activation(pool(x * kernel + bias))`, the pool where there is one.
///
/// `x` is `[n, ..input]`, `kernel` `[height, width, channels, filters]`, `bias` `[filters]` or empty,
/// `packed` what [`pack_forward`] wrote (empty: the call does without), `y`
/// `[n, ..output]` and overwritten. `argmax` is empty or as long as `y`: then it takes the index
/// of each maximum in its window, counted row by row, as the backward passes need it. `scratch` holds at
/// least [`forward_scratch`] floats.
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub fn forward(
    conv: &Conv2d,
    isa: Isa,
    n: usize,
    x: &[f32],
    kernel: &[f32],
    bias: &[f32],
    packed: &[f32],
    y: &mut [f32],
    argmax: &mut [u8],
    scratch: &mut [f32],
) {
    let operands = Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        argmax,
        keeps_zeros: true,
        filters: 0..conv.output[2],
        is_stripe: false,
        scratch,
    };
    run(conv, packed, operands);
}

/// The same without argmax, as inference computes it, where an output that sees zeros alone need not be the
/// bias to the bit.
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub fn infer(
    conv: &Conv2d,
    isa: Isa,
    n: usize,
    x: &[f32],
    kernel: &[f32],
    bias: &[f32],
    packed: &[f32],
    y: &mut [f32],
    scratch: &mut [f32],
) {
    let operands = Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        argmax: &mut [],
        keeps_zeros: false,
        filters: 0..conv.output[2],
        is_stripe: false,
        scratch,
    };
    run(conv, packed, operands);
}

/// [`infer`] of a stripe of one image: of rows, for which `conv` is a [stripe](cnn_ir::operation::Rows::stripe), or of
/// the filters `filters`, which [`choice::cut`] has made: then `y` has these filters alone, `kernel`, `bias` and
/// `packed` are whole.
///
/// Returns whether the values stand. Winograd's algorithm computes a whole image in another way where a value of it is
/// not finite: if any stripe finds one, the image is for [`infer`].
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub fn infer_stripe(
    conv: &Conv2d,
    isa: Isa,
    x: &[f32],
    kernel: &[f32],
    bias: &[f32],
    packed: &[f32],
    filters: Range<usize>,
    y: &mut [f32],
    scratch: &mut [f32],
) -> bool {
    let operands = Forward {
        isa,
        n: 1,
        x,
        kernel,
        bias,
        y,
        argmax: &mut [],
        keeps_zeros: false,
        filters,
        is_stripe: true,
        scratch,
    };
    run(conv, packed, operands)
}

/// Returns whether the values stand, see [`infer_stripe`].
fn run(conv: &Conv2d, packed: &[f32], operands: Forward<'_>) -> bool {
    let Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        argmax,
        filters,
        ..
    } = &operands;
    let written = of_filters(conv, filters);
    let of_kernel = kernel.len() / conv.output[2] * written.output[2];
    check(&written, *n, x.len(), of_kernel, y.len());
    assert!(
        argmax.is_empty() || argmax.len() == y.len(),
        "an argmax for each output"
    );
    assert!(
        bias.is_empty() || bias.len() == conv.output[2],
        "a bias for each filter, or none"
    );
    match choice::forward(conv, weights(packed.len()), isa.vectors()) {
        choice::Forward::Im2col => columns::forward(conv, operands),
        choice::Forward::Winograd(size) => return winograd::forward(conv, size, packed, operands),
        choice::Forward::PackedGemm => multiply(conv, packed, operands),
        choice::Forward::ChannelPlanes | choice::Forward::FewChannels | choice::Forward::Direct => {
            direct::forward(conv, operands)
        }
    }
    true
}

/// The convolution by some filters alone.
fn of_filters(conv: &Conv2d, filters: &Range<usize>) -> Conv2d {
    let [height, width, _] = conv.output;
    Conv2d {
        output: [height, width, filters.len()],
        ..*conv
    }
}

/// What a call is given with so many floats of packed weights.
pub const fn weights(packed: usize) -> Weights {
    match packed {
        0 => Weights::AsStored,
        _ => Weights::Packed,
    }
}

/// The forward pass of a convolution that [is a product](Conv2d::is_product).
fn multiply(conv: &Conv2d, packed: &[f32], operands: Forward<'_>) {
    let Forward {
        isa,
        n,
        x,
        bias,
        y,
        filters,
        ..
    } = operands;
    let shape = [conv.input[2], conv.output[2]];
    let packed = PackedGemm {
        depth: conv.input[2],
        columns: filters.len(),
        a: x,
        panels: packed_gemm::columns(shape, &filters, packed),
        bias: bias.get(filters.clone()).unwrap_or_default(),
        c: y,
        relu: conv.activation == Activation::Relu,
    };
    packed.multiply(isa, n * conv.cells());
    activate(&of_filters(conv, &filters), isa, y);
}

/// Adds the gradients of kernel and bias.
///
/// `dz`, `[n, ..output]`, is the gradient with respect to the result before the activation (and after
/// the pool); `argmax` is what the forward pass wrote; the others are laid out as in
/// [`forward`]; an empty `bias_gradient` means no bias. Sums over batches end with
/// [`finish_kernel_gradient`]: until then the layout of `kernel_gradient`, as long as the
/// kernel, is the algorithm's own. Images are added in their order, so a batch can be worked off in
/// pieces without a change of a bit.
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub fn backward_parameters(
    conv: &Conv2d,
    isa: Isa,
    n: usize,
    x: &[f32],
    dz: &[f32],
    argmax: &[u8],
    kernel_gradient: &mut [f32],
    bias_gradient: &mut [f32],
    scratch: &mut [f32],
) {
    check(conv, n, x.len(), kernel_gradient.len(), dz.len());
    assert!(
        conv.pool.is_none() || argmax.len() == dz.len(),
        "an argmax for each output"
    );
    let operands = BackwardKernel {
        isa,
        x,
        dz,
        argmax,
        kernel_gradient,
        scratch,
    };
    match choice::kernel_gradient(conv, isa.vectors()) {
        choice::KernelGradient::Im2col => columns::kernel_gradient(conv, operands),
        choice::KernelGradient::Direct => direct::kernel_gradient(conv, operands),
        choice::KernelGradient::PoolSparse => sparse::kernel_gradient(conv, operands),
        choice::KernelGradient::Permuted => permuted::kernel_gradient(conv, operands),
    }
    super::bias::add_rows(isa, conv.output[2], dz, bias_gradient);
}

/// Writes the gradient of the kernel, laid out as the kernel, from sums of
/// [`backward_parameters`].
pub fn finish_kernel_gradient(conv: &Conv2d, isa: Isa, sums: &[f32], kernel_gradient: &mut [f32]) {
    match choice::kernel_gradient(conv, isa.vectors()) {
        // `[filters, ..patch]`.
        choice::KernelGradient::PoolSparse => {
            transpose(isa, [conv.output[2], conv.patch()], sums, kernel_gradient);
        }
        choice::KernelGradient::Im2col
        | choice::KernelGradient::Direct
        | choice::KernelGradient::Permuted => kernel_gradient.copy_from_slice(sums),
    }
}

/// The gradient with respect to the input, `[n, ..input]`, from `dz` and `argmax` as in
/// [`backward_parameters`] and the weights that [`pack_backward`] wrote.
/// Overwrites `dx`.
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub fn backward_input(
    conv: &Conv2d,
    isa: Isa,
    n: usize,
    dz: &[f32],
    argmax: &[u8],
    packed: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    check(conv, n, dx.len(), conv.patch() * conv.output[2], dz.len());
    assert_eq!(
        packed.len(),
        packed_backward(conv),
        "packed weights of a convolution"
    );
    assert!(
        conv.pool.is_none() || argmax.len() == dz.len(),
        "an argmax for each output"
    );
    let operands = BackwardInput {
        isa,
        n,
        dz,
        argmax,
        packed,
        dx,
        scratch,
    };
    match choice::input_gradient(conv, isa.vectors()) {
        choice::InputGradient::Col2im | choice::InputGradient::Col2imMatrixMultiply => {
            columns::input_gradient(conv, operands);
        }
        choice::InputGradient::Winograd(size) => winograd::input_gradient(conv, size, operands),
        choice::InputGradient::Direct => direct::input_gradient(conv, operands),
        choice::InputGradient::PoolSparse => sparse::input_gradient(conv, operands),
    }
}

/// Applies an activation that the tiles have not applied.
fn activate(conv: &Conv2d, isa: Isa, y: &mut [f32]) {
    if conv.activation != Activation::Relu {
        activation::forward(conv.activation, isa, conv.output[2], y);
    }
}

fn check(conv: &Conv2d, n: usize, x: usize, kernel: usize, y: usize) {
    assert_eq!(x, n * conv.input_len(), "values of a convolution's input");
    assert_eq!(
        kernel,
        conv.patch() * conv.output[2],
        "values of a convolution's kernel"
    );
    assert_eq!(y, n * conv.output_len(), "values of a convolution's output");
}

/// The operands of [`forward`] and [`infer`], with lengths that they have checked.
struct Forward<'a> {
    isa: Isa,
    n: usize,
    x: &'a [f32],
    kernel: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [f32],
    argmax: &'a mut [u8],
    /// Whether an output that sees zeros alone has to be the bias, because a relu and its gradient follow.
    keeps_zeros: bool,
    /// The filters that `y` has: all, but of a stripe by Winograd's algorithm or by a product.
    filters: Range<usize>,
    /// See [`infer_stripe`].
    is_stripe: bool,
    scratch: &'a mut [f32],
}

/// The operands of [`backward_parameters`] but the bias, with lengths that it has checked.
struct BackwardKernel<'a> {
    isa: Isa,
    x: &'a [f32],
    dz: &'a [f32],
    argmax: &'a [u8],
    kernel_gradient: &'a mut [f32],
    scratch: &'a mut [f32],
}

/// The operands of [`backward_input`], with lengths that it has checked.
struct BackwardInput<'a> {
    isa: Isa,
    n: usize,
    dz: &'a [f32],
    argmax: &'a [u8],
    packed: &'a [f32],
    dx: &'a mut [f32],
    scratch: &'a mut [f32],
}

/// The indices `i` of `0..count` for which `first + i * step` lies in `0..size`.
fn indices_within(first: isize, step: usize, count: usize, size: usize) -> Range<usize> {
    let index_of = |end: isize| {
        let end = usize::try_from(end).unwrap_or(0);
        // This is computed for each row of an image, and a division takes as long as a small product.
        let index = if step == 1 { end } else { end.div_ceil(step) };
        index.min(count)
    };
    index_of(-first)..index_of(size as isize - first)
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}
