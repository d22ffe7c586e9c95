//! The operations that generated networks are made of, one file an operation.
//!
//! Every kernel works on flat slices that the caller owns. Images
//! are `[N, H, W, C]`, kernels of convolutions `[height, width, input channels, filters]`, of
//! dense layers `[inputs, units]`; `n` is the number of examples. A small `Copy` struct of plain
//! numbers describes the geometry (a constant in generated code), and its methods run the forward
//! and the backward pass:
//!
//! - `forward` overwrites its output, and applies the bias and the activation where it has them;
//! - `infer`, of layers with weights, does the same for inference, where nothing is kept for a backward
//!   pass and the weights stay as they are: it may take them packed, and round differently;
//! - `pack_forward`, `pack_inference` and `pack_backward` write the weights as a pass wants them;
//! - `backward_parameters` of a convolution *adds* to gradients, so that a batch can be worked off in
//!   pieces; that of a dense layer overwrites some rows of the gradient with the sum over a whole batch;
//! - `backward_input` and `backward` overwrite the gradient with respect to their input.
//!
//! What is computed for an example does not depend on how many examples a call has. Slices of a wrong
//! length are a bug of the caller and panic. NaN is never swallowed: relu, max pooling and the losses
//! pass it on.
//!
//! Each call is told the instruction set ([`Isa`]) that it runs with. Where there are no vectors to speak
//! of ([`Isa::PORTABLE`] with `std`), or a product is narrow or low, it is matrixmultiply's, which allocates its
//! packing buffers; the kernels themselves allocate nothing, so nothing does without `std`. All passes, the
//! losses and the metrics remain then; `Optimizer::update` and the thread pool need `std`.
//!
//! Each operation has a slow, obvious twin in the `reference` module, and a test that compares
//! the two.

pub(crate) mod bias;
pub mod conv2d;
pub mod dense;
#[cfg(feature = "std")]
pub(crate) mod magnitude;
pub mod math;
pub mod matmul;
pub(crate) mod microkernel;
pub(crate) mod packed_gemm;
pub mod pool2d;
pub(crate) mod random;
pub mod simd;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(feature = "std")]
pub(crate) mod thread_pool;
mod transpose;

pub use simd::Isa;
