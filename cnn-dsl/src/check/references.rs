//! References: which lines a line reads.
//!
//! A line reads the labels that it joins, or the label behind `from =`, or else the line above. In a block or a repeat,
//! `input` is the value that the call or the round reads.

use crate::check::arguments::{FROM, Reported, is_from};
use crate::check::lines::Lines;
use crate::check::names;
use crate::check::resolve::{Layer, Listed};
use crate::check::scope::{self, Meaning};
use crate::diagnostic::suggest::closest_of;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::{LayerSyntax, Name, Span, Statement, ValueKind};
use cnn_ir::operation::Inputs;

impl Lines<'_, '_, '_> {
    /// Finds the lines that a layer reads.
    pub(crate) fn references(
        &mut self,
        syntax: &LayerSyntax,
        layer: &mut Layer,
        operands: &[Name],
        label: Option<&Name>,
    ) {
        let from = self.from(syntax, layer.is_input());
        if layer.is_input() {
            return;
        }
        let mut read = Vec::new();
        // With one operand, and with none, what flows here comes first.
        if operands.len() < 2 {
            match &from {
                Ok(Some(name)) => {
                    read.push((self.reference(name, &layer.name, label), name.span));
                }
                Ok(None) => read.push((self.above(&layer.keyword), layer.keyword.span)),
                Err(Reported) => read.push((None, layer.keyword.span)),
            }
        } else if let Ok(Some(name)) = &from {
            let message = format!("`from` beside two labels: `{}` reads those", layer.name);
            let diagnostic = Diagnostic::new(Code::TooManyArguments, name.span, message);
            self.context.report(diagnostic);
        }
        for operand in operands {
            let place = self.reference(operand, &layer.name, label);
            read.push((place, operand.span));
        }
        layer.operands = read.iter().map(|(_, at)| *at).collect();
        let reads: Option<Vec<usize>> = read.into_iter().map(|(place, _)| place).collect();
        layer.reads = reads.ok_or(Reported);
    }

    /// The place of the line above, for a line with this keyword. With several inputs, a line
    /// at the top has to say which of them it reads.
    pub(crate) fn above(&mut self, keyword: &Name) -> Option<usize> {
        let above = self.scopes.last().and_then(|scope| scope.above)?;
        let is_input = |layer: &&Layer| layer.is_input();
        let inputs = self.resolved.layers.iter().flatten().filter(is_input);
        let inputs: Vec<_> = inputs.map(|layer| layer.name.clone()).collect();
        let read = self.resolved.layers[above].as_ref();
        // In a body it is what the call or the repeat has let in.
        let is_top = self.scopes.len() == 1;
        if !is_top || inputs.len() < 2 || !read.is_some_and(Layer::is_input) {
            return Some(above);
        }
        let message = format!("`{}` reads one of several inputs, but which?", keyword.text);
        let (first, all) = (&inputs[0], inputs.join(", "));
        self.context.report(
            Diagnostic::new(Code::AmbiguousInput, keyword.span, message).help(format!(
                "write `from = {first}`, or join them: `concat({all});`"
            )),
        );
        None
    }

    /// `output(digit, parity);`.
    pub(crate) fn outputs(&mut self, syntax: &LayerSyntax, is_top: bool) {
        let keyword = syntax.keyword.span;
        if !is_top {
            let help = "the value of a block is that of its last line; list outputs at the end of the network";
            return self.misplaced_list(syntax, help);
        }
        if let Some(first) = &self.resolved.outputs {
            let message = "a network has one line of outputs";
            let diagnostic = Diagnostic::new(Code::SeveralOutputs, keyword, message)
                .secondary(first.keyword, "the first one is here")
                .help("list all of them: `output(digit, parity);`");
            self.context.report(diagnostic);
            return;
        }
        let help = "write `output(digit, parity);`; without the line, the last layer is the output";
        let mut listed = self.listed(syntax, help);
        if let Some((_, span)) = listed.values.get(Inputs::MOST) {
            let message = format!("a network has at most {} outputs", Inputs::MOST);
            let diagnostic = Diagnostic::new(Code::TooManyArguments, *span, message);
            self.context
                .report(diagnostic.help("`expose` lists any number of values, for prediction"));
            listed.damaged = true;
        }
        self.resolved.outputs = Some(listed);
    }

    /// `expose(code);`.
    pub(crate) fn exposed(&mut self, syntax: &LayerSyntax, is_top: bool) {
        if !is_top {
            let help = "give the call a label, and list that at the end of the network";
            return self.misplaced_list(syntax, help);
        }
        let listed = self.listed(syntax, "write `expose(code);`, with labels of lines above");
        let labels = self.scopes.last().map(|scope| &scope.declared);
        for (_, span) in &listed.values {
            let text = names::unraw(span.text(self.context.source));
            let methods = [format!("predict_{text}"), format!("predict_batch_{text}")];
            let mut declared = labels.into_iter().flat_map(|labels| labels.values());
            if let Some(label) = declared.find(|label| methods.contains(&label.text)) {
                let message = format!("`{}` is the method that exposes `{text}`", label.text);
                self.context.report(
                    Diagnostic::new(Code::ReservedLabel, label.span, message)
                        .secondary(*span, "it is exposed here")
                        .help("choose another label"),
                );
            }
        }
        match &mut self.resolved.exposed {
            None => self.resolved.exposed = Some(listed),
            Some(before) => {
                before.damaged |= listed.damaged;
                for (place, span) in listed.values {
                    let same = before.values.iter().find(|(other, _)| *other == place);
                    match same {
                        None => before.values.push((place, span)),
                        Some((_, first)) => {
                            let text = span.text(self.context.source);
                            let message = format!("`{text}` is listed twice");
                            let diagnostic =
                                Diagnostic::new(Code::DuplicateArgument, span, message)
                                    .secondary(*first, "first listed here");
                            self.context.report(diagnostic);
                        }
                    }
                }
            }
        }
    }

    fn misplaced_list(&mut self, syntax: &LayerSyntax, help: &str) {
        let message = format!("`{}` stands in a block or a repeat", syntax.keyword.text);
        let keyword = syntax.keyword.span;
        let diagnostic = Diagnostic::new(Code::MisplacedStatement, keyword, message);
        self.context.report(diagnostic.help(help));
    }

    /// The labels that `output` or `expose` lists; `help` says how it is written.
    fn listed(&mut self, syntax: &LayerSyntax, help: &str) -> Listed {
        let Name {
            text: name,
            span: keyword,
        } = &syntax.keyword;
        let mut listed = Listed {
            keyword: *keyword,
            values: Vec::new(),
            damaged: syntax.damaged,
        };
        if let Some(label) = &syntax.label {
            let message = format!("`{name}` has no label: its values have");
            let diagnostic = Diagnostic::new(Code::UnexpectedText, label.span, message);
            self.context
                .report(diagnostic.help(format!("write `{name}(…);`")));
        }
        for argument in &syntax.arguments {
            let ValueKind::Name(text) = &argument.value.kind else {
                listed.damaged = true;
                if argument.value.kind != ValueKind::Invalid {
                    let message = format!("`{name}` lists labels of lines above");
                    let diagnostic = Diagnostic::new(Code::WrongType, argument.span(), message);
                    self.context
                        .report(diagnostic.help(format!("write `{name}(digit, parity);`")));
                }
                continue;
            };
            let label = Name {
                text: text.clone(),
                span: argument.value.span,
            };
            let place = self.reference(&label, name, None);
            listed.damaged |= place.is_none();
            let Some(place) = place else { continue };
            if let Some((_, first)) = listed.values.iter().find(|(other, _)| *other == place) {
                let message = format!("`{text}` is listed twice");
                let diagnostic = Diagnostic::new(Code::DuplicateArgument, label.span, message)
                    .secondary(*first, "first listed here");
                self.context.report(diagnostic);
                listed.damaged = true;
            } else {
                listed.values.push((place, label.span));
            }
        }
        if listed.values.is_empty() && !listed.damaged {
            let message = format!("`{name}` lists nothing");
            let diagnostic = Diagnostic::new(Code::MissingArgument, *keyword, message);
            self.context.report(diagnostic.help(help));
            listed.damaged = true;
        }
        listed
    }

    /// Nothing stands behind the outputs but `train`.
    pub(crate) fn behind_output(&mut self, keyword: &Name, is_top: bool) {
        if let Some(outputs) = &self.resolved.outputs
            && is_top
        {
            let message = format!("`{}` stands behind `output`", keyword.text);
            let diagnostic = Diagnostic::new(Code::MisplacedStatement, keyword.span, message)
                .secondary(outputs.keyword, "the outputs are listed here")
                .help("move `output` below the last layer");
            self.context.report(diagnostic);
        }
    }

    /// The label behind `from =`.
    pub(crate) fn from(
        &mut self,
        syntax: &LayerSyntax,
        is_input: bool,
    ) -> Result<Option<Name>, Reported> {
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
            self.context
                .report(diagnostic.secondary(argument.span(), "first given here"));
        }
        if is_input {
            let message = "an input reads nothing";
            let diagnostic = Diagnostic::new(Code::UnknownArgument, argument.span(), message);
            return Err(self.context.report(diagnostic.help("leave `from` out")));
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
            | ValueKind::List(_)
            | ValueKind::Expression(_) => {
                let message = format!("`{FROM}` takes the label of a line above");
                let diagnostic = Diagnostic::new(Code::WrongType, argument.value.span, message);
                Err(self
                    .context
                    .report(diagnostic.help("write the label alone, as in `from = stem`")))
            }
        }
    }

    /// The place of the value that a label means, for the line `reader`, whose own label is `own`.
    pub(crate) fn reference(
        &mut self,
        label: &Name,
        reader: &str,
        own: Option<&Name>,
    ) -> Option<usize> {
        let text = names::unraw(&label.text);
        match scope::meaning(&self.scopes, text) {
            Meaning::Value(place) => return Some(place),
            Meaning::Later => {
                let message = match own.is_some_and(|own| own.text == text) {
                    true => format!("`{reader}` cannot read itself"),
                    false => format!("`{text}` comes later"),
                };
                let diagnostic = Diagnostic::new(Code::LaterLabel, label.span, message);
                self.context
                    .report(diagnostic.help("a line reads lines above it"));
            }
            Meaning::Automatic(keyword) => {
                let message = format!("`{text}` is a name that the compiler gave");
                let diagnostic = Diagnostic::new(Code::AutomaticName, label.span, message);
                self.context.report(
                    diagnostic
                        .secondary(keyword.span, "this line has no label")
                        .help(format!(
                            "give it one, as in `stem: {}(…);`, and refer to that",
                            keyword.text
                        )),
                );
            }
            Meaning::SeveralInputs => {
                let message = "there are several inputs: which one is meant?";
                let diagnostic = Diagnostic::new(Code::AmbiguousInput, label.span, message);
                self.context
                    .report(diagnostic.help("write the label of one of them"));
            }
            Meaning::Unknown => self.unknown_label(label.span, text),
        }
        None
    }

    fn unknown_label(&mut self, at: Span, text: &str) {
        let message = format!("there is no line with the label `{text}`");
        let diagnostic = Diagnostic::new(Code::UnknownLabel, at, message);
        let mut labels: Vec<&str> = Vec::new();
        for scope in self.scopes.iter().rev() {
            labels.extend(scope.labels.keys());
            if !scope.is_round {
                break;
            }
        }
        labels.sort_unstable();
        let diagnostic = match (closest_of(text, &labels), self.elsewhere(text)) {
            (Some(meant), _) => diagnostic.help(format!("did you mean `{meant}`?")),
            (None, Some((place, whose))) => diagnostic
                .secondary(place, format!("the label of a line in {whose}"))
                .help("a label is known in its own body: outside, give the call a label"),
            (None, None) => diagnostic.help(format!(
                "write the label in front of the line that is meant: `{text}: …;`"
            )),
        };
        self.context.report(diagnostic);
    }

    /// Where a label stands in another body, and in which.
    fn elsewhere(&self, label: &str) -> Option<(Span, String)> {
        self.definitions.blocks().into_iter().find_map(|block| {
            let place = declared(&block.body, label)?;
            Some((place, format!("`{}`", block.name.as_ref()?.text)))
        })
    }
}

/// Where a label stands in a body.
fn declared(statements: &[Statement], label: &str) -> Option<Span> {
    statements.iter().find_map(|statement| {
        let (own, body) = match statement {
            Statement::Layer(layer) => (layer.label.as_ref(), &[][..]),
            Statement::Repeat(repeat) => (repeat.label.as_ref(), &repeat.body[..]),
            Statement::Constant(_)
            | Statement::Block(_)
            | Statement::Train(_)
            | Statement::Invalid => (None, &[][..]),
        };
        let own = own.filter(|name| name.text == label).map(|name| name.span);
        own.or_else(|| declared(body, label))
    })
}
