//! Evaluates expressions: names of constants and parameters, arithmetic, sizes.
//!
//! [`Context::evaluate`] takes a value as the parser read it and returns one without [`ValueKind::Expression`] and
//! without names of constants or parameters. The result keeps the span of the expression, so that a message about it
//! points at what was written. Numbers are integers as long as no operand has a fraction.

use crate::check::arguments::{Context, Reported};
use crate::check::definitions::meaning;
use crate::diagnostic::suggest::closest_of;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::{Argument, Call, Expression, Operator, Span, Value, ValueKind};

/// What names of values mean.
pub(crate) trait Names {
    /// The value of a name; none where it is a word of the language or nothing.
    fn value(&mut self, context: &mut Context<'_>, name: &str) -> Option<ValueKind>;

    /// All of them.
    fn names(&self) -> Vec<&str>;
}

/// The most parts that names may add to a value, so that constants of constants, each of which doubles the one before,
/// end.
const MOST_PARTS: usize = 1 << 12;

/// The most lists and calls within each other.
const MOST_LEVELS: usize = 64;

/// The most values that are evaluated each for the one before, so that the stack is large enough.
const MOST_OPEN: usize = 256;

/// The most sizes that `x` joins: no layer takes that many.
const MOST_SIZES: usize = 64;

/// An operand of arithmetic.
#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Float(f64),
}

impl Context<'_> {
    /// A value without names of constants and parameters.
    pub(crate) fn evaluate(&mut self, names: &mut dyn Names, value: &Value) -> Value {
        if self.levels >= MOST_OPEN {
            let message = "values are nested too deeply";
            self.report(Diagnostic::new(Code::NestedTooDeeply, value.span, message));
            return Value {
                kind: ValueKind::Invalid,
                span: value.span,
            };
        }
        self.levels += 1;
        let evaluated = self.evaluate_kind(names, value);
        self.levels -= 1;
        evaluated
    }

    fn evaluate_kind(&mut self, names: &mut dyn Names, value: &Value) -> Value {
        let kind = match &value.kind {
            ValueKind::Integer(_)
            | ValueKind::Float(_)
            | ValueKind::Dims(_)
            | ValueKind::Invalid => value.kind.clone(),
            ValueKind::Name(name) => names
                .value(self, name)
                .unwrap_or_else(|| value.kind.clone()),
            ValueKind::Call(call) => ValueKind::Call(Call {
                name: call.name.clone(),
                arguments: self.evaluate_all(names, &call.arguments),
                damaged: call.damaged,
            }),
            ValueKind::List(values) => ValueKind::List(self.evaluate_all(names, values)),
            ValueKind::Expression(expression) => self
                .expression(names, expression, value.span)
                .unwrap_or(ValueKind::Invalid),
        };
        let (parts, levels) = extent(&kind);
        let span = value.span;
        if parts <= MOST_PARTS + extent(&value.kind).0 && levels <= MOST_LEVELS {
            return Value { kind, span };
        }
        let message = "the value becomes too large";
        let help = format!(
            "names may add {MOST_PARTS} parts, of which {MOST_LEVELS} are within each other"
        );
        self.report(Diagnostic::new(Code::NestedTooDeeply, span, message).help(help));
        Value {
            kind: ValueKind::Invalid,
            span,
        }
    }

    /// Arguments without names of constants and parameters.
    pub(crate) fn evaluate_all(
        &mut self,
        names: &mut dyn Names,
        arguments: &[Argument],
    ) -> Vec<Argument> {
        let mut evaluated = Vec::with_capacity(arguments.len());
        for argument in arguments {
            evaluated.push(Argument {
                name: argument.name.clone(),
                value: self.evaluate(names, &argument.value),
            });
        }
        evaluated
    }

    fn expression(
        &mut self,
        names: &mut dyn Names,
        expression: &Expression,
        whole: Span,
    ) -> Result<ValueKind, Reported> {
        match expression {
            Expression::Negative(value) => {
                let negative = match self.operand(names, value, "-")? {
                    Number::Integer(number) => Number::Integer(-number),
                    Number::Float(number) => Number::Float(-number),
                };
                Ok(negative.into())
            }
            Expression::Binary {
                operator: Operator::Sizes,
                left,
                right,
                ..
            } => {
                let (left, right) = (
                    self.joined_sizes(names, left),
                    self.joined_sizes(names, right),
                );
                let sizes = [left?, right?].concat();
                if sizes.len() > MOST_SIZES {
                    let message = format!("`x` joins at most {MOST_SIZES} sizes");
                    let diagnostic = Diagnostic::new(Code::OutOfRange, whole, message);
                    return Err(self.report(diagnostic));
                }
                Ok(ValueKind::Dims(sizes))
            }
            Expression::Binary {
                operator,
                at,
                left,
                right,
            } => {
                let sign = at.text(self.source);
                let (left, right) = (
                    self.operand(names, left, sign),
                    self.operand(names, right, sign),
                );
                self.arithmetic(*operator, whole, left?, right?)
                    .map(ValueKind::from)
            }
        }
    }

    /// An operand of `sign`.
    fn operand(
        &mut self,
        names: &mut dyn Names,
        value: &Value,
        sign: &str,
    ) -> Result<Number, Reported> {
        let value = self.evaluate(names, value);
        match &value.kind {
            ValueKind::Integer(number) => Ok(Number::Integer(*number)),
            ValueKind::Float(number) => Ok(Number::Float(*number)),
            ValueKind::Invalid => Err(Reported),
            ValueKind::Name(name) => Err(self.unknown_value(names, name, value.span)),
            ValueKind::Dims(_)
            | ValueKind::Call(_)
            | ValueKind::List(_)
            | ValueKind::Expression(_) => {
                let found = self.describe(&value);
                let message = format!("`{sign}` takes numbers, found {found}");
                let diagnostic = Diagnostic::new(Code::WrongType, value.span, message);
                let is_size = matches!(value.kind, ValueKind::Dims(_));
                let help = is_size.then(|| "sizes are joined by `x`, as in `2 x 3`".to_owned());
                Err(self.report(diagnostic.maybe_help(help)))
            }
        }
    }

    /// An operand of `x`: one size, or several.
    fn joined_sizes(&mut self, names: &mut dyn Names, value: &Value) -> Result<Vec<u64>, Reported> {
        let value = self.evaluate(names, value);
        match &value.kind {
            ValueKind::Integer(size) => match u64::try_from(*size) {
                Ok(size) => Ok(vec![size]),
                Err(_) => {
                    let found = self.describe(&value);
                    let message = format!("a size is zero or more, found {found}");
                    let diagnostic = Diagnostic::new(Code::OutOfRange, value.span, message);
                    Err(self.report(diagnostic))
                }
            },
            ValueKind::Dims(sizes) => Ok(sizes.clone()),
            ValueKind::Invalid => Err(Reported),
            ValueKind::Name(name) => Err(self.unknown_value(names, name, value.span)),
            ValueKind::Float(_)
            | ValueKind::Call(_)
            | ValueKind::List(_)
            | ValueKind::Expression(_) => {
                let message = format!("sizes are integers, found {}", self.describe(&value));
                Err(self.report(Diagnostic::new(Code::WrongType, value.span, message)))
            }
        }
    }

    fn unknown_value(&mut self, names: &dyn Names, name: &str, at: Span) -> Reported {
        if let Some(meaning) = meaning(name) {
            let message = format!("`{name}` is {meaning}, which is no number");
            return self.report(Diagnostic::new(Code::WrongType, at, message));
        }
        let message = format!("there is no constant `{name}`");
        let diagnostic = Diagnostic::new(Code::UnknownConstant, at, message);
        let diagnostic = match closest_of(name, &names.names()) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None => diagnostic.value_of_the_program(name),
        };
        self.report(diagnostic)
    }

    fn arithmetic(
        &mut self,
        operator: Operator,
        whole: Span,
        left: Number,
        right: Number,
    ) -> Result<Number, Reported> {
        let text = whole.text(self.source);
        if matches!(operator, Operator::Divide | Operator::Remainder) && f64::from(right) == 0.0 {
            let message = format!("`{text}` divides by zero");
            return Err(self.report(Diagnostic::new(Code::Arithmetic, whole, message)));
        }
        let (left, right) = match (left, right) {
            (Number::Integer(left), Number::Integer(right)) => (left, right),
            (left, right) => {
                let number = floats(operator, left.into(), right.into());
                return match number.is_finite() {
                    true => Ok(Number::Float(number)),
                    false => Err(self.too_large(whole)),
                };
            }
        };
        if operator == Operator::Divide && left % right != 0 {
            let rest = left % right;
            let message = format!("`{text}` is not whole: {left} / {right} leaves {rest}");
            let diagnostic = Diagnostic::new(Code::Arithmetic, whole, message).help(format!(
                "a number with a fraction is written `{left}.0 / {right}`"
            ));
            return Err(self.report(diagnostic));
        }
        let number = match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::Divide => left.checked_div(right),
            Operator::Remainder => left.checked_rem(right),
            Operator::Sizes => None,
        };
        match number.filter(|number| number.unsigned_abs() <= u128::from(u64::MAX)) {
            Some(number) => Ok(Number::Integer(number)),
            None => Err(self.too_large(whole)),
        }
    }

    fn too_large(&mut self, whole: Span) -> Reported {
        let message = format!("`{}` is too large a number", whole.text(self.source));
        self.report(Diagnostic::new(Code::NumberTooLarge, whole, message))
    }
}

/// How many parts a value has, and how deeply lists and calls stand within each other.
fn extent(kind: &ValueKind) -> (usize, usize) {
    let arguments = match kind {
        ValueKind::Call(call) => &call.arguments,
        ValueKind::List(values) => values,
        ValueKind::Dims(sizes) => return (sizes.len(), 0),
        ValueKind::Name(name) => return (1 + name.len() / 16, 0),
        ValueKind::Integer(_)
        | ValueKind::Float(_)
        | ValueKind::Expression(_)
        | ValueKind::Invalid => return (1, 0),
    };
    let extents = arguments
        .iter()
        .map(|argument| extent(&argument.value.kind));
    let (parts, levels) = extents.fold((1_usize, 0), |(parts, levels), (more, deeper)| {
        (parts.saturating_add(more), levels.max(deeper))
    });
    (parts, levels + 1)
}

fn floats(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
        Operator::Sizes => f64::NAN,
    }
}

impl From<Number> for f64 {
    /// Exact up to 2^53, as a literal is.
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(number) => number as f64,
            Number::Float(number) => number,
        }
    }
}

impl From<Number> for ValueKind {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(number) => Self::Integer(number),
            Number::Float(number) => Self::Float(number),
        }
    }
}
