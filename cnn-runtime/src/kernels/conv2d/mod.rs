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
//! is fused behind a convolution, forward and back; `thin` stands in for `direct` where a grey or coloured
//! image meets a fused pool of 2x2, and `planar` for `direct` and `windowed` if there are few filters too;
//! `few_filters` for the products of `direct` whose columns fill one vector or hardly more.

mod columns;
mod direct;
pub(crate) mod few_filters;
mod im2col;
mod padded_input;
pub(crate) mod planar;
mod pooled;
pub(crate) mod sparse;
pub(crate) mod thin;
mod windowed;
mod winograd;

use self::winograd::TileSize;
use super::packed_gemm::{self, PackedProduct};
use super::transpose::transpose;
use super::{Activation, Isa};
use core::ops::Range;

/// The geometry of a two-dimensional convolution and how it is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Height, width and channels of the input as it is stored; it may be larger than what the output
    /// needs.
    pub input: [usize; 3],
    /// Height, width and filters of the convolution's own output, before the pool: what is needed of it.
    pub output: [usize; 3],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// The step down and across.
    pub strides: [usize; 2],
    /// Zeros above and left of the image; those below and right follow from the output's size.
    pub padding: [usize; 2],
    /// Distance of neighbouring kernel rows and columns.
    pub dilation: [usize; 2],
    /// Applied to the result, after the pool if there is one.
    pub activation: Activation,
    /// The max-pool behind it, computed in the same call.
    pub pool: Option<FusedPool>,
    /// How the forward pass is computed.
    pub algorithm: ConvAlgorithm,
    /// How the gradient of the kernel is computed.
    pub kernel_gradient: KernelGradient,
    /// How the gradient with respect to the input is computed.
    pub input_gradient: InputGradient,
}

/// A max-pool fused behind a convolution. Its windows have at most 255 cells. Padded cells do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FusedPool {
    /// Height and width of its output.
    pub output: [usize; 2],
    /// Height and width of the window.
    pub size: [usize; 2],
    /// The step down and across.
    pub strides: [usize; 2],
    /// Cells above and left of the convolution's output.
    pub padding: [usize; 2],
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvAlgorithm {
    /// Register tiles on the image as it lies; any geometry.
    Direct,
    /// F(2x2, 3x3) of Lavin & Gray 2016: 3x3, strides and dilation 1.
    Winograd,
    /// F(4x4, 3x3), which multiplies less and rounds more: where products cancel out, it leaves 1e-7 of them. In a
    /// forward pass of training an output that sees zeros alone is the bias even so, because 1e-7 in place of 0 would
    /// wake a dead unit behind it.
    Winograd4,
    /// F(5x5, 3x3), which multiplies least and rounds most.
    Winograd5,
    /// One matrix product: a 1x1 kernel with strides 1 and no padding.
    Pointwise,
}

/// How the gradient of a convolution's kernel is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelGradient {
    /// Register tiles over all outputs; any geometry.
    Direct,
    /// One matrix product, as [`ConvAlgorithm::Pointwise`].
    Pointwise,
    /// Behind a fused pool: sums over the winners alone.
    PoolSparse,
    /// Behind a fused pool: all positions of a window at once.
    Windowed,
}

/// How the gradient with respect to a convolution's input is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputGradient {
    /// The forward pass of the flipped kernel on the padded gradient. Strides 1.
    Direct,
    /// The same by F(2x2, 3x3).
    Winograd,
    /// The same by F(4x4, 3x3).
    Winograd4,
    /// One matrix product, as [`ConvAlgorithm::Pointwise`].
    Pointwise,
    /// A matrix product to the gradients of all patches, which are then added up; any geometry.
    Columns,
    /// Behind a fused pool: the patches of the winners alone.
    PoolSparse,
}

impl Conv2d {
    /// Values of one output image, after the pool.
    pub const fn output_len(&self) -> usize {
        let [height, width] = match self.pool {
            Some(pool) => pool.output,
            None => [self.output[0], self.output[1]],
        };
        height * width * self.output[2]
    }

    /// The scratch memory of [`Conv2d::forward`] and [`Conv2d::infer`], in floats, for up to `n` images.
    pub const fn forward_scratch(&self, n: usize) -> usize {
        max(
            columns::forward_scratch(self),
            // What a network without packed weights takes instead.
            max(
                direct::forward_scratch(self),
                match self.algorithm {
                    ConvAlgorithm::Winograd => winograd::forward_scratch(self, TileSize::Two, n),
                    ConvAlgorithm::Winograd4 => winograd::forward_scratch(self, TileSize::Four, n),
                    ConvAlgorithm::Winograd5 => winograd::forward_scratch(self, TileSize::Five, n),
                    ConvAlgorithm::Direct | ConvAlgorithm::Pointwise => 0,
                },
            ),
        )
    }

    /// The scratch memory of any pass of a training step, in floats, for up to `n` images.
    pub const fn training_scratch(&self, n: usize) -> usize {
        let kernel = match self.kernel_gradient {
            KernelGradient::Direct | KernelGradient::Pointwise => {
                direct::kernel_gradient_scratch(self)
            }
            KernelGradient::PoolSparse => sparse::kernel_gradient_scratch(self),
            KernelGradient::Windowed => windowed::kernel_gradient_scratch(self),
        };
        let input = match self.input_gradient {
            InputGradient::Direct => direct::input_gradient_scratch(self),
            InputGradient::Winograd => winograd::input_gradient_scratch(self, TileSize::Two, n),
            InputGradient::Winograd4 => winograd::input_gradient_scratch(self, TileSize::Four, n),
            InputGradient::Pointwise | InputGradient::Columns => 0,
            InputGradient::PoolSparse => sparse::input_gradient_scratch(self),
        };
        let columns = columns::training_scratch(self);
        max(self.forward_scratch(n), max(columns, max(kernel, input)))
    }

    /// Floats of the weights as [`Conv2d::forward`] wants them; 0 if it takes them as they are.
    pub const fn packed_forward(&self) -> usize {
        match self.algorithm {
            ConvAlgorithm::Winograd => winograd::packed_forward(self, TileSize::Two),
            ConvAlgorithm::Winograd4 => winograd::packed_forward(self, TileSize::Four),
            ConvAlgorithm::Winograd5 => winograd::packed_forward(self, TileSize::Five),
            ConvAlgorithm::Pointwise if self.is_product() => {
                packed_gemm::length([self.input[2], self.output[2]])
            }
            ConvAlgorithm::Direct | ConvAlgorithm::Pointwise => 0,
        }
    }

    /// Floats of the weights as [`Conv2d::infer`] wants them: those of [`Conv2d::packed_forward`], and what a
    /// single small image takes instead.
    pub const fn packed_inference(&self) -> usize {
        match self.algorithm {
            ConvAlgorithm::Winograd4 => winograd::packed_inference(self, TileSize::Four),
            _ => self.packed_forward(),
        }
    }

    /// Floats of the weights as [`Conv2d::backward_input`] wants them.
    pub const fn packed_backward(&self) -> usize {
        match self.input_gradient {
            InputGradient::Winograd => winograd::packed_backward(self, TileSize::Two),
            InputGradient::Winograd4 => winograd::packed_backward(self, TileSize::Four),
            InputGradient::Direct | InputGradient::Pointwise | InputGradient::Columns => {
                self.patch() * self.output[2]
            }
            InputGradient::PoolSparse => sparse::packed_backward(self),
        }
    }

    /// Writes the weights as [`Conv2d::forward`] wants them to `packed`, [`Conv2d::packed_forward`] floats.
    /// Needed again after each change of the kernel. Nothing is written for
    /// [`Isa::PORTABLE`] with `std`, whose products are matrixmultiply's and take the kernel as it is.
    pub fn pack_forward(&self, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
        if columns::is_best(isa) {
            return;
        }
        match self.algorithm {
            ConvAlgorithm::Winograd => {
                winograd::pack_forward(self, TileSize::Two, isa, kernel, packed);
            }
            ConvAlgorithm::Winograd4 => {
                winograd::pack_forward(self, TileSize::Four, isa, kernel, packed);
            }
            ConvAlgorithm::Winograd5 => {
                winograd::pack_forward(self, TileSize::Five, isa, kernel, packed);
            }
            ConvAlgorithm::Pointwise if self.is_product() => {
                packed_gemm::pack(isa, [self.input[2], self.output[2]], kernel, packed);
            }
            ConvAlgorithm::Direct | ConvAlgorithm::Pointwise => {}
        }
    }

    /// The same for [`Conv2d::infer`], [`Conv2d::packed_inference`] floats.
    pub fn pack_inference(&self, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
        match self.algorithm {
            ConvAlgorithm::Winograd4 if !columns::is_best(isa) => {
                winograd::pack_inference(self, TileSize::Four, isa, kernel, packed);
            }
            _ => self.pack_forward(isa, kernel, packed),
        }
    }

    /// Writes the weights as [`Conv2d::backward_input`] wants them to `packed`,
    /// [`Conv2d::packed_backward`] floats. Needed again after each change of the kernel.
    pub fn pack_backward(&self, isa: Isa, kernel: &[f32], packed: &mut [f32]) {
        match self.input_gradient {
            InputGradient::Winograd if !columns::is_best(isa) => {
                winograd::pack_backward(self, TileSize::Two, isa, kernel, packed);
            }
            InputGradient::Winograd4 if !columns::is_best(isa) => {
                winograd::pack_backward(self, TileSize::Four, isa, kernel, packed);
            }
            InputGradient::Direct if !columns::is_best(isa) => {
                direct::flip(self, isa, kernel, packed);
            }
            InputGradient::PoolSparse => {
                let packed = &mut packed[..self.packed_backward()];
                sparse::pack_backward(self, isa, kernel, packed);
            }
            _ => {
                let shape = [self.patch(), self.output[2]];
                let packed = &mut packed[..shape[0] * shape[1]];
                transpose(isa, shape, kernel, packed);
            }
        }
    }

    /// `y = activation(pool(x * kernel + bias))`, the pool where there is one.
    ///
    /// `x` is `[n, ..input]`, `kernel` `[height, width, channels, filters]`, `bias` `[filters]` or empty,
    /// `packed` what [`Conv2d::pack_forward`] wrote (empty: the call does without), `y`
    /// `[n, ..output]` and overwritten. `argmax` is empty or as long as `y`: then it takes the place of
    /// each winner in its window, counted row by row, as the backward passes need it. `scratch` holds at
    /// least [`Conv2d::forward_scratch`] floats.
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
        self.run(packed, operands);
    }

    /// The same without argmax, as inference computes it, where an output that sees zeros alone need not be the
    /// bias to the bit. `packed` is what [`Conv2d::pack_inference`] wrote, or empty.
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
        self.run(packed, operands);
    }

    fn run(&self, packed: &[f32], operands: Forward<'_>) {
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
        self.check(*n, x.len(), kernel.len(), y.len());
        assert!(
            argmax.is_empty() || argmax.len() == y.len(),
            "a code for each output"
        );
        assert!(
            bias.is_empty() || bias.len() == self.output[2],
            "a bias for each filter, or none"
        );
        if columns::is_best(*isa) {
            return columns::forward(self, operands);
        }
        match self.algorithm {
            ConvAlgorithm::Winograd if !packed.is_empty() => {
                winograd::forward(self, TileSize::Two, packed, operands);
            }
            ConvAlgorithm::Winograd4 if !packed.is_empty() => {
                winograd::forward(self, TileSize::Four, packed, operands);
            }
            ConvAlgorithm::Winograd5 if !packed.is_empty() => {
                winograd::forward(self, TileSize::Five, packed, operands);
            }
            ConvAlgorithm::Pointwise if !packed.is_empty() => {
                self.multiply(packed, operands);
            }
            _ => direct::forward(self, operands),
        }
    }

    /// The forward pass of a convolution that [is a product](Self::is_product).
    fn multiply(&self, packed: &[f32], operands: Forward<'_>) {
        let Forward {
            isa, n, x, bias, y, ..
        } = operands;
        let packed = PackedProduct {
            depth: self.input[2],
            columns: self.output[2],
            a: x,
            panels: packed,
            bias,
            c: y,
            relu: self.activation == Activation::Relu,
        };
        packed.multiply(isa, n * self.cells());
        self.activate(isa, y);
    }

    /// Whether the images are the rows of a matrix, the kernel is the other, and nothing comes behind.
    const fn is_product(&self) -> bool {
        matches!(
            (self.kernel, self.strides, self.padding),
            ([1, 1], [1, 1], [0, 0])
        ) && self.input[0] == self.output[0]
            && self.input[1] == self.output[1]
            && self.pool.is_none()
    }

    /// Adds the gradients of kernel and bias.
    ///
    /// `dz`, `[n, ..output]`, is the gradient with respect to the result before the activation (and after
    /// the pool); `argmax` is what the forward pass wrote; the others are laid out as in
    /// [`Conv2d::forward`]; an empty `bias_gradient` means no bias. Sums over batches end with
    /// [`Conv2d::finish_kernel_gradient`]: until then the layout of `kernel_gradient`, as long as the
    /// kernel, is the algorithm's own. Images are added in their order, so a batch can be worked off in
    /// pieces without a change of a bit.
    ///
    /// # Panics
    /// If a slice is of another length.
    #[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
    pub fn backward_parameters(
        &self,
        isa: Isa,
        n: usize,
        x: &[f32],
        dz: &[f32],
        argmax: &[u8],
        kernel_gradient: &mut [f32],
        bias_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        self.check(n, x.len(), kernel_gradient.len(), dz.len());
        assert!(
            self.pool.is_none() || argmax.len() == dz.len(),
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
        match self.kernel_gradient {
            KernelGradient::PoolSparse => sparse::kernel_gradient(self, operands),
            KernelGradient::Windowed => windowed::kernel_gradient(self, operands),
            KernelGradient::Direct | KernelGradient::Pointwise if columns::is_best(isa) => {
                columns::kernel_gradient(self, operands);
            }
            KernelGradient::Direct | KernelGradient::Pointwise => {
                direct::kernel_gradient(self, operands);
            }
        }
        super::bias::add_rows(isa, self.output[2], dz, bias_gradient);
    }

    /// Writes the gradient of the kernel, laid out as the kernel, from sums of
    /// [`Conv2d::backward_parameters`].
    pub fn finish_kernel_gradient(&self, isa: Isa, sums: &[f32], kernel_gradient: &mut [f32]) {
        match self.kernel_gradient {
            // `[filters, ..patch]`.
            KernelGradient::PoolSparse => {
                transpose(isa, [self.output[2], self.patch()], sums, kernel_gradient);
            }
            KernelGradient::Direct | KernelGradient::Pointwise | KernelGradient::Windowed => {
                kernel_gradient.copy_from_slice(sums);
            }
        }
    }

    /// Whether [`Conv2d::finish_kernel_gradient`] does more than copy.
    pub const fn gradient_is_transposed(&self) -> bool {
        matches!(self.kernel_gradient, KernelGradient::PoolSparse)
    }

    /// The gradient with respect to the input, `[n, ..input]`, from `dz` and `argmax` as in
    /// [`Conv2d::backward_parameters`] and the weights that [`Conv2d::pack_backward`] wrote.
    /// Overwrites `dx`.
    ///
    /// # Panics
    /// If a slice is of another length.
    #[expect(clippy::too_many_arguments, reason = "each is an operand of its own")]
    pub fn backward_input(
        &self,
        isa: Isa,
        n: usize,
        dz: &[f32],
        argmax: &[u8],
        packed: &[f32],
        dx: &mut [f32],
        scratch: &mut [f32],
    ) {
        self.check(n, dx.len(), self.patch() * self.output[2], dz.len());
        assert_eq!(
            packed.len(),
            self.packed_backward(),
            "packed weights of a convolution"
        );
        assert!(
            self.pool.is_none() || argmax.len() == dz.len(),
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
        match self.input_gradient {
            InputGradient::PoolSparse => sparse::input_gradient(self, operands),
            _ if columns::is_best(isa) => columns::input_gradient(self, operands),
            InputGradient::Winograd => winograd::input_gradient(self, TileSize::Two, operands),
            InputGradient::Winograd4 => winograd::input_gradient(self, TileSize::Four, operands),
            InputGradient::Direct => direct::input_gradient(self, operands),
            InputGradient::Pointwise | InputGradient::Columns => {
                columns::input_gradient(self, operands);
            }
        }
    }

    /// Values of one patch: the rows of the kernel as a matrix.
    pub(crate) const fn patch(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.input[2]
    }

    /// Cells of one output image before the pool.
    const fn cells(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Values of one input image.
    const fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.input[2]
    }

    /// Applies an activation that the tiles have not applied.
    fn activate(&self, isa: Isa, y: &mut [f32]) {
        if self.activation != Activation::Relu {
            self.activation.forward(isa, self.output[2], y);
        }
    }

    fn check(&self, n: usize, x: usize, kernel: usize, y: usize) {
        assert_eq!(x, n * self.input_len(), "values of a convolution's input");
        assert_eq!(
            kernel,
            self.patch() * self.output[2],
            "values of a convolution's kernel"
        );
        assert_eq!(y, n * self.output_len(), "values of a convolution's output");
    }
}

/// The operands of [`Conv2d::forward`] and [`Conv2d::infer`], with lengths that they have checked.
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

/// The operands of [`Conv2d::backward_parameters`] but the bias, with lengths that it has checked.
struct BackwardKernel<'a> {
    isa: Isa,
    x: &'a [f32],
    dz: &'a [f32],
    argmax: &'a [u8],
    kernel_gradient: &'a mut [f32],
    scratch: &'a mut [f32],
}

/// The operands of [`Conv2d::backward_input`], with lengths that it has checked.
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
