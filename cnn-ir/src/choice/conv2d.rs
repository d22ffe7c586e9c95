//! What runs for each pass of a convolution.
//!
//! [`pooled`] is about a max pool behind the convolution, [`winograd`] about its tiles, [`cut`] about one image on several
//! threads.

pub mod cut;
pub mod pooled;
pub mod winograd;

use crate::operation::{
    Conv2d, ConvAlgorithm, InputGradient as InputAlgorithm, KernelGradient as KernelAlgorithm,
};
use crate::vector_shape::VectorShape;

pub use self::winograd::TileSize;

/// What computes a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// im2col and a product by matrixmultiply.
    Im2col,
    /// One product with the packed kernel.
    PackedGemm,
    /// Winograd's algorithm, a batch of products for the cells of all tiles.
    Winograd(TileSize),
    /// Vectors along rows of channel planes, the fused pool in registers.
    ChannelPlanes,
    /// Register tiles of windows of the fused pool, on few input channels.
    FewChannels,
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
            Self::ChannelPlanes => "channel planes",
            Self::FewChannels => "few channels",
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
    /// Lists of the argmax of a fused pool.
    PoolSparse,
    /// Vectors along filters, each lane permuted to its argmax.
    Permuted,
}

impl KernelGradient {
    /// Its name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Im2col => "im2col, matrixmultiply",
            Self::Direct => "direct",
            Self::PoolSparse => "pool sparse",
            Self::Permuted => "permuted",
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
    /// Register tiles of products with the flipped kernel.
    Direct,
    /// A sum for each argmax of a fused pool.
    PoolSparse,
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
            Self::Direct => "direct",
            Self::PoolSparse => "pool sparse",
        }
    }
}

/// The weights that a forward pass is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The kernel alone.
    AsStored,
    /// The kernel, and what is packed of it.
    Packed,
}

/// What computes the forward pass.
pub fn forward(conv: &Conv2d, weights: Weights, vectors: VectorShape) -> Forward {
    if vectors.prefers_matrixmultiply() {
        return Forward::Im2col;
    }
    if weights == Weights::AsStored {
        return forward_direct(conv, vectors);
    }
    match conv.algorithm {
        ConvAlgorithm::Winograd => Forward::Winograd(TileSize::Two),
        ConvAlgorithm::Winograd4 => Forward::Winograd(TileSize::Four),
        ConvAlgorithm::Winograd5 => Forward::Winograd(TileSize::Five),
        ConvAlgorithm::Pointwise if conv.is_product() => Forward::PackedGemm,
        ConvAlgorithm::Direct | ConvAlgorithm::Pointwise => forward_direct(conv, vectors),
    }
}

/// What computes the forward pass from the kernel as it is stored, where products are not matrixmultiply's.
pub fn forward_direct(conv: &Conv2d, vectors: VectorShape) -> Forward {
    if pooled::takes_channel_planes(conv, vectors) {
        return Forward::ChannelPlanes;
    }
    if pooled::takes_few_channels(conv, vectors) {
        return Forward::FewChannels;
    }
    Forward::Direct
}

/// What adds up the gradient of the kernel.
pub fn kernel_gradient(conv: &Conv2d, vectors: VectorShape) -> KernelGradient {
    match conv.kernel_gradient {
        KernelAlgorithm::PoolSparse => {
            if pooled::takes_permutation(conv, vectors) {
                KernelGradient::Permuted
            } else {
                KernelGradient::PoolSparse
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
        InputAlgorithm::PoolSparse => InputGradient::PoolSparse,
        _ if vectors.prefers_matrixmultiply() => InputGradient::Col2imMatrixMultiply,
        InputAlgorithm::Winograd => InputGradient::Winograd(TileSize::Two),
        InputAlgorithm::Winograd4 => InputGradient::Winograd(TileSize::Four),
        InputAlgorithm::Direct => InputGradient::Direct,
        InputAlgorithm::Pointwise | InputAlgorithm::Columns => InputGradient::Col2im,
    }
}
