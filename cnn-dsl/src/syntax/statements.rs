//! The part of the parser that reads layers and the `train` block.

use pest::iterators::Pair;

use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::grammar::Rule;
use crate::syntax::parse::{Parser, name, span};
use crate::syntax::{LayerSyntax, Name, Setting, Span, TrainSyntax, Value, ValueKind};

impl Parser<'_> {
    pub(crate) fn dangling_docs(&mut self, place: Span) {
        if place.text(self.source).starts_with('#') {
            self.attribute_in_the_network(place);
            return;
        }
        let line = place.text(self.source).lines().next().map_or(0, str::len);
        self.error(
            Diagnostic::new(
                Code::DanglingDocs,
                Span::new(place.start, place.start + line),
                "there is nothing below that this documentation belongs to",
            )
            .help("write `//` for a comment"),
        );
    }

    /// `conv2d { … }`, `for 3 { … }`, `stem: train { … }`.
    fn invalid_body(&mut self, layer: &LayerSyntax, body: Span) {
        let keyword = &layer.keyword;
        let diagnostic = if let ("train", Some(label)) = (&*keyword.text, &layer.label) {
            Diagnostic::new(
                Code::UnexpectedText,
                label.span,
                "the `train` block has no label",
            )
            .help("write `train { … }`")
        } else if let Some(meant) = meant_by(&keyword.text) {
            let message = format!("there is no `{}` here", keyword.text);
            Diagnostic::new(Code::UnexpectedText, keyword.span, message)
                .help(format!("write `{meant} {{ … }}`"))
        } else {
            let brace = body.start + body.text(self.source).find('{').unwrap_or(0);
            Diagnostic::new(
                Code::UnexpectedText,
                Span::new(brace, brace + 1),
                format!("expected `;` after `{}`, found `{{`", keyword.text),
            )
            .help("arguments stand in parentheses: `conv2d(32, 3x3);`")
        };
        self.error(diagnostic);
    }

    pub(crate) fn layer(&mut self, pair: Pair<'_, Rule>) -> LayerSyntax {
        let mut layer = LayerSyntax {
            docs: Vec::new(),
            label: None,
            keyword: Name {
                text: String::new(),
                span: span(&pair),
            },
            arguments: Vec::new(),
            damaged: false,
        };
        let mut end = layer.keyword.span.start;
        let mut unclosed = None;
        for inner in pair.into_inner() {
            let place = span(&inner);
            match inner.as_rule() {
                Rule::label => layer.label = self.label(inner),
                Rule::word => layer.keyword = name(&inner),
                Rule::arguments => {
                    let group = self.group(inner);
                    layer.arguments = group.arguments;
                    layer.damaged |= group.damaged;
                    unclosed = group.unclosed;
                    layer.damaged |= unclosed.is_some();
                    end = group.end;
                    continue;
                }
                Rule::missing_semicolon_after_layer => {
                    // One mistake, not two: the line that lost its `)` lost its `;` with it.
                    if unclosed.is_none() && !self.missing_body(&mut layer, end) {
                        self.missing_semicolon(end, &layer.keyword.text);
                    }
                }
                Rule::invalid_body => {
                    layer.damaged = true;
                    unclosed = None;
                    self.invalid_body(&layer, place);
                }
                Rule::invalid_tail => {
                    layer.damaged = true;
                    let (first, shown) = self.excerpt(place);
                    let expected = if unclosed.take().is_some() { ")" } else { ";" };
                    self.invalid_tail(&layer, place, first, &shown, expected);
                }
                _ => self.doc(inner, &mut layer.docs),
            }
            end = place.end;
        }
        if let Some(diagnostic) = unclosed {
            self.missing(diagnostic);
        }
        layer
    }

    /// Reports `repeat` or `block` without braces; answers whether it did.
    fn missing_body(&mut self, layer: &mut LayerSyntax, end: usize) -> bool {
        let keyword = layer.keyword.text.as_str();
        if !matches!(keyword, "block" | "repeat") {
            return false;
        }
        let message = format!("expected `{{` behind `{keyword}`");
        self.error(
            Diagnostic::new(Code::MissingOpenBrace, Span::at(end), message)
                .maybe_help(meant_by(keyword).map(|meant| format!("write `{meant} {{ … }}`"))),
        );
        layer.damaged = true;
        true
    }

    pub(crate) fn missing_semicolon(&mut self, end: usize, what: &str) {
        self.missing(
            Diagnostic::new(
                Code::MissingSemicolon,
                Span::at(end),
                format!("expected `;` after `{what}`"),
            )
            .help("end the line with `;`"),
        );
    }

    /// Reports text between a layer and its `;`.
    fn invalid_tail(
        &mut self,
        layer: &LayerSyntax,
        tail: Span,
        first: Span,
        shown: &str,
        expected: &str,
    ) {
        let keyword = &layer.keyword;
        if let Some(meant) = meant_by(&keyword.text) {
            let message = format!("expected `{{`, found `{shown}`");
            let diagnostic = Diagnostic::new(Code::MissingOpenBrace, first, message);
            self.error(diagnostic.help(format!("write `{meant} {{ … }}`")));
            return;
        }
        let text = tail.text(self.source).trim();
        let help = if text.starts_with(')') {
            Some("remove this parenthesis".to_owned())
        } else if keyword.text == "let" {
            Some("a label is written `stem: conv2d(32, 3x3);`".to_owned())
        } else if text.starts_with(['.', '=', '(']) {
            Some("a layer is written `dense(10);`, one a line".to_owned())
        } else if text.contains('\n') || expected != ";" {
            None
        } else if layer.arguments.is_empty() {
            Some(format!(
                "arguments stand in parentheses: `{}({text});`",
                keyword.text
            ))
        } else if text.contains('=') {
            Some(format!(
                "arguments stand in parentheses: `{}(…, {text});`",
                keyword.text
            ))
        } else {
            None
        };
        let message = format!("expected `{expected}`, found `{shown}`");
        self.error(Diagnostic::new(Code::UnexpectedText, first, message).maybe_help(help));
    }

    pub(crate) fn label(&mut self, pair: Pair<'_, Rule>) -> Option<Name> {
        let mut inner = pair.into_inner();
        let label = inner.next().map(|word| name(&word))?;
        if let Some(equals) = inner.next() {
            self.error(
                Diagnostic::new(
                    Code::WrongAssignment,
                    span(&equals),
                    "expected `:` after a label, found `=`",
                )
                .help(format!("write `{}: …`", label.text)),
            );
        }
        self.valid(label, "a label")
    }

    pub(crate) fn train(&mut self, pair: Pair<'_, Rule>) -> TrainSyntax {
        let mut train = TrainSyntax {
            keyword: span(&pair),
            settings: Vec::new(),
            damaged: false,
        };
        let mut end = train.keyword.start;
        for inner in pair.into_inner() {
            let place = span(&inner);
            match inner.as_rule() {
                Rule::train_keyword => train.keyword = place,
                Rule::setting => {
                    let (setting, solid) = self.setting(inner);
                    train.settings.extend(setting);
                    end = solid;
                    continue;
                }
                Rule::invalid_docs => self.dangling_docs(place),
                Rule::invalid_setting => {
                    train.damaged = true;
                    let (first, shown) = self.excerpt(place);
                    self.error(
                        Diagnostic::new(
                            Code::UnexpectedText,
                            first,
                            format!("expected a setting, found `{shown}`"),
                        )
                        .help("a setting is written `epochs = 5;`"),
                    );
                }
                Rule::missing_close_brace => self.missing(
                    Diagnostic::new(
                        Code::Unclosed,
                        Span::at(end),
                        "expected `}` at the end of `train`",
                    )
                    .secondary(train.keyword, "the block begins here"),
                ),
                // Documentation above the block is for the reader of the source.
                _ => self.doc(inner, &mut Vec::new()),
            }
            end = place.end;
        }
        train
    }

    /// A setting, and where its text ends.
    fn setting(&mut self, pair: Pair<'_, Rule>) -> (Option<Setting>, usize) {
        let mut key = None;
        let mut value = None;
        let mut assigned = false;
        let mut end = span(&pair).start;
        for inner in pair.into_inner() {
            let place = span(&inner);
            match inner.as_rule() {
                Rule::word => key = Some(name(&inner)),
                Rule::assign => {
                    assigned = true;
                    self.assign(&inner);
                }
                Rule::value => {
                    let (read, solid) = self.value(inner);
                    value = Some(read);
                    end = solid;
                    continue;
                }
                Rule::comma_as_semicolon => self.error(
                    Diagnostic::new(
                        Code::MissingSemicolon,
                        place,
                        "expected `;` after a setting, found `,`",
                    )
                    .help("end the line with `;`"),
                ),
                Rule::missing_semicolon_after_setting => {
                    if let (Some(key), Some(_)) = (&key, &value) {
                        self.missing_semicolon(end, &key.text);
                    }
                }
                Rule::invalid_setting_tail => {
                    let (first, shown) = self.excerpt(place);
                    let list = shown == ",";
                    self.error(
                        Diagnostic::new(
                            Code::UnexpectedText,
                            first,
                            format!("expected `;`, found `{shown}`"),
                        )
                        .maybe_help(list.then(|| "a list is written `[accuracy, mae]`".to_owned())),
                    );
                    if value.is_none() {
                        value = Some(Value {
                            kind: ValueKind::Invalid,
                            span: place,
                        });
                    }
                }
                _ => self.doc(inner, &mut Vec::new()),
            }
            end = place.end;
        }
        let Some(key) = key else { return (None, end) };
        match &value {
            None => self.error(
                Diagnostic::new(
                    Code::MissingValue,
                    Span::at(end),
                    format!("expected a value for `{}`", key.text),
                )
                .help(format!("write `{} = …;`", key.text)),
            ),
            Some(value) if !assigned && value.kind != ValueKind::Invalid => self.error(
                Diagnostic::new(
                    Code::WrongAssignment,
                    Span::at(key.span.end),
                    format!("expected `=` after `{}`", key.text),
                )
                .help(format!(
                    "write `{} = {};`",
                    key.text,
                    value.span.text(self.source)
                )),
            ),
            Some(_) => {}
        }
        let value = value.unwrap_or(Value {
            kind: ValueKind::Invalid,
            span: Span::at(end),
        });
        (Some(Setting { name: key, value }), end)
    }
}

/// What begins with a keyword that is followed by braces, in this language or another.
fn meant_by(keyword: &str) -> Option<&'static str> {
    match keyword {
        "block" | "fn" | "def" | "function" | "module" => Some("block residual(filters)"),
        "repeat" | "for" | "loop" | "times" => Some("repeat 3"),
        _ => None,
    }
}
