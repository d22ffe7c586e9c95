//! One input of a network of several: their values lie one behind the other in an example.

use super::image::image;
use super::{Extent, Facts};
use crate::VectorShape;
use crate::choice::Direction;

/// Some neighbouring values of a longer row, as an image or a flat value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The values of the whole row.
    pub row: usize,
    /// The place of the first value.
    pub offset: usize,
    /// Height, width and channels of the part.
    pub input: [usize; 3],
    /// Height, width and channels of the output: what is needed of it.
    pub output: [usize; 3],
}

impl Facts for Part {
    fn computes(&self, output: Extent, _whole: Extent) -> Extent {
        output
    }

    fn store(&mut self, _inputs: &[&[usize]], output: &[usize]) {
        self.output = image(output);
    }

    fn kernel_name(
        &self,
        direction: Direction,
        _examples: usize,
        _vectors: VectorShape,
    ) -> Option<&'static str> {
        match direction {
            Direction::Inference | Direction::Forward => Some("copy"),
            Direction::InputGradient | Direction::KernelGradient => None,
        }
    }
}
