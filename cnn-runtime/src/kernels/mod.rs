//! The operations that generated networks are made of, one file an operation.
//!
//! Every kernel works on flat slices that the caller owns. Images are `[N, H, W, C]`, kernels of convolutions `[height,
//! width, input channels, filters]`, those of dense layers `[inputs, units]`; `n` is the number of examples. A small
//! `Copy` struct of plain numbers describes the geometry (a constant in generated code), and its methods run the
//! forward and the backward pass:
//!
//! - `forward` overwrites its output, and applies the bias and the activation where it has them;
//! - `infer`, of layers with weights, does the same for inference, where nothing is kept for a backward pass and the
//!   weights do not change: it may read them packed, and round differently;
//! - `pack_forward`, `pack_inference` and `pack_backward` write the weights as a pass reads them;
//! - `backward_parameters` of a convolution *adds* to gradients, so that a batch can be computed in pieces; that of a
//!   dense layer overwrites some rows of the gradient with the sum over a whole batch;
//! - `backward_input` and `backward` overwrite the gradient with respect to their input.
//!
//! The result of an example does not depend on how many examples a call has. Slices of a wrong length are a bug of the
//! caller and panic. NaN is never swallowed: relu, max pooling and the losses pass it on.
//!
//! Each call is given the instruction set ([`Isa`]) that it runs with. Which kernel of an operation runs is chosen in
//! [`conv2d::choice`] and [`dense::choice`]:
//!
//! ```text
//! geometry + Isa ──▶ choice ──┬▶ a kernel of the operation ──▶ microkernel, packed_gemm, … ──▶ Simd primitives
//!                             └▶ matmul::gemm (matrixmultiply)
//! ```
//!
//! The kernels allocate nothing. matrixmultiply does, for its packing buffers, and needs `std`. Without `std` all
//! passes, the losses and the metrics remain; `Optimizer::update` and the thread pool need it.
//!
//! Each operation has a slow, obvious twin in the `reference` module, and a test beside it that compares the two.

pub(crate) mod aligned;
pub(crate) mod batch_normalization;
pub(crate) mod bias;
#[cfg(feature = "std")]
pub(crate) mod column_stripes;
pub(crate) mod columns;
pub mod conv2d;
pub mod dense;
pub(crate) mod depthwise_conv2d;
pub(crate) mod grouped_conv2d;
#[cfg(feature = "std")]
pub(crate) mod magnitude;
pub mod math;
pub mod matmul;
pub(crate) mod microkernel;
pub(crate) mod packed_gemm;
pub(crate) mod pad2d;
pub mod pool2d;
pub(crate) mod random;
#[cfg(feature = "std")]
pub(crate) mod resample2d;
pub mod simd;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(feature = "std")]
pub(crate) mod thread_pool;
mod transpose;
pub(crate) mod upsampling2d;

pub use simd::Isa;
