//! From the syntax tree to the flat list of layers: blocks opened, names bound, arguments read.
//!
//! Every line becomes a [`Layer`] whose arguments are read and whose name is known; `lines` reads them, `bodies` opens
//! the calls of blocks and the rounds of repeats. `shape` then walks the list. A line that could not be read is `None`:
//! what follows it reads something unknown.

use crate::check::arguments::{Context, Reported};
use crate::check::definitions::Definitions;
use crate::check::lines::Lines;
use crate::check::trace::FrameId;
use crate::diagnostic::suggest::{Hint, Vocabulary, closest_of, hint, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Group;
use crate::layers::{self, LayerKind, Op, Takes};
use crate::syntax::{LayerSyntax, Name, NetworkSyntax, Span, TrainSyntax};

/// A layer whose arguments are read.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// The label or the Keras name, behind those of the calls around: `stage2.conv2d_1`.
    pub(crate) name: String,
    pub(crate) label: Option<Span>,
    pub(crate) keyword: Name,
    pub(crate) docs: Vec<String>,
    /// The row of the keyword; none where there is no such layer.
    pub(crate) kind: Option<LayerKind>,
    /// What it computes, as far as its line says; none where that was reported.
    pub(crate) op: Option<Op>,
    /// The places of the lines that it reads; `Err` where a reference was wrong.
    pub(crate) reads: Result<Vec<usize>, Reported>,
    /// Where each of them was named: its label, or the keyword for the line above.
    pub(crate) operands: Vec<Span>,
    /// Whether an argument was wrong that leaves the shape as it is.
    pub(crate) incomplete: bool,
    /// Where each argument stands that was written.
    pub(crate) arguments: Vec<(&'static str, Span)>,
    /// The body that it stands in; none at the top.
    pub(crate) frame: Option<FrameId>,
    /// The parameters of the block around that its line reads.
    pub(crate) parameters: Vec<String>,
}

impl Layer {
    pub(crate) fn is_input(&self) -> bool {
        self.kind.is_some_and(|kind| kind.takes == Takes::Nothing)
    }
}

/// The labels of `output(digit, parity);` or `expose(code);`.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) keyword: Span,
    /// The place of each value, and where it is listed; those that could not be read are left out.
    pub(crate) values: Vec<(usize, Span)>,
    /// Whether something of it was reported.
    pub(crate) damaged: bool,
}

/// A network whose names are resolved.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// The layers in source order, the input first; `None` for what could not be read.
    pub(crate) layers: Vec<Option<Layer>>,
    /// The calls and rounds, by the places of their layers.
    pub(crate) groups: Vec<Group>,
    /// What `output` lists, if it was written.
    pub(crate) outputs: Option<Listed>,
    /// What `expose` lists, if it was written.
    pub(crate) exposed: Option<Listed>,
    pub(crate) train: Option<TrainSyntax>,
}

impl Context<'_> {
    /// Reads every line of a network.
    pub(crate) fn resolve(&mut self, network: &NetworkSyntax) -> Resolved {
        let mut definitions = Definitions::collect(self, &network.statements);
        let resolved = Lines::read(self, &mut definitions, &network.statements);
        definitions.unread(self);
        self.order(network, &resolved);
        resolved
    }

    pub(crate) fn unknown_layer(&mut self, layer: &LayerSyntax, blocks: &[&str]) {
        let keyword = &layer.keyword;
        if keyword.text == "train" {
            let diagnostic = Diagnostic::new(
                Code::MissingOpenBrace,
                Span::at(keyword.span.end),
                "expected `{` after `train`",
            )
            .help("write `train { loss = mse; }`");
            self.report(diagnostic);
            return;
        }
        // The inputs, of which there is one already, are the last to suggest.
        let (first, last): (Vec<_>, Vec<_>) =
            layers::kinds().partition(|kind| kind.takes != Takes::Nothing);
        let names: Vec<_> = first.iter().chain(&last).map(|kind| kind.name).collect();
        if let Some(block) = closest_of(&keyword.text, blocks) {
            let message = format!("there is no layer and no block `{}`", keyword.text);
            let diagnostic = Diagnostic::new(Code::UnknownLayer, keyword.span, message);
            self.report(diagnostic.help(format!("did you mean `{block}`?")));
            return;
        }
        let hint = hint(Vocabulary::Layer, &keyword.text, &names);
        let diagnostic = match hint {
            Some(Hint::Unsupported(_)) => Diagnostic::new(
                Code::Unsupported,
                keyword.span,
                format!("`{}` is not supported yet", keyword.text),
            ),
            Some(Hint::Use(_)) | None => Diagnostic::new(
                Code::UnknownLayer,
                keyword.span,
                format!("there is no layer `{}`", keyword.text),
            ),
        };
        let diagnostic = match &hint {
            None => diagnostic.help(suggestion("a layer", &names)),
            Some(hint) => diagnostic.maybe_help(hint.help()),
        };
        self.report(diagnostic);
    }

    /// The inputs first; at least one layer behind them.
    fn order(&mut self, network: &NetworkSyntax, resolved: &Resolved) {
        let is_input = |layer: &Option<Layer>| layer.as_ref().is_some_and(Layer::is_input);
        let inputs = resolved
            .layers
            .iter()
            .filter(|layer| is_input(layer))
            .count();
        let first_layer = resolved.layers.iter().position(|layer| !is_input(layer));
        let unreadable = resolved
            .layers
            .iter()
            .any(|layer| layer.as_ref().is_none_or(|layer| layer.kind.is_none()));
        let diagnostic = match (inputs, resolved.layers.len()) {
            (_, 0) => Diagnostic::new(Code::NoLayers, network.head, "the network is empty")
                .help("begin with `input(28x28x1);`, then one layer a line"),
            (inputs, layers) if inputs == layers => Diagnostic::new(
                Code::NoLayers,
                network.head,
                "the network has no layers behind its input",
            )
            .help("write one layer a line, as in `dense(10);`"),
            // What could not be read may have been the input.
            (0, _) if unreadable => return,
            (0, _) => {
                let at = resolved.layers.iter().flatten().next();
                let at = at.map_or(network.head, |layer| layer.keyword.span);
                Diagnostic::new(Code::NoInput, at, "the network has no input")
                    .help(format!("insert `{};` before this line", input_of(resolved)))
            }
            (inputs, _) => return self.inputs(resolved, inputs, first_layer.unwrap_or_default()),
        };
        self.report(diagnostic);
    }

    /// Inputs stand at the top; where there are several, each has a label.
    fn inputs(&mut self, resolved: &Resolved, count: usize, first_layer: usize) {
        // What could not be read may not be a layer at all.
        let read = |layer: &&Layer| layer.kind.is_some() && !layer.is_input();
        let layer_above = |place: usize| resolved.layers[..place].iter().flatten().find(read);
        for (place, layer) in resolved.layers.iter().enumerate() {
            let Some(layer) = layer.as_ref().filter(|layer| layer.is_input()) else {
                continue;
            };
            let place_of = layer.keyword.span;
            if place > first_layer
                && let Some(above) = layer_above(place)
            {
                let message = match count {
                    1 => "the input does not stand first",
                    _ => "an input stands behind a layer",
                };
                let diagnostic = Diagnostic::new(Code::InputNotFirst, place_of, message);
                let diagnostic = match count {
                    1 => diagnostic,
                    _ => diagnostic.secondary(above.keyword.span, "this layer stands above it"),
                };
                self.report(diagnostic.help("move this line to the top of the network"));
            }
            if count > 1 && layer.label.is_none() {
                let message = "of several inputs, this one has no label";
                let diagnostic = Diagnostic::new(Code::SeveralInputs, place_of, message);
                self.report(diagnostic.help("write `image: input(28x28x1);`"));
            }
        }
    }
}

/// An input that the first layers could read.
fn input_of(resolved: &Resolved) -> &'static str {
    let image = "input(28x28x1)";
    let mut layers = resolved.layers.iter().flatten();
    let wanted = layers.find_map(|layer| match (layer.kind?.takes, &layer.op) {
        (Takes::Flat, _) => Some("input(784)"),
        (Takes::Image, _) | (_, Some(Op::Flatten(_))) => Some(image),
        (Takes::Anything | Takes::Nothing | Takes::Several, _) => None,
    });
    wanted.unwrap_or(image)
}
