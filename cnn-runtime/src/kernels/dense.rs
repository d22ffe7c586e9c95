//! Fully connected layers: matrix products over the examples of a call.
//!
//! Inference has the kernel packed once, and the kernel gradient `dy`, for all parts of a kernel (see
//! `packed_gemm`). In the other passes of training the kernel, which changes with each step, is taken as it lies. All are
//! `Product`s of register tiles; a large forward pass is cut into blocks of `B` that stay in cache, copied so
//! that their rows lie side by side. (What matrixmultiply does better is left to it.)
//!
//! | pass | `C` | `A` | `B` |
//! |---|---|---|---|
//! | forward | `y` | `x` | kernel |
//! | kernel gradient | its rows | `x`, transposed by strides | `dy`, packed |
//! | input gradient | `dx`, transposed | kernel | `dy`, transposed |
//!
//! The input gradient is computed transposed where a few examples are turned more quickly than the
//! kernel; else `B` is the kernel, transposed. Every value is a sum in the order of the depth, however the product
//! is cut: blocks and copies may depend on the number of examples, and the result does not.

use super::matmul::{self, Matrix, MatrixMut, gemm};
use super::microkernel::{Product, Start};
use super::packed_gemm::{self, PackedProduct, panels};
use super::simd::{Kernel, Promise, Simd};
use super::transpose::squares;
use super::{Activation, Isa};
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

/// The geometry of a fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    /// Values that flow in.
    pub inputs: usize,
    /// Values that flow out.
    pub units: usize,
    /// Applied to the result.
    pub activation: Activation,
}

impl Dense {
    /// The scratch memory of the forward pass, in floats, for `n` examples; never more than for
    /// `usize::MAX` of them.
    pub const fn forward_scratch(&self, n: usize) -> usize {
        if n <= FEW_ROWS || self.units <= PANEL {
            0
        } else {
            DEPTH * PANEL
        }
    }

    /// The scratch memory of [`Dense::infer`], in floats, for `n` examples; never more than for
    /// `usize::MAX` of them.
    pub const fn inference_scratch(&self, n: usize) -> usize {
        self.forward_scratch(n)
    }

    /// Floats of the kernel as [`Dense::infer`] wants it.
    pub const fn packed_inference(&self) -> usize {
        packed_gemm::length([self.inputs, self.units])
    }

    /// The scratch memory of a training step's passes but the kernel gradient, in floats.
    pub const fn training_scratch(&self) -> usize {
        let forward = self.forward_scratch(usize::MAX);
        let input_gradient = (self.units + ROWS) * PANEL;
        if forward > input_gradient {
            forward
        } else {
            input_gradient
        }
    }

    /// The scratch memory of [`Dense::backward_parameters`], in floats, for `n` examples.
    pub const fn gradient_scratch(&self, n: usize) -> usize {
        n * ROW_STRIDE
    }

    /// Floats of the gradient of `n` examples as [`Dense::backward_parameters`] wants it.
    pub const fn packed_gradient(&self, n: usize) -> usize {
        packed_gemm::length([n, self.units])
    }

    /// `y = activation(x * kernel + bias)`.
    ///
    /// `x` is `[n, inputs]`, `kernel` `[inputs, units]`, `bias` `[units]` or empty,
    /// `y` `[n, units]` and overwritten. `scratch` holds at least [`Dense::forward_scratch`] floats. What is
    /// computed for an example does not depend on the others, nor on how many there are.
    ///
    /// # Panics
    /// If a slice is of another length.
    #[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
    pub fn forward(
        &self,
        isa: Isa,
        n: usize,
        x: &[f32],
        kernel: &[f32],
        bias: &[f32],
        y: &mut [f32],
        scratch: &mut [f32],
    ) {
        self.check(n, [x.len(), kernel.len(), y.len()]);
        assert!(
            scratch.len() >= self.forward_scratch(n),
            "scratch of a dense layer"
        );
        assert!(
            bias.is_empty() || bias.len() == self.units,
            "a bias for each unit, or none"
        );
        if matmul::is_best(isa) {
            let x = Matrix::new(x, n, self.inputs);
            let kernel = Matrix::new(kernel, self.inputs, self.units);
            gemm(1.0, x, kernel, 0.0, MatrixMut::new(y, n, self.units));
            return self.activation.forward_with_bias(isa, self.units, bias, y);
        }
        let product = Product {
            rows: n,
            columns: self.units,
            depth: self.inputs,
            segments: [1, 1],
            a: x.as_ptr(),
            a_row: self.inputs,
            line: n,
            a_line: 0,
            a_depth: 1,
            a_segments: [0, 0],
            b: kernel.as_ptr(),
            b_depth: self.units,
            b_segments: [0, 0],
            c: y.as_mut_ptr(),
            c_row: self.units,
            start: Start::bias(bias),
            relu: self.activation == Activation::Relu,
            // SAFETY: the lengths of all four were compared with the layer's above.
            _promise: unsafe { Promise::new() },
        };
        if self.forward_scratch(n) == 0 {
            isa.run(&product);
        } else {
            isa.run(Blocked {
                product: &product,
                scratch,
            });
        }
        self.activate(isa, y);
    }

    /// Writes the kernel as [`Dense::infer`] wants it to `packed`, [`Dense::packed_inference`]
    /// floats. Needed again after each change of the kernel.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn pack_inference(&self, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
        packed_gemm::pack(isa, [self.inputs, self.units], kernel, packed);
    }

    /// [`Dense::forward`] with the kernel as [`Dense::pack_inference`] wrote it in `packed` (empty:
    /// the call does without); `scratch` holds at least [`Dense::inference_scratch`] floats.
    ///
    /// # Panics
    /// If a slice is of another length.
    #[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
    pub fn infer(
        &self,
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
            packed.is_empty() || packed.len() == self.packed_inference(),
            "packed weights of a dense layer"
        );
        if packed.is_empty() || matmul::is_best(isa) {
            return self.forward(isa, n, x, kernel, bias, y, scratch);
        }
        self.check(n, [x.len(), kernel.len(), y.len()]);
        let packed = PackedProduct {
            depth: self.inputs,
            columns: self.units,
            a: x,
            panels: packed,
            bias,
            c: y,
            relu: self.activation == Activation::Relu,
        };
        packed.multiply(isa, n);
        self.activate(isa, y);
    }

    /// Writes `dy`, `[n, units]`, as [`Dense::backward_parameters`] wants it to `packed`,
    /// [`Dense::packed_gradient`] floats. Nothing is written where matrixmultiply takes `dy` as it is.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn pack_gradient(&self, isa: Isa, n: usize, dy: &[f32], packed: &mut [f32]) {
        if self.multiplies_gradient(isa, n) {
            return;
        }
        packed_gemm::pack(isa, [n, self.units], dy, packed);
    }

    /// The gradient of the rows `rows` of the kernel, one row for each input: `kernel_gradient`,
    /// `[rows, units]`, is overwritten.
    ///
    /// `dy`, `[n, units]`, is the gradient with respect to the result before the activation, and `packed` what
    /// [`Dense::pack_gradient`] made of it; `x` is as in [`Dense::forward`], `scratch` holds at least
    /// [`Dense::gradient_scratch`] floats. Examples are summed in their order.
    ///
    /// # Panics
    /// If a slice is of another length, or there are no such rows.
    #[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
    pub fn backward_parameters(
        &self,
        isa: Isa,
        n: usize,
        x: &[f32],
        dy: &[f32],
        packed: &[f32],
        rows: Range<usize>,
        kernel_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let kernel = self.inputs * self.units;
        self.check(n, [x.len(), kernel, dy.len()]);
        assert!(
            scratch.len() >= self.gradient_scratch(n),
            "scratch of a dense layer"
        );
        assert!(
            rows.start <= rows.end && rows.end <= self.inputs,
            "rows of the kernel"
        );
        assert_eq!(
            packed.len(),
            self.packed_gradient(n),
            "a packed gradient of a dense layer"
        );
        assert_eq!(
            kernel_gradient.len(),
            rows.len() * self.units,
            "values of a kernel's gradient"
        );
        if self.multiplies_gradient(isa, n) {
            let x = x.get(rows.start..).unwrap_or_default();
            let x = Matrix::with_strides(x, [rows.len(), n], [1, self.inputs]);
            let gradient = MatrixMut::new(kernel_gradient, rows.len(), self.units);
            return gemm(1.0, x, Matrix::new(dy, n, self.units), 0.0, gradient);
        }
        isa.run(KernelGradient {
            dense: *self,
            n,
            x,
            packed,
            rows,
            kernel_gradient,
            scratch,
        });
    }

    /// The gradient of the bias, `[units]` or empty, from `dy` as in [`Dense::backward_parameters`].
    /// It is overwritten; examples are summed in their order.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn backward_bias(&self, isa: Isa, n: usize, dy: &[f32], bias_gradient: &mut [f32]) {
        assert_eq!(
            dy.len(),
            n * self.units,
            "values of a dense layer's gradient"
        );
        bias_gradient.fill(0.0);
        super::bias::add_rows(isa, self.units, dy, bias_gradient);
    }

    /// The gradient with respect to the input, `[n, inputs]`, from `dy` as in
    /// [`Dense::backward_parameters`] and `kernel` as in [`Dense::forward`]; `scratch` holds at least
    /// [`Dense::training_scratch`] floats. Overwrites `dx`. What is computed for an example does not
    /// depend on the others.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn backward_input(
        &self,
        isa: Isa,
        n: usize,
        dy: &[f32],
        kernel: &[f32],
        dx: &mut [f32],
        scratch: &mut [f32],
    ) {
        self.check(n, [dx.len(), kernel.len(), dy.len()]);
        assert!(
            scratch.len() >= self.training_scratch(),
            "scratch of a dense layer"
        );
        if self.multiplies_input_gradient(isa, n) {
            let kernel = Matrix::new(kernel, self.inputs, self.units).transposed();
            let dy = Matrix::new(dy, n, self.units);
            return gemm(1.0, dy, kernel, 0.0, MatrixMut::new(dx, n, self.inputs));
        }
        isa.run(BackwardInput {
            dense: *self,
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
    fn multiplies_gradient(&self, isa: Isa, n: usize) -> bool {
        let is_wide = isa.lanes() == 16;
        let last = self.units % 16;
        let idle = 1..=if is_wide { 8 } else { 15 };
        let is_narrow = self.units < 32 && idle.contains(&last);
        let few = match (is_wide, self.units) {
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
    fn multiplies_input_gradient(&self, isa: Isa, n: usize) -> bool {
        let few = if isa.lanes() == 16 { 1 } else { 10 };
        matmul::is_best(isa) || (cfg!(feature = "std") && n >= 8 && self.units <= few)
    }

    /// Applies an activation that the products have not applied.
    fn activate(&self, isa: Isa, y: &mut [f32]) {
        if self.activation != Activation::Relu {
            self.activation.forward(isa, self.units, y);
        }
    }

    fn check(&self, n: usize, [x, kernel, y]: [usize; 3]) {
        assert_eq!(x, n * self.inputs, "values of a dense layer's input");
        assert_eq!(
            kernel,
            self.inputs * self.units,
            "values of a dense layer's kernel"
        );
        assert_eq!(y, n * self.units, "values of a dense layer's output");
    }
}

/// A product of one segment, in blocks of `B`; `B` has rows of neighbours. Like [`Product`], it
/// trusts its places; `scratch` is that of the pass.
struct Blocked<'a> {
    product: &'a Product,
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
                let product = Product {
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
                    _promise: unsafe { Promise::new() },
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
        let (dx_block, turned) = scratch.split_at_mut(ROWS * PANEL);
        let (dx_block, turned) = (dx_block.as_mut_ptr(), turned.as_mut_ptr());
        // What is turned, in whole vectors: the kernel, or the examples and their results.
        let padded = |count: usize| count.next_multiple_of(S::LANES);
        if padded(units) * inputs <= padded(n) * (inputs + units) {
            for column in (0..inputs).step_by(PANEL) {
                let columns = PANEL.min(inputs - column);
                for [done, depth] in blocks(units) {
                    // SAFETY: `columns` rows of the kernel from `column` on, of which `depth` values;
                    // the block has room for `units` times `PANEL`. As many columns of all `dx`.
                    unsafe {
                        let kernel = kernel.as_ptr().add(column * units + done);
                        squares::<S>([columns, depth], kernel, units, turned, PANEL);
                        S::call(&Product {
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
                            b: turned,
                            b_depth: PANEL,
                            b_segments: [0, 0],
                            c: dx.as_mut_ptr().add(column),
                            c_row: inputs,
                            start: if done == 0 { Start::Zero } else { Start::Sum },
                            relu: false,
                            _promise: Promise::new(),
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
                squares::<S>([examples, units], dy, units, turned, PANEL);
            }
            for row in (0..inputs).step_by(ROWS) {
                let rows = ROWS.min(inputs - row);
                for [done, depth] in blocks(units) {
                    // SAFETY: `rows` rows of the kernel from `row` on, `depth` rows of the block of
                    // `dy`, and `rows` rows of that of `dx`.
                    unsafe {
                        S::call(&Product {
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
                            b: turned.add(done * PANEL),
                            b_depth: PANEL,
                            b_segments: [0, 0],
                            c: dx_block,
                            c_row: PANEL,
                            start: if done == 0 { Start::Zero } else { Start::Sum },
                            relu: false,
                            _promise: Promise::new(),
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
