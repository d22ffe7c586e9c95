//! Fully connected layers.

use super::stripe::{Rows, Stripe};
use super::{ChannelAxis, Facts, Pass, Reduction, Saves, Scope, Wanted};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::stripes::{Work, product};
use crate::choice::{Direction, dense as choice};
use core::ops::Range;

/// The geometry of a fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    /// Values that flow in.
    pub inputs: usize,
    /// Values that flow out.
    pub units: usize,
    /// Applied to the result.
    pub activation: Activation,
}

/// Its output is one row.
impl Rows for Dense {
    fn rows(&self) -> usize {
        1
    }

    fn input_row(&self, _place: usize) -> usize {
        self.inputs
    }

    fn output_row(&self) -> usize {
        self.units
    }

    fn work(&self) -> Work {
        let weights = self.inputs * self.units;
        Work {
            flops: product(&[2, weights]),
            values: weights,
        }
    }

    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>> {
        let (operation, input) = (*self, rows);
        Some(Stripe { operation, input })
    }
}

impl Facts for Dense {
    fn activation(&self) -> Activation {
        self.activation
    }

    fn activation_mut(&mut self) -> Option<&mut Activation> {
        Some(&mut self.activation)
    }

    /// Its kernel is large and read for few values.
    fn scope(&self) -> Scope {
        Scope::Share
    }

    fn store(&mut self, inputs: &[&[usize]], _output: &[usize]) {
        self.inputs = inputs[0].iter().product();
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        Saves {
            inputs: wanted.tensors.into(),
            output: derives && saved == Saved::Output,
            floats: if derives && saved == Saved::PreActivation {
                self.units
            } else {
                0
            },
            bytes: 0,
        }
    }

    fn reduction(&self) -> Reduction {
        Reduction::Batch
    }

    fn kernel_channels(&self) -> Option<ChannelAxis> {
        Some(ChannelAxis::last(self.units))
    }

    fn packs(&self, pass: Pass, _wanted: Wanted) -> bool {
        pass == Pass::Inference
    }

    fn kernel_name(
        &self,
        direction: Direction,
        examples: usize,
        vectors: VectorShape,
    ) -> Option<&'static str> {
        Some(match direction {
            Direction::Inference => choice::forward(self, examples, true, vectors).name(),
            Direction::Forward => choice::forward(self, examples, false, vectors).name(),
            Direction::KernelGradient => choice::kernel_gradient(self, examples, vectors).name(),
            Direction::InputGradient => choice::input_gradient(self, examples, vectors).name(),
        })
    }
}
