//! The part of the parser that reads constants, blocks and repeats.

use pest::iterators::Pair;

use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::grammar::Rule;
use crate::syntax::parse::{Parser, name, span};
use crate::syntax::{
    BlockSyntax, ConstantSyntax, Name, ParameterSyntax, RepeatSyntax, Span, Statement, Value,
    ValueKind,
};

impl Parser<'_> {
    /// `const NAME = value;`.
    pub(crate) fn constant(&mut self, pair: Pair<'_, Rule>) -> ConstantSyntax {
        let mut keyword = span(&pair);
        let mut named = None;
        let mut value = None;
        let mut assigned = None;
        let mut end = keyword.start;
        for inner in pair.into_inner() {
            let place = span(&inner);
            match inner.as_rule() {
                Rule::const_keyword => keyword = place,
                Rule::word => named = Some(name(&inner)),
                Rule::constant_type => self.constant_type(place, named.as_ref()),
                Rule::assign => {
                    assigned = Some(place);
                    self.assign(&inner);
                }
                Rule::value => {
                    let (read, solid) = self.value(inner);
                    value = Some(read);
                    end = solid;
                    continue;
                }
                Rule::missing_semicolon_after_layer => {
                    if value.is_some() {
                        let name = named.as_ref().map_or("const", |name: &Name| &name.text);
                        self.missing_semicolon(end, name);
                    }
                }
                Rule::invalid_setting_tail => {
                    let (first, shown) = self.excerpt(place);
                    let message = format!("expected `;`, found `{shown}`");
                    self.error(Diagnostic::new(Code::UnexpectedText, first, message));
                    value.get_or_insert(invalid(place));
                }
                _ => self.doc(inner, &mut Vec::new()),
            }
            end = place.end;
        }
        match (&named, &value) {
            (None, _) => self.error(
                Diagnostic::new(Code::MissingName, keyword, "the constant has no name")
                    .help("write `const WIDTH = 16;`"),
            ),
            (Some(name), None) => {
                let message = format!("expected a value for `{}`", name.text);
                self.error(
                    Diagnostic::new(Code::MissingValue, Span::at(end), message)
                        .help(format!("write `const {} = …;`", name.text)),
                );
            }
            (Some(name), Some(value)) if assigned.is_none() && value.kind != ValueKind::Invalid => {
                let (text, written) = (&name.text, value.span.text(self.source));
                let message = format!("expected `=` after `{text}`");
                self.error(
                    Diagnostic::new(Code::WrongAssignment, Span::at(name.span.end), message)
                        .help(format!("write `const {text} = {written};`")),
                );
            }
            (Some(_), Some(_)) => {}
        }
        ConstantSyntax {
            name: named.and_then(|name| self.valid(name, "the name of a constant")),
            value: value.unwrap_or(invalid(Span::at(end))),
            keyword,
        }
    }

    fn constant_type(&mut self, place: Span, name: Option<&Name>) {
        let name = name.map_or("WIDTH", |name| &name.text);
        let message = "a constant of a network has no type";
        self.error(
            Diagnostic::new(Code::UnexpectedText, place, message)
                .help(format!("write `const {name} = …;`")),
        );
    }

    /// `block name(parameters) { … }`.
    pub(crate) fn block(&mut self, pair: Pair<'_, Rule>) -> BlockSyntax {
        let mut block = BlockSyntax {
            docs: Vec::new(),
            name: None,
            keyword: span(&pair),
            parameters: Vec::new(),
            body: Vec::new(),
            damaged: false,
        };
        let mut named = None;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::label => {
                    let message = "the definition of a block has no label";
                    let diagnostic = Diagnostic::new(Code::UnexpectedText, span(&inner), message);
                    self.error(diagnostic.help("give its calls labels"));
                }
                Rule::block_keyword => block.keyword = span(&inner),
                Rule::word => named = Some(name(&inner)),
                Rule::arguments => {
                    let group = self.group(inner);
                    block.damaged |= group.damaged || group.unclosed.is_some();
                    if let Some(diagnostic) = group.unclosed {
                        self.missing(diagnostic);
                    }
                    for argument in group.arguments {
                        let parameter = self.parameter(argument);
                        block.damaged |= parameter.is_none();
                        block.parameters.extend(parameter);
                    }
                }
                Rule::body => self.body(inner, "the block", block.keyword, &mut block.body),
                _ => self.doc(inner, &mut block.docs),
            }
        }
        if named.is_none() {
            self.error(
                Diagnostic::new(Code::MissingName, block.keyword, "the block has no name")
                    .help("write `block residual(filters) { … }`"),
            );
        }
        block.name = named.and_then(|name| self.valid(name, "the name of a block"));
        block
    }

    /// `filters` or `kernel = 3x3`.
    fn parameter(&mut self, argument: crate::syntax::Argument) -> Option<ParameterSyntax> {
        let (name, default) = match (argument.name, argument.value) {
            (Some(name), default) => (name, Some(default)),
            (None, value) => match value.kind {
                ValueKind::Name(text) => {
                    let span = value.span;
                    (Name { text, span }, None)
                }
                ValueKind::Invalid => return None,
                _ => {
                    let found = value.span.text(self.source);
                    let message = format!("expected the name of a parameter, found `{found}`");
                    let diagnostic = Diagnostic::new(Code::UnexpectedText, value.span, message);
                    self.error(
                        diagnostic.help("write `block residual(filters, kernel = 3x3) { … }`"),
                    );
                    return None;
                }
            },
        };
        let name = self.valid(name, "the name of a parameter")?;
        Some(ParameterSyntax { name, default })
    }

    /// `label: repeat count { … }`.
    pub(crate) fn repeat(&mut self, pair: Pair<'_, Rule>) -> RepeatSyntax {
        let mut repeat = RepeatSyntax {
            label: None,
            docs: Vec::new(),
            keyword: span(&pair),
            count: invalid(span(&pair)),
            body: Vec::new(),
        };
        let mut counted = false;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::label => repeat.label = self.label(inner),
                Rule::repeat_keyword => repeat.keyword = span(&inner),
                Rule::value => {
                    counted = true;
                    repeat.count = self.value(inner).0;
                }
                Rule::body => self.body(inner, "`repeat`", repeat.keyword, &mut repeat.body),
                _ => self.doc(inner, &mut repeat.docs),
            }
        }
        if !counted {
            let at = Span::at(repeat.keyword.end);
            self.error(
                Diagnostic::new(Code::MissingValue, at, "`repeat` needs a number")
                    .help("write `repeat 3 { … }`"),
            );
        }
        repeat
    }

    /// `{ … }`.
    fn body(
        &mut self,
        pair: Pair<'_, Rule>,
        what: &str,
        begin: Span,
        statements: &mut Vec<Statement>,
    ) {
        let whole = span(&pair);
        let open = Span::new(whole.start, whole.start + 1);
        let mut end = open.end;
        for inner in pair.into_inner() {
            let place = span(&inner);
            match inner.as_rule() {
                Rule::too_deep => {
                    self.too_deep(open, place);
                    statements.push(Statement::Invalid);
                }
                Rule::missing_close_brace => self.missing(
                    Diagnostic::new(
                        Code::Unclosed,
                        Span::at(end),
                        format!("expected `}}` at the end of {what}"),
                    )
                    .secondary(begin, format!("{what} begins here")),
                ),
                _ => self.statement(inner, statements),
            }
            end = place.end;
        }
    }
}

/// A value that could not be read.
fn invalid(span: Span) -> Value {
    let kind = ValueKind::Invalid;
    Value { kind, span }
}
