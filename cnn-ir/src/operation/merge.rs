//! Values that become one: element by element, or side by side along the channels.

use super::stripe::{Rows, Stripe, with_rows};
use super::{Extent, Facts, Saves, Wanted, image};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::Direction;
use crate::choice::stripes::{Work, product};
use core::ops::Range;

/// How values become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum MergeKind {
    /// Their sum.
    Add,
    /// The first minus the second.
    Subtract,
    /// Their product.
    Multiply,
    /// Their mean.
    Average,
    /// The largest of them; the gradient goes to the first of several.
    Maximum,
    /// The smallest of them; the gradient goes to the first of several.
    Minimum,
    /// The channels of all, one after the other.
    Concat,
}

/// The Rust expression that makes it.
impl core::fmt::Debug for MergeKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Add => "MergeKind::Add",
            Self::Subtract => "MergeKind::Subtract",
            Self::Multiply => "MergeKind::Multiply",
            Self::Average => "MergeKind::Average",
            Self::Maximum => "MergeKind::Maximum",
            Self::Minimum => "MergeKind::Minimum",
            Self::Concat => "MergeKind::Concat",
        })
    }
}

/// The shapes of several inputs as they are stored: height, width and channels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    count: usize,
    shapes: [[usize; 3]; Self::MOST],
}

impl Inputs {
    /// The most values that are merged.
    pub const MOST: usize = 8;

    /// Of these shapes.
    ///
    /// # Panics
    /// If there are more than [`Inputs::MOST`].
    pub const fn new(shapes: &[[usize; 3]]) -> Self {
        let mut inputs = Self {
            count: shapes.len(),
            shapes: [[0; 3]; Self::MOST],
        };
        let mut index = 0;
        while index < shapes.len() {
            inputs.shapes[index] = shapes[index];
            index += 1;
        }
        inputs
    }

    /// How many they are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The shapes.
    pub fn shapes(&self) -> &[[usize; 3]] {
        &self.shapes[..self.count]
    }
}

/// The Rust expression that makes it.
impl core::fmt::Debug for Inputs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Inputs::new(&{:?})", self.shapes())
    }
}

/// Several values that become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// How.
    pub kind: MergeKind,
    /// The inputs as they are stored. An axis that is longer than the output's has rows or columns that nobody needs
    /// here; one that is shorter has a single row, column or channel, which is repeated.
    pub inputs: Inputs,
    /// Height, width and channels of the output: what is needed of it.
    pub output: [usize; 3],
    /// Applied to the result.
    pub activation: Activation,
}

impl Merge {
    /// Values of one output.
    pub const fn output_len(&self) -> usize {
        self.output[0] * self.output[1] * self.output[2]
    }

    /// Whether an axis of an input is repeated.
    pub const fn repeats(&self) -> bool {
        if matches!(self.kind, MergeKind::Concat) {
            return false;
        }
        let mut input = 0;
        while input < self.inputs.count {
            let mut axis = 0;
            while axis < 3 {
                if self.inputs.shapes[input][axis] < self.output[axis] {
                    return true;
                }
                axis += 1;
            }
            input += 1;
        }
        false
    }
}

/// Each row is made of the same row of every input, or of its only one.
impl Rows for Merge {
    fn rows(&self) -> usize {
        self.output[0]
    }

    fn input_row(&self, place: usize) -> usize {
        let [_, width, channels] = self.inputs.shapes()[place];
        width * channels
    }

    fn output_row(&self) -> usize {
        self.output[1] * self.output[2]
    }

    fn work(&self) -> Work {
        let values = product(&[self.inputs.count, self.output_len()]);
        Work {
            flops: values,
            values: values.saturating_add(self.output_len()),
        }
    }

    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>> {
        let mut inputs = self.inputs;
        for [height, ..] in &mut inputs.shapes[..inputs.count] {
            *height = rows.len().min(*height);
        }
        let operation = Self {
            inputs,
            output: with_rows(self.output, rows.len()),
            ..*self
        };
        let input = rows;
        Some(Stripe { operation, input })
    }
}

impl Facts for Merge {
    fn work_of_rows(&self) -> Option<Work> {
        Some(self.work())
    }

    fn is_row_by_row(&self) -> bool {
        self.inputs.shapes()[0][0] == self.output[0]
    }

    fn activation(&self) -> Activation {
        self.activation
    }

    fn activation_mut(&mut self) -> Option<&mut Activation> {
        Some(&mut self.activation)
    }

    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        core::array::from_fn(|axis| output[axis].min(whole[axis]))
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        let mut shapes = [[0; 3]; Inputs::MOST];
        for (shape, input) in shapes.iter_mut().zip(inputs) {
            *shape = image(input);
        }
        self.inputs = Inputs::new(&shapes[..inputs.len()]);
        self.output = image(output);
    }

    fn passes_gradient_on(&self, input: usize) -> bool {
        let is_kept = match self.kind {
            MergeKind::Add => true,
            MergeKind::Subtract => input == 0,
            MergeKind::Multiply
            | MergeKind::Average
            | MergeKind::Maximum
            | MergeKind::Minimum
            | MergeKind::Concat => false,
        };
        is_kept && self.inputs.shapes()[input] == self.output
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        let reads_inputs = match self.kind {
            MergeKind::Multiply | MergeKind::Maximum | MergeKind::Minimum => true,
            MergeKind::Add | MergeKind::Subtract | MergeKind::Average | MergeKind::Concat => false,
        };
        Saves {
            inputs: match wanted.any() && reads_inputs {
                true => self.inputs.count,
                false => 0,
            },
            output: derives && saved == Saved::Output,
            floats: match derives && saved == Saved::PreActivation {
                true => self.output_len(),
                false => 0,
            },
            bytes: 0,
        }
    }

    fn kernel_name(
        &self,
        direction: Direction,
        _examples: usize,
        _vectors: VectorShape,
    ) -> Option<&'static str> {
        match direction {
            Direction::Inference | Direction::Forward => Some(match self.kind {
                MergeKind::Add => "sum",
                MergeKind::Subtract => "difference",
                MergeKind::Multiply => "product",
                MergeKind::Average => "mean",
                MergeKind::Maximum => "maximum",
                MergeKind::Minimum => "minimum",
                MergeKind::Concat => "side by side",
            }),
            Direction::InputGradient => Some(match self.kind {
                MergeKind::Add | MergeKind::Subtract | MergeKind::Average => "passes on",
                MergeKind::Multiply => "product",
                MergeKind::Maximum | MergeKind::Minimum => "to the winner",
                MergeKind::Concat => "parts",
            }),
            Direction::KernelGradient => None,
        }
    }
}
