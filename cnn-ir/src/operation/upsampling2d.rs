//! Images that become larger by a whole factor.

use super::{Extent, Facts, Scope, image};
use crate::VectorShape;
use crate::choice::Direction;

/// An image whose rows and columns become `size` times as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpSampling2d {
    /// Where the values between those of the input come from.
    pub interpolation: Interpolation,
    /// Height, width and channels of the input as it is stored.
    pub input: [usize; 3],
    /// Height, width and channels of the output: what is needed of it.
    pub output: [usize; 3],
    /// The factors down and across.
    pub size: [usize; 2],
}

/// Where the values between those of an image come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Each cell is repeated.
    Nearest,
    /// Means of the four nearest cells, weighted by distance. The center of output row `r` lies at row
    /// `(r + 0.5) / size - 0.5` of the input (half-pixel centers, as TensorFlow 2 and PyTorch with
    /// `align_corners=False`). Beyond the centers at the edge there are the values at the edge.
    Bilinear,
}

/// The Rust expression that makes it.
impl core::fmt::Debug for Interpolation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Nearest => "Interpolation::Nearest",
            Self::Bilinear => "Interpolation::Bilinear",
        })
    }
}

impl UpSampling2d {
    /// Where the cells of an axis of the output lie in the input, from the first on. There is no end.
    pub fn places(&self, axis: usize) -> Places {
        // Bilinear positions are counted in halves of a cell of the output.
        let size = self.size[axis] as isize;
        match self.interpolation {
            Interpolation::Nearest => Places {
                cell: 0,
                at: 0,
                step: 1,
                whole: size,
                part: 0.0,
            },
            Interpolation::Bilinear => Places {
                cell: 0,
                at: 1 - size,
                step: 2,
                whole: 2 * size,
                part: 0.5 / size as f32,
            },
        }
    }
}

/// A position along an axis of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// The cell at or before it.
    pub cell: usize,
    /// How far it is on the way to the next cell, in `0.0..1.0`.
    pub part: f32,
}

/// See [`UpSampling2d::places`].
#[derive(Clone, Copy, Debug)]
pub struct Places {
    cell: usize,
    /// The position behind the cell; before the first center it is negative.
    at: isize,
    /// From a cell of the output to the next.
    step: isize,
    /// From a cell of the input to the next.
    whole: isize,
    /// What `at` counts in, in cells of the input.
    part: f32,
}

impl Iterator for Places {
    type Item = Position;

    #[inline(always)]
    fn next(&mut self) -> Option<Position> {
        let position = Position {
            cell: self.cell,
            part: self.at.max(0) as f32 * self.part,
        };
        self.at += self.step;
        if self.at >= self.whole {
            self.at -= self.whole;
            self.cell += 1;
        }
        Some(position)
    }
}

impl Facts for UpSampling2d {
    fn scope(&self) -> Scope {
        Scope::Images
    }

    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        core::array::from_fn(|axis| {
            let (last, size) = (output[axis] - 1, self.size[axis]);
            let rows = match self.interpolation {
                Interpolation::Nearest => last / size + 1,
                // The position of the last one in halves of a cell of the output, rounded up.
                Interpolation::Bilinear => {
                    (2 * last + 1).saturating_sub(size).div_ceil(2 * size) + 1
                }
            };
            rows.min(whole[axis])
        })
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        (self.input, self.output) = (image(inputs[0]), image(output));
    }

    fn kernel_name(
        &self,
        direction: Direction,
        _examples: usize,
        _vectors: VectorShape,
    ) -> Option<&'static str> {
        match direction {
            Direction::Inference | Direction::Forward => Some(match self.interpolation {
                Interpolation::Nearest => "repeated rows",
                Interpolation::Bilinear => "weighted rows",
            }),
            Direction::InputGradient => Some("sums of rows"),
            Direction::KernelGradient => None,
        }
    }
}
