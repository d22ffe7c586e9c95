//! From the syntax tree to the flat list of layers: names, arguments, order.
//!
//! Every statement becomes a [`Layer`] whose arguments are read and whose name is known;
//! `shape` then walks the list. A statement that could not be read is `None`: what follows it
//! reads something unknown.

use std::collections::HashMap;

use crate::check::arguments::{Context, FROM, Reader, Reported, is_from};
use crate::check::names;
use crate::diagnostic::suggest::{Hint, Vocabulary, closest_of, hint, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::layers::{self, LayerKind, Op, Takes};
use crate::syntax::{LayerSyntax, Name, NetworkSyntax, Span, Statement, TrainSyntax, ValueKind};

/// A layer whose arguments are read.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
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
}

impl Layer {
    fn is_input(&self) -> bool {
        self.kind.is_some_and(|kind| kind.takes == Takes::Nothing)
    }
}

/// A network whose names are resolved.
#[derive(Debug, Default)]
pub(crate) struct Resolved<'a> {
    /// The layers in source order, the input first; `None` for what could not be read.
    pub(crate) layers: Vec<Option<Layer>>,
    pub(crate) train: Option<&'a TrainSyntax>,
}

impl Context<'_> {
    /// Reads every statement of a network.
    pub(crate) fn resolve<'a>(&mut self, network: &'a NetworkSyntax) -> Resolved<'a> {
        let mut resolved = Resolved::default();
        let labels = self.labels(network);
        let targets = targets(network, &labels);
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (index, statement) in network.statements.iter().enumerate() {
            match statement {
                Statement::Invalid => resolved.layers.push(None),
                Statement::Train(train) => match resolved.train {
                    None => resolved.train = Some(train),
                    Some(first) => {
                        self.report(
                            Diagnostic::new(
                                Code::SeveralTrainBlocks,
                                train.keyword,
                                "a network has one `train` block",
                            )
                            .secondary(first.keyword, "the first one is here"),
                        );
                    }
                },
                Statement::Layer(layer) => {
                    if let Some(train) = resolved.train {
                        self.report(
                            Diagnostic::new(
                                Code::LayerAfterTrain,
                                layer.keyword.span,
                                format!("`{}` stands behind `train`", layer.keyword.text),
                            )
                            .secondary(train.keyword, "the block begins here")
                            .help("move `train` to the end of the network"),
                        );
                    }
                    let label = labels.get(&index).copied();
                    let (mut read, operands) = self.layer(layer);
                    read.name = name(layer, label, &mut counts);
                    read.label = label.map(|label| label.span);
                    self.references(layer, &mut read, &operands, &resolved.layers, &targets);
                    resolved.layers.push(Some(read));
                }
            }
        }
        self.clashes(&resolved);
        self.order(network, &mut resolved);
        resolved
    }

    /// Reads a layer's keyword and arguments; the labels of what it joins come apart.
    fn layer(&mut self, syntax: &LayerSyntax) -> (Layer, Vec<Name>) {
        let mut layer = Layer {
            name: String::new(),
            label: None,
            keyword: syntax.keyword.clone(),
            docs: syntax.docs.clone(),
            kind: layers::kind(&syntax.keyword.text),
            op: None,
            reads: Ok(Vec::new()),
            operands: Vec::new(),
            incomplete: false,
            arguments: Vec::new(),
        };
        let Some(kind) = layer.kind else {
            // What stands behind the keyword was reported already; it is hardly a layer.
            if !syntax.damaged {
                self.unknown_layer(syntax);
            }
            return (layer, Vec::new());
        };
        let mut reader = Reader::new(self, &kind, syntax);
        if let Ok(op) = (kind.read)(&mut reader) {
            layer.op = Some(op);
            layer.arguments = reader.spans();
        }
        layer.incomplete = reader.incomplete;
        (layer, reader.operands)
    }

    /// Finds the lines that a layer reads: what it joins, what `from` says, else the line above.
    fn references(
        &mut self,
        syntax: &LayerSyntax,
        layer: &mut Layer,
        operands: &[Name],
        above: &[Option<Layer>],
        targets: &HashMap<&str, usize>,
    ) {
        let from = self.from(syntax, layer.is_input());
        if layer.is_input() {
            return;
        }
        let above_it = |at: Span| (above.len().checked_sub(1), at);
        let mut read = Vec::new();
        // With one operand, and with none, what flows here comes first.
        if operands.len() < 2 {
            match &from {
                Ok(Some(name)) => read.push(self.reference(name, layer, above, targets)),
                Ok(None) => read.push(above_it(layer.keyword.span)),
                Err(Reported) => read.push((None, layer.keyword.span)),
            }
        } else if let Ok(Some(name)) = &from {
            let message = format!("`from` beside two labels: `{}` reads those", layer.name);
            self.report(Diagnostic::new(Code::TooManyArguments, name.span, message));
        }
        for operand in operands {
            read.push(self.reference(operand, layer, above, targets));
        }
        layer.operands = read.iter().map(|(_, at)| *at).collect();
        let reads: Option<Vec<usize>> = read.into_iter().map(|(place, _)| place).collect();
        layer.reads = reads.ok_or(Reported);
    }

    /// The label behind `from =`.
    fn from(&mut self, syntax: &LayerSyntax, is_input: bool) -> Result<Option<Name>, Reported> {
        let mut arguments = syntax.arguments.iter().filter(|argument| is_from(argument));
        let Some(argument) = arguments.next() else {
            return Ok(None);
        };
        if let Some(again) = arguments.next() {
            let diagnostic = Diagnostic::new(
                Code::DuplicateArgument,
                again.span(),
                format!("`{FROM}` is given twice"),
            );
            self.report(diagnostic.secondary(argument.span(), "first given here"));
        }
        if is_input {
            let message = "an input reads nothing";
            let diagnostic = Diagnostic::new(Code::UnknownArgument, argument.span(), message);
            return Err(self.report(diagnostic.help("leave `from` out")));
        }
        match &argument.value.kind {
            ValueKind::Name(text) => Ok(Some(Name {
                text: text.clone(),
                span: argument.value.span,
            })),
            ValueKind::Invalid => Err(Reported),
            ValueKind::Integer(_)
            | ValueKind::Float(_)
            | ValueKind::Dims(_)
            | ValueKind::Call(_)
            | ValueKind::List(_) => {
                let message = format!("`{FROM}` takes the label of a line above");
                let diagnostic = Diagnostic::new(Code::WrongType, argument.value.span, message);
                Err(self.report(diagnostic.help("write the label alone, as in `from = stem`")))
            }
        }
    }

    /// The line that a label names, and where the label stands.
    fn reference(
        &mut self,
        label: &Name,
        layer: &Layer,
        above: &[Option<Layer>],
        targets: &HashMap<&str, usize>,
    ) -> (Option<usize>, Span) {
        let (text, here) = (names::unraw(&label.text), above.len());
        let place = match targets.get(text) {
            Some(&place) if place < here => Some(place),
            Some(&place) => {
                let message = match place == here {
                    true => format!("`{}` cannot read itself", layer.name),
                    false => format!("`{text}` comes later"),
                };
                let diagnostic = Diagnostic::new(Code::LaterLabel, label.span, message);
                self.report(diagnostic.help("a line reads lines above it"));
                None
            }
            None => {
                let named = above.iter().flatten().find(|other| other.name == text);
                match named {
                    Some(other) => {
                        let keyword = &other.keyword.text;
                        let message = format!("`{text}` is a name that the compiler gave");
                        self.report(
                            Diagnostic::new(Code::AutomaticName, label.span, message)
                                .secondary(other.keyword.span, "this line has no label")
                                .help(format!(
                                    "give it one, as in `stem: {keyword}(…);`, and refer to that"
                                )),
                        );
                    }
                    None => self.unknown_label(label, text, targets, here),
                }
                None
            }
        };
        (place, label.span)
    }

    fn unknown_label(
        &mut self,
        label: &Name,
        text: &str,
        targets: &HashMap<&str, usize>,
        here: usize,
    ) {
        let message = format!("there is no line with the label `{text}`");
        let diagnostic = Diagnostic::new(Code::UnknownLabel, label.span, message);
        let above = targets.iter().filter(|(_, place)| **place < here);
        let mut labels: Vec<&str> = above.map(|(label, _)| *label).collect();
        labels.sort_unstable();
        let help = match closest_of(text, &labels) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write the label in front of the line that is meant: `{text}: …;`"),
        };
        self.report(diagnostic.help(help));
    }

    fn unknown_layer(&mut self, layer: &LayerSyntax) {
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

    /// The labels that may be used, by the place of their statement.
    fn labels<'a>(&mut self, network: &'a NetworkSyntax) -> HashMap<usize, &'a Name> {
        let mut by_text: HashMap<&str, Span> = HashMap::new();
        let mut by_place = HashMap::new();
        for (index, statement) in network.statements.iter().enumerate() {
            let Statement::Layer(LayerSyntax {
                label: Some(label), ..
            }) = statement
            else {
                continue;
            };
            if !names::is_snake_case(&label.text) {
                let snake = names::snake_case(&label.text);
                let usable = names::invalid(&snake).is_none() && names::reserved(&snake).is_none();
                self.report(
                    Diagnostic::new(
                        Code::LabelNotSnakeCase,
                        label.span,
                        format!("`{}` cannot be a label: labels are snake_case", label.text),
                    )
                    .maybe_help(usable.then(|| format!("write `{snake}`"))),
                );
            } else if let Some(reason) = names::reserved(&label.text) {
                self.report(
                    Diagnostic::new(
                        Code::ReservedLabel,
                        label.span,
                        format!("`{}` cannot be a label: {reason}", label.text),
                    )
                    .help(format!("choose another one, as in `{}_layer`", label.text)),
                );
            } else if let Some(&first) = by_text.get(label.text.as_str()) {
                self.report(
                    Diagnostic::new(
                        Code::DuplicateLabel,
                        label.span,
                        format!("two layers are called `{}`", label.text),
                    )
                    .secondary(first, "the first one is here"),
                );
            } else {
                by_text.insert(&label.text, label.span);
                by_place.insert(index, label);
            }
        }
        by_place
    }

    /// Labels that are the automatic name of another layer.
    fn clashes(&mut self, resolved: &Resolved<'_>) {
        let layers = || resolved.layers.iter().flatten();
        let automatic: HashMap<&str, Span> = layers()
            .filter(|layer| layer.label.is_none())
            .map(|layer| (layer.name.as_str(), layer.keyword.span))
            .collect();
        for layer in layers() {
            if let (Some(label), Some(&other)) = (layer.label, automatic.get(layer.name.as_str())) {
                self.report(
                    Diagnostic::new(
                        Code::DuplicateLabel,
                        label,
                        format!("two layers are called `{}`", layer.name),
                    )
                    .secondary(
                        other,
                        format!("this layer has no label, so it is called `{}`", layer.name),
                    )
                    .help("choose another label"),
                );
            }
        }
    }

    /// One input, first; at least one layer behind it.
    fn order(&mut self, network: &NetworkSyntax, resolved: &mut Resolved<'_>) {
        let is_input = |layer: &Option<Layer>| layer.as_ref().is_some_and(Layer::is_input);
        let first = resolved.layers.iter().position(is_input);
        let unreadable = resolved
            .layers
            .iter()
            .any(|layer| layer.as_ref().is_none_or(|layer| layer.kind.is_none()));
        let diagnostic = match (first, resolved.layers.len()) {
            (_, 0) => Diagnostic::new(Code::NoLayers, network.head, "the network is empty")
                .help("begin with `input(28x28x1);`, then one layer a line"),
            (Some(_), 1) => Diagnostic::new(
                Code::NoLayers,
                network.head,
                "the network has no layers behind its input",
            )
            .help("write one layer a line, as in `dense(10);`"),
            (Some(0), _) => return self.single_input(resolved, 0),
            (Some(first), _) => {
                // What could not be read may not be a layer at all.
                let read = |layer: &Layer| layer.kind.is_some();
                if let Some(layer) = &resolved.layers[first]
                    && resolved.layers[..first].iter().flatten().any(read)
                {
                    self.report(
                        Diagnostic::new(
                            Code::InputNotFirst,
                            layer.keyword.span,
                            "the input does not stand first",
                        )
                        .help("move this line to the top of the network"),
                    );
                }
                return self.single_input(resolved, first);
            }
            // What could not be read may have been the input.
            (None, _) if unreadable => return,
            (None, _) => {
                let at = resolved.layers.iter().flatten().next();
                let at = at.map_or(network.head, |layer| layer.keyword.span);
                Diagnostic::new(Code::NoInput, at, "the network has no input")
                    .help(format!("insert `{};` before this line", input_of(resolved)))
            }
        };
        self.report(diagnostic);
    }

    fn single_input(&mut self, resolved: &mut Resolved<'_>, first: usize) {
        let (before, after) = resolved.layers.split_at_mut(first + 1);
        let Some(Some(first)) = before.last() else {
            return;
        };
        for layer in after.iter_mut().flatten() {
            if layer.is_input() {
                (layer.kind, layer.op) = (None, None);
                self.report(
                    Diagnostic::new(
                        Code::SeveralInputs,
                        layer.keyword.span,
                        "a second input is not supported yet",
                    )
                    .secondary(first.keyword.span, "the first one is here"),
                );
            }
        }
    }
}

/// The line of each label, and of the word `input`, by its place among the layers.
fn targets<'a>(
    network: &'a NetworkSyntax,
    labels: &HashMap<usize, &'a Name>,
) -> HashMap<&'a str, usize> {
    let mut targets = HashMap::new();
    let lines = network.statements.iter().enumerate();
    let lines = lines.filter(|(_, statement)| !matches!(statement, Statement::Train(_)));
    for (place, (index, statement)) in lines.enumerate() {
        if let Some(label) = labels.get(&index) {
            targets.insert(label.text.as_str(), place);
        }
        if let Statement::Layer(layer) = statement
            && layer.keyword.text == INPUT
        {
            targets.entry(INPUT).or_insert(place);
        }
    }
    targets
}

/// What flows into the network, where it has no label.
const INPUT: &str = "input";

/// An input that the first layers could read.
fn input_of(resolved: &Resolved<'_>) -> &'static str {
    let image = "input(28x28x1)";
    let mut layers = resolved.layers.iter().flatten();
    let wanted = layers.find_map(|layer| match (layer.kind?.takes, &layer.op) {
        (Takes::Flat, _) => Some("input(784)"),
        (Takes::Image, _) | (_, Some(Op::Flatten(_))) => Some(image),
        (Takes::Anything | Takes::Nothing | Takes::Several, _) => None,
    });
    wanted.unwrap_or(image)
}

/// The label, or the Keras name: layers without a label are counted from 1, each kind on its
/// own. An input is just `input`.
fn name<'a>(
    layer: &'a LayerSyntax,
    label: Option<&Name>,
    counts: &mut HashMap<&'a str, usize>,
) -> String {
    let keyword = layer.keyword.text.as_str();
    match label {
        Some(label) => label.text.clone(),
        None if keyword == INPUT => keyword.to_owned(),
        None => {
            let count = counts.entry(keyword).or_default();
            *count += 1;
            format!("{keyword}_{count}")
        }
    }
}
