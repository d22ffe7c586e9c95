//! The part of the parser that reads arguments and values.

use pest::iterators::Pair;

use crate::check::names;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::grammar::Rule;
use crate::syntax::parse::{Parser, name, span};
use crate::syntax::{Argument, Call, Name, Span, Value, ValueKind};

/// What stands between two brackets.
pub(crate) struct Group {
    pub(crate) arguments: Vec<Argument>,
    /// Whether something was reported and left out.
    pub(crate) damaged: bool,
    /// The message, where the closing bracket is missing. Whoever reads the group decides
    /// whether something else says it better.
    pub(crate) unclosed: Option<Diagnostic>,
    /// Where the text of the group ends, blanks before a missing bracket left out.
    pub(crate) end: usize,
}

impl Parser<'_> {
    /// `(…)` or `[…]`.
    pub(crate) fn group(&mut self, pair: Pair<'_, Rule>) -> Group {
        let whole = span(&pair);
        let open = Span::new(whole.start, whole.start + 1);
        let mut group = Group {
            arguments: Vec::new(),
            damaged: false,
            unclosed: None,
            end: whole.end,
        };
        let mut solid = open.end;
        // Whether a comma must come before the next argument, or an argument before the next comma.
        let mut after_argument = false;
        // Behind a call on a line of its own that no comma announces, the bracket was forgotten.
        let mut lost = false;
        for inner in pair.into_inner() {
            let place = span(&inner);
            match inner.as_rule() {
                Rule::comma => {
                    if !after_argument && !lost {
                        self.error(
                            Diagnostic::new(
                                Code::UnexpectedComma,
                                place,
                                "expected a value, found `,`",
                            )
                            .help("remove this comma"),
                        );
                    }
                    after_argument = false;
                }
                Rule::argument => {
                    if after_argument && !lost {
                        lost = self.missing_comma(&inner, open, solid);
                        group.damaged |= lost;
                    }
                    if lost {
                        solid = place.end;
                        continue;
                    }
                    let (argument, end) = self.argument(inner);
                    group.arguments.push(argument);
                    solid = end;
                    after_argument = true;
                    continue;
                }
                Rule::invalid_argument => {
                    group.damaged = true;
                    if !lost {
                        let (first, shown) = self.excerpt(place);
                        let message = if after_argument {
                            format!(
                                "expected `,` or `{}`, found `{shown}`",
                                closing(self.source, open)
                            )
                        } else {
                            format!("expected a value, found `{shown}`")
                        };
                        self.error(Diagnostic::new(Code::UnexpectedText, first, message));
                    }
                    after_argument = true;
                }
                Rule::too_deep => {
                    group.damaged = true;
                    self.error(
                        Diagnostic::new(
                            Code::NestedTooDeeply,
                            open,
                            "brackets are nested too deeply",
                        )
                        .help("at most 16 brackets may be open at once"),
                    );
                    group.end = place.end;
                    self.passed_over = Some(place.end);
                    return group;
                }
                Rule::missing_close_paren | Rule::missing_close_bracket => {
                    group.end = solid;
                    if !lost {
                        let close = closing(self.source, open);
                        group.unclosed = Some(
                            Diagnostic::new(
                                Code::Unclosed,
                                Span::at(solid),
                                format!("expected `{close}`"),
                            )
                            .secondary(open, "this bracket is not closed"),
                        );
                    }
                    continue;
                }
                _ => {}
            }
            solid = place.end;
        }
        group
    }

    /// Reports two arguments without a comma between them. Answers whether rather the closing
    /// bracket is missing, and what follows is the next statement.
    fn missing_comma(&mut self, next: &Pair<'_, Rule>, open: Span, solid: usize) -> bool {
        let (place, shown) = self.excerpt(span(next));
        let close = closing(self.source, open);
        let new_line = self.source[solid..place.start].contains('\n');
        let call = next.as_str().contains('(');
        if new_line && call {
            self.error(
                Diagnostic::new(
                    Code::Unclosed,
                    Span::at(solid),
                    format!("expected `{close}`"),
                )
                .secondary(open, "this bracket is not closed"),
            );
            return true;
        }
        self.error(
            Diagnostic::new(
                Code::MissingComma,
                Span::at(solid),
                format!("expected `,` or `{close}` before `{shown}`"),
            )
            .help("separate arguments with `,`"),
        );
        false
    }

    /// `value` or `name = value`, and where its text ends.
    fn argument(&mut self, pair: Pair<'_, Rule>) -> (Argument, usize) {
        let mut argument = Argument {
            name: None,
            value: Value {
                kind: ValueKind::Invalid,
                span: span(&pair),
            },
        };
        let mut end = span(&pair).start;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::argument_name => {
                    argument.name = inner.into_inner().next().map(|word| name(&word));
                }
                Rule::assign => {
                    self.assign(&inner);
                    end = span(&inner).end;
                }
                Rule::value => (argument.value, end) = self.value(inner),
                _ => {
                    argument.value.span = Span::at(end);
                    let key = argument.name.as_ref().map_or("", |name| name.text.as_str());
                    let message = format!("expected a value after `{key} =`");
                    self.error(Diagnostic::new(Code::MissingValue, Span::at(end), message));
                }
            }
        }
        (argument, end)
    }

    /// Reports `:` and `==` where `=` belongs.
    pub(crate) fn assign(&mut self, pair: &Pair<'_, Rule>) {
        if pair.as_str() != "=" {
            let message = format!("expected `=`, found `{}`", pair.as_str());
            self.error(
                Diagnostic::new(Code::WrongAssignment, span(pair), message)
                    .help("names and values are joined by `=`"),
            );
        }
    }

    /// A value, and where its text ends.
    pub(crate) fn value(&mut self, pair: Pair<'_, Rule>) -> (Value, usize) {
        let parts: Vec<_> = pair.into_inner().collect();
        let first = parts.first().map_or(Span::at(0), span);
        let operator = parts
            .iter()
            .find(|part| part.as_rule() == Rule::operator)
            .map(span);
        let negated = parts.iter().position(|part| part.as_rule() == Rule::minus) == Some(0);
        let mut end = first.end;
        let mut operands = Vec::new();
        for part in parts {
            if !matches!(part.as_rule(), Rule::minus | Rule::operator) {
                let (value, solid) = self.operand(part);
                operands.push(value);
                end = solid;
            }
        }
        let whole = Span::new(first.start, end);
        if let Some(operator) = operator {
            self.arithmetic(whole, operator, &operands);
            return (
                Value {
                    kind: ValueKind::Invalid,
                    span: whole,
                },
                end,
            );
        }
        let kind = operands
            .pop()
            .map_or(ValueKind::Invalid, |value| value.kind);
        let kind = match kind {
            kind if !negated => kind,
            ValueKind::Integer(value) => ValueKind::Integer(-value),
            ValueKind::Float(value) => ValueKind::Float(-value),
            ValueKind::Invalid => ValueKind::Invalid,
            _ => {
                let minus = Span::new(whole.start, whole.start + 1);
                let message = "`-` stands before something that is not a number";
                self.error(Diagnostic::new(Code::UnexpectedText, minus, message));
                ValueKind::Invalid
            }
        };
        (Value { kind, span: whole }, end)
    }

    fn arithmetic(&mut self, whole: Span, operator: Span, operands: &[Value]) {
        let sizes: Option<Vec<_>> = operands
            .iter()
            .map(|operand| match operand.kind {
                ValueKind::Integer(size) => u64::try_from(size).ok(),
                _ => None,
            })
            .collect();
        let sign = operator.text(self.source);
        if sign == "x" {
            let message = format!(
                "sizes are numbers, found `{}`",
                whole.text(self.source).trim()
            );
            let diagnostic = Diagnostic::new(Code::WrongType, whole, message);
            self.error(diagnostic.value_of_the_program());
            return;
        }
        let help = match sizes {
            Some(sizes) if sign == "*" => {
                let joined: Vec<_> = sizes.iter().map(u64::to_string).collect();
                let product = sizes
                    .iter()
                    .try_fold(1, |product: u64, &size| product.checked_mul(size));
                let product = product.map_or(String::new(), |product| {
                    format!(", a product is written out: `{product}`")
                });
                format!("sizes are joined by `x`: `{}`{product}", joined.join("x"))
            }
            _ => "write the result".to_owned(),
        };
        let message = format!("`{sign}` between values is not supported yet");
        self.error(Diagnostic::new(Code::Arithmetic, whole, message).help(help));
    }

    fn operand(&mut self, pair: Pair<'_, Rule>) -> (Value, usize) {
        let place = span(&pair);
        let kind = match pair.as_rule() {
            Rule::integer => self.integer(pair.as_str(), place),
            Rule::float => match pair.as_str().replace('_', "").parse::<f64>() {
                Ok(value) if value.is_finite() => ValueKind::Float(value),
                _ => self.too_large(place),
            },
            Rule::dims => {
                let sizes: Option<Vec<u64>> = pair
                    .into_inner()
                    .map(|size| size.as_str().replace('_', "").parse().ok())
                    .collect();
                match sizes {
                    Some(sizes) => ValueKind::Dims(sizes),
                    None => self.too_large(place),
                }
            }
            Rule::invalid_number => self.invalid_number(place),
            Rule::string => self.string(place),
            Rule::list | Rule::arguments => return self.bracketed(pair),
            _ => return self.call(pair),
        };
        (Value { kind, span: place }, place.end)
    }

    fn integer(&mut self, text: &str, place: Span) -> ValueKind {
        match text.replace('_', "").parse::<u64>() {
            Ok(value) => ValueKind::Integer(value.into()),
            Err(_) => self.too_large(place),
        }
    }

    fn too_large(&mut self, place: Span) -> ValueKind {
        let message = format!("`{}` is too large a number", place.text(self.source));
        self.error(Diagnostic::new(Code::NumberTooLarge, place, message));
        ValueKind::Invalid
    }

    fn invalid_number(&mut self, place: Span) -> ValueKind {
        let text = place.text(self.source);
        let joined = text.replace(['X', '×'], "x");
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let suffix = [
            "f32", "f64", "u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize",
        ]
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix));
        let is_dims = |text: &str| {
            text.contains('x')
                && text
                    .split('x')
                    .all(|size| !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit()))
        };
        let is_named = |text: &str| {
            let mut sizes = text.split('x');
            sizes.next().is_some_and(|first| !first.is_empty())
                && sizes.next().is_some_and(names::is_constant)
        };
        if is_named(text) {
            let message = format!("sizes are numbers, found `{text}`");
            let diagnostic = Diagnostic::new(Code::WrongType, place, message);
            self.error(diagnostic.value_of_the_program());
            return ValueKind::Invalid;
        }
        let help = if is_dims(&joined) {
            Some(format!("sizes are joined by a small `x`: `{joined}`"))
        } else if text.starts_with("0x") || text.starts_with("0b") || text.starts_with("0o") {
            Some("numbers are written in decimal".to_owned())
        } else if let Some(number) = suffix {
            Some(format!("numbers have no suffix: `{number}`"))
        } else if text.starts_with('.') {
            Some(format!("write `0{text}`"))
        } else if text.ends_with('x') && (is_dims(digits) || !digits.is_empty()) {
            Some(format!(
                "write `{digits}`, or the size that is missing behind `x`"
            ))
        } else {
            None
        };
        let diagnostic = Diagnostic::new(
            Code::InvalidNumber,
            place,
            format!("`{text}` is not a number"),
        );
        self.error(diagnostic.maybe_help(help));
        ValueKind::Invalid
    }

    /// A string: names stand without quotes.
    fn string(&mut self, place: Span) -> ValueKind {
        let text = place.text(self.source);
        let inner = text.trim_matches(['"', '\'']);
        let is_name =
            !inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let diagnostic = Diagnostic::new(
            Code::QuotedName,
            place,
            format!("expected a name, found the string `{text}`"),
        );
        let help = if is_name {
            format!("write `{inner}` without quotes")
        } else {
            "names stand without quotes".to_owned()
        };
        self.error(diagnostic.help(help));
        if is_name {
            ValueKind::Name(inner.to_owned())
        } else {
            ValueKind::Invalid
        }
    }

    /// `[a, b]`, or a value in parentheses.
    fn bracketed(&mut self, pair: Pair<'_, Rule>) -> (Value, usize) {
        let list = pair.as_rule() == Rule::list;
        let start = span(&pair).start;
        let group = self.group(pair);
        let whole = Span::new(start, group.end);
        let mut values = Vec::new();
        for argument in group.arguments {
            if let Some(name) = &argument.name {
                let message = format!("expected a value, found `{} =`", name.text);
                self.error(Diagnostic::new(Code::UnexpectedText, name.span, message));
            }
            values.push(argument.value);
        }
        let invalid = group.damaged || group.unclosed.is_some();
        if let Some(diagnostic) = group.unclosed {
            self.missing(diagnostic);
        }
        let kind = if invalid {
            ValueKind::Invalid
        } else if list {
            ValueKind::List(values)
        } else {
            self.parenthesised(whole, values)
        };
        (Value { kind, span: whole }, group.end)
    }

    fn parenthesised(&mut self, whole: Span, mut values: Vec<Value>) -> ValueKind {
        let sizes: Option<Vec<u64>> = values
            .iter()
            .map(|value| match value.kind {
                ValueKind::Integer(size) => size.try_into().ok(),
                _ => None,
            })
            .collect();
        let message = "values stand without parentheses";
        let diagnostic = Diagnostic::new(Code::ParenthesisedValue, whole, message);
        let (kind, help) = match sizes {
            Some(sizes) if sizes.len() > 1 => {
                let joined: Vec<_> = sizes.iter().map(u64::to_string).collect();
                let help = format!("sizes are joined by `x`: `{}`", joined.join("x"));
                (ValueKind::Dims(sizes), help)
            }
            _ => match values.pop() {
                Some(value) if values.is_empty() => {
                    let help = format!("write `{}`", value.span.text(self.source));
                    (value.kind, help)
                }
                _ => (ValueKind::Invalid, "remove the parentheses".to_owned()),
            },
        };
        self.error(diagnostic.help(help));
        kind
    }

    /// A name, or a name with arguments.
    fn call(&mut self, pair: Pair<'_, Rule>) -> (Value, usize) {
        let start = span(&pair).start;
        let mut called = Name {
            text: String::new(),
            span: span(&pair),
        };
        let mut kind = ValueKind::Invalid;
        let mut end = start;
        for inner in pair.into_inner() {
            if inner.as_rule() == Rule::path {
                called = self.path(&inner);
                end = called.span.end;
                kind = ValueKind::Name(called.text.clone());
                continue;
            }
            let group = self.group(inner);
            end = group.end;
            let damaged = group.damaged || group.unclosed.is_some();
            if let Some(diagnostic) = group.unclosed {
                self.missing(diagnostic);
            }
            kind = ValueKind::Call(Call {
                name: called.clone(),
                arguments: group.arguments,
                damaged,
            });
        }
        (
            Value {
                kind,
                span: Span::new(start, end),
            },
            end,
        )
    }

    /// A plain name; of `tf.nn.relu` only the last part counts. A constant of the program keeps its path:
    /// whoever wants a number says what is wrong with it.
    fn path(&mut self, pair: &Pair<'_, Rule>) -> Name {
        let (place, written) = (span(pair), pair.as_str());
        let last = written.rsplit(['.', ':']).next().unwrap_or_default();
        let last = names::unraw(last.trim());
        let is_path = names::unraw(written).len() > last.len();
        let is_constant = is_path && names::is_constant(last);
        if is_path && !is_constant {
            let message = format!("expected a name, found the path `{written}`");
            self.error(
                Diagnostic::new(Code::PathedName, place, message).help(format!("write `{last}`")),
            );
        }
        let text = if is_constant { written } else { last };
        Name {
            text: text.to_owned(),
            span: place,
        }
    }
}

/// The bracket that closes the one at `open`.
fn closing(source: &str, open: Span) -> char {
    if open.text(source) == "[" { ']' } else { ')' }
}
