//! The lines of a network, one after the other.
//!
//! [`Lines`] holds the layers that were read so far, and a stack of the bodies that the current line is in: the network,
//! calls of blocks, rounds of repeats. Names in a line have the values of the innermost body.

use crate::check::arguments::{Context, Reader, is_from};
use crate::check::definitions::Definitions;
use crate::check::resolve::{Layer, Resolved};
use crate::check::scope::{Scope, Visible};
use crate::diagnostic::{Code, Diagnostic};
use crate::layers::{self, LayerKind, Takes};
use crate::syntax::{
    LayerSyntax, Name, ParameterSyntax, Setting, Span, Statement, TrainSyntax, ValueKind,
};

/// The lines of a network, being read.
pub(crate) struct Lines<'c, 's, 't> {
    pub(crate) context: &'c mut Context<'s>,
    pub(crate) definitions: &'c mut Definitions<'t>,
    /// The bodies that are open, the innermost last.
    pub(crate) scopes: Vec<Scope<'t>>,
    pub(crate) resolved: Resolved,
    /// Whether a block is looked through that nobody calls.
    pub(crate) uncalled: bool,
    /// Lines of calls and rounds that were read, in each of them anew.
    pub(crate) read_in_bodies: usize,
    /// Whether there are too many layers or lines, which is reported once.
    pub(crate) is_full: bool,
}

impl<'c, 's, 't> Lines<'c, 's, 't> {
    /// Reads all lines of a network.
    pub(crate) fn read(
        context: &'c mut Context<'s>,
        definitions: &'c mut Definitions<'t>,
        statements: &'t [Statement],
    ) -> Resolved {
        let mut lines = Self {
            context,
            definitions,
            scopes: Vec::new(),
            resolved: Resolved::default(),
            uncalled: false,
            read_in_bodies: 0,
            is_full: false,
        };
        lines.network(statements);
        lines.resolved
    }

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
            let unknown =
                |parameter: &'t ParameterSyntax| (parameter.name.text.as_str(), ValueKind::Invalid);
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
    pub(crate) fn body(&mut self, statements: &'t [Statement], mut scope: Scope<'t>) -> Scope<'t> {
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
            if !is_top && self.is_beyond_limit() {
                self.push(None, None);
                break;
            }
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
                Statement::Layer(layer) if layer.keyword.text == OUTPUT => {
                    self.behind_train(&layer.keyword);
                    self.outputs(layer, is_top);
                }
                Statement::Layer(layer) if layer.keyword.text == EXPOSE => {
                    self.behind_train(&layer.keyword);
                    self.exposed(layer, is_top);
                }
                Statement::Layer(layer) => {
                    self.behind_train(&layer.keyword);
                    self.behind_output(&layer.keyword, is_top);
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

    pub(crate) fn scope(&mut self) -> &mut Scope<'t> {
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// Ends a line: what follows reads it, and its label means it.
    pub(crate) fn push(&mut self, layer: Option<Layer>, label: Option<&'t Name>) {
        self.resolved.layers.push(layer);
        self.value(label);
    }

    /// The last layer is the value of the line that ends here.
    pub(crate) fn value(&mut self, label: Option<&'t Name>) {
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

    pub(crate) fn behind_train(&mut self, keyword: &Name) {
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
    pub(crate) fn evaluated(
        &mut self,
        syntax: &LayerSyntax,
        kind: Option<&LayerKind>,
    ) -> LayerSyntax {
        let joins = kind.is_some_and(|kind| kind.takes == Takes::Several);
        let mut names = Visible {
            definitions: self.definitions,
            scopes: &self.scopes,
        };
        let mut evaluated = syntax.clone();
        for argument in &mut evaluated.arguments {
            // Labels are no values.
            let is_label = is_from(argument) || (joins && argument.name.is_none());
            if !is_label {
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
            let scope = self.scope();
            scope.several_inputs = scope.input.is_some();
            scope.input.get_or_insert(place);
        }
        self.push(Some(layer), label);
    }
}

/// The line that lists the outputs.
const OUTPUT: &str = "output";

/// The line that lists values inside which prediction hands out.
const EXPOSE: &str = "expose";

/// Whether a line calls a block, at the top or in a body.
fn is_called(statements: &[Statement], block: &str) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::Layer(layer) => layer.keyword.text == block,
        Statement::Block(other) => is_called(&other.body, block),
        Statement::Repeat(repeat) => is_called(&repeat.body, block),
        Statement::Constant(_) | Statement::Train(_) | Statement::Invalid => false,
    })
}
