//! The slow, obvious twin of every kernel.
//!
//! Each function follows the definition of its operation, index by index, for any [`Real`] type:
//! in `f32` and `f64` it is what the kernels are compared with, in `f64` what finite differences
//! are taken of. Geometry and layout are those of [`kernels`](crate::kernels); results are new
//! vectors. Backward passes start from the input of an operation, not from its output, so that
//! they share no shortcut with the kernels.

pub mod conv2d;
pub mod dense;
#[cfg(feature = "inspect")]
pub mod network;
pub mod operation;
pub mod pool2d;
mod real;

pub use crate::kernels::batch_normalization::reference as batch_normalization;
pub use crate::kernels::depthwise_conv2d::reference as depthwise_conv2d;
pub use crate::kernels::grouped_conv2d::reference as grouped_conv2d;
pub use crate::kernels::pad2d::reference as pad2d;
pub use crate::kernels::upsampling2d::reference as upsampling2d;
pub use crate::loss::reference as loss;
pub use crate::metric::reference as metric;
pub use crate::ops::activation::reference as activation;
pub use crate::ops::conv2d_transpose::reference as conv2d_transpose;
pub use crate::ops::dropout::reference as dropout;
pub use crate::ops::merge::reference as merge;
pub use crate::optimizer::reference as optimizer;
pub use real::Real;

#[cfg(test)]
mod tests;

/// The place of row `y`, column `x`, channel `c` of image `i` in a batch of `[height, width,
/// channels]`.
pub(crate) fn pixel(shape: [usize; 3], i: usize, y: usize, x: usize, c: usize) -> usize {
    let [height, width, channels] = shape;
    ((i * height + y) * width + x) * channels + c
}

/// Where `step * stride + offset` lies on an axis of `size` that starts after `padding`; `None`
/// in the padding.
pub(crate) fn inside(
    step: usize,
    stride: usize,
    offset: usize,
    padding: usize,
    size: usize,
) -> Option<usize> {
    (step * stride + offset)
        .checked_sub(padding)
        .filter(|place| *place < size)
}
