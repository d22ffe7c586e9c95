//! What runs for each pass of a convolution, on each instruction set.
//!
//! The plan names an algorithm for each direction ([`Conv2d`]'s fields `algorithm`, `kernel_gradient` and
//! `input_gradient`). Some of them have several kernels, and which one is the fastest depends on the vectors of the
//! machine. All of these choices are here, as functions of the geometry, of the number of images where it matters, and
//! of the numbers of the instruction set. What a kernel *can* compute is said in its own file, by a function
//! `supports`; what is *fastest* is said here. The figures behind the thresholds are in `docs/kernels-measured.md`.
//!
//! ```text
//! algorithm of the plan ─┐
//! geometry, images ──────┼──▶ forward, kernel_gradient, input_gradient ──▶ an enum: what runs, and its name
//! VectorShape ───────────┘
//! ```

use super::few_filters::{self, RowShape};
use super::sparse::WindowRegion;
use super::winograd::{self, small_batch};
use super::{
    Conv2d, ConvAlgorithm, InputGradient as InputAlgorithm, KernelGradient as KernelAlgorithm,
};
use super::{channel_planes, direct, few_channels, windowed};
use crate::kernels::simd::VectorShape;

pub use super::winograd::TileSize;

/// What computes a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// im2col and a product by matrixmultiply.
    Im2col,
    /// One product with the packed kernel.
    PackedGemm,
    /// Winograd's algorithm, a batch of products for the cells of all tiles.
    Winograd(TileSize),
    /// F(4x4, 3x3) for so few tiles that half-transformed kernels are read.
    WinogradSmallBatch,
    /// Vectors along rows of channel planes, the fused pool in registers.
    ChannelPlanes,
    /// Register tiles of windows of the fused pool, on few input channels.
    FewChannels,
    /// Register tiles of neighbouring cells, for few filters.
    FewFilters,
    /// Register tiles of products on the image as it is stored.
    Direct,
}

impl Forward {
    /// Its name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Im2col => "im2col, matrixmultiply",
            Self::PackedGemm => "packed gemm",
            Self::Winograd(TileSize::Two) => "winograd 2x2",
            Self::Winograd(TileSize::Four) => "winograd 4x4",
            Self::Winograd(TileSize::Five) => "winograd 5x5",
            Self::WinogradSmallBatch => "winograd 4x4, small batch",
            Self::ChannelPlanes => "channel planes",
            Self::FewChannels => "few channels",
            Self::FewFilters => "few filters",
            Self::Direct => "direct",
        }
    }
}

/// What computes the gradient of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelGradient {
    /// im2col and a product by matrixmultiply.
    Im2col,
    /// Register tiles of products on the image as it is stored.
    Direct,
    /// Sums over the argmax of a fused pool.
    PoolSparse,
    /// Vectors along rows of channel planes, each cell of a window masked.
    ChannelPlanes,
    /// Vectors along filters, each lane permuted to its argmax.
    Permuted,
    /// Vectors along filters, each cell of a window masked.
    Masked,
}

impl KernelGradient {
    /// Its name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Im2col => "im2col, matrixmultiply",
            Self::Direct => "direct",
            Self::PoolSparse => "pool sparse",
            Self::ChannelPlanes => "channel planes",
            Self::Permuted => "windowed, permuted",
            Self::Masked => "windowed, masked",
        }
    }
}

/// What computes the gradient with respect to the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputGradient {
    /// A product by matrixmultiply and col2im.
    Col2imMatrixMultiply,
    /// A product by register tiles and col2im.
    Col2im,
    /// Winograd's algorithm with the flipped kernel.
    Winograd(TileSize),
    /// Register tiles of neighbouring cells with the flipped kernel, for few input channels.
    FewFilters,
    /// Register tiles of products with the flipped kernel.
    Direct,
    /// A sum for each argmax of a fused pool.
    PoolSparse,
    /// A sum for each window of a fused pool.
    PoolSparseWindows,
}

impl InputGradient {
    /// Its name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Col2imMatrixMultiply => "col2im, matrixmultiply",
            Self::Col2im => "col2im",
            Self::Winograd(TileSize::Two) => "winograd 2x2",
            Self::Winograd(TileSize::Four) => "winograd 4x4",
            Self::Winograd(TileSize::Five) => "winograd 5x5",
            Self::FewFilters => "few filters",
            Self::Direct => "direct",
            Self::PoolSparse => "pool sparse",
            Self::PoolSparseWindows => "pool sparse, whole windows",
        }
    }
}

/// The weights that a forward pass is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The kernel alone.
    AsStored,
    /// And what [`pack_forward`](super::pack_forward) writes.
    Packed,
    /// And what [`pack_inference`](super::pack_inference) writes.
    PackedForInference,
}

/// What computes the forward pass of `n` images.
pub fn forward(conv: &Conv2d, n: usize, weights: Weights, vectors: VectorShape) -> Forward {
    if vectors.prefers_matrixmultiply() {
        return Forward::Im2col;
    }
    if weights == Weights::AsStored {
        return forward_direct(conv, vectors);
    }
    match conv.algorithm {
        ConvAlgorithm::Winograd => Forward::Winograd(TileSize::Two),
        ConvAlgorithm::Winograd4 => {
            let is_half_transformed = weights == Weights::PackedForInference
                && super::packed_inference(conv) > super::packed_forward(conv);
            let tiles = winograd::tiles_of_pass(conv, TileSize::Four, n);
            if is_half_transformed && takes_small_batch(tiles, vectors) {
                Forward::WinogradSmallBatch
            } else {
                Forward::Winograd(TileSize::Four)
            }
        }
        ConvAlgorithm::Winograd5 => Forward::Winograd(TileSize::Five),
        ConvAlgorithm::Pointwise if conv.is_product() => Forward::PackedGemm,
        ConvAlgorithm::Direct | ConvAlgorithm::Pointwise => forward_direct(conv, vectors),
    }
}

/// What computes the forward pass from the kernel as it is stored, where products are not matrixmultiply's.
pub(super) fn forward_direct(conv: &Conv2d, vectors: VectorShape) -> Forward {
    if takes_channel_planes(conv, vectors) {
        return Forward::ChannelPlanes;
    }
    if takes_few_channels(conv, vectors) {
        return Forward::FewChannels;
    }
    match rows(direct::forward_rows(conv), vectors) {
        Rows::FewFilters => Forward::FewFilters,
        Rows::Gemm => Forward::Direct,
    }
}

/// What adds up the gradient of the kernel.
pub fn kernel_gradient(conv: &Conv2d, vectors: VectorShape) -> KernelGradient {
    match conv.kernel_gradient {
        KernelAlgorithm::PoolSparse => KernelGradient::PoolSparse,
        KernelAlgorithm::Windowed => {
            if takes_channel_planes_backward(conv, vectors) {
                KernelGradient::ChannelPlanes
            } else if windowed::supports_permutation(conv, vectors.reach) {
                KernelGradient::Permuted
            } else {
                KernelGradient::Masked
            }
        }
        KernelAlgorithm::Direct | KernelAlgorithm::Pointwise => {
            if vectors.prefers_matrixmultiply() {
                KernelGradient::Im2col
            } else {
                KernelGradient::Direct
            }
        }
    }
}

/// What computes the gradient with respect to the input.
pub fn input_gradient(conv: &Conv2d, vectors: VectorShape) -> InputGradient {
    match conv.input_gradient {
        InputAlgorithm::PoolSparse => match window_region(conv) {
            Some(_) => InputGradient::PoolSparseWindows,
            None => InputGradient::PoolSparse,
        },
        _ if vectors.prefers_matrixmultiply() => InputGradient::Col2imMatrixMultiply,
        InputAlgorithm::Winograd => InputGradient::Winograd(TileSize::Two),
        InputAlgorithm::Winograd4 => InputGradient::Winograd(TileSize::Four),
        InputAlgorithm::Direct => match rows(direct::input_gradient_rows(conv), vectors) {
            Rows::FewFilters => InputGradient::FewFilters,
            Rows::Gemm => InputGradient::Direct,
        },
        InputAlgorithm::Pointwise | InputAlgorithm::Columns => InputGradient::Col2im,
    }
}

/// What computes rows of a direct convolution that see the whole width of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Tiles of neighbouring cells, see [`few_filters`].
    FewFilters,
    /// Register tiles of a product.
    Gemm,
}

/// [`few_filters`] loads each value of the image once for all taps of a kernel row. That pays where a product loads a
/// value for one or two multiply-adds. It needs registers for all values that a tile sees, and rows of results that
/// its tiles fill: at most an eighth of the cells may be computed twice.
pub(super) fn rows(shape: RowShape, vectors: VectorShape) -> Rows {
    let is_best = few_filters::supports(shape)
        && vectors.registers >= few_filters::REGISTERS
        && shape.filters < 2 * vectors.lanes
        && few_filters::tile_width(shape.cells).is_some_and(|width| {
            let computed = shape.cells.next_multiple_of(width);
            8 * computed <= 9 * shape.cells
        });
    if is_best {
        Rows::FewFilters
    } else {
        Rows::Gemm
    }
}

/// Vectors along windows, if they are better filled than along filters.
const fn takes_channel_planes(conv: &Conv2d, vectors: VectorShape) -> bool {
    let Some(pool) = conv.pool else { return false };
    let (windows, filters, lanes) = (pool.output[1], conv.output[2], vectors.lanes);
    channel_planes::supports(conv)
        && windows.div_ceil(lanes) * filters < windows * filters.div_ceil(lanes)
}

/// The same for the gradient of the kernel: the work along windows grows with the filters, that along filters with
/// vectors of filters, and both are equal for [`VectorShape::break_even_filters`] in full vectors.
const fn takes_channel_planes_backward(conv: &Conv2d, vectors: VectorShape) -> bool {
    let Some(pool) = conv.pool else { return false };
    let (windows, filters, lanes) = (pool.output[1], conv.output[2], vectors.lanes);
    let along_windows = lanes * windows.div_ceil(lanes) * filters;
    let along_filters = windows * filters.div_ceil(lanes);
    channel_planes::supports(conv) && along_windows < vectors.break_even_filters * along_filters
}

/// The fused pool in registers. All four cells of some windows need accumulators.
const fn takes_few_channels(conv: &Conv2d, vectors: VectorShape) -> bool {
    few_channels::supports(conv) && vectors.accumulators >= few_channels::ACCUMULATORS
}

/// Half-transformed kernels, for a pass of so many tiles. The sums of a row of cells of all tiles need accumulators.
pub(super) const fn takes_small_batch(tiles: usize, vectors: VectorShape) -> bool {
    0 < tiles
        && tiles <= small_batch::MAX_TILES
        && vectors.accumulators >= small_batch::ACCUMULATORS
}

/// Multiply-adds with zeros, in vectors of [`MAX_LANES`](crate::kernels::simd::MAX_LANES), that a sum for each window
/// of a sparse input gradient may take in place of a sum for each argmax.
const MAX_ZEROS: usize = 200;

/// The region of a window, if a sparse input gradient is best summed up window by window. The same for all
/// instruction sets, because it decides the layout of packed weights.
pub(super) const fn window_region(conv: &Conv2d) -> Option<WindowRegion> {
    match WindowRegion::of(conv) {
        Some(region) if region.zeros(conv) <= MAX_ZEROS => Some(region),
        _ => None,
    }
}
