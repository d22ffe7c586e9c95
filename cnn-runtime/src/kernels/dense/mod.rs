//! Fully connected layers: matrix products over the examples of a call.
//!
//! | pass | `C` | `A` | `B` | file |
//! |---|---|---|---|---|
//! | forward | `y` | `x` | kernel | `forward` |
//! | inference | `y` | `x` | kernel, packed | `packed_gemm`, beside this folder |
//! | kernel gradient | some rows of it | `x`, transposed by strides | `dy`, packed | `kernel_gradient` |
//! | input gradient | `dx` | `dy` | kernel, transposed | `input_gradient` |
//!
//! Inference packs the kernel once for many calls. In training the kernel changes with each step and is read as it is
//! stored. A product is computed by register tiles, cut into the blocks of `blocks`, or by matrixmultiply; [`choice`]
//! says which. Each value is a sum in the order of the depth, however the product is cut: so an example has the same
//! result whatever the number of examples.

mod blocks;
mod forward;
mod input_gradient;
mod kernel_gradient;
#[cfg(test)]
mod tests;

use self::blocks::{BLOCK_COLUMNS, BLOCK_DEPTH, BLOCK_ROWS, COPY_STRIDE};
use self::forward::BlockedGemm;
use self::input_gradient::BackwardInput;
use self::kernel_gradient::BackwardKernel;
use super::Isa;
use super::matmul::{Matrix, MatrixMut, gemm};
use super::microkernel::{Start, TiledGemm};
use super::packed_gemm::{self, PackedGemm};
use super::simd::ValidPointers;
use crate::ops::activation;
use cnn_ir::Activation;
pub use cnn_ir::choice::dense as choice;
pub use cnn_ir::operation::Dense;
use core::ops::Range;

/// The scratch memory of the forward pass, in floats, for `n` examples; never more than for
/// `usize::MAX` of them.
pub const fn forward_scratch(dense: &Dense, n: usize) -> usize {
    if choice::copies_blocks(dense, n) {
        BLOCK_DEPTH * BLOCK_COLUMNS
    } else {
        0
    }
}

/// The scratch memory of [`infer`], in floats, for `n` examples; never more than for
/// `usize::MAX` of them.
pub const fn inference_scratch(dense: &Dense, n: usize) -> usize {
    forward_scratch(dense, n)
}

/// Floats of the kernel as [`infer`] wants it.
pub const fn packed_inference(dense: &Dense) -> usize {
    packed_gemm::length([dense.inputs, dense.units])
}

/// The scratch memory of a training step's passes but the kernel gradient, in floats.
pub const fn training_scratch(dense: &Dense) -> usize {
    let forward = forward_scratch(dense, usize::MAX);
    let input_gradient = (dense.units + BLOCK_ROWS) * BLOCK_COLUMNS;
    if forward > input_gradient {
        forward
    } else {
        input_gradient
    }
}

/// The scratch memory of [`backward_parameters`], in floats, for `n` examples.
pub const fn gradient_scratch(n: usize) -> usize {
    n * COPY_STRIDE
}

/// Floats of the gradient of `n` examples as [`backward_parameters`] wants it.
pub const fn packed_gradient(dense: &Dense, n: usize) -> usize {
    packed_gemm::length([n, dense.units])
}

/// `y = activation(x * kernel + bias)`.
///
/// `x` is `[n, inputs]`, `kernel` `[inputs, units]`, `bias` `[units]` or empty,
/// `y` `[n, units]` and overwritten. `scratch` holds at least [`forward_scratch`] floats. What is
/// computed for an example does not depend on the others, nor on how many there are.
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub fn forward(
    dense: &Dense,
    isa: Isa,
    n: usize,
    x: &[f32],
    kernel: &[f32],
    bias: &[f32],
    y: &mut [f32],
    scratch: &mut [f32],
) {
    check(dense, n, [x.len(), kernel.len(), y.len()]);
    assert!(
        scratch.len() >= forward_scratch(dense, n),
        "scratch of a dense layer"
    );
    assert!(
        bias.is_empty() || bias.len() == dense.units,
        "a bias for each unit, or none"
    );
    let chosen = choice::forward(dense, n, false, isa.vectors());
    if chosen == choice::Forward::MatrixMultiply {
        let x = Matrix::new(x, n, dense.inputs);
        let kernel = Matrix::new(kernel, dense.inputs, dense.units);
        gemm(1.0, x, kernel, 0.0, MatrixMut::new(y, n, dense.units));
        return activation::forward_with_bias(dense.activation, isa, dense.units, bias, y);
    }
    let product = TiledGemm {
        rows: n,
        columns: dense.units,
        depth: dense.inputs,
        segments: [1, 1],
        a: x.as_ptr(),
        a_row: dense.inputs,
        line: n,
        a_line: 0,
        a_depth: 1,
        a_segments: [0, 0],
        b: kernel.as_ptr(),
        b_depth: dense.units,
        b_segments: [0, 0],
        c: y.as_mut_ptr(),
        c_row: dense.units,
        start: Start::bias(bias),
        relu: dense.activation == Activation::Relu,
        // SAFETY: the lengths of all four were compared with the layer's above.
        _valid: unsafe { ValidPointers::guarantee() },
    };
    if chosen == choice::Forward::BlockedGemm {
        isa.run(BlockedGemm {
            product: &product,
            scratch,
        });
    } else {
        isa.run(&product);
    }
    activate(dense, isa, y);
}

/// Writes the kernel as [`infer`] wants it to `packed`, [`packed_inference`]
/// floats. Needed again after each change of the kernel.
///
/// # Panics
/// If a slice is of another length.
pub fn pack_inference(dense: &Dense, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
    packed_gemm::pack(isa, [dense.inputs, dense.units], kernel, packed);
}

/// [`forward`] with the kernel as [`pack_inference`] wrote it in `packed` (empty:
/// the call does without); `scratch` holds at least [`inference_scratch`] floats.
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub fn infer(
    dense: &Dense,
    isa: Isa,
    n: usize,
    x: &[f32],
    kernel: &[f32],
    bias: &[f32],
    packed: &[f32],
    y: &mut [f32],
    scratch: &mut [f32],
) {
    assert!(
        packed.is_empty() || packed.len() == packed_inference(dense),
        "packed weights of a dense layer"
    );
    let is_packed = !packed.is_empty();
    if choice::forward(dense, n, is_packed, isa.vectors()) != choice::Forward::PackedGemm {
        return forward(dense, isa, n, x, kernel, bias, y, scratch);
    }
    check(dense, n, [x.len(), kernel.len(), y.len()]);
    let packed = PackedGemm {
        depth: dense.inputs,
        columns: dense.units,
        a: x,
        panels: packed,
        bias,
        c: y,
        relu: dense.activation == Activation::Relu,
    };
    packed.multiply(isa, n);
    activate(dense, isa, y);
}

/// The units `units` of [`infer`] of one example, with a packed kernel. They begin with a panel of it, and `y` has no
/// others; `bias` and `packed` are whole.
///
/// # Panics
/// If a slice is of another length.
pub fn infer_units(
    dense: &Dense,
    isa: Isa,
    x: &[f32],
    bias: &[f32],
    packed: &[f32],
    units: Range<usize>,
    y: &mut [f32],
) {
    let stripe = Dense {
        units: units.len(),
        ..*dense
    };
    let packed = PackedGemm {
        depth: dense.inputs,
        columns: units.len(),
        a: x,
        panels: packed_gemm::columns([dense.inputs, dense.units], &units, packed),
        bias: bias.get(units).unwrap_or_default(),
        c: y,
        relu: dense.activation == Activation::Relu,
    };
    packed.multiply(isa, 1);
    activate(&stripe, isa, y);
}

/// Writes `dy`, `[n, units]`, as [`backward_parameters`] wants it to `packed`,
/// [`packed_gradient`] floats. Nothing is written where matrixmultiply takes `dy` as it is.
///
/// # Panics
/// If a slice is of another length.
pub fn pack_gradient(dense: &Dense, isa: Isa, n: usize, dy: &[f32], packed: &mut [f32]) {
    if choice::kernel_gradient(dense, n, isa.vectors()) == choice::KernelGradient::MatrixMultiply {
        return;
    }
    packed_gemm::pack(isa, [n, dense.units], dy, packed);
}

/// The gradient of the rows `rows` of the kernel, one row for each input: `kernel_gradient`,
/// `[rows, units]`, is overwritten.
///
/// `dy`, `[n, units]`, is the gradient with respect to the result before the activation, and `packed` what
/// [`pack_gradient`] made of it; `x` is as in [`forward`], `scratch` holds at least
/// [`gradient_scratch`] floats. Examples are summed in their order.
///
/// # Panics
/// If a slice is of another length, or there are no such rows.
#[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
pub fn backward_parameters(
    dense: &Dense,
    isa: Isa,
    n: usize,
    x: &[f32],
    dy: &[f32],
    packed: &[f32],
    rows: Range<usize>,
    kernel_gradient: &mut [f32],
    scratch: &mut [f32],
) {
    let kernel = dense.inputs * dense.units;
    check(dense, n, [x.len(), kernel, dy.len()]);
    assert!(
        scratch.len() >= gradient_scratch(n),
        "scratch of a dense layer"
    );
    assert!(
        rows.start <= rows.end && rows.end <= dense.inputs,
        "rows of the kernel"
    );
    assert_eq!(
        packed.len(),
        packed_gradient(dense, n),
        "a packed gradient of a dense layer"
    );
    assert_eq!(
        kernel_gradient.len(),
        rows.len() * dense.units,
        "values of a kernel's gradient"
    );
    if choice::kernel_gradient(dense, n, isa.vectors()) == choice::KernelGradient::MatrixMultiply {
        let x = x.get(rows.start..).unwrap_or_default();
        let x = Matrix::with_strides(x, [rows.len(), n], [1, dense.inputs]);
        let gradient = MatrixMut::new(kernel_gradient, rows.len(), dense.units);
        return gemm(1.0, x, Matrix::new(dy, n, dense.units), 0.0, gradient);
    }
    isa.run(BackwardKernel {
        dense: *dense,
        n,
        x,
        packed,
        rows,
        kernel_gradient,
        scratch,
    });
}

/// The gradient of the bias, `[units]` or empty, from `dy` as in [`backward_parameters`].
/// It is overwritten; examples are summed in their order.
///
/// # Panics
/// If a slice is of another length.
pub fn backward_bias(dense: &Dense, isa: Isa, n: usize, dy: &[f32], bias_gradient: &mut [f32]) {
    assert_eq!(
        dy.len(),
        n * dense.units,
        "values of a dense layer's gradient"
    );
    bias_gradient.fill(0.0);
    super::bias::add_rows(isa, dense.units, dy, bias_gradient);
}

/// The gradient with respect to the input, `[n, inputs]`, from `dy` as in
/// [`backward_parameters`] and `kernel` as in [`forward`]; `scratch` holds at least
/// [`training_scratch`] floats. Overwrites `dx`. What is computed for an example does not
/// depend on the others.
///
/// # Panics
/// If a slice is of another length.
pub fn backward_input(
    dense: &Dense,
    isa: Isa,
    n: usize,
    dy: &[f32],
    kernel: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    check(dense, n, [dx.len(), kernel.len(), dy.len()]);
    assert!(
        scratch.len() >= training_scratch(dense),
        "scratch of a dense layer"
    );
    let chosen = choice::input_gradient(dense, n, isa.vectors());
    if chosen == choice::InputGradient::MatrixMultiply {
        let kernel = Matrix::new(kernel, dense.inputs, dense.units).transposed();
        let dy = Matrix::new(dy, n, dense.units);
        return gemm(1.0, dy, kernel, 0.0, MatrixMut::new(dx, n, dense.inputs));
    }
    isa.run(BackwardInput {
        dense: *dense,
        n,
        transposes_kernel: chosen == choice::InputGradient::TransposedKernel,
        dy,
        kernel,
        dx,
        scratch,
    });
}

/// Applies an activation that the products have not applied.
fn activate(dense: &Dense, isa: Isa, y: &mut [f32]) {
    if dense.activation != Activation::Relu {
        activation::forward(dense.activation, isa, dense.units, y);
    }
}

fn check(dense: &Dense, n: usize, [x, kernel, y]: [usize; 3]) {
    assert_eq!(x, n * dense.inputs, "values of a dense layer's input");
    assert_eq!(
        kernel,
        dense.inputs * dense.units,
        "values of a dense layer's kernel"
    );
    assert_eq!(y, n * dense.units, "values of a dense layer's output");
}
