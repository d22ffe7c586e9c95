//! Two-dimensional convolution, with what is fused behind it: bias, activation, max-pooling.
//!
//! The plan chooses an algorithm for each direction;
//! this file sends each call to it:
//!
//! | file | forward | kernel gradient | input gradient |
//! |---|---|---|---|
//! | `direct` | register tiles over an output row | tiles over all outputs | forward with the flipped kernel |
//! | `winograd` | F(2x2, 3x3), F(4x4, 3x3), F(5x5, 3x3) | | F(2x2, 3x3), F(4x4, 3x3) |
//! | `sparse` | | winners of a fused pool only | winners of a fused pool only |
//! | `windowed` | | all positions of a window at once | |
//! | `packed_gemm`, beside this folder | 1x1: one product with the packed kernel | | |
//! | `columns` | im2col and a product | im2col and a product | a product and col2im |
//!
//! `columns` also stands in for the products of all others where there are no vectors to speak of
//! ([`Isa::PORTABLE`] with `std`): there matrixmultiply is the best engine. `pooled` holds the pool that
//! is fused behind a convolution, forward and back; `few_channels` stands in for `direct` where a grey or coloured
//! image meets a fused pool of 2x2, and `channel_planes` for `direct` and `windowed` if there are few filters too;
//! `few_filters` for the products of `direct` whose columns fill one vector or hardly more.

pub(crate) mod channel_planes;
mod columns;
mod direct;
pub(crate) mod few_channels;
pub(crate) mod few_filters;
mod im2col;
mod padded_input;
mod pooled;
pub(crate) mod sparse;
#[cfg(test)]
pub(crate) mod tests;
mod windowed;
mod winograd;

use self::winograd::TileSize;
use super::Isa;
use super::packed_gemm::{self, PackedGemm};
use super::transpose::transpose;
use crate::ops::activation;
use cnn_ir::Activation;
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
        KernelGradient::PoolSparse => sparse::kernel_gradient_scratch(conv),
        KernelGradient::Windowed => windowed::kernel_gradient_scratch(conv),
    };
    let input = match conv.input_gradient {
        InputGradient::Direct => direct::input_gradient_scratch(conv),
        InputGradient::Winograd => winograd::input_gradient_scratch(conv, TileSize::Two, n),
        InputGradient::Winograd4 => winograd::input_gradient_scratch(conv, TileSize::Four, n),
        InputGradient::Pointwise | InputGradient::Columns => 0,
        InputGradient::PoolSparse => sparse::input_gradient_scratch(conv),
    };
    let columns = columns::training_scratch(conv);
    max(forward_scratch(conv, n), max(columns, max(kernel, input)))
}

/// Floats of the weights as [`forward`] wants them; 0 if it takes them as they are.
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

/// Floats of the weights as [`infer`] wants them: those of [`packed_forward`], and what a
/// single small image takes instead.
pub const fn packed_inference(conv: &Conv2d) -> usize {
    match conv.algorithm {
        ConvAlgorithm::Winograd4 => winograd::packed_inference(conv, TileSize::Four),
        _ => packed_forward(conv),
    }
}

/// Floats of the weights as [`backward_input`] wants them.
pub const fn packed_backward(conv: &Conv2d) -> usize {
    match conv.input_gradient {
        InputGradient::Winograd => winograd::packed_backward(conv, TileSize::Two),
        InputGradient::Winograd4 => winograd::packed_backward(conv, TileSize::Four),
        InputGradient::Direct | InputGradient::Pointwise | InputGradient::Columns => {
            conv.patch() * conv.output[2]
        }
        InputGradient::PoolSparse => sparse::packed_backward(conv),
    }
}

/// Writes the weights as [`forward`] wants them to `packed`, [`packed_forward`] floats.
/// Needed again after each change of the kernel. Nothing is written for
/// [`Isa::PORTABLE`] with `std`, whose products are matrixmultiply's and take the kernel as it is.
pub fn pack_forward(conv: &Conv2d, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
    if columns::is_best(isa) {
        return;
    }
    match conv.algorithm {
        ConvAlgorithm::Winograd => {
            winograd::pack_forward(conv, TileSize::Two, isa, kernel, packed);
        }
        ConvAlgorithm::Winograd4 => {
            winograd::pack_forward(conv, TileSize::Four, isa, kernel, packed);
        }
        ConvAlgorithm::Winograd5 => {
            winograd::pack_forward(conv, TileSize::Five, isa, kernel, packed);
        }
        ConvAlgorithm::Pointwise if conv.is_product() => {
            packed_gemm::pack(isa, [conv.input[2], conv.output[2]], kernel, packed);
        }
        ConvAlgorithm::Direct | ConvAlgorithm::Pointwise => {}
    }
}

/// The same for [`infer`], [`packed_inference`] floats.
pub fn pack_inference(conv: &Conv2d, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
    match conv.algorithm {
        ConvAlgorithm::Winograd4 if !columns::is_best(isa) => {
            winograd::pack_inference(conv, TileSize::Four, isa, kernel, packed);
        }
        _ => pack_forward(conv, isa, kernel, packed),
    }
}

/// Writes the weights as [`backward_input`] wants them to `packed`,
/// [`packed_backward`] floats. Needed again after each change of the kernel.
pub fn pack_backward(conv: &Conv2d, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
    match conv.input_gradient {
        InputGradient::Winograd if !columns::is_best(isa) => {
            winograd::pack_backward(conv, TileSize::Two, isa, kernel, packed);
        }
        InputGradient::Winograd4 if !columns::is_best(isa) => {
            winograd::pack_backward(conv, TileSize::Four, isa, kernel, packed);
        }
        InputGradient::Direct if !columns::is_best(isa) => {
            direct::flip(conv, isa, kernel, packed);
        }
        InputGradient::PoolSparse => {
            let packed = &mut packed[..packed_backward(conv)];
            sparse::pack_backward(conv, isa, kernel, packed);
        }
        _ => {
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
/// `[n, ..output]` and overwritten. `argmax` is empty or as long as `y`: then it takes the place of
/// each winner in its window, counted row by row, as the backward passes need it. `scratch` holds at
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
        scratch,
    };
    run(conv, packed, operands);
}

/// The same without argmax, as inference computes it, where an output that sees zeros alone need not be the
/// bias to the bit. `packed` is what [`pack_inference`] wrote, or empty.
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
        scratch,
    };
    run(conv, packed, operands);
}

fn run(conv: &Conv2d, packed: &[f32], operands: Forward<'_>) {
    let Forward {
        isa,
        n,
        x,
        kernel,
        bias,
        y,
        argmax,
        ..
    } = &operands;
    check(conv, *n, x.len(), kernel.len(), y.len());
    assert!(
        argmax.is_empty() || argmax.len() == y.len(),
        "a code for each output"
    );
    assert!(
        bias.is_empty() || bias.len() == conv.output[2],
        "a bias for each filter, or none"
    );
    if columns::is_best(*isa) {
        return columns::forward(conv, operands);
    }
    match conv.algorithm {
        ConvAlgorithm::Winograd if !packed.is_empty() => {
            winograd::forward(conv, TileSize::Two, packed, operands);
        }
        ConvAlgorithm::Winograd4 if !packed.is_empty() => {
            winograd::forward(conv, TileSize::Four, packed, operands);
        }
        ConvAlgorithm::Winograd5 if !packed.is_empty() => {
            winograd::forward(conv, TileSize::Five, packed, operands);
        }
        ConvAlgorithm::Pointwise if !packed.is_empty() => {
            multiply(conv, packed, operands);
        }
        _ => direct::forward(conv, operands),
    }
}

/// The forward pass of a convolution that [is a product](Conv2d::is_product).
fn multiply(conv: &Conv2d, packed: &[f32], operands: Forward<'_>) {
    let Forward {
        isa, n, x, bias, y, ..
    } = operands;
    let packed = PackedGemm {
        depth: conv.input[2],
        columns: conv.output[2],
        a: x,
        panels: packed,
        bias,
        c: y,
        relu: conv.activation == Activation::Relu,
    };
    packed.multiply(isa, n * conv.cells());
    activate(conv, isa, y);
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
        "a code for each output"
    );
    let operands = BackwardKernel {
        isa,
        x,
        dz,
        argmax,
        kernel_gradient,
        scratch,
    };
    match conv.kernel_gradient {
        KernelGradient::PoolSparse => sparse::kernel_gradient(conv, operands),
        KernelGradient::Windowed => windowed::kernel_gradient(conv, operands),
        KernelGradient::Direct | KernelGradient::Pointwise if columns::is_best(isa) => {
            columns::kernel_gradient(conv, operands);
        }
        KernelGradient::Direct | KernelGradient::Pointwise => {
            direct::kernel_gradient(conv, operands);
        }
    }
    super::bias::add_rows(isa, conv.output[2], dz, bias_gradient);
}

/// Writes the gradient of the kernel, laid out as the kernel, from sums of
/// [`backward_parameters`].
pub fn finish_kernel_gradient(conv: &Conv2d, isa: Isa, sums: &[f32], kernel_gradient: &mut [f32]) {
    match conv.kernel_gradient {
        // `[filters, ..patch]`.
        KernelGradient::PoolSparse => {
            transpose(isa, [conv.output[2], conv.patch()], sums, kernel_gradient);
        }
        KernelGradient::Direct | KernelGradient::Pointwise | KernelGradient::Windowed => {
            kernel_gradient.copy_from_slice(sums);
        }
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
        "a code for each output"
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
    match conv.input_gradient {
        InputGradient::PoolSparse => sparse::input_gradient(conv, operands),
        _ if columns::is_best(isa) => columns::input_gradient(conv, operands),
        InputGradient::Winograd => winograd::input_gradient(conv, TileSize::Two, operands),
        InputGradient::Winograd4 => winograd::input_gradient(conv, TileSize::Four, operands),
        InputGradient::Direct => direct::input_gradient(conv, operands),
        InputGradient::Pointwise | InputGradient::Columns => {
            columns::input_gradient(conv, operands);
        }
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

/// Those `i` of `0..count` for which `first + i * step` lies in `0..size`.
fn inside(first: isize, step: usize, count: usize, size: usize) -> Range<usize> {
    let reach = |end: isize| {
        let end = usize::try_from(end).unwrap_or(0);
        // Rows of an image ask, and a division takes as long as some of their products.
        let reached = if step == 1 { end } else { end.div_ceil(step) };
        reached.min(count)
    };
    reach(-first)..reach(size as isize - first)
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}
