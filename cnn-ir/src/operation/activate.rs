//! An activation that no other operation could take along.

use super::{Extent, Facts, Saves, Wanted, image};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::Direction;

/// An activation over a value of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activate {
    /// The activation; `Linear` copies.
    pub activation: Activation,
    /// Height, width and channels of the input as it is stored: at least as many rows and columns as
    /// the output has.
    pub input: [usize; 3],
    /// Height, width and channels of the output: what is needed of it.
    pub output: [usize; 3],
}

impl Facts for Activate {
    fn reads(&self, output: Extent, _whole: Extent) -> Extent {
        output
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        (self.input, self.output) = (image(inputs[0]), image(output));
    }

    fn passes_gradient_on(&self, _input: usize) -> bool {
        self.input == self.output
    }

    fn changes_gradient(&self) -> bool {
        self.activation != Activation::Linear
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        Saves {
            input: derives && saved == Saved::PreActivation,
            output: derives && saved == Saved::Output,
            ..Saves::default()
        }
    }

    fn kernel_name(
        &self,
        direction: Direction,
        _examples: usize,
        _vectors: VectorShape,
    ) -> Option<&'static str> {
        match direction {
            Direction::Inference | Direction::Forward => Some("activation"),
            Direction::InputGradient => Some("passes on"),
            Direction::KernelGradient => None,
        }
    }
}
