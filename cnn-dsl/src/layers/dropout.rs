//! `dropout`: zeroes values at random while training.

use super::{Layer, LayerKind, Op, Takes, argument};
use crate::check::convert::as_f32;
use crate::graph::{Node, Shape};
use cnn_ir::Operation;
use cnn_ir::operation::{self, image};
use cnn_ir::vocabulary::Range;

/// Zeroes values at random while training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The share of values that become zero, in `0.0..1.0`.
    pub rate: f64,
}

pub(super) const DROPOUT: LayerKind = LayerKind {
    name: "dropout",
    other_names: &["dropout2d"],
    docs: "Zeroes a share of the values at random while training and scales up the rest.",
    example: None,
    takes: Takes::Anything,
    view: None,
    parameters: &[argument(
        "rate",
        None,
        &["The share of values that become zero, at least 0 and less than 1."],
    )],
    read: |reader| {
        Ok(Op::Dropout(Dropout {
            rate: reader.number("rate", Range::Fraction, 0.0),
        }))
    },
};

impl Layer for Dropout {
    fn keeps_values(&self) -> bool {
        true
    }

    fn no_effect(&self, _previous: &Node) -> Option<String> {
        (as_f32(self.rate) == 0.0).then(|| "its rate is 0".to_owned())
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let dropout = operation::Dropout {
            rate: self.rate as f32,
            stream: 0,
            input: image(&inputs.first()?.0),
            output: image(&output.0),
        };
        Some(dropout.into())
    }
}
