//! An activation that no other operation could take along.

use super::stripe::{Rows, Stripe, with_rows};
use super::{Extent, Facts, Saves, Wanted, image};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::Direction;
use crate::choice::stripes::{Work, product};
use core::ops::Range;

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

/// Each row is made of the same row of the input.
impl Rows for Activate {
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
        let output = self.output.iter().product();
        Work {
            flops: output,
            values: product(&[2, output]),
        }
    }

    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>> {
        let operation = Self {
            input: with_rows(self.input, rows.len()),
            output: with_rows(self.output, rows.len()),
            ..*self
        };
        let input = rows;
        Some(Stripe { operation, input })
    }
}

impl Facts for Activate {
    fn work_of_rows(&self) -> Option<Work> {
        Some(self.work())
    }

    fn is_row_by_row(&self) -> bool {
        self.input[0] == self.output[0]
    }

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
            inputs: (derives && saved == Saved::PreActivation).into(),
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
