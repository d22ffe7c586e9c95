//! Two-dimensional convolution, with what is fused behind it: bias, activation, max pool.

use super::image::{image, windows};
use super::stripe::{RowWindows, Rows, Stripe};
use super::{ChannelAxis, Extent, Facts, Pass, Saves, Scope, Wanted};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::Direction;
use crate::choice::conv2d::{self as choice, TileSize, Weights};
use crate::choice::stripes::{Work, product};
use core::ops::Range;

/// The geometry of a two-dimensional convolution and how it is computed.
#[derive(Clone, Copy, PartialEq)]
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
    /// The max pool behind it, computed in the same call.
    pub pool: Option<FusedPool>,
    /// How the forward pass is computed.
    pub algorithm: ConvAlgorithm,
    /// How the gradient of the kernel is computed.
    pub kernel_gradient: KernelGradient,
    /// How the gradient with respect to the input is computed.
    pub input_gradient: InputGradient,
}

/// A max pool fused behind a convolution. Its windows have at most 255 cells. Padded cells do not exist.
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

/// Makes a fieldless enum whose `Debug` form is the Rust expression of a value.
macro_rules! algorithms {
    (
        $(#[$meta:meta])*
        pub enum $Enum:ident {
            $($(#[$variant_meta:meta])+ $Variant:ident,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum $Enum {
            $($(#[$variant_meta])+ $Variant,)+
        }

        impl core::fmt::Debug for $Enum {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$Variant => concat!(stringify!($Enum), "::", stringify!($Variant)),)+
                })
            }
        }
    };
}

algorithms! {
    /// How a convolution is computed.
    pub enum ConvAlgorithm {
        /// Register tiles on the image as it lies; any geometry.
        Direct,
        /// F(2x2, 3x3) of Lavin & Gray 2016: 3x3, strides and dilation 1. Tiles of 2x2 outputs from 16
        /// multiplications instead of 36.
        Winograd,
        /// F(4x4, 3x3), which multiplies less and rounds more: tiles of 4x4 outputs from 36 multiplications
        /// instead of 144. Where products cancel out, it leaves 1e-7 of them. In a forward pass of training
        /// an output that sees zeros alone is the bias even so, because 1e-7 in place of 0 would wake a dead
        /// unit behind it.
        Winograd4,
        /// F(5x5, 3x3), which multiplies least and rounds most: tiles of 5x5 outputs from 49
        /// multiplications instead of 225.
        Winograd5,
        /// One matrix product: a 1x1 kernel with strides 1, no padding and no pool, for which the image is a
        /// matrix already.
        Pointwise,
    }
}

impl ConvAlgorithm {
    /// The size of the tiles of Winograd's algorithm.
    pub const fn tile_size(self) -> Option<TileSize> {
        match self {
            Self::Winograd => Some(TileSize::Two),
            Self::Winograd4 => Some(TileSize::Four),
            Self::Winograd5 => Some(TileSize::Five),
            Self::Direct | Self::Pointwise => None,
        }
    }
}

algorithms! {
    /// How the gradient of a convolution's kernel is computed.
    pub enum KernelGradient {
        /// Register tiles over all outputs; any geometry; behind a fused pool once its gradient is scattered.
        Direct,
        /// One matrix product, as [`ConvAlgorithm::Pointwise`].
        Pointwise,
        /// Behind a fused pool: sums over the argmax of its windows alone.
        PoolSparse,
    }
}

algorithms! {
    /// How the gradient with respect to a convolution's input is computed.
    pub enum InputGradient {
        /// The forward pass of the rotated kernel on the padded gradient. Strides 1. Behind a fused pool once
        /// its gradient is scattered.
        Direct,
        /// The same by F(2x2, 3x3).
        Winograd,
        /// The same by F(4x4, 3x3).
        Winograd4,
        /// One matrix product, as [`ConvAlgorithm::Pointwise`].
        Pointwise,
        /// A matrix product to the gradients of all patches, which are then added up where they overlap
        /// (`col2im`); any geometry.
        Columns,
        /// Behind a fused pool: the patches of the argmax alone.
        PoolSparse,
    }
}

impl Conv2d {
    /// A convolution with strides and dilation 1, without padding, activation and pool, computed directly.
    pub const fn new(input: [usize; 3], kernel: [usize; 2], output: [usize; 3]) -> Self {
        Self {
            input,
            output,
            kernel,
            strides: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            activation: Activation::Linear,
            pool: None,
            algorithm: ConvAlgorithm::Direct,
            kernel_gradient: KernelGradient::Direct,
            input_gradient: InputGradient::Columns,
        }
    }

    /// Values of one output image, after the pool.
    pub const fn output_len(&self) -> usize {
        let [height, width] = match self.pool {
            Some(pool) => pool.output,
            None => [self.output[0], self.output[1]],
        };
        height * width * self.output[2]
    }

    /// Values of one patch: the rows of the kernel as a matrix.
    pub const fn patch(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.input[2]
    }

    /// Cells of one output image before the pool.
    pub const fn cells(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Values of one input image.
    pub const fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.input[2]
    }

    /// Values of the convolution's own output that a pool behind it reads; 0 without one.
    pub const fn unpooled_len(&self) -> usize {
        match self.pool {
            Some(_) => self.cells() * self.output[2],
            None => 0,
        }
    }

    /// Taps of a kernel row that are neighbours in the image: all, or one if they are dilated.
    pub const fn neighbours(&self) -> usize {
        if self.dilation[1] == 1 {
            self.kernel[1]
        } else {
            1
        }
    }

    /// Rows and columns that the outputs see, those in the padding included.
    const fn seen(&self) -> Extent {
        let mut seen = [0; 2];
        let mut axis = 0;
        while axis < 2 {
            let extent = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
            seen[axis] = (self.output[axis] - 1) * self.strides[axis] + extent;
            axis += 1;
        }
        seen
    }

    /// Whether the outputs see nothing but the image.
    pub const fn sees_image_alone(&self) -> bool {
        let [height, width] = self.seen();
        self.padding[0] == 0
            && self.padding[1] == 0
            && height <= self.input[0]
            && width <= self.input[1]
    }

    /// Height and width of an image in which every patch is complete: the image itself, if the outputs see nothing
    /// else; or what they see of it, with the zeros around it.
    pub const fn padded_size(&self) -> Extent {
        if self.sees_image_alone() {
            [self.input[0], self.input[1]]
        } else {
            self.seen()
        }
    }

    /// Whether the images are the rows of a matrix, the kernel is the other, and nothing comes behind.
    pub const fn is_product(&self) -> bool {
        matches!(
            (self.kernel, self.strides, self.padding),
            ([1, 1], [1, 1], [0, 0])
        ) && self.input[0] == self.output[0]
            && self.input[1] == self.output[1]
            && self.pool.is_none()
    }

    /// Whether the sums of [`KernelGradient`] may be laid out otherwise than the kernel.
    pub const fn gradient_is_transposed(&self) -> bool {
        matches!(self.kernel_gradient, KernelGradient::PoolSparse)
    }

    /// What the pool reads of the convolution's own output.
    fn pool_reads(&self, output: Extent, whole: Extent) -> Extent {
        match self.pool {
            None => output,
            Some(pool) => windows(output, whole, pool.size, pool.strides, pool.padding, [1, 1]),
        }
    }
}

impl FusedPool {
    /// A max pool without padding, whose windows lie side by side.
    pub const fn new(output: [usize; 2], size: [usize; 2]) -> Self {
        Self {
            output,
            size,
            strides: size,
            padding: [0, 0],
        }
    }

    /// The cells of an axis, `0..size` of the convolution's output, that a window sees.
    ///
    /// # Panics
    /// If the window lies in the padding alone.
    #[inline(always)]
    pub fn cells(&self, axis: usize, window: usize, size: usize) -> Range<usize> {
        let start = window * self.strides[axis];
        let end = (start + self.size[axis]).saturating_sub(self.padding[axis]);
        let cells = start.saturating_sub(self.padding[axis])..end.min(size);
        assert!(!cells.is_empty(), "a window that reaches into the image");
        cells
    }

    /// The index of a cell in its window, counted row by row, as an argmax stores it.
    #[inline(always)]
    pub fn index(&self, windows: [usize; 2], cell: [usize; 2]) -> usize {
        let place =
            |axis: usize| cell[axis] + self.padding[axis] - windows[axis] * self.strides[axis];
        place(0) * self.size[1] + place(1)
    }
}

/// The Rust expression that makes it: only what differs from [`Conv2d::new`] is said.
impl core::fmt::Debug for Conv2d {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            input,
            output,
            kernel,
            strides,
            padding,
            dilation,
            activation,
            pool,
            algorithm,
            kernel_gradient,
            input_gradient,
        } = self;
        let plain = Self::new(*input, *kernel, *output);
        let call = format_args!("Conv2d::new({input:?}, {kernel:?}, {output:?})");
        if *self == plain {
            return f.write_fmt(call);
        }
        f.write_str("Conv2d { ")?;
        let mut field = |differs: bool, name: &str, value: &dyn core::fmt::Debug| match differs {
            true => write!(f, "{name}: {value:?}, "),
            false => Ok(()),
        };
        field(*strides != plain.strides, "strides", strides)?;
        field(*padding != plain.padding, "padding", padding)?;
        field(*dilation != plain.dilation, "dilation", dilation)?;
        field(*activation != plain.activation, "activation", activation)?;
        field(pool.is_some(), "pool", pool)?;
        field(*algorithm != plain.algorithm, "algorithm", algorithm)?;
        field(
            *kernel_gradient != plain.kernel_gradient,
            "kernel_gradient",
            kernel_gradient,
        )?;
        field(
            *input_gradient != plain.input_gradient,
            "input_gradient",
            input_gradient,
        )?;
        write!(f, "..{call} }}")
    }
}

/// Rows after the pool, if there is one: a stripe computes the rows of the convolution that their windows see.
impl Rows for Conv2d {
    fn rows(&self) -> usize {
        self.pool.map_or(self.output[0], |pool| pool.output[0])
    }

    fn input_row(&self, _place: usize) -> usize {
        self.input[1] * self.input[2]
    }

    fn output_row(&self) -> usize {
        self.output_len() / self.rows()
    }

    fn work(&self) -> Work {
        let [channels, filters] = [self.input[2], self.output[2]];
        // Multiply-adds of a filter, and its weights.
        let (products, weights) = match self.algorithm.tile_size() {
            Some(size) => {
                let [down, across] = size.tiles(self);
                let cells = size.cells() * channels;
                ([down, across, cells], cells)
            }
            None => ([1, self.cells(), self.patch()], self.patch()),
        };
        let [a, b, c] = products;
        Work {
            flops: product(&[2, a, b, c, filters]),
            values: weights * filters + self.input_len() + self.output_len(),
        }
    }

    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>> {
        let [height, width, channels] = self.input;
        let [all, columns, filters] = self.output;
        let (computed, pool) = match self.pool {
            None => (rows, None),
            Some(pool) => {
                let windows = RowWindows {
                    height: all,
                    extent: pool.size[0],
                    stride: pool.strides[0],
                    padding: pool.padding[0],
                };
                let (computed, padding) = windows.seen(&rows)?;
                let pool = FusedPool {
                    output: [rows.len(), pool.output[1]],
                    padding: [padding, pool.padding[1]],
                    ..pool
                };
                (computed, Some(pool))
            }
        };
        let windows = RowWindows {
            height,
            extent: (self.kernel[0] - 1) * self.dilation[0] + 1,
            stride: self.strides[0],
            padding: self.padding[0],
        };
        // Tiles read whole tiles of the image, and what they read of it decides how they round.
        let read = match self.algorithm.tile_size() {
            Some(size) => computed.len().next_multiple_of(size.outputs()),
            None => computed.len(),
        };
        let (input, padding) = windows.seen(&(computed.start..computed.start + read))?;
        let operation = Self {
            input: [input.len(), width, channels],
            output: [computed.len(), columns, filters],
            padding: [padding, self.padding[1]],
            pool,
            ..*self
        };
        Some(Stripe { operation, input })
    }
}

impl Facts for Conv2d {
    fn work_of_rows(&self) -> Option<Work> {
        Some(self.work())
    }

    fn is_row_by_row(&self) -> bool {
        let is_cell_by_cell = (self.kernel, self.strides, self.padding) == ([1, 1], [1, 1], [0, 0]);
        is_cell_by_cell
            && self.input[0] == self.output[0]
            && self.pool.is_none()
            && self.algorithm.tile_size().is_none()
    }

    fn convolution(&self) -> Option<&Conv2d> {
        Some(self)
    }

    fn convolution_mut(&mut self) -> Option<&mut Conv2d> {
        Some(self)
    }

    fn activation(&self) -> Activation {
        self.activation
    }

    fn activation_mut(&mut self) -> Option<&mut Activation> {
        Some(&mut self.activation)
    }

    fn scope(&self) -> Scope {
        Scope::Images
    }

    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        let [height, width, _] = self.output;
        windows(
            self.pool_reads(output, [height, width]),
            whole,
            self.kernel,
            self.strides,
            self.padding,
            self.dilation,
        )
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        let [height, width, filters] = image(output);
        let [rows, columns, _] = self.output;
        let [rows, columns] = self.pool_reads([height, width], [rows, columns]);
        self.input = image(inputs[0]);
        self.output = [rows, columns, filters];
        if let Some(pool) = &mut self.pool {
            pool.output = [height, width];
        }
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        let len = self.output_len();
        Saves {
            inputs: wanted.tensors.into(),
            output: derives && saved == Saved::Output,
            floats: if derives && saved == Saved::PreActivation {
                len
            } else {
                0
            },
            bytes: if self.pool.is_some() { len } else { 0 },
        }
    }

    fn kernel_channels(&self) -> Option<ChannelAxis> {
        Some(ChannelAxis::last(self.output[2]))
    }

    fn packs(&self, pass: Pass, wanted: Wanted) -> bool {
        match pass {
            Pass::Inference | Pass::Forward => self.algorithm != ConvAlgorithm::Direct,
            Pass::Backward => wanted.input,
        }
    }

    fn kernel_name(
        &self,
        direction: Direction,
        _: usize,
        vectors: VectorShape,
    ) -> Option<&'static str> {
        Some(match direction {
            Direction::Inference | Direction::Forward => {
                choice::forward(self, Weights::Packed, vectors).name()
            }
            Direction::KernelGradient => choice::kernel_gradient(self, vectors).name(),
            Direction::InputGradient => choice::input_gradient(self, vectors).name(),
        })
    }
}
