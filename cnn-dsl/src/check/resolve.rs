//! From the syntax tree to the flat list of layers: blocks opened, names bound, arguments read.
//!
//! Every line becomes a [`Layer`] whose arguments are read and whose name is known; the call of a block becomes the
//! layers of its body, once for each call, and a repeat those of all its rounds. `shape` then walks the list. A line
//! that could not be read is `None`: what follows it reads something unknown.

use crate::check::arguments::{Callee, Context, Reader, Reported, Signature, is_from};
use crate::check::definitions::Definitions;
use crate::check::scope::{Scope, Visible};
use crate::check::trace::{Frame, FrameId, Opened};
use crate::diagnostic::suggest::{Hint, Vocabulary, closest_of, hint, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Group;
use crate::layers::{self, LayerKind, Op, Takes};
use crate::syntax::{
    BlockSyntax, LayerSyntax, Name, NetworkSyntax, RepeatSyntax, Setting, Span, Statement,
    TrainSyntax, ValueKind,
};

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

/// A network whose names are resolved.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// The layers in source order, the input first; `None` for what could not be read.
    pub(crate) layers: Vec<Option<Layer>>,
    /// The calls and rounds, by the places of their layers.
    pub(crate) groups: Vec<Group>,
    pub(crate) train: Option<TrainSyntax>,
}

/// The most layers of a network, so that repeats within repeats end.
const MOST_LAYERS: usize = 4096;

/// The most blocks that call one another.
const MOST_CALLS: usize = 32;

impl Context<'_> {
    /// Reads every line of a network.
    pub(crate) fn resolve(&mut self, network: &NetworkSyntax) -> Resolved {
        let mut definitions = Definitions::collect(self, &network.statements);
        let mut lines = Lines {
            context: self,
            definitions: &mut definitions,
            scopes: Vec::new(),
            resolved: Resolved::default(),
            uncalled: false,
            is_full: false,
        };
        lines.network(&network.statements);
        let mut resolved = lines.resolved;
        definitions.unread(self);
        self.order(network, &mut resolved);
        resolved
    }

    fn unknown_layer(&mut self, layer: &LayerSyntax, blocks: &[&str]) {
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

    /// One input, first; at least one layer behind it.
    fn order(&mut self, network: &NetworkSyntax, resolved: &mut Resolved) {
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

    fn single_input(&mut self, resolved: &mut Resolved, first: usize) {
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

/// The lines of a network, being read.
pub(crate) struct Lines<'c, 's, 't> {
    pub(crate) context: &'c mut Context<'s>,
    pub(crate) definitions: &'c mut Definitions<'t>,
    /// The bodies that are open, the innermost last.
    pub(crate) scopes: Vec<Scope<'t>>,
    pub(crate) resolved: Resolved,
    /// Whether a block is looked through that nobody calls.
    uncalled: bool,
    /// Whether there are too many layers, which is reported once.
    is_full: bool,
}

impl<'t> Lines<'_, '_, 't> {
    /// Reads the lines at the top, then the blocks that nobody called, for their mistakes alone.
    fn network(&mut self, statements: &'t [Statement]) {
        self.body(statements, Scope::default());
        let layers = self.resolved.layers.len();
        let groups = self.resolved.groups.len();
        self.uncalled = true;
        for block in self.definitions.blocks() {
            let Some(name) = &block.name else { continue };
            if self.definitions.opened.contains(name.text.as_str()) {
                continue;
            }
            if !is_called(statements, &name.text) {
                let message = format!("nothing calls the block `{}`", name.text);
                let diagnostic = Diagnostic::new(Code::UnusedDefinition, name.span, message);
                self.context.report(
                    diagnostic.help(format!("remove it, or write `{}` on a line", name.text)),
                );
            }
            let unknown = |parameter: &'t crate::syntax::ParameterSyntax| {
                (parameter.name.text.as_str(), ValueKind::Invalid)
            };
            let scope = Scope {
                parameters: block.parameters.iter().map(unknown).collect(),
                ..Scope::default()
            };
            self.definitions.opened.insert(&name.text);
            self.body(&block.body, scope);
        }
        self.resolved.layers.truncate(layers);
        self.resolved.groups.truncate(groups);
    }

    /// Reads a body; answers with its scope at the end.
    fn body(&mut self, statements: &'t [Statement], mut scope: Scope<'t>) -> Scope<'t> {
        self.context.trace.at = scope.frame;
        self.context.trace.parameters.clear();
        scope.declared = self.context.labels(statements);
        let is_top = scope.frame.is_none() && !self.uncalled;
        self.scopes.push(scope);
        let begin = self.resolved.layers.len();
        for (index, statement) in statements.iter().enumerate() {
            let scope = self.scope();
            let label = scope.declared.get(&index).copied();
            self.context.trace.at = scope.frame;
            self.context.trace.parameters.clear();
            match statement {
                Statement::Constant(constant) => {
                    self.definition("a constant", constant.keyword, is_top, begin);
                }
                Statement::Block(block) => {
                    self.definition("a block", block.keyword, is_top, begin);
                }
                Statement::Invalid => self.push(None, label),
                Statement::Train(train) => self.train(train, is_top),
                Statement::Repeat(repeat) => self.repeat(repeat, label),
                Statement::Layer(layer) => {
                    self.behind_train(&layer.keyword);
                    match self.definitions.block(&layer.keyword.text) {
                        Some(block) => self.call(block, layer, label),
                        None => self.layer(layer, label, is_top),
                    }
                }
            }
        }
        let scope = self.scopes.pop().unwrap_or_default();
        self.context.trace.at = scope.frame;
        self.context.trace.parameters.clear();
        self.context.clashes(&scope);
        scope
    }

    fn scope(&mut self) -> &mut Scope<'t> {
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// Ends a line: what follows reads it, and its label means it.
    fn push(&mut self, layer: Option<Layer>, label: Option<&'t Name>) {
        self.resolved.layers.push(layer);
        self.value(label);
    }

    /// The last layer is the value of the line that ends here.
    fn value(&mut self, label: Option<&'t Name>) {
        let place = self.resolved.layers.len().checked_sub(1);
        let scope = self.scope();
        scope.above = place;
        if let (Some(label), Some(place)) = (label, place) {
            scope.labels.insert(&label.text, place);
        }
    }

    /// Constants and blocks stand at the top, in front of the layers.
    fn definition(&mut self, what: &str, keyword: Span, is_top: bool, begin: usize) {
        let message = match is_top {
            true if self.resolved.layers.len() == begin => return,
            true => format!("{what} stands behind a layer"),
            false => format!("{what} stands in a block or a repeat"),
        };
        self.context.report(
            Diagnostic::new(Code::MisplacedStatement, keyword, message)
                .help("move it to the top of the network, in front of the layers"),
        );
    }

    fn train(&mut self, train: &TrainSyntax, is_top: bool) {
        if !is_top {
            let message = "`train` stands in a block or a repeat";
            self.context.report(
                Diagnostic::new(Code::MisplacedStatement, train.keyword, message)
                    .help("move it to the end of the network"),
            );
            return;
        }
        if let Some(first) = &self.resolved.train {
            let message = "a network has one `train` block";
            let diagnostic = Diagnostic::new(Code::SeveralTrainBlocks, train.keyword, message)
                .secondary(first.keyword, "the first one is here");
            self.context.report(diagnostic);
            return;
        }
        let settings = train.settings.iter().map(|setting| Setting {
            name: setting.name.clone(),
            value: self.context.evaluate(self.definitions, &setting.value),
        });
        self.resolved.train = Some(TrainSyntax {
            keyword: train.keyword,
            settings: settings.collect(),
            damaged: train.damaged,
        });
    }

    fn behind_train(&mut self, keyword: &Name) {
        if let (Some(train), [_]) = (&self.resolved.train, &self.scopes[..])
            && !self.uncalled
        {
            let message = format!("`{}` stands behind `train`", keyword.text);
            let diagnostic = Diagnostic::new(Code::LayerAfterTrain, keyword.span, message)
                .secondary(train.keyword, "the block begins here")
                .help("move `train` to the end of the network");
            self.context.report(diagnostic);
        }
    }

    /// A line whose values are known.
    fn evaluated(&mut self, syntax: &LayerSyntax, kind: Option<&LayerKind>) -> LayerSyntax {
        let joins = kind.is_some_and(|kind| kind.takes == Takes::Several);
        let mut names = Visible {
            definitions: self.definitions,
            scopes: &self.scopes,
        };
        let mut evaluated = syntax.clone();
        for argument in &mut evaluated.arguments {
            // Labels are no values.
            if !is_from(argument) && !(joins && argument.name.is_none()) {
                argument.value = self.context.evaluate(&mut names, &argument.value);
            }
        }
        evaluated
    }

    /// Reads a layer's keyword and arguments.
    fn layer(&mut self, syntax: &LayerSyntax, label: Option<&'t Name>, is_top: bool) {
        let kind = layers::kind(&syntax.keyword.text);
        let is_input = kind.is_some_and(|kind| kind.takes == Takes::Nothing);
        if is_input && !is_top {
            let message = "an input stands in a block or a repeat";
            self.context.report(
                Diagnostic::new(Code::MisplacedStatement, syntax.keyword.span, message)
                    .help("end the body above it by `}`, or write `input` for what flows in here"),
            );
            return self.push(None, label);
        }
        let scope = self.scope();
        let name = scope.name(&syntax.keyword, label);
        let mut layer = Layer {
            name: format!("{}{name}", scope.prefix),
            label: label.map(|label| label.span),
            keyword: syntax.keyword.clone(),
            docs: syntax.docs.clone(),
            kind,
            op: None,
            reads: Ok(Vec::new()),
            operands: Vec::new(),
            incomplete: false,
            arguments: Vec::new(),
            frame: scope.frame,
            parameters: Vec::new(),
        };
        let mut operands = Vec::new();
        if let Some(kind) = &layer.kind {
            let evaluated = self.evaluated(syntax, Some(kind));
            let mut reader = Reader::new(self.context, kind, &evaluated);
            if let Ok(op) = (kind.read)(&mut reader) {
                layer.op = Some(op);
                layer.arguments = reader.spans();
            }
            layer.incomplete = reader.incomplete;
            operands = reader.operands;
        } else if !syntax.damaged {
            // What stands behind the keyword was reported already; it is hardly a layer.
            let blocks = self.definitions.block_names();
            self.context.unknown_layer(syntax, &blocks);
        }
        self.references(syntax, &mut layer, &operands, label);
        layer.parameters = std::mem::take(&mut self.context.trace.parameters);
        if is_input {
            let place = self.resolved.layers.len();
            self.scope().input.get_or_insert(place);
        }
        self.push(Some(layer), label);
    }

    /// Opens a block.
    fn call(&mut self, block: &'t BlockSyntax, syntax: &LayerSyntax, label: Option<&'t Name>) {
        let Some(name) = &block.name else {
            return self.push(None, label);
        };
        self.definitions.opened.insert(&name.text);
        let evaluated = self.evaluated(syntax, None);
        let callee = Callee {
            name: &name.text,
            signature: Signature::Block(&block.parameters),
            is_layer: true,
            example: None,
        };
        let damaged = syntax.damaged || block.damaged;
        let keyword = syntax.keyword.span;
        let bound = (self.context).bind(&callee, keyword, &evaluated.arguments, damaged);
        let input = match self.from(syntax, false) {
            Ok(Some(from)) => self.reference(&from, &name.text, label),
            Ok(None) => self.scope().above,
            Err(Reported) => None,
        };
        let frame = self.scope().frame;
        let open = self.context.trace.blocks(frame);
        if open.contains(&name.text.as_str()) {
            let message = match open[0] == name.text {
                true => format!("`{}` calls itself", name.text),
                false => format!("`{}` calls itself by way of `{}`", name.text, open[0]),
            };
            let diagnostic = Diagnostic::new(Code::Recursion, keyword, message)
                .secondary(name.span, "the block is defined here")
                .help("a block is opened where it is called, which would never end");
            self.context.trace.parameters.clear();
            self.context.report(diagnostic);
            return self.push(None, label);
        }
        if open.len() >= MOST_CALLS {
            let message = "blocks call one another too deeply";
            let diagnostic = Diagnostic::new(Code::NestedTooDeeply, keyword, message)
                .help(format!("at most {MOST_CALLS} blocks may be open at once"));
            self.context.report(diagnostic);
            return self.push(None, label);
        }
        if bound.is_damaged() {
            return self.push(None, label);
        }
        let mut parameters = std::collections::HashMap::new();
        let mut arguments = Vec::new();
        for parameter in &block.parameters {
            let text = parameter.name.text.as_str();
            let value = match (bound.get(text), &parameter.default) {
                (Ok(Some(value)), _) => {
                    arguments.push((text.to_owned(), value.span));
                    value.kind.clone()
                }
                (Ok(None), Some(default)) => self.context.evaluate(self.definitions, default).kind,
                (Ok(None), None) | (Err(Reported), _) => ValueKind::Invalid,
            };
            parameters.insert(text, value);
        }
        let opened = Opened::Call {
            block: name.text.clone(),
            keyword,
            arguments,
        };
        let scope = Scope {
            parameters,
            input,
            ..self.opened(opened)
        };
        let local = self.scope().name(&syntax.keyword, label);
        self.open(&block.body, scope, &local, |name| Group {
            name,
            label: label.map(|label| label.span),
            keyword: syntax.keyword.clone(),
            docs: [&syntax.docs[..], &block.docs[..]].concat(),
            inputs: input.into_iter().collect(),
            nodes: 0..0,
        });
        self.value(label);
    }

    /// Opens the rounds of a repeat.
    fn repeat(&mut self, syntax: &'t RepeatSyntax, label: Option<&'t Name>) {
        let keyword = Name {
            text: "repeat".to_owned(),
            span: syntax.keyword,
        };
        self.behind_train(&keyword);
        let mut names = Visible {
            definitions: self.definitions,
            scopes: &self.scopes,
        };
        let count = self.context.evaluate(&mut names, &syntax.count);
        let count = match count.kind {
            ValueKind::Invalid => Err(Reported),
            _ => self.context.count("repeat", Ok(Some(&count))),
        };
        let Ok(Some(count)) = count else {
            return self.push(None, label);
        };
        let local = self.scope().name(&keyword, label);
        for round in 1..=count {
            // A body without layers is reported once.
            let is_empty = syntax.body.is_empty() && round > 1;
            if self.is_full || is_empty {
                break;
            }
            let input = self.scope().above;
            let scope = Scope {
                input,
                is_round: true,
                ..self.opened(Opened::Round { round, of: count })
            };
            let local = format!("{local}_{round}");
            self.scope()
                .automatic
                .insert(local.clone(), keyword.clone());
            self.open(&syntax.body, scope, &local, |name| Group {
                name,
                label: None,
                keyword: keyword.clone(),
                docs: syntax.docs.clone(),
                inputs: input.into_iter().collect(),
                nodes: 0..0,
            });
            self.value(None);
        }
        self.value(label);
    }

    /// The scope of a body that the line at hand opens.
    fn opened(&mut self, opened: Opened) -> Scope<'t> {
        let parent = self.scope().frame;
        let frame = self.context.trace.open(Frame {
            parent,
            opened,
            parameters: self.context.trace.parameters.clone(),
            uncalled: self.uncalled,
        });
        Scope {
            frame: Some(frame),
            ..Scope::default()
        }
    }

    /// Reads the body of a call or a round, whose layers become a group.
    fn open(
        &mut self,
        body: &'t [Statement],
        mut scope: Scope<'t>,
        local: &str,
        group: impl FnOnce(String) -> Group,
    ) {
        let outer = self.scope().frame;
        let name = format!("{}{local}", self.scope().prefix);
        scope.prefix = format!("{name}.");
        scope.above = scope.input;
        let begin = self.resolved.layers.len();
        let place = self.resolved.groups.len();
        let mut group = group(name);
        self.resolved.groups.push(group.clone());
        let keyword = group.keyword.clone();
        if self.is_full {
            self.resolved.layers.push(None);
        } else {
            self.body(body, scope);
        }
        self.context.trace.at = outer;
        let end = self.resolved.layers.len();
        if begin == end {
            let message = format!("`{}` has no layers", keyword.text);
            let diagnostic = Diagnostic::new(Code::EmptyBody, keyword.span, message);
            self.context
                .report(diagnostic.help("write one layer a line between its braces"));
            self.resolved.layers.push(None);
        } else if end > MOST_LAYERS && !self.is_full {
            self.is_full = true;
            let message = format!("the network has more than {MOST_LAYERS} layers");
            let diagnostic = Diagnostic::new(Code::TooManyLayers, keyword.span, message);
            self.context
                .report(diagnostic.note("a call counts as all the layers of its block"));
            self.resolved.layers.push(None);
        }
        group.nodes = begin..end;
        self.resolved.groups[place] = group;
    }
}

/// Whether a line calls a block, at the top or in a body.
fn is_called(statements: &[Statement], block: &str) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::Layer(layer) => layer.keyword.text == block,
        Statement::Block(other) => is_called(&other.body, block),
        Statement::Repeat(repeat) => is_called(&repeat.body, block),
        Statement::Constant(_) | Statement::Train(_) | Statement::Invalid => false,
    })
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
