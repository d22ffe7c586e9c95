//! An image with zeros around it, or without what lies at its edges: padding and cropping.

use super::{Extent, Facts, Scope, image};
use crate::VectorShape;
use crate::choice::Direction;

/// Padding and cropping, side by side: row `r` of the output is row `r - before[0]` of the input, or zeros where the
/// input has no such row; so with columns.
///
/// The gradient is the same with input and output exchanged: that of a padding is a cropping, and the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pad2d {
    /// Height, width and channels of the input as it is stored.
    pub input: [usize; 3],
    /// Height, width and channels of the output: what is needed of it.
    pub output: [usize; 3],
    /// Rows of zeros above the image and columns left of it; those that are cropped count as negative. What becomes
    /// of the other two sides follows from the output's size.
    pub before: [isize; 2],
}

impl Facts for Pad2d {
    fn scope(&self) -> Scope {
        Scope::Images
    }

    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        core::array::from_fn(|axis| {
            let end = output[axis].saturating_add_signed(-self.before[axis]);
            // An output of zeros alone reads nothing, but a value has at least one cell.
            end.clamp(1, whole[axis])
        })
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        (self.input, self.output) = (image(inputs[0]), image(output));
    }

    fn passes_on_in_inference(&self) -> bool {
        self.input == self.output && self.before == [0, 0]
    }

    fn kernel_name(
        &self,
        direction: Direction,
        _examples: usize,
        _vectors: VectorShape,
    ) -> Option<&'static str> {
        match direction {
            Direction::Inference if self.passes_on_in_inference() => Some("passes on"),
            Direction::Inference | Direction::Forward | Direction::InputGradient => Some("rows"),
            Direction::KernelGradient => None,
        }
    }
}
