//! The shape of every layer.
//!
//! Walks the resolved layers from the inputs on and turns each into a node with its shape. First the shapes that a
//! layer reads are checked against its row, then its own rule computes the shape of the result. The shape of a layer
//! with an error is unknown, and layers that read it report nothing, up to one whose shape does not depend on its
//! input, as that of `dense(10)`.

use crate::check::arguments::{Context, Reported};
use crate::check::convert::{self, LIMIT, product};
use crate::check::resolve::Layer;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Node, Shape};
use crate::layers::{self, Op, Takes};
use crate::syntax::Span;

/// What is known of the layers.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// The nodes of the graph up to the first that is not known.
    pub(crate) nodes: Vec<Node>,
    /// Whether these are all the nodes.
    pub(crate) complete: bool,
    /// The shape of each layer, as far as it is known.
    pub(crate) shapes: Vec<Option<Shape>>,
}

/// The layers by which a value comes about, from the input on or from the first that is known: of several inputs,
/// the first.
#[derive(Debug, Default)]
struct Chain(Vec<(String, Shape)>);

impl Chain {
    /// That of the value at `place`.
    fn of(place: Option<usize>, layers: &[Option<Layer>], shapes: &[Option<Shape>]) -> Self {
        let mut links = Vec::new();
        let mut next = place;
        while let Some(place) = next
            && let (Some(layer), Some(shape)) = (&layers[place], &shapes[place])
        {
            links.push((layer.name.clone(), shape.clone()));
            next = layer.reads.iter().flatten().next().copied();
        }
        links.reverse();
        Self(links)
    }

    fn last(&self) -> Option<(&str, &Shape)> {
        self.0.last().map(|(name, shape)| (name.as_str(), shape))
    }

    /// `input 28x28x1 → conv2d_1 26x26x32 → …`; long chains lose their middle.
    fn note(&self) -> Option<String> {
        if self.0.len() < 2 {
            return None;
        }
        let link = |(name, shape): &(String, Shape)| format!("{name} {shape}");
        let (head, tail) = match self.0.len() {
            0..=6 => (&self.0[..], &self.0[..0]),
            count => (&self.0[..2], &self.0[count - 3..]),
        };
        let mut shown: Vec<_> = head.iter().map(link).collect();
        if !tail.is_empty() {
            shown.push("…".to_owned());
            shown.extend(tail.iter().map(link));
        }
        Some(shown.join(" → "))
    }

    fn explain(&self, diagnostic: Diagnostic) -> Diagnostic {
        match self.note() {
            Some(note) => diagnostic.note(note),
            None => diagnostic,
        }
    }
}

/// Where a layer stands, for the messages of its shape rule.
pub(crate) struct Site<'c, 's> {
    context: &'c mut Context<'s>,
    layer: &'c Layer,
    /// All of them.
    layers: &'c [Option<Layer>],
    chain: &'c Chain,
}

impl Site<'_, '_> {
    /// The layer's label or Keras name.
    pub(crate) fn name(&self) -> &str {
        &self.layer.name
    }

    /// The layer that it reads.
    pub(crate) fn previous(&self) -> &str {
        self.chain.last().map_or("the input", |(name, _)| name)
    }

    /// The name of an input, and where the layer names it.
    pub(crate) fn operand(&self, index: usize) -> (String, Span) {
        let read = self.layer.reads.iter().flatten().nth(index);
        let read = read.and_then(|&place| self.layers[place].as_ref());
        let name = read.map_or_else(|| "the input".to_owned(), |layer| layer.name.clone());
        let at = self.layer.operands.get(index);
        (name, at.copied().unwrap_or(self.layer.keyword.span))
    }

    /// The argument `, from = label` for the line that an input comes from; nothing where that is the line above.
    pub(crate) fn from(&self, index: usize) -> String {
        match self.layer.operands.get(index) {
            Some(&at) if at != self.layer.keyword.span => {
                format!(", from = {}", at.text(self.context.source))
            }
            Some(_) | None => String::new(),
        }
    }

    /// Where an argument stands, or the keyword where it was not written.
    pub(crate) fn argument(&self, name: &str) -> Span {
        let mut arguments = self.layer.arguments.iter();
        let found = arguments.find(|(other, _)| *other == name);
        found.map_or(self.layer.keyword.span, |(_, span)| *span)
    }

    /// The diagnostic with the shapes from the input on.
    pub(crate) fn explain(&self, diagnostic: Diagnostic) -> Diagnostic {
        self.chain.explain(diagnostic)
    }

    /// What to write where the network's input seems to have its channels first.
    pub(crate) fn channels_last(&self) -> Option<String> {
        let (name, input) = self.chain.0.first()?;
        let image = layers::channels_last(input).filter(|_| name == "input")?;
        Some(format!("write `input({image})`: channels come last"))
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        self.context.report(diagnostic)
    }
}

impl Context<'_> {
    /// Finds the shape of every layer.
    pub(crate) fn shapes(&mut self, layers: &[Option<Layer>]) -> Shapes {
        let mut nodes: Vec<Node> = Vec::new();
        let mut shapes: Vec<Option<Shape>> = Vec::new();
        self.trace.shapes = true;
        for layer in layers {
            self.stand_at(layer.as_ref());
            let (op, shape) = match layer {
                Some(layer) => self.shape(layer, layers, &shapes),
                None => (None, None),
            };
            // Without a gap so far, places of lines are those of nodes.
            if let (Some(layer), Some(op), Some(shape)) = (layer, op, &shape)
                && nodes.len() == shapes.len()
                && let Ok(inputs) = &layer.reads
            {
                nodes.push(Node {
                    name: layer.name.clone(),
                    label: layer.label,
                    keyword: layer.keyword.clone(),
                    docs: layer.docs.clone(),
                    inputs: inputs.clone(),
                    input_shapes: inputs
                        .iter()
                        .map(|&place| nodes[place].shape.clone())
                        .collect(),
                    op,
                    shape: shape.clone(),
                });
            }
            shapes.push(shape);
        }
        self.stand_at(None);
        let complete = nodes.len() == layers.len() && self.parameters_of_all(&nodes).is_ok();
        Shapes {
            nodes,
            complete,
            shapes,
        }
    }

    /// Says of which layer the next messages are.
    pub(crate) fn stand_at(&mut self, layer: Option<&Layer>) {
        self.trace.at = layer.and_then(|layer| layer.frame);
        self.trace.parameters = layer.map_or_else(Vec::new, |layer| layer.parameters.clone());
    }

    /// What a layer computes and how large its output is, each if known.
    fn shape(
        &mut self,
        layer: &Layer,
        layers: &[Option<Layer>],
        shapes: &[Option<Shape>],
    ) -> (Option<Op>, Option<Shape>) {
        let Some(kind) = layer.kind else {
            return (None, None);
        };
        let reads = layer.reads.as_deref().unwrap_or_default();
        let inputs: Option<Vec<Shape>> = reads.iter().map(|&place| shapes[place].clone()).collect();
        let inputs = inputs.filter(|_| layer.reads.is_ok()).unwrap_or_default();
        let chain = &Chain::of(reads.first().copied(), layers, shapes);
        let fits = match (kind.takes, inputs.first()) {
            (Takes::Nothing, _) => Ok(()),
            (_, None) => Err(Reported),
            (Takes::Anything | Takes::Several, _) => Ok(()),
            (Takes::Flat, Some(shape)) if shape.is_flat() => Ok(()),
            (Takes::Image, Some(shape)) if shape.image().is_some() => Ok(()),
            (Takes::Flat, Some(shape)) => Err(self.not_flat(layer, chain, shape)),
            (Takes::Image, Some(shape)) => Err(self.not_an_image(layer, chain, shape)),
        };
        let Some(op) = &layer.op else {
            return (None, None);
        };
        let of_itself = op.layer().shape_of_itself();
        let shape = match fits {
            Err(Reported) => return (None, of_itself),
            Ok(()) if kind.takes == Takes::Nothing => of_itself.ok_or(Reported),
            Ok(()) => {
                let mut site = Site {
                    context: self,
                    layer,
                    layers,
                    chain,
                };
                op.layer().join(&inputs, &mut site)
            }
        };
        let Ok(shape) = shape else {
            return (None, None);
        };
        if self.sizes(layer, op, &inputs, &shape).is_err() {
            return (None, None);
        }
        let op = (!layer.incomplete).then(|| op.clone());
        (op, Some(shape))
    }

    /// Checks that a layer's output and its tensors are not too large.
    fn sizes(
        &mut self,
        layer: &Layer,
        op: &Op,
        inputs: &[Shape],
        shape: &Shape,
    ) -> Result<(), Reported> {
        let place = layer.keyword.span;
        let what = format!("the output of `{}`", layer.name);
        convert::elements(self, shape, place, &what)?;
        let tensors = op.layer().tensors(inputs);
        let count = tensors
            .iter()
            .map(|tensor| product(&tensor.shape))
            .fold(0, u128::saturating_add);
        if count <= u128::from(LIMIT) {
            return Ok(());
        }
        let message = format!(
            "`{}` has {count} parameters; the limit is {LIMIT}",
            layer.name
        );
        Err(self.report(Diagnostic::new(Code::TooManyParameters, place, message)))
    }

    fn not_flat(&mut self, layer: &Layer, chain: &Chain, shape: &Shape) -> Reported {
        let previous = chain.last().map_or("the input", |(name, _)| name);
        let message = format!(
            "`{}` needs a flat input, but `{previous}` produces {shape}",
            layer.name
        );
        let diagnostic = Diagnostic::new(Code::NotFlat, layer.keyword.span, message);
        let help = format!(
            "insert `flatten;` before this line ({shape} → {})",
            shape.len()
        );
        self.report(chain.explain(diagnostic).help(help))
    }

    fn not_an_image(&mut self, layer: &Layer, chain: &Chain, shape: &Shape) -> Reported {
        let previous = chain.last().map_or("the input", |(name, _)| name);
        let message = format!(
            "`{}` needs an image of height x width x channels, but `{previous}` produces {shape}",
            layer.name
        );
        let only_input = chain.0.len() == 1;
        let help = if shape.0.len() == 2 {
            Some(format!("write `input({shape}x1)` for a grayscale image"))
        } else if only_input && shape.len().isqrt().pow(2) == shape.len() {
            let side = shape.len().isqrt();
            Some(format!(
                "write `input({side}x{side}x1)` if the input is a grayscale image"
            ))
        } else if previous.starts_with("flatten") {
            Some(format!("move `{}` in front of `{previous}`", layer.name))
        } else if only_input {
            None
        } else {
            let len = shape.len();
            let fits = |side: &usize| len.is_multiple_of(side * side);
            let side = (1..=len.isqrt()).rev().find(fits).unwrap_or(1);
            let channels = len / (side * side);
            Some(format!(
                "insert a `reshape` before this line, as in `reshape({side}x{side}x{channels});`"
            ))
        };
        let diagnostic = Diagnostic::new(Code::NotAnImage, layer.keyword.span, message);
        self.report(chain.explain(diagnostic).maybe_help(help))
    }

    /// Checks that all layers together do not have too many parameters.
    fn parameters_of_all(&mut self, nodes: &[Node]) -> Result<(), Reported> {
        let mut count = 0;
        for node in nodes {
            count += node.parameter_count() as u64;
            if count > LIMIT {
                let message = format!(
                    "up to `{}` the network has {count} parameters; the limit is {LIMIT}",
                    node.name
                );
                return Err(self.report(Diagnostic::new(
                    Code::TooManyParameters,
                    node.keyword.span,
                    message,
                )));
            }
        }
        Ok(())
    }
}
