//! Activations as layers: `activation(relu)`, `relu`, `leaky_relu(0.1)`.
//!
//! The names of all activations are layers too, `linear` excepted, which `activation(linear)`
//! covers. Their rows are those of [`Activation::WORDS`].

use super::{Activation, Layer, LayerKind, Op, Takes, activation_flops, argument};
use crate::check::arguments::{Reader, Reported};
use crate::graph::{Node, Shape};
use cnn_ir::Operation;
use cnn_ir::operation::{Activate, image};
use cnn_ir::vocabulary::Word;

pub(super) const ACTIVATION: LayerKind = LayerKind {
    name: "activation",
    other_names: &[],
    docs: "An activation as a layer of its own.",
    example: Some("activation(relu)"),
    takes: Takes::Anything,
    view: None,
    parameters: &[argument("activation", None, &["The activation."])],
    read: |reader| Ok(Op::Activation(reader.activation())),
};

/// A row for each name of an activation.
pub(super) fn kinds() -> impl Iterator<Item = LayerKind> {
    let words = Activation::WORDS.iter();
    words
        .filter(|word| word.name != "linear")
        .flat_map(|word| word.names().map(move |name| kind(word, name)))
}

fn kind(word: &'static Word<Activation>, name: &'static str) -> LayerKind {
    LayerKind {
        name,
        other_names: &[],
        docs: word.docs[0],
        example: None,
        takes: Takes::Anything,
        view: None,
        parameters: word.parameters,
        read,
    }
}

fn read(reader: &mut Reader<'_, '_>) -> Result<Op, Reported> {
    let word = Activation::WORDS
        .iter()
        .find(|word| word.names().any(|name| name == reader.name()))
        .ok_or(Reported)?;
    Ok(Op::Activation(reader.settings(word)))
}

impl Layer for Activation {
    fn flops(&self, _inputs: &[Shape]) -> u64 {
        activation_flops(*self)
    }

    fn activation(&self) -> Option<Activation> {
        Some(*self)
    }

    fn with_activation(&self, _name: &str, activation: &str) -> String {
        format!("write `{activation};` instead of this activation")
    }

    fn no_effect(&self, previous: &Node) -> Option<String> {
        let before = previous.output_activation();
        match (self, before) {
            (Activation::Linear, _) => Some("`linear` is the identity".to_owned()),
            (
                Activation::Relu | Activation::LeakyRelu { .. } | Activation::Elu { .. },
                Some(before),
            ) if before.properties().is_non_negative => Some(format!(
                "`{}` ends in `{}`, which is never negative",
                previous.name,
                before.name()
            )),
            _ => None,
        }
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let activate = Activate {
            activation: *self,
            input: image(&inputs.first()?.0),
            output: image(&output.0),
        };
        Some(activate.into())
    }
}
