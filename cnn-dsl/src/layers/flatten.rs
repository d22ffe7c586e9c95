//! `flatten`: all axes into one.

use super::{Layer, LayerKind, Op, Takes};
use crate::check::arguments::Reported;
use crate::check::shape::Site;
use crate::graph::{Node, Shape};
use cnn_ir::Operation;

/// All axes into one. The values stay in their order, so nothing is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten;

pub(super) const FLATTEN: LayerKind = LayerKind {
    name: "flatten",
    other_names: &[],
    docs: "All axes into one, as a dense layer needs it.",
    example: None,
    takes: Takes::Anything,
    view: None,
    parameters: &[],
    read: |_| Ok(Op::Flatten(Flatten)),
};

impl Layer for Flatten {
    fn shape(&self, input: &Shape, _site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        Ok(Shape(vec![input.len()]))
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn no_effect(&self, previous: &Node) -> Option<String> {
        let is_flat = previous.shape.is_flat();
        is_flat.then(|| "its input is flat".to_owned())
    }

    fn operation(&self, _inputs: &[Shape], _output: &Shape) -> Option<Operation> {
        None
    }
}
