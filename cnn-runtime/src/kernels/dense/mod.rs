//! Fully connected layers: matrix products over the examples of a call.
//!
//! Inference has the kernel packed once, and the kernel gradient `dy`, for all parts of a kernel (see
//! `packed_gemm`). In the other passes of training the kernel, which changes with each step, is taken as it lies. All are
//! `TiledGemm`s of register tiles; a large forward pass is cut into blocks of `B` that stay in cache, copied so
//! that their rows lie side by side. (What matrixmultiply does better is left to it.)
//!
//! | pass | `C` | `A` | `B` |
//! |---|---|---|---|
//! | forward | `y` | `x` | kernel |
//! | kernel gradient | its rows | `x`, transposed by strides | `dy`, packed |
//! | input gradient | `dx`, transposed | kernel | `dy`, transposed |
//!
//! The input gradient is computed transposed where a few examples are transposed more quickly than the
//! kernel; else `B` is the kernel, transposed. Every value is a sum in the order of the depth, however the product
//! is cut: blocks and copies may depend on the number of examples, and the result does not.

use super::Isa;
use super::matmul::{self, Matrix, MatrixMut, gemm};
use super::microkernel::{Start, TiledGemm};
use super::packed_gemm::{self, PackedGemm, panels};
use super::simd::{Kernel, Simd, ValidPointers};
use super::transpose::squares;
use crate::ops::activation;
use cnn_ir::Activation;
pub use cnn_ir::operation::Dense;
use core::ops::Range;

/// Columns of a block of `B`, a multiple of the width of every tile.
const PANEL: usize = 64;

/// The most rows of a block of `B`, which then holds 48 KiB. Measured: with 64, a level 1 cache holds it,
/// but the sums in `C` are loaded and stored too often; 64, 128 and 192 gave 104, 110 and 114 GFLOP/s for
/// 64 rows, 512 columns and a depth of 512.
const DEPTH: usize = 192;

/// Rows of a block of `A` and `C`.
const ROWS: usize = 128;

/// From a row of a copied block of `A` to the next: an odd number of cache lines, so that neighbours
/// in a column do not share a cache set.
const ROW_STRIDE: usize = ROWS + 16;

/// The most rows of `C` for which blocks of `B` are taken as they lie: a few tiles do not pay for a copy.
const FEW_ROWS: usize = 12;

/// The scratch memory of the forward pass, in floats, for `n` examples; never more than for
/// `usize::MAX` of them.
pub const fn forward_scratch(dense: &Dense, n: usize) -> usize {
    if n <= FEW_ROWS || dense.units <= PANEL {
        0
    } else {
        DEPTH * PANEL
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
    let input_gradient = (dense.units + ROWS) * PANEL;
    if forward > input_gradient {
        forward
    } else {
        input_gradient
    }
}

/// The scratch memory of [`backward_parameters`], in floats, for `n` examples.
pub const fn gradient_scratch(n: usize) -> usize {
    n * ROW_STRIDE
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
    if matmul::is_best(isa) {
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
        _valid: unsafe { ValidPointers::new() },
    };
    if forward_scratch(dense, n) == 0 {
        isa.run(&product);
    } else {
        isa.run(Blocked {
            product: &product,
            scratch,
        });
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
    if packed.is_empty() || matmul::is_best(isa) {
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

/// Writes `dy`, `[n, units]`, as [`backward_parameters`] wants it to `packed`,
/// [`packed_gradient`] floats. Nothing is written where matrixmultiply takes `dy` as it is.
///
/// # Panics
/// If a slice is of another length.
pub fn pack_gradient(dense: &Dense, isa: Isa, n: usize, dy: &[f32], packed: &mut [f32]) {
    if multiplies_gradient(dense, isa, n) {
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
    if multiplies_gradient(dense, isa, n) {
        let x = x.get(rows.start..).unwrap_or_default();
        let x = Matrix::with_strides(x, [rows.len(), n], [1, dense.inputs]);
        let gradient = MatrixMut::new(kernel_gradient, rows.len(), dense.units);
        return gemm(1.0, x, Matrix::new(dy, n, dense.units), 0.0, gradient);
    }
    isa.run(KernelGradient {
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
    if multiplies_input_gradient(dense, isa, n) {
        let kernel = Matrix::new(kernel, dense.inputs, dense.units).transposed();
        let dy = Matrix::new(dy, n, dense.units);
        return gemm(1.0, dy, kernel, 0.0, MatrixMut::new(dx, n, dense.inputs));
    }
    isa.run(BackwardInput {
        dense: *dense,
        n,
        dy,
        kernel,
        dx,
        scratch,
    });
}

/// Whether matrixmultiply computes the kernel gradient of `n` examples: also where few units leave vectors partly
/// idle, or few examples make the register tiles' beginnings and ends count.
///
/// Measured with 1600 inputs, 1 to 512 units and 1 to 128 examples. Register tiles of AVX2 are 0.65 to 0.95 times as
/// fast with 8 to 15 and 17 to 31 units. With more, and 1, 4, 8 and 13 examples, they are 0.7, 0.75, 0.8 and 0.9 times
/// as fast; with 16 as fast at best, unless units fill the vectors; with 9 to 13 units in the last two vectors 0.95
/// with up to 32. But where the rows of the gradient share sets of the caches matrixmultiply is slow: with multiples of
/// 512 units they are 1.6 to 5 times as fast, with odd ones of 256 up to 1.5 times with the fewest examples. Those of AVX-512 are 0.6 to 0.95 times as fast with 8 and 17 to 24
/// units, 0.7 to 1.3 times with 16 to 62 and 1 to 4 examples, 0.9 with 120 and 1 or 2, else faster.
fn multiplies_gradient(dense: &Dense, isa: Isa, n: usize) -> bool {
    let is_wide = isa.lanes() == 16;
    let last = dense.units % 16;
    let idle = 1..=if is_wide { 8 } else { 15 };
    let is_narrow = dense.units < 32 && idle.contains(&last);
    let few = match (is_wide, dense.units) {
        (true, 16..63) => 0..=4,
        (true, 120) => 0..=2,
        (true, _) => 0..=0,
        (false, units) if units.is_multiple_of(512) => 0..=0,
        (false, units) if units.is_multiple_of(256) => units / 256 + 1..=12,
        (false, _) => match last {
            0 => 0..=12,
            9..=13 => 0..=32,
            _ => 0..=16,
        },
    };
    matmul::is_best(isa) || (cfg!(feature = "std") && (is_narrow || few.contains(&n)))
}

/// Whether matrixmultiply computes the input gradient of `n` examples: also where units are too few for the depth of
/// a register tile. Measured with 400 and 1600 inputs and 8 to 64 examples, those of AVX2 are 0.5 to 0.95 times as
/// fast with up to 10 units, those of AVX-512 0.5 to 1.1 times with one. Either computes the same sums in the same
/// order, so an example does not depend on how many there are.
fn multiplies_input_gradient(dense: &Dense, isa: Isa, n: usize) -> bool {
    let few = if isa.lanes() == 16 { 1 } else { 10 };
    matmul::is_best(isa) || (cfg!(feature = "std") && n >= 8 && dense.units <= few)
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

/// A product of one segment, in blocks of `B`; `B` has rows of neighbours. Like [`TiledGemm`], it
/// trusts its places; `scratch` is that of the pass.
struct Blocked<'a> {
    product: &'a TiledGemm,
    scratch: &'a mut [f32],
}

impl Kernel for Blocked<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let Self { product, scratch } = self;
        assert!(scratch.len() >= DEPTH * PANEL, "scratch of a dense layer");
        let to = scratch.as_mut_ptr();
        let mut block = *product;
        for column in (0..product.columns).step_by(PANEL) {
            block.columns = PANEL.min(product.columns - column);
            block.start = match product.start {
                Start::Bias(bias) => Start::Bias(bias.wrapping_add(column)),
                start => start,
            };
            for [done, steps] in blocks(product.depth) {
                // SAFETY: blocks are parts of the product, whose places the caller vouches for; the
                // scratch holds a block.
                unsafe {
                    block.c = product.c.add(column);
                    block.depth = steps;
                    block.a = product.a.add(done * product.a_depth);
                    let from = product.b.add(done * product.b_depth + column);
                    copy::<S>(steps, block.columns, from, product.b_depth, to, PANEL);
                    (block.b, block.b_depth) = (to, PANEL);
                    block.relu = product.relu && done + steps == product.depth;
                    S::call(&block);
                }
                block.start = Start::Sum;
            }
        }
    }
}

/// Some rows of the gradient of a kernel, in blocks of rows, and in the panels of `dy`.
struct KernelGradient<'a> {
    dense: Dense,
    n: usize,
    x: &'a [f32],
    /// The panels.
    packed: &'a [f32],
    rows: Range<usize>,
    kernel_gradient: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Kernel for KernelGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        if const { matmul::replaces::<S>() } {
            unreachable!("a product that is matrixmultiply's");
        }
        let Dense { inputs, units, .. } = self.dense;
        let copied = self.scratch.as_mut_ptr();
        for row in (0..self.rows.len()).step_by(ROWS) {
            let rows = ROWS.min(self.rows.len() - row);
            let mut a = self.x.as_ptr().wrapping_add(self.rows.start + row);
            let mut a_depth = inputs;
            // A single panel would use each copied value once.
            if units > S::TILE_VECTORS * S::LANES {
                // SAFETY: `rows` inputs of all examples, for which the scratch has a row each.
                unsafe { copy::<S>(self.n, rows, a, inputs, copied, ROW_STRIDE) };
                (a, a_depth) = (copied, ROW_STRIDE);
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
                    // the panel and its columns lie in theirs.
                    _valid: unsafe { ValidPointers::new() },
                };
                // SAFETY: the caller vouches for the target features.
                unsafe { S::call(&product) };
            }
        }
    }
}

/// Copies `rows` rows of `columns` neighbours.
///
/// # Safety
/// The places are valid, and the two do not overlap.
#[inline(always)]
unsafe fn copy<S: Simd>(
    rows: usize,
    columns: usize,
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    // SAFETY: only the places that the caller vouches for.
    unsafe {
        for row in 0..rows {
            let (from, to) = (from.add(row * from_row), to.add(row * to_row));
            let mut column = 0;
            while column + S::LANES <= columns {
                S::store(to.add(column), S::load(from.add(column)));
                column += S::LANES;
            }
            if column < columns {
                let left = columns - column;
                S::store_first(to.add(column), S::load_first(from.add(column), left), left);
            }
        }
    }
}

struct BackwardInput<'a> {
    dense: Dense,
    n: usize,
    dy: &'a [f32],
    kernel: &'a [f32],
    dx: &'a mut [f32],
    scratch: &'a mut [f32],
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
            dy,
            kernel,
            dx,
            scratch,
        } = self;
        let (dx_block, transposed) = scratch.split_at_mut(ROWS * PANEL);
        let (dx_block, transposed) = (dx_block.as_mut_ptr(), transposed.as_mut_ptr());
        // What is transposed, in whole vectors: the kernel, or the examples and their results.
        let padded = |count: usize| count.next_multiple_of(S::LANES);
        if padded(units) * inputs <= padded(n) * (inputs + units) {
            for column in (0..inputs).step_by(PANEL) {
                let columns = PANEL.min(inputs - column);
                for [done, depth] in blocks(units) {
                    // SAFETY: `columns` rows of the kernel from `column` on, of which `depth` values;
                    // the block has room for `units` times `PANEL`. As many columns of all `dx`.
                    unsafe {
                        let kernel = kernel.as_ptr().add(column * units + done);
                        squares::<S>([columns, depth], kernel, units, transposed, PANEL);
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
                            b_depth: PANEL,
                            b_segments: [0, 0],
                            c: dx.as_mut_ptr().add(column),
                            c_row: inputs,
                            start: if done == 0 { Start::Zero } else { Start::Sum },
                            relu: false,
                            _valid: ValidPointers::new(),
                        });
                    }
                }
            }
            return;
        }
        for first in (0..n).step_by(PANEL) {
            let examples = PANEL.min(n - first);
            // SAFETY: `examples` rows of `dy`; the block has room for `units` times `PANEL` values.
            unsafe {
                let dy = dy.as_ptr().add(first * units);
                squares::<S>([examples, units], dy, units, transposed, PANEL);
            }
            for row in (0..inputs).step_by(ROWS) {
                let rows = ROWS.min(inputs - row);
                for [done, depth] in blocks(units) {
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
                            b: transposed.add(done * PANEL),
                            b_depth: PANEL,
                            b_segments: [0, 0],
                            c: dx_block,
                            c_row: PANEL,
                            start: if done == 0 { Start::Zero } else { Start::Sum },
                            relu: false,
                            _valid: ValidPointers::new(),
                        });
                    }
                }
                // SAFETY: `examples` rows of `dx`, of which `rows` values from `row` on.
                unsafe {
                    let dx = dx.as_mut_ptr().add(first * inputs + row);
                    squares::<S>([rows, examples], dx_block, PANEL, dx, inputs);
                }
            }
        }
    }
}

/// Cuts a depth into blocks of nearly equal length, `[start, length]`: one that is empty where there
/// is no depth.
#[inline(always)]
fn blocks(depth: usize) -> impl Iterator<Item = [usize; 2]> {
    let count = depth.div_ceil(DEPTH).max(1);
    (0..count).map(move |block| {
        let [start, end] = [block, block + 1].map(|block| depth * block / count);
        [start, end - start]
    })
}

#[cfg(test)]
mod tests;
