//! Dropout (Srivastava et al. 2014), inverted: what remains is scaled up while training, so that
//! inference does nothing.

use super::{Extent, Facts, Saves, Wanted, image};
use crate::VectorShape;
use crate::choice::Direction;

/// Zeroes values at random while training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The share of values that become zero, in `0.0..1.0`.
    pub rate: f32,
    /// Keeps the random streams of a network's dropout layers apart.
    pub stream: u64,
    /// Height, width and channels of the input as it is stored: at least as many rows and columns as
    /// the output has.
    pub input: [usize; 3],
    /// Height, width and channels of the output: what is needed of it.
    pub output: [usize; 3],
}

impl Dropout {
    /// Values of one output.
    pub const fn output_len(&self) -> usize {
        self.output[0] * self.output[1] * self.output[2]
    }
}

impl Facts for Dropout {
    fn reads(&self, output: Extent, _whole: Extent) -> Extent {
        output
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        (self.input, self.output) = (image(inputs[0]), image(output));
    }

    fn passes_on_in_inference(&self) -> bool {
        self.input == self.output
    }

    fn passes_gradient_on(&self, _input: usize) -> bool {
        self.input == self.output
    }

    fn changes_gradient(&self) -> bool {
        true
    }

    fn saves(&self, _wanted: Wanted) -> Saves {
        Saves {
            floats: self.output_len(),
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
            Direction::Inference if self.passes_on_in_inference() => Some("passes on"),
            Direction::Inference => Some("copy"),
            Direction::Forward => Some("dropout"),
            Direction::InputGradient => Some("mask"),
            Direction::KernelGradient => None,
        }
    }
}
