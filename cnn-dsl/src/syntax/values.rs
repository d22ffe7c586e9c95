//! The part of the parser that reads arguments and values.

use pest::iterators::Pair;

use crate::check::names;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::grammar::Rule;
use crate::syntax::parse::{Parser, name, span};
use crate::syntax::{Argument, Call, Expression, Name, Operator, Span, Value, ValueKind};

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
                    self.too_deep(open, place);
                    group.end = place.end;
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

    /// Reports brackets within brackets within brackets, which were passed over.
    pub(crate) fn too_deep(&mut self, open: Span, passed_over: Span) {
        let message = "brackets are nested too deeply";
        self.error(
            Diagnostic::new(Code::NestedTooDeeply, open, message)
                .help("at most 16 brackets may be open at once"),
        );
        self.passed_over = Some(passed_over.end);
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
        let start = span(&pair).start;
        let mut terms = Terms::default();
        let mut minus = None;
        let mut end = start;
        let mut operators = 0;
        for part in pair.into_inner() {
            let place = span(&part);
            operators += usize::from(part.as_rule() == Rule::operator);
            if operators > MOST_OPERATORS {
                let message = "the value is too long";
                let diagnostic = Diagnostic::new(Code::NestedTooDeeply, place, message);
                let help = format!("at most {MOST_OPERATORS} values are joined in one");
                self.error(diagnostic.help(help));
                terms.damaged = true;
                break;
            }
            match part.as_rule() {
                Rule::minus => minus = Some(place),
                Rule::operator => match operator(part.as_str()) {
                    Some(operator) => terms.operator(operator, place),
                    None => {
                        let message = format!("there is no `{}` between values", part.as_str());
                        let diagnostic = Diagnostic::new(Code::Arithmetic, place, message);
                        self.error(diagnostic.help("there are `+`, `-`, `*`, `/` and `%`"));
                        terms.operator(Operator::Multiply, place);
                        terms.damaged = true;
                    }
                },
                _ => {
                    let (value, solid) = self.operand(part);
                    terms.operand(match minus.take() {
                        Some(minus) => self.negative(minus, value),
                        None => value,
                    });
                    end = solid;
                }
            }
        }
        let whole = Span::new(start, end);
        let kind = terms.value().map_or(ValueKind::Invalid, |value| value.kind);
        (Value { kind, span: whole }, end)
    }

    fn negative(&mut self, minus: Span, value: Value) -> Value {
        let span = minus.to(value.span);
        let kind = match value.kind {
            ValueKind::Integer(value) => ValueKind::Integer(-value),
            ValueKind::Float(value) => ValueKind::Float(-value),
            ValueKind::Invalid => ValueKind::Invalid,
            ValueKind::Name(_) | ValueKind::Expression(_) => {
                ValueKind::Expression(Box::new(Expression::Negative(value)))
            }
            ValueKind::Dims(_) | ValueKind::Call(_) | ValueKind::List(_) => {
                let message = "`-` stands before something that is not a number";
                self.error(Diagnostic::new(Code::UnexpectedText, minus, message));
                ValueKind::Invalid
            }
        };
        Value { kind, span }
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
        // `3xk`: sizes of which some are names.
        let is_named = |text: &str| {
            let number = |size: &str| !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit());
            let mut sizes = text.split('x');
            !text.starts_with("0x")
                && text.contains('x')
                && sizes.all(|size| number(size) || names::invalid(size).is_none())
        };
        if is_named(text) && !is_dims(text) {
            let message = format!("`{text}` is not a number");
            let spaced = text.split('x').collect::<Vec<_>>().join(" x ");
            let diagnostic = Diagnostic::new(Code::InvalidNumber, place, message);
            self.error(diagnostic.help(format!(
                "`x` stands between blanks beside a name: `{spaced}`"
            )));
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
        let invalid = group.damaged || group.unclosed.is_some();
        if let Some(diagnostic) = group.unclosed {
            self.missing(diagnostic);
        }
        let kind = if invalid {
            ValueKind::Invalid
        } else if list {
            ValueKind::List(group.arguments)
        } else {
            self.parenthesised(whole, group.arguments)
        };
        (Value { kind, span: whole }, group.end)
    }

    /// `(n + 1)`; several values in parentheses are sizes in another language.
    fn parenthesised(&mut self, whole: Span, arguments: Vec<Argument>) -> ValueKind {
        let mut values = Vec::new();
        for argument in arguments {
            if let Some(name) = &argument.name {
                let message = format!("expected a value, found `{} =`", name.text);
                self.error(Diagnostic::new(Code::UnexpectedText, name.span, message));
            }
            values.push(argument.value);
        }
        if values.len() == 1
            && let Some(value) = values.pop()
        {
            return value.kind;
        }
        let sizes: Option<Vec<u64>> = values
            .iter()
            .map(|value| match value.kind {
                ValueKind::Integer(size) => size.try_into().ok(),
                _ => None,
            })
            .collect();
        let sizes = sizes.filter(|sizes| !sizes.is_empty());
        let help = match &sizes {
            Some(sizes) => {
                let joined: Vec<_> = sizes.iter().map(u64::to_string).collect();
                format!("sizes are joined by `x`: `{}`", joined.join("x"))
            }
            None => "parentheses hold one value".to_owned(),
        };
        let message = match values.len() {
            0 => "expected a value between the parentheses",
            _ => "several values in parentheses are no value",
        };
        self.error(Diagnostic::new(Code::ParenthesisedValue, whole, message).help(help));
        sizes.map_or(ValueKind::Invalid, ValueKind::Dims)
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

/// The most operators of a value: of several in a row, each is a level of the tree.
const MOST_OPERATORS: usize = 128;

/// The bracket that closes the one at `open`.
fn closing(source: &str, open: Span) -> char {
    if open.text(source) == "[" { ']' } else { ')' }
}

/// The operator of a sign; none where the language has no such.
fn operator(sign: &str) -> Option<Operator> {
    match sign {
        "+" => Some(Operator::Add),
        "-" => Some(Operator::Subtract),
        "*" => Some(Operator::Multiply),
        "/" => Some(Operator::Divide),
        "%" => Some(Operator::Remainder),
        "x" => Some(Operator::Sizes),
        _ => None,
    }
}

/// Operands and operators as they are read. An operator that binds no tighter than the one before it closes that one.
#[derive(Default)]
struct Terms {
    operands: Vec<Value>,
    operators: Vec<(Operator, Span)>,
    /// Whether something between them was reported.
    damaged: bool,
}

impl Terms {
    fn operand(&mut self, value: Value) {
        self.operands.push(value);
    }

    fn operator(&mut self, operator: Operator, at: Span) {
        self.close(binding(operator));
        self.operators.push((operator, at));
    }

    /// Joins what binds at least as tightly.
    fn close(&mut self, tightness: u8) {
        while let Some(&(operator, at)) = self.operators.last()
            && binding(operator) >= tightness
            && let [.., _, _] = self.operands[..]
        {
            self.operators.pop();
            let (right, left) = (self.operands.pop(), self.operands.pop());
            let Some((left, right)) = left.zip(right) else {
                return;
            };
            self.operands.push(joined(operator, at, left, right));
        }
    }

    fn value(mut self) -> Option<Value> {
        self.close(0);
        self.operands.pop().filter(|_| !self.damaged)
    }
}

/// How tightly an operator binds.
fn binding(operator: Operator) -> u8 {
    match operator {
        Operator::Add | Operator::Subtract => 1,
        Operator::Multiply | Operator::Divide | Operator::Remainder => 2,
        Operator::Sizes => 3,
    }
}

fn joined(operator: Operator, at: Span, left: Value, right: Value) -> Value {
    let span = left.span.to(right.span);
    let kind = match (&left.kind, &right.kind) {
        (ValueKind::Invalid, _) | (_, ValueKind::Invalid) => ValueKind::Invalid,
        _ => ValueKind::Expression(Box::new(Expression::Binary {
            operator,
            at,
            left,
            right,
        })),
    };
    Value { kind, span }
}
