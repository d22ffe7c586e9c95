//! Transposed convolutions: the input gradient of a convolution as a layer.

use super::image::image;
use super::{ChannelAxis, Conv2d, ConvAlgorithm, Extent, Facts, Pass, Saves, Scope, Wanted};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::Direction;
use crate::choice::conv2d::{self as choice, Weights};

/// The geometry of a transposed convolution. It is that of a convolution from its output to its input, and each of
/// its passes is one of that convolution's:
///
/// ```text
/// this operation     the convolution
/// forward            input gradient
/// kernel gradient    kernel gradient, of this operation's output gradient as its input
/// input gradient     forward
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2dTranspose {
    /// The convolution, from what this operation writes to what it reads. It has no activation and no pool. Its kernel,
    /// `[height, width, input channels, filters]`, is the tensor of this operation as it is: `[height, width, filters,
    /// input channels]`.
    pub conv: Conv2d,
    /// Applied to the result.
    pub activation: Activation,
}

impl Facts for Conv2dTranspose {
    fn convolution(&self) -> Option<&Conv2d> {
        Some(&self.conv)
    }

    fn convolution_mut(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.conv)
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

    /// A cell of the input adds to the rows from `cell * stride - padding` on.
    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        core::array::from_fn(|axis| {
            let last = output[axis] - 1 + self.conv.padding[axis];
            (last / self.conv.strides[axis] + 1).min(whole[axis])
        })
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        (self.conv.input, self.conv.output) = (image(output), image(inputs[0]));
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        Saves {
            inputs: wanted.tensors.into(),
            output: derives && saved == Saved::Output,
            floats: match derives && saved == Saved::PreActivation {
                true => self.conv.input_len(),
                false => 0,
            },
            bytes: 0,
        }
    }

    fn kernel_channels(&self) -> Option<ChannelAxis> {
        Some(ChannelAxis {
            channels: self.conv.input[2],
            stride: self.conv.output[2],
        })
    }

    fn packs(&self, pass: Pass, wanted: Wanted) -> bool {
        match pass {
            Pass::Inference | Pass::Forward => true,
            Pass::Backward => wanted.input && self.conv.algorithm != ConvAlgorithm::Direct,
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
                choice::input_gradient(&self.conv, vectors).name()
            }
            Direction::KernelGradient => choice::kernel_gradient(&self.conv, vectors).name(),
            Direction::InputGradient => {
                choice::forward(&self.conv, Weights::Packed, vectors).name()
            }
        })
    }
}
