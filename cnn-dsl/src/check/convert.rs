//! Values of a certain type: sizes, numbers, booleans, words.
//!
//! Every reader takes a value as `arguments` hands it out and either answers with its type or
//! reports what is wrong, with what to write instead where that can be guessed.

use crate::check::arguments::{Bound, Callee, Context, Given, Reported, Signature};
use crate::check::names;
use crate::diagnostic::suggest::{self, Hint, Vocabulary};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Shape;
use crate::layers::{Activation, Kind, Parameter};
use crate::syntax::{Argument, Call, Span, Value, ValueKind};
use cnn_ir::Initializer;
use cnn_ir::vocabulary::{MOST, Range, Setting};

/// The largest size, number of values and number of parameters: all fit an `i32`, as the
/// generated code, other formats and 32-bit targets need it.
pub(crate) const LIMIT: u64 = i32::MAX as u64;

/// The value of a number where the runtime computes with it: that of the nearest `f32`.
pub(crate) fn as_f32(number: f64) -> f64 {
    f64::from(number as f32)
}

impl Context<'_> {
    /// How a value is called in a message.
    pub(crate) fn describe(&self, value: &Value) -> String {
        let text = value.span.text(self.source);
        let shown: String = text.chars().take(40).collect();
        let shown = if shown.len() < text.len() {
            format!("{shown}…")
        } else {
            shown
        };
        // What stands there may be a name, or be computed.
        let written = text.replace('_', "");
        match &value.kind {
            ValueKind::Integer(value) if written.parse() == Ok(*value) => {
                format!("the integer `{shown}`")
            }
            ValueKind::Integer(value) => format!("the integer `{shown}`, which is {value}"),
            ValueKind::Float(value) if written.parse() == Ok(*value) => {
                format!("the number `{shown}`")
            }
            ValueKind::Float(value) => format!("the number `{shown}`, which is {value}"),
            ValueKind::Dims(sizes) => {
                let joined: Vec<_> = sizes.iter().map(u64::to_string).collect();
                let joined = joined.join("x");
                match written.replace(' ', "") == joined {
                    true => format!("the sizes `{shown}`"),
                    false => format!("the sizes `{shown}`, which are {joined}"),
                }
            }
            ValueKind::Call(_) => format!("the call `{shown}`"),
            ValueKind::List(_) => format!("the list `{shown}`"),
            ValueKind::Name(name) if *name != text && !text.contains(name.as_str()) => {
                format!("`{shown}`, which is `{name}`")
            }
            ValueKind::Name(_) | ValueKind::Expression(_) | ValueKind::Invalid => {
                format!("`{shown}`")
            }
        }
    }

    /// Reports a value of the wrong type.
    pub(crate) fn wrong_type(
        &mut self,
        parameter: &str,
        expected: &str,
        value: &Value,
        help: Option<String>,
    ) -> Reported {
        let diagnostic = self.type_mismatch(parameter, expected, value);
        self.report(diagnostic.maybe_help(help))
    }

    /// Reports something else where a number, sizes or a switch belong.
    pub(crate) fn not_a_literal(
        &mut self,
        parameter: &str,
        expected: &str,
        value: &Value,
        help: Option<String>,
    ) -> Reported {
        let diagnostic = self.type_mismatch(parameter, expected, value);
        let diagnostic = match (&value.kind, help) {
            (ValueKind::Name(name), None) => diagnostic.value_of_the_program(name),
            (_, help) => diagnostic.maybe_help(help),
        };
        self.report(diagnostic)
    }

    fn type_mismatch(&self, parameter: &str, expected: &str, value: &Value) -> Diagnostic {
        let found = self.describe(value);
        let message = format!("`{parameter}` takes {expected}, found {found}");
        Diagnostic::new(Code::WrongType, value.span, message)
    }

    /// Reports a number that makes no sense.
    pub(crate) fn out_of_range(
        &mut self,
        parameter: &str,
        expected: &str,
        value: &Value,
        help: Option<String>,
    ) -> Reported {
        let message = format!(
            "`{parameter}` must be {expected}, found {}",
            self.describe(value)
        );
        self.report(Diagnostic::new(Code::OutOfRange, value.span, message).maybe_help(help))
    }

    /// One size of a shape or window: 1 to [`LIMIT`].
    pub(crate) fn size(
        &mut self,
        parameter: &str,
        size: u64,
        value: &Value,
    ) -> Result<usize, Reported> {
        if size == 0 {
            let text = value.span.text(self.source);
            let message = match value.kind {
                ValueKind::Dims(_) => format!("`{parameter}` has a size of zero in `{text}`"),
                _ if text.bytes().all(|b| b.is_ascii_digit()) => {
                    format!("`{parameter}` cannot be zero")
                }
                _ => format!("`{parameter}` cannot be zero, which `{text}` is"),
            };
            let mut diagnostic = Diagnostic::new(Code::ZeroSize, value.span, message);
            if text.starts_with("0x") {
                diagnostic = diagnostic.note(format!("`{text}` is a hexadecimal number to Rust"));
            }
            return Err(self.report(diagnostic));
        }
        self.bounded(parameter, size, value)
    }

    fn bounded(&mut self, parameter: &str, size: u64, value: &Value) -> Result<usize, Reported> {
        match usize::try_from(size) {
            Ok(bounded) if size <= LIMIT => Ok(bounded),
            _ => Err(self.out_of_range(parameter, &format!("at most {LIMIT}"), value, None)),
        }
    }

    /// A positive integer: `filters`, `units`, `epochs`.
    pub(crate) fn count(&mut self, parameter: &str, value: Given<&Value>) -> Given<usize> {
        self.integer(parameter, value, "positive", Self::size)
    }

    /// An integer of zero or more: rows of padding.
    pub(crate) fn count_or_zero(&mut self, parameter: &str, value: Given<&Value>) -> Given<usize> {
        self.integer(parameter, value, "zero or more", Self::bounded)
    }

    fn integer(
        &mut self,
        parameter: &str,
        value: Given<&Value>,
        range: &str,
        check: Check<Self>,
    ) -> Given<usize> {
        let Some(value) = value? else { return Ok(None) };
        match &value.kind {
            ValueKind::Integer(count) => match u64::try_from(*count) {
                Ok(count) => check(self, parameter, count, value).map(Some),
                Err(_) => Err(self.out_of_range(parameter, range, value, None)),
            },
            ValueKind::Float(float) if float.fract() == 0.0 && (1.0..1e9).contains(float) => {
                let help = self.as_integer(value, *float);
                Err(self.not_a_literal(parameter, "an integer", value, Some(help)))
            }
            _ => Err(self.not_a_literal(parameter, "an integer", value, None)),
        }
    }

    /// How to write a whole number, `float`, as an integer. The result of arithmetic with a fraction is none, whatever
    /// it is.
    fn as_integer(&self, value: &Value, float: f64) -> String {
        let text = value.span.text(self.source);
        let is_literal = text.replace('_', "").parse() == Ok(float);
        if !is_literal && text.contains(['*', '/', '+', '-']) {
            "arithmetic with a fraction gives no integer: instead of `* 0.25` write `/ 4`".into()
        } else {
            format!("write `{float}`")
        }
    }

    /// Height and width: `3x3`, or `3` for both.
    pub(crate) fn pair(&mut self, parameter: &str, value: Given<&Value>) -> Given<[usize; 2]> {
        self.two(parameter, value, Self::size)
    }

    /// Height and width, zero allowed.
    pub(crate) fn pair_or_zero(
        &mut self,
        parameter: &str,
        value: Given<&Value>,
    ) -> Given<[usize; 2]> {
        self.two(parameter, value, Self::bounded)
    }

    fn two(
        &mut self,
        parameter: &str,
        value: Given<&Value>,
        check: Check<Self>,
    ) -> Given<[usize; 2]> {
        let Some(value) = value? else { return Ok(None) };
        let expected = "one size or two, as in `3x3`";
        self.lint_product(parameter, value);
        match &value.kind {
            ValueKind::Integer(size) => match u64::try_from(*size) {
                Ok(size) => check(self, parameter, size, value).map(|size| Some([size, size])),
                Err(_) => Err(self.out_of_range(parameter, "zero or more", value, None)),
            },
            ValueKind::Dims(sizes) if sizes.len() == 2 => {
                let height = check(self, parameter, sizes[0], value)?;
                let width = check(self, parameter, sizes[1], value)?;
                Ok(Some([height, width]))
            }
            ValueKind::List(values) => {
                let sizes = sizes_of(values).filter(|_| values.len() <= 2);
                let help = sizes.map(|sizes| format!("write `{sizes}`"));
                Err(self.not_a_literal(parameter, expected, value, help))
            }
            ValueKind::Name(name) if is_activation(name) => {
                let help = format!("write `activation = {name}`");
                Err(self.not_a_literal(parameter, expected, value, Some(help)))
            }
            _ => Err(self.not_a_literal(parameter, expected, value, None)),
        }
    }

    /// A product where sizes were probably meant: `3*3` for a window of 3x3.
    fn lint_product(&mut self, parameter: &str, value: &Value) {
        let text = value.span.text(self.source);
        let factors: Vec<_> = text.split('*').map(str::trim).collect();
        let is_word = |factor: &&str| {
            factor
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if let (ValueKind::Integer(product), [_, _, ..]) = (&value.kind, &factors[..])
            && factors.iter().all(is_word)
        {
            let message = format!("`{parameter}` is the product {product}");
            self.report(
                Diagnostic::new(Code::ProductOfSizes, value.span, message).help(format!(
                    "sizes are joined by `x`: `{}`",
                    factors.join(" x ")
                )),
            );
        }
    }

    /// A number within `range`, both as written and as the `f32` that it becomes.
    pub(crate) fn number(
        &mut self,
        parameter: &str,
        value: Given<&Value>,
        range: Range,
    ) -> Given<f64> {
        self.number_called(parameter, "a number", value, range)
    }

    /// The same, with what messages call it.
    pub(crate) fn number_called(
        &mut self,
        parameter: &str,
        what: &str,
        value: Given<&Value>,
        range: Range,
    ) -> Given<f64> {
        let Some(value) = value? else { return Ok(None) };
        let expected = range.describe();
        let number = match value.kind {
            ValueKind::Float(number) => number,
            // Exact up to 2^53; nobody writes such a rate.
            ValueKind::Integer(number) => number as f64,
            _ => return Err(self.not_a_literal(parameter, what, value, None)),
        };
        if !range.contains(number) {
            let percent = range.contains(number / 100.0) && number > 1.0 && number.fract() == 0.0;
            let help = percent.then(|| format!("write `{}` for {number} %", number / 100.0));
            return Err(self.out_of_range(parameter, expected, value, help));
        }
        let computed = as_f32(number);
        let diagnostic = if computed.is_infinite() {
            let message = format!("`{}` is too large a number", value.span.text(self.source));
            Diagnostic::new(Code::NumberTooLarge, value.span, message).note(format!(
                "networks compute with 32-bit floats, which end at {:e}",
                f32::MAX
            ))
        } else if !range.contains(computed) {
            let message = format!(
                "`{parameter}` must be {expected}, found {}",
                self.describe(value)
            );
            Diagnostic::new(Code::OutOfRange, value.span, message).note(format!(
                "networks compute with 32-bit floats, in which it is {computed}"
            ))
        } else {
            return Ok(Some(number));
        };
        Err(self.report(diagnostic))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, parameter: &str, value: Given<&Value>) -> Given<bool> {
        let Some(value) = value? else { return Ok(None) };
        let help = match &value.kind {
            ValueKind::Name(name) if name == "true" => return Ok(Some(true)),
            ValueKind::Name(name) if name == "false" => return Ok(Some(false)),
            ValueKind::Name(_) | ValueKind::Integer(_) => {
                let text = value.span.text(self.source);
                suggest::hint(Vocabulary::Boolean, text, &["true", "false"])
                    .and_then(|hint| hint.help())
            }
            _ => None,
        };
        let report = match &value.kind {
            ValueKind::Name(name) if names::is_constant(name) => Self::not_a_literal,
            _ => Self::wrong_type,
        };
        Err(report(self, parameter, "`true` or `false`", value, help))
    }

    /// A number of steps: an integer from `least` on.
    fn steps(&mut self, parameter: &str, value: Given<&Value>, least: u64) -> Given<u64> {
        let Some(value) = value? else { return Ok(None) };
        let expected = match least {
            0 => "zero or more",
            1 => "positive",
            _ => &format!("at least {least}"),
        };
        match value.kind {
            ValueKind::Integer(count) => match u64::try_from(count) {
                Ok(count) if count >= least => Ok(Some(count)),
                _ => Err(self.out_of_range(parameter, expected, value, None)),
            },
            ValueKind::Float(float) if float.fract() == 0.0 && (0.0..1e15).contains(&float) => {
                let help = self.as_integer(value, float);
                Err(self.not_a_literal(parameter, "an integer", value, Some(help)))
            }
            _ => Err(self.not_a_literal(parameter, "an integer", value, None)),
        }
    }

    /// A list, each value read by `read`. It lives as long as the program: a schedule is a constant of the network.
    fn list<T>(
        &mut self,
        parameter: &str,
        expected: &str,
        value: Given<&Value>,
        mut read: impl FnMut(&mut Self, &Value) -> Given<T>,
    ) -> Given<&'static [T]> {
        let Some(value) = value? else { return Ok(None) };
        let ValueKind::List(values) = &value.kind else {
            let help = format!("write `[{}]`", value.span.text(self.source));
            let is_item = matches!(value.kind, ValueKind::Integer(_) | ValueKind::Float(_));
            return Err(self.wrong_type(parameter, expected, value, is_item.then_some(help)));
        };
        let mut list = Vec::new();
        let mut failed = false;
        for value in values {
            let value = &value.value;
            let item = match value.kind {
                ValueKind::Invalid => Err(Reported),
                _ => read(self, value),
            };
            match item {
                Ok(item) => list.extend(item),
                Err(Reported) => failed = true,
            }
        }
        match failed {
            true => Err(Reported),
            false => Ok(Some(list.leak())),
        }
    }

    /// A list of numbers within `range`.
    pub(crate) fn numbers(
        &mut self,
        parameter: &str,
        value: Given<&Value>,
        range: Range,
    ) -> Given<&'static [f64]> {
        self.list(parameter, "a list of numbers", value, |context, value| {
            context.number(parameter, Ok(Some(value)), range)
        })
    }

    /// A list of steps that ascend.
    fn ascending(&mut self, parameter: &str, value: Given<&Value>) -> Given<&'static [u64]> {
        let mut last = None;
        self.list(parameter, "a list of integers", value, |context, value| {
            let step = context.steps(parameter, Ok(Some(value)), 0)?;
            if last >= step {
                return Err(context.out_of_range(parameter, "ascending", value, None));
            }
            last = step;
            Ok(step)
        })
    }

    /// Any integer that fits 64 bits without a sign.
    pub(crate) fn seed(&mut self, parameter: &str, value: Given<&Value>) -> Given<u64> {
        let Some(value) = value? else { return Ok(None) };
        match value.kind {
            ValueKind::Integer(seed) => match u64::try_from(seed) {
                Ok(seed) => Ok(Some(seed)),
                Err(_) => Err(self.out_of_range(parameter, "zero or more", value, None)),
            },
            _ => Err(self.not_a_literal(parameter, "an integer", value, None)),
        }
    }

    /// A name, or a name with arguments, of the words that belong here.
    ///
    /// `what` is how messages call such a word: `an activation`.
    pub(crate) fn word<'v>(
        &mut self,
        (vocabulary, words): (Vocabulary, &[&'static str]),
        (parameter, what): (&str, &str),
        value: &'v Value,
    ) -> Result<Word<'v>, Reported> {
        let (name, span, call) = match &value.kind {
            ValueKind::Name(name) => (name, value.span, None),
            ValueKind::Call(call) => (&call.name.text, call.name.span, Some(call)),
            ValueKind::Invalid => return Err(Reported),
            _ => {
                let help = suggest::suggestion(what, words);
                return Err(self.wrong_type(parameter, what, value, Some(help)));
            }
        };
        if let Some(word) = words.iter().find(|word| *word == name) {
            return Ok(Word {
                name: word,
                span,
                call,
            });
        }
        let hint = suggest::hint(vocabulary, name, words);
        let noun = what.trim_start_matches("an ").trim_start_matches("a ");
        let diagnostic = if matches!(hint, Some(Hint::Unsupported(_))) {
            let message = format!("the {noun} `{name}` is not supported yet");
            Diagnostic::new(Code::Unsupported, span, message)
        } else {
            Diagnostic::new(
                Code::UnknownName,
                span,
                format!("there is no {noun} `{name}`"),
            )
        };
        let diagnostic = match hint.and_then(|hint| hint.help()) {
            Some(help) => diagnostic.help(help),
            None => diagnostic.help(suggest::suggestion(what, words)),
        };
        Err(self.report(diagnostic))
    }

    /// Reports arguments of a word that takes none.
    pub(crate) fn no_arguments(&mut self, word: &Word<'_>) -> Result<(), Reported> {
        match word.call {
            Some(call) if call.damaged => Err(Reported),
            Some(call) if !call.arguments.is_empty() => {
                let span = call.arguments[0].span();
                let message = format!("`{}` takes no arguments", word.name);
                Err(self.report(Diagnostic::new(Code::TooManyArguments, span, message)))
            }
            _ => Ok(()),
        }
    }

    /// A word of a vocabulary with its settings: `leaky_relu(0.1)`, `huber`. What is called it says where
    /// it stands, and its arguments.
    pub(crate) fn vocabulary<'v, T: Copy>(
        &mut self,
        words: (Vocabulary, &'static [cnn_ir::vocabulary::Word<T>]),
        what: (&str, &str),
        value: &'v Value,
    ) -> Result<(T, Named<'v>), Reported> {
        let (word, named) = self.called(words, what, value, |word| word.parameters)?;
        let made = self.make(word, &named.bound)?;
        Ok((made, named))
    }

    /// A word of a vocabulary with its arguments, of which `parameters` tells what they may be.
    pub(crate) fn called<'v, T>(
        &mut self,
        (vocabulary, words): (Vocabulary, &'static [cnn_ir::vocabulary::Word<T>]),
        what: (&str, &str),
        value: &'v Value,
        parameters: fn(&'static cnn_ir::vocabulary::Word<T>) -> &'static [Parameter],
    ) -> Result<(&'static cnn_ir::vocabulary::Word<T>, Named<'v>), Reported> {
        let names: Vec<_> = names(words).collect();
        let written = self.word((vocabulary, &names), what, value)?;
        let word = words
            .iter()
            .find(|word| word.names().any(|name| name == written.name))
            .ok_or(Reported)?;
        let parameters = parameters(word);
        if parameters.is_empty() {
            self.no_arguments(&written)?;
        }
        let (arguments, damaged) = match written.call {
            Some(call) => (&call.arguments[..], call.damaged),
            None => (&[][..], false),
        };
        let callee = Callee {
            name: word.name,
            signature: Signature::Word(parameters),
            is_layer: false,
            example: None,
        };
        let bound = self.bind(&callee, written.span, arguments, damaged);
        let span = written.span;
        Ok((word, Named { span, bound }))
    }

    /// The value that a word makes of its arguments.
    pub(crate) fn make<T: Copy>(
        &mut self,
        word: &'static cnn_ir::vocabulary::Word<T>,
        bound: &Bound<'_>,
    ) -> Result<T, Reported> {
        let mut settings = defaults(word, bound.is_layer());
        let mut failed = false;
        for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
            let value = bound.get(parameter.name);
            let read = match parameter.kind {
                Kind::Number { range, .. } => self
                    .number(parameter.name, value, range)
                    .map(|number| number.map(Setting::Number)),
                Kind::Switch { .. } => self
                    .boolean(parameter.name, value)
                    .map(|switch| switch.map(Setting::Switch)),
                Kind::OneOf { words, .. } => self
                    .one_of(parameter.name, words, value)
                    .map(|word| word.map(Setting::Word)),
                Kind::Count { least, .. } => self
                    .steps(parameter.name, value, least)
                    .map(|count| count.map(Setting::Count)),
                Kind::Counts => self
                    .ascending(parameter.name, value)
                    .map(|counts| counts.map(Setting::Counts)),
                Kind::Numbers(range) => self
                    .numbers(parameter.name, value, range)
                    .map(|numbers| numbers.map(Setting::Numbers)),
                Kind::Other(_) => unreachable!("words read no arguments themselves"),
            };
            match read {
                Ok(Some(read)) => *setting = read,
                Ok(None) => {}
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        Ok((word.make)(&settings))
    }

    /// One of a few words.
    fn one_of(
        &mut self,
        parameter: &str,
        words: &[&'static str],
        value: Given<&Value>,
    ) -> Given<&'static str> {
        let Some(value) = value? else { return Ok(None) };
        let what = format!("a {parameter}");
        let word = self.word((Vocabulary::Word, words), (parameter, &what), value)?;
        self.no_arguments(&word)?;
        Ok(Some(word.name))
    }

    /// An activation as a value: `relu`, `leaky_relu(0.1)`.
    pub(crate) fn activation(&mut self, value: &Value) -> Result<Activation, Reported> {
        let vocabulary = (Vocabulary::Activation, Activation::WORDS);
        let (activation, _) =
            self.vocabulary(vocabulary, ("activation", "an activation"), value)?;
        Ok(activation)
    }
}

/// Checks the range of an integer.
type Check<C> = fn(&mut C, &str, u64, &Value) -> Result<usize, Reported>;
impl Context<'_> {
    /// How a tensor of so many axes starts: `zeros`, `random_normal(stddev = 0.01)`.
    pub(crate) fn initializer(
        &mut self,
        parameter: &str,
        axes: usize,
        value: &Value,
    ) -> Result<Initializer, Reported> {
        let vocabulary = (Vocabulary::Initializer, Initializer::WORDS);
        let (initializer, named) =
            self.vocabulary(vocabulary, (parameter, "an initializer"), value)?;
        let name = initializer.name();
        if axes < initializer.properties().least_axes {
            let message =
                format!("`{name}` is for kernels: `{parameter}` is that of a list of values");
            let diagnostic = Diagnostic::new(Code::WrongType, named.span, message);
            return Err(self.report(diagnostic.help("use `zeros` or `random_normal`")));
        }
        if let Initializer::RandomUniform { minval, maxval } = initializer
            && minval > maxval
        {
            let written = named.bound.span("minval").or(named.bound.span("maxval"));
            let message = format!("`minval` is {minval}, which is above `maxval`, {maxval}");
            let place = written.unwrap_or(named.span);
            return Err(self.report(Diagnostic::new(Code::OutOfRange, place, message)));
        }
        Ok(initializer)
    }
}

/// Where a word of a vocabulary stands, and its arguments.
pub(crate) struct Named<'a> {
    pub(crate) span: Span,
    pub(crate) bound: Bound<'a>,
}

/// The defaults of a word's parameters.
pub(crate) fn defaults<T>(word: &cnn_ir::vocabulary::Word<T>, is_layer: bool) -> [Setting; MOST] {
    let mut settings = [Setting::Switch(false); MOST];
    for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
        if let Some(default) = parameter.kind.default(is_layer) {
            *setting = default;
        }
    }
    settings
}

/// The names of words, then their other names.
fn names<T>(words: &'static [cnn_ir::vocabulary::Word<T>]) -> impl Iterator<Item = &'static str> {
    let aliases = words.iter().flat_map(|word| word.aliases.iter().copied());
    words.iter().map(|word| word.name).chain(aliases)
}

fn is_activation(name: &str) -> bool {
    names(Activation::WORDS).any(|word| word == name)
}

/// Checks that a shape is not too large.
pub(crate) fn elements(
    context: &mut Context<'_>,
    shape: &Shape,
    span: Span,
    what: &str,
) -> Result<(), Reported> {
    let count = product(&shape.0);
    if count <= u128::from(LIMIT) {
        return Ok(());
    }
    let shape = match shape.0.len() {
        1 => String::new(),
        _ => format!(" ({shape})"),
    };
    let message = format!("{what} has {count} values{shape}; the limit is {LIMIT}");
    Err(context.report(Diagnostic::new(Code::ShapeTooLarge, span, message)))
}

/// The product of sizes; one that overflows is as large as can be.
pub(crate) fn product(sizes: &[usize]) -> u128 {
    sizes
        .iter()
        .map(|&size| size as u128)
        .fold(1, u128::saturating_mul)
}

/// A word that belongs where it stands.
#[derive(Debug)]
pub(crate) struct Word<'a> {
    pub(crate) name: &'static str,
    pub(crate) span: Span,
    /// Its arguments, where it was written with parentheses.
    pub(crate) call: Option<&'a Call>,
}

/// `[3, 3]` as sizes.
pub(crate) fn sizes_of(values: &[Argument]) -> Option<String> {
    let sizes: Option<Vec<_>> = values
        .iter()
        .map(|argument| match argument.value.kind {
            ValueKind::Integer(size) if size >= 0 => Some(size.to_string()),
            _ => None,
        })
        .collect();
    sizes
        .filter(|sizes| !sizes.is_empty())
        .map(|sizes| sizes.join("x"))
}
