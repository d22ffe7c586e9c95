//! Depthwise convolutions: each channel has kernels of its own.

use super::image::{image, windows};
use super::stripe::{RowWindows, Rows, Stripe};
use super::{ChannelAxis, Extent, Facts, Saves, Scope, Wanted};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::Direction;
use crate::choice::stripes::{Work, product};
use core::ops::Range;

/// The geometry of a depthwise convolution. Padding is zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthwiseConv2d {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Height, width and channels of the output: a whole number of channels for each of the input's, side by side.
    pub output: [usize; 3],
    /// Height and width of the kernels.
    pub kernel: [usize; 2],
    /// The step down and across.
    pub strides: [usize; 2],
    /// Cells above and left of the image; those below and right follow from the output's size.
    pub padding: [usize; 2],
    /// The distance of neighbouring kernel rows and columns.
    pub dilation: [usize; 2],
    /// Applied to the result.
    pub activation: Activation,
}

impl DepthwiseConv2d {
    /// Output channels for each of the input's.
    pub const fn multiplier(&self) -> usize {
        self.output[2] / self.input[2]
    }

    /// Values of the kernel.
    pub const fn kernel_len(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.output[2]
    }
}

impl Rows for DepthwiseConv2d {
    fn rows(&self) -> usize {
        self.output[0]
    }

    fn input_row(&self, _place: usize) -> usize {
        self.input[1] * self.input[2]
    }

    fn output_row(&self) -> usize {
        self.output[1] * self.output[2]
    }

    fn work(&self) -> Work {
        let [input, output]: [usize; 2] =
            [&self.input, &self.output].map(|shape| shape.iter().product());
        Work {
            flops: product(&[2, self.kernel[0], self.kernel[1], output]),
            values: input + output,
        }
    }

    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>> {
        let windows = RowWindows {
            height: self.input[0],
            extent: (self.kernel[0] - 1) * self.dilation[0] + 1,
            stride: self.strides[0],
            padding: self.padding[0],
        };
        let (input, padding) = windows.seen(&rows)?;
        let operation = Self {
            input: [input.len(), self.input[1], self.input[2]],
            output: [rows.len(), self.output[1], self.output[2]],
            padding: [padding, self.padding[1]],
            ..*self
        };
        Some(Stripe { operation, input })
    }
}

impl Facts for DepthwiseConv2d {
    fn work_of_rows(&self) -> Option<Work> {
        Some(self.work())
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
        windows(
            output,
            whole,
            self.kernel,
            self.strides,
            self.padding,
            self.dilation,
        )
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        (self.input, self.output) = (image(inputs[0]), image(output));
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        Saves {
            inputs: wanted.tensors.into(),
            output: derives && saved == Saved::Output,
            floats: match derives && saved == Saved::PreActivation {
                true => self.output.iter().product(),
                false => 0,
            },
            bytes: 0,
        }
    }

    fn kernel_channels(&self) -> Option<ChannelAxis> {
        Some(ChannelAxis::last(self.output[2]))
    }

    fn kernel_name(
        &self,
        direction: Direction,
        _examples: usize,
        _vectors: VectorShape,
    ) -> Option<&'static str> {
        match direction {
            Direction::Inference
            | Direction::Forward
            | Direction::KernelGradient
            | Direction::InputGradient => Some("depthwise"),
        }
    }
}
