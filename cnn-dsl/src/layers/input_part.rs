//! One input of several: a part of the values that flow in. Nobody writes it; see `ports`.

use super::Layer;
use crate::graph::Shape;
use cnn_ir::Operation;
use cnn_ir::operation::{self, image};

/// Some neighbouring values of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputPart {
    /// The place of the first.
    pub offset: usize,
}

impl Layer for InputPart {
    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let output = image(&output.0);
        let part = operation::Part {
            row: inputs.first()?.len(),
            offset: self.offset,
            input: output,
            output,
        };
        Some(part.into())
    }
}
