//! Convolutions in groups: each group of filters sees a group of channels alone.

use super::image::image;
use super::stripe::{Rows, Stripe};
use super::{ChannelAxis, Conv2d, Extent, Facts, Pass, Saves, Scope, Wanted};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::Direction;
use crate::choice::stripes::{Work, product};
use core::ops::Range;

/// The geometry of a convolution in groups: that of one group, as a convolution of its channels by its filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupedConv2d {
    /// How many groups there are.
    pub groups: usize,
    /// The convolution of a group, without activation and pool.
    pub conv: Conv2d,
    /// Applied to the result of all groups.
    pub activation: Activation,
}

impl GroupedConv2d {
    /// Channels of the input.
    pub const fn channels(&self) -> usize {
        self.groups * self.conv.input[2]
    }

    /// Values of the kernel.
    pub const fn kernel_len(&self) -> usize {
        self.groups * self.conv.patch() * self.conv.output[2]
    }

    /// Channels of the output.
    pub const fn filters(&self) -> usize {
        self.groups * self.conv.output[2]
    }
}

impl Rows for GroupedConv2d {
    fn rows(&self) -> usize {
        self.conv.rows()
    }

    fn input_row(&self, place: usize) -> usize {
        self.groups * self.conv.input_row(place)
    }

    fn output_row(&self) -> usize {
        self.groups * self.conv.output_row()
    }

    fn work(&self) -> Work {
        let Work { flops, values } = self.conv.work();
        Work {
            flops: product(&[self.groups, flops]),
            values: product(&[self.groups, values]),
        }
    }

    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>> {
        let Stripe { operation, input } = self.conv.stripe(rows)?;
        let operation = Self {
            conv: operation,
            ..*self
        };
        Some(Stripe { operation, input })
    }
}

impl Facts for GroupedConv2d {
    fn work_of_rows(&self) -> Option<Work> {
        Some(self.work())
    }

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

    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        self.conv.reads(output, whole)
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        let of_group = |shape: &[usize]| {
            let [height, width, channels] = image(shape);
            [height, width, channels / self.groups]
        };
        let (input, output) = (of_group(inputs[0]), of_group(output));
        (self.conv.input, self.conv.output) = (input, output);
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        Saves {
            inputs: wanted.tensors.into(),
            output: derives && saved == Saved::Output,
            floats: match derives && saved == Saved::PreActivation {
                true => self.groups * self.conv.output_len(),
                false => 0,
            },
            bytes: 0,
        }
    }

    fn kernel_channels(&self) -> Option<ChannelAxis> {
        Some(ChannelAxis::last(self.filters()))
    }

    /// Kernels of groups lie side by side in the tensor, so every pass wants them one after the other.
    fn packs(&self, pass: Pass, wanted: Wanted) -> bool {
        match pass {
            Pass::Inference | Pass::Forward => true,
            Pass::Backward => wanted.input,
        }
    }

    fn kernel_name(
        &self,
        direction: Direction,
        examples: usize,
        vectors: VectorShape,
    ) -> Option<&'static str> {
        self.conv.kernel_name(direction, examples, vectors)
    }
}
