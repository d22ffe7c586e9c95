//! `reshape`: the same values, in their order, with other axes.

use super::{Layer, LayerKind, Op, Takes, argument, input};
use crate::check::arguments::Reported;
use crate::check::convert::product;
use crate::check::shape::Site;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Node, Shape};
use cnn_ir::Operation;

/// Other axes. The values stay in their order, so nothing is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The shape of one example.
    pub target_shape: Shape,
}

pub(super) const RESHAPE: LayerKind = LayerKind {
    name: "reshape",
    other_names: &["view", "unflatten"],
    docs: "The same values in the same order, with other axes. Nothing is computed.",
    example: Some("reshape(4x4x8)"),
    takes: Takes::Anything,
    view: None,
    parameters: &[argument(
        "target_shape",
        None,
        &["One to three sizes, without the batch, of as many values as the input has."],
    )],
    read: |reader| {
        let target_shape = input::shape(reader, "target_shape")?;
        Ok(Op::Reshape(Reshape { target_shape }))
    },
};

impl Layer for Reshape {
    fn shape_of_itself(&self) -> Option<Shape> {
        Some(self.target_shape.clone())
    }

    fn shape(&self, input: &Shape, site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let shape = &self.target_shape;
        if product(&shape.0) == product(&input.0) {
            return Ok(shape.clone());
        }
        let message = format!(
            "`{}` makes {}, but `{}` produces {}",
            site.name(),
            counted(shape),
            site.previous(),
            counted(input),
        );
        let at = site.argument("target_shape");
        let diagnostic = Diagnostic::new(Code::ReshapeMismatch, at, message);
        let help = fitting(shape, input.len()).map(|shape| format!("write `reshape({shape})`"));
        let diagnostic = site.explain(diagnostic).maybe_help(help);
        Err(site.report(diagnostic))
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn no_effect(&self, previous: &Node) -> Option<String> {
        (previous.shape == self.target_shape).then(|| "its input has this shape".to_owned())
    }

    fn operation(&self, _inputs: &[Shape], _output: &Shape) -> Option<Operation> {
        None
    }
}

/// `4x4x8 (128 values)`.
fn counted(shape: &Shape) -> String {
    match shape.is_flat() {
        true => format!("{shape} values"),
        false => format!("{shape} ({} values)", shape.len()),
    }
}

/// The shape with one other size, the last if possible, that has so many values.
fn fitting(shape: &Shape, count: usize) -> Option<Shape> {
    (0..shape.0.len()).rev().find_map(|axis| {
        let others = shape.len() / shape.0[axis];
        let mut fitting = shape.clone();
        fitting.0[axis] = count / others;
        (fitting.len() == count).then_some(fitting)
    })
}
