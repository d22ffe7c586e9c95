//! `input`: what flows into the network.

use super::{Layer, LayerKind, Op, Takes, argument};
use crate::check::arguments::{Reader, Reported};
use crate::check::convert;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Shape;
use crate::syntax::{Value, ValueKind};
use cnn_ir::Operation;

/// A network input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The shape of one example.
    pub shape: Shape,
}

pub(super) const INPUT: LayerKind = LayerKind {
    name: "input",
    other_names: &["inputlayer", "inputshape"],
    docs: "What flows into the network: one to three sizes, height x width x channels for an image.",
    example: Some("input(28x28x1)"),
    takes: Takes::Nothing,
    view: None,
    parameters: &[argument(
        "shape",
        None,
        &["The sizes of one example, without the batch."],
    )],
    read,
};

impl Layer for Input {
    fn shape_of_itself(&self) -> Option<Shape> {
        Some(self.shape.clone())
    }

    fn operation(&self, _inputs: &[Shape], _output: &Shape) -> Option<Operation> {
        None
    }
}

/// The shape of an input whose channels seem to stand first, with its channels last: 32x32x3 for 3x32x32.
/// A signal of 1x128x9 or a strip of 3x100x12 is none.
pub(crate) fn channels_last(shape: &Shape) -> Option<Shape> {
    let [channels, height, width] = shape.image()?;
    let is_square = height == width && height >= 8;
    let is_color = channels == 3 && height.min(width) >= 16;
    let seems = matches!(channels, 1 | 3 | 4) && (is_square || is_color);
    seems.then(|| Shape(vec![height, width, channels]))
}

fn read(reader: &mut Reader<'_, '_>) -> Result<Op, Reported> {
    let shape = shape(reader, "shape")?;
    Ok(Op::Input(Input { shape }))
}

/// The shape of one example: the only argument of `input` and of `reshape`.
pub(super) fn shape(reader: &mut Reader<'_, '_>, parameter: &str) -> Result<Shape, Reported> {
    separate_sizes(reader)?;
    let value = reader.get(parameter)?.ok_or(Reported)?;
    let name = reader.name();
    match &value.kind {
        ValueKind::Integer(size) => {
            let Ok(size) = u64::try_from(*size) else {
                // Keras' word for the rest.
                let is_rest = *size == -1 && name != INPUT.name;
                let help = is_rest.then(|| "write `flatten;` for a single axis".to_owned());
                let expected = "positive";
                return Err(reader.context.out_of_range(name, expected, value, help));
            };
            Ok(Shape(vec![reader.context.size(name, size, value)?]))
        }
        ValueKind::Dims(sizes) => axes(reader, sizes, value),
        ValueKind::List(values) => {
            let sizes = convert::sizes_of(values).unwrap_or_else(|| "28x28x1".to_owned());
            let help = Some(format!("write `{name}({sizes})`"));
            Err(not_sizes(reader, value, help))
        }
        ValueKind::Float(_)
        | ValueKind::Name(_)
        | ValueKind::Call(_)
        | ValueKind::Expression(_)
        | ValueKind::Invalid => Err(not_sizes(reader, value, None)),
    }
}

fn not_sizes(reader: &mut Reader<'_, '_>, value: &Value, help: Option<String>) -> Reported {
    let name = reader.name();
    let expected = "sizes, as in `28x28x1`";
    reader.context.not_a_literal(name, expected, value, help)
}

/// Reports `input(28, 28, 1)`.
fn separate_sizes(reader: &mut Reader<'_, '_>) -> Result<(), Reported> {
    let sizes: Option<Vec<_>> = reader
        .written()
        .iter()
        .map(|argument| match (&argument.name, &argument.value.kind) {
            (None, ValueKind::Integer(size)) => u64::try_from(*size).ok(),
            _ => None,
        })
        .collect();
    let (Some(sizes), [first, .., last]) = (sizes, reader.written()) else {
        return Ok(());
    };
    let joined: Vec<_> = sizes.iter().map(u64::to_string).collect();
    let [noun, _] = nouns(reader);
    let diagnostic = Diagnostic::new(
        Code::SeparateSizes,
        first.span().to(last.span()),
        format!("the sizes of {noun} are one value, joined by `x`"),
    )
    .help(format!("write `{}({})`", reader.name(), joined.join("x")));
    Err(reader.context.report(diagnostic))
}

/// What the sizes are of.
fn nouns(reader: &Reader<'_, '_>) -> [&'static str; 2] {
    match reader.name() == INPUT.name {
        true => ["an input", "the input"],
        false => ["a shape", "the shape"],
    }
}

fn axes(reader: &mut Reader<'_, '_>, sizes: &[u64], value: &Value) -> Result<Shape, Reported> {
    let name = reader.name();
    let [noun, what] = nouns(reader);
    if sizes.len() > 3 {
        let diagnostic = Diagnostic::new(
            Code::TooManyAxes,
            value.span,
            format!("{noun} has at most 3 axes, found {}", sizes.len()),
        )
        .note("an image is height x width x channels; the batch is not part of it");
        let last: Vec<_> = sizes[sizes.len() - 3..]
            .iter()
            .map(u64::to_string)
            .collect();
        let is_input = name == INPUT.name;
        let help = is_input.then(|| format!("write `input({})`", last.join("x")));
        return Err(reader.context.report(diagnostic.maybe_help(help)));
    }
    let shape: Result<Vec<_>, _> = sizes
        .iter()
        .map(|&size| reader.context.size(name, size, value))
        .collect();
    let shape = Shape(shape?);
    convert::elements(reader.context, &shape, value.span, what)?;
    Ok(shape)
}
