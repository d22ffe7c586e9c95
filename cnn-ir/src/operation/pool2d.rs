//! Max and average pooling.

use super::image::{image, windows};
use super::stripe::{RowWindows, Rows, Stripe};
use super::{Extent, Facts, Saves, Scope, Wanted};
use crate::VectorShape;
use crate::choice::Direction;
use crate::choice::stripes::{Work, product};
use core::ops::Range;

/// The geometry of a pooling layer. Padded cells do not exist: no maximum and no mean sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Max or average.
    pub kind: PoolKind,
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Height, width and channels of the output.
    pub output: [usize; 3],
    /// Height and width of the window.
    pub size: [usize; 2],
    /// The step down and across.
    pub strides: [usize; 2],
    /// Cells above and left of the image; those below and right follow from the output's size.
    pub padding: [usize; 2],
}

/// The two kinds of pooling.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest value of the window; the first one on ties; NaN if there is one.
    Max,
    /// The mean of the window's cells inside the image.
    Average,
}

/// The Rust expression that makes it.
impl core::fmt::Debug for PoolKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Max => "PoolKind::Max",
            Self::Average => "PoolKind::Average",
        })
    }
}

impl Rows for Pool2d {
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
            flops: product(&[self.size[0], self.size[1], output]),
            values: input + output,
        }
    }

    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>> {
        let windows = RowWindows {
            height: self.input[0],
            extent: self.size[0],
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

impl Facts for Pool2d {
    fn work_of_rows(&self) -> Option<Work> {
        Some(self.work())
    }

    fn scope(&self) -> Scope {
        Scope::Inherited
    }

    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        windows(output, whole, self.size, self.strides, self.padding, [1, 1])
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        self.input = image(inputs[0]);
        // A global pool writes a flat value: one cell.
        self.output = image(output);
    }

    /// A max pool finds the argmax again by comparing its input with its output.
    fn saves(&self, wanted: Wanted) -> Saves {
        Saves {
            inputs: wanted.input.into(),
            output: wanted.input,
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
            Direction::Inference | Direction::Forward | Direction::InputGradient => Some("pool"),
            Direction::KernelGradient => None,
        }
    }
}
