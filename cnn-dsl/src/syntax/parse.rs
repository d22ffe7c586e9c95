//! From text to the syntax tree.
//!
//! pest reads the text by the total grammar of `grammar.pest`; this module turns its pairs
//! into the tree of `syntax`, and its `invalid_…` and `missing_…` nodes into diagnostics.
//! Layers and settings are read by `statements`, constants, blocks and repeats by `definitions`, arguments and
//! values by `values`.

use pest::Parser as _;
use pest::iterators::Pair;

use crate::check::names;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::syntax::grammar::{Grammar, Rule};
use crate::syntax::{Description, Name, NetworkSyntax, Span, Statement};

/// Reads a description. What is wrong with it goes to `diagnostics`.
pub(crate) fn parse(source: &str, diagnostics: &mut Diagnostics) -> Description {
    let mut parser = Parser {
        source,
        diagnostics,
        open_comment: None,
        passed_over: None,
    };
    parser.find_open_comment();
    parser.description()
}

/// Where a pair stands.
pub(crate) fn span(pair: &Pair<'_, Rule>) -> Span {
    let span = pair.as_span();
    Span::new(span.start(), span.end())
}

pub(crate) struct Parser<'a> {
    pub(crate) source: &'a str,
    pub(crate) diagnostics: &'a mut Diagnostics,
    /// Where a block comment without an end begins. What it hides is not reported as missing.
    open_comment: Option<usize>,
    /// Where text that is nested too deeply ends. Brackets around it miss their ends there.
    pub(crate) passed_over: Option<usize>,
}

impl Parser<'_> {
    pub(crate) fn error(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reports that something is missing, unless a comment without an end or text that was
    /// passed over may hold it.
    pub(crate) fn missing(&mut self, diagnostic: Diagnostic) {
        let at = diagnostic.span.start;
        let hidden = self
            .open_comment
            .is_some_and(|start| at >= start || self.source[at..start].trim().is_empty());
        if !hidden && self.passed_over != Some(at) {
            self.error(diagnostic);
        }
    }

    /// The beginning of a text, for a message: its first token, shortened.
    pub(crate) fn excerpt(&self, span: Span) -> (Span, String) {
        let text = span.text(self.source);
        let name = names::unraw(text);
        let raw = text.len() - name.len();
        let word = match name.find(|c: char| !(c.is_alphanumeric() || c == '_')) {
            Some(0) => 0,
            Some(end) => raw + end,
            None => text.len(),
        };
        let first = text.chars().next().map_or(0, char::len_utf8);
        let end = word.max(first);
        let shown: String = text[..end].chars().take(32).collect();
        (Span::new(span.start, span.start + end), shown)
    }

    fn find_open_comment(&mut self) {
        if !self.source.contains("/*") {
            return;
        }
        let pairs = Grammar::parse(Rule::comments, self.source)
            .into_iter()
            .flatten();
        for pair in pairs.flat_map(Pair::into_inner) {
            if pair.as_rule() == Rule::unterminated_comment {
                let start = span(&pair).start;
                self.open_comment = Some(start);
                self.error(Diagnostic::new(
                    Code::UnterminatedComment,
                    Span::new(start, start + 2),
                    "this comment is not closed",
                ));
            }
        }
    }

    fn description(&mut self) -> Description {
        let mut description = Description::default();
        let mut anything = false;
        let pairs = Grammar::parse(Rule::file, self.source)
            .expect("the grammar accepts every text")
            .flat_map(Pair::into_inner);
        for pair in pairs {
            let rule = pair.as_rule();
            anything |= rule != Rule::EOI;
            match rule {
                Rule::network | Rule::unnamed => {
                    let network = self.network(pair);
                    match &description.network {
                        None => description.network = Some(network),
                        Some(first) => {
                            let diagnostic = Diagnostic::new(
                                Code::SeveralNetworks,
                                network.head,
                                "a description holds one network",
                            )
                            .secondary(first.head, "the first one is here")
                            .help("give each network a `network!` block or a file of its own");
                            self.error(diagnostic);
                        }
                    }
                }
                Rule::orphans => self.orphans(pair),
                Rule::invalid_item => {
                    let behind = description.network.is_some();
                    self.invalid_item(span(&pair), behind);
                }
                _ => {}
            }
        }
        if !anything && self.diagnostics.is_empty() {
            self.error(
                Diagnostic::new(Code::NoNetwork, Span::at(0), "the description is empty")
                    .help("write `network Name { input(28x28x1); … }`"),
            );
        }
        description
    }

    fn invalid_item(&mut self, span: Span, behind: bool) {
        let (first, shown) = self.excerpt(span);
        let expected = if behind {
            "the end of the text"
        } else {
            "`network`"
        };
        let message = format!("expected {expected}, found `{shown}`");
        let diagnostic = Diagnostic::new(Code::UnexpectedText, first, message);
        let diagnostic = if shown == "}" {
            diagnostic.help("remove this brace: nothing is open here")
        } else {
            diagnostic.help("a description is `network Name { … }` and nothing else")
        };
        self.error(diagnostic);
    }

    /// Layers that stand in no network: one message for all of them.
    fn orphans(&mut self, pair: Pair<'_, Rule>) {
        let whole = span(&pair);
        let (first, shown) = self.excerpt(whole);
        self.error(
            Diagnostic::new(
                Code::OutsideNetwork,
                first,
                format!("`{shown}` stands outside of a network"),
            )
            .help("wrap the layers in `network Name { … }`"),
        );
    }

    /// `network Name { … }`, or a body whose keyword is missing or another one.
    fn network(&mut self, pair: Pair<'_, Rule>) -> NetworkSyntax {
        let named = pair.as_rule() == Rule::network;
        let mut network = NetworkSyntax {
            docs: Vec::new(),
            attributes: Vec::new(),
            visibility: String::new(),
            name: None,
            head: Span::at(span(&pair).start),
            statements: Vec::new(),
        };
        let start = span(&pair).start;
        let mut words: Vec<Name> = Vec::new();
        let mut missing_brace = None;
        let mut end = start;
        for inner in pair.into_inner() {
            let place = span(&inner);
            match inner.as_rule() {
                Rule::attribute => {
                    network.attributes.push(place);
                    network.head = place;
                    continue;
                }
                Rule::doc_line | Rule::doc_attribute | Rule::invalid_attribute => {
                    self.doc(inner, &mut network.docs);
                    network.head = place;
                    continue;
                }
                Rule::visibility => network.visibility = self.visibility(inner),
                Rule::network_keyword => network.head = place,
                Rule::network_name | Rule::word => {
                    let word = if inner.as_rule() == Rule::word {
                        Some(inner)
                    } else {
                        inner.into_inner().next()
                    };
                    words.extend(word.map(|word| name(&word)));
                }
                Rule::invalid_header => {
                    let (first, shown) = self.excerpt(place);
                    self.error(
                        Diagnostic::new(
                            Code::UnexpectedText,
                            first,
                            format!("expected `{{` after the network's name, found `{shown}`"),
                        )
                        .help("a network takes nothing but a name: `network Name { … }`"),
                    );
                }
                Rule::missing_open_brace => missing_brace = Some(end),
                Rule::missing_close_brace => {
                    let head = words.last().map_or(network.head, |word| word.span);
                    self.missing(
                        Diagnostic::new(
                            Code::Unclosed,
                            Span::at(end),
                            "expected `}` at the end of the network",
                        )
                        .secondary(head, "the network begins here"),
                    );
                }
                _ => self.statement(inner, &mut network.statements),
            }
            end = place.end;
        }
        if named {
            self.network_name(&mut network, words);
        } else {
            self.keyword_missing(&mut network, start, words);
        }
        if let Some(at) = missing_brace {
            let name = network
                .name
                .as_ref()
                .map_or("Name", |name| name.text.as_str());
            let diagnostic = Diagnostic::new(
                Code::MissingOpenBrace,
                Span::at(at),
                "expected `{` before the layers",
            )
            .help(format!("write `network {name} {{ … }}`"));
            self.error(diagnostic);
        }
        network
    }

    fn network_name(&mut self, network: &mut NetworkSyntax, words: Vec<Name>) {
        match words.into_iter().next() {
            Some(name) => {
                network.head = name.span;
                network.name = self.valid(name, "the name of a struct");
            }
            None => {
                self.error(
                    Diagnostic::new(Code::MissingName, network.head, "the network has no name")
                        .help("name the struct that is generated: `network Name { … }`"),
                );
            }
        }
    }

    /// The name, if Rust takes it.
    pub(crate) fn valid(&mut self, name: Name, what: &str) -> Option<Name> {
        let written = name.span.text(self.source);
        let Some(reason) = names::invalid(written) else {
            return Some(name);
        };
        let message = format!("`{}` cannot be {what}: {reason}", name.text);
        let diagnostic = Diagnostic::new(Code::InvalidName, name.span, message);
        self.error(diagnostic.maybe_help(names::help(written)));
        None
    }

    /// `Mnist { … }` or `model Mnist { … }`.
    fn keyword_missing(&mut self, network: &mut NetworkSyntax, start: usize, mut words: Vec<Name>) {
        let name = words.pop();
        let shown = name.as_ref().map_or("Name", |name| name.text.as_str());
        let help = format!("write `network {shown} {{ … }}`");
        let (place, message) = match (words.pop(), &name) {
            (Some(keyword), _) => (
                keyword.span,
                format!("expected `network`, found `{}`", keyword.text),
            ),
            (None, Some(name)) => (name.span, format!("expected `network` before `{shown}`")),
            (None, None) => (
                Span::new(start, (start + 1).min(self.source.len())),
                "expected `network` and a name before `{`".to_owned(),
            ),
        };
        self.error(Diagnostic::new(Code::ExpectedNetwork, place, message).help(help));
        network.head = name.as_ref().map_or(place, |name| name.span);
        network.name = name.filter(|name| names::invalid(name.span.text(self.source)).is_none());
    }

    fn visibility(&mut self, pair: Pair<'_, Rule>) -> String {
        let Some(scope) = pair
            .into_inner()
            .find(|inner| inner.as_rule() == Rule::scope)
        else {
            return "pub".to_owned();
        };
        let words: Vec<_> = scope.as_str().split_whitespace().collect();
        let text = words.join(" ");
        let path = text
            .strip_prefix("in ")
            .unwrap_or_default()
            .replace(' ', "");
        let is_path = !path.is_empty()
            && path.trim_start_matches("::").split("::").all(|segment| {
                matches!(segment, "crate" | "self" | "super") || names::invalid(segment).is_none()
            });
        if matches!(text.as_str(), "crate" | "self" | "super") {
            return format!("pub({text})");
        }
        if is_path {
            return format!("pub(in {path})");
        }
        self.error(
            Diagnostic::new(
                Code::InvalidVisibility,
                span(&scope),
                format!("`pub({text})` is not a visibility"),
            )
            .help("write `pub`, `pub(crate)`, `pub(super)` or `pub(in path)`"),
        );
        "pub".to_owned()
    }

    /// A line of documentation; another attribute belongs to no layer and no setting.
    pub(crate) fn doc(&mut self, pair: Pair<'_, Rule>, docs: &mut Vec<String>) {
        let place = span(&pair);
        match pair.as_rule() {
            Rule::attribute => return self.attribute_in_the_network(place),
            Rule::invalid_attribute => return self.invalid_attribute(place),
            _ => {}
        }
        let Some(text) = pair.into_inner().next() else {
            return;
        };
        let text = match text.as_rule() {
            Rule::text_literal => unescape(text.as_str()),
            Rule::raw_literal => text.into_inner().as_str().to_owned(),
            _ => text.as_str().to_owned(),
        };
        docs.extend(text.split('\n').map(|line| line.trim_end().to_owned()));
    }

    /// Text that is no layer, or a label without one.
    fn invalid_statement(&mut self, place: Span) {
        let (first, shown) = self.excerpt(place);
        let behind = self.source[first.end..place.end].trim_start();
        let is_label = names::invalid(&shown).is_none() && behind.starts_with(':');
        let diagnostic = match is_label && !behind.starts_with("::") {
            true => {
                let message = format!(
                    "expected a layer after the label `{}`",
                    names::unraw(&shown)
                );
                Diagnostic::new(Code::MissingLayer, first, message)
                    .help(format!("write `{shown}: dense(10);`"))
            }
            false => {
                let message = format!("expected a layer, found `{shown}`");
                Diagnostic::new(Code::UnexpectedText, first, message)
                    .help("a layer is written `dense(10);`, one a line")
            }
        };
        self.error(diagnostic);
    }

    pub(crate) fn attribute_in_the_network(&mut self, place: Span) {
        let path = place.text(self.source).trim_start_matches(['#', '[', ' ']);
        let help = if path.starts_with("cfg") {
            "write two networks, each with its own `#[cfg(…)]` in front of it"
        } else {
            "write it in front of `network`, where it is an attribute of the struct"
        };
        let message = "inside of a network there are no attributes but documentation";
        self.error(Diagnostic::new(Code::UnsupportedAttribute, place, message).help(help));
    }

    /// `#![…]`, or an attribute without its end.
    fn invalid_attribute(&mut self, place: Span) {
        let text = place.text(self.source);
        let (message, help) = match text.starts_with("#!") {
            true => (
                "an attribute of a network has no `!`",
                "write `#[…]` in front of `network`",
            ),
            false => ("this attribute is not closed", "end it with `]`"),
        };
        self.error(Diagnostic::new(Code::UnsupportedAttribute, place, message).help(help));
    }

    /// A line of a network or of a body.
    pub(crate) fn statement(&mut self, pair: Pair<'_, Rule>, statements: &mut Vec<Statement>) {
        let place = span(&pair);
        let statement = match pair.as_rule() {
            Rule::constant => Statement::Constant(self.constant(pair)),
            Rule::block => Statement::Block(self.block(pair)),
            Rule::repeat => Statement::Repeat(self.repeat(pair)),
            Rule::layer => Statement::Layer(self.layer(pair)),
            Rule::train => Statement::Train(self.train(pair)),
            Rule::invalid_docs => {
                self.dangling_docs(place);
                return;
            }
            _ => {
                self.invalid_statement(place);
                Statement::Invalid
            }
        };
        statements.push(statement);
    }
}

/// The name that a `word` holds.
pub(crate) fn name(pair: &Pair<'_, Rule>) -> Name {
    Name {
        text: names::unraw(pair.as_str()).to_owned(),
        span: span(pair),
    }
}

/// The text of a Rust string literal, quotes included.
fn unescape(literal: &str) -> String {
    let inner = literal.strip_prefix('"').unwrap_or(literal);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('0') => text.push('\0'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                text.extend(u8::from_str_radix(&digits, 16).ok().map(char::from));
            }
            Some('u') => {
                let digits: String = chars.by_ref().skip(1).take_while(|&c| c != '}').collect();
                text.extend(
                    u32::from_str_radix(&digits.replace('_', ""), 16)
                        .ok()
                        .and_then(char::from_u32),
                );
            }
            // A line break after `\` takes the indentation of the next line with it.
            Some('\n') => {
                let rest = chars.as_str().trim_start();
                chars = rest.chars();
            }
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}
