//! Arguments: which value belongs to which parameter.
//!
//! [`Context::bind`] pairs the arguments of a layer, activation or optimizer with its
//! [`Callee`]; the readers of `convert` then take typed values out of the result. A value is
//! `Ok(None)` where nothing was written. It is `Err(Reported)` where what was written is wrong, so that
//! no reader goes on with a guess.

use crate::check::trace::Trace;
use crate::diagnostic::suggest::{self, Hint, Vocabulary};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::layers::{Activation, Kind, LayerKind, Parameter};
use crate::syntax::{Argument, LayerSyntax, Name, ParameterSyntax, Span, Value, ValueKind};
use cnn_ir::vocabulary::{Range, Setting, Word};
use cnn_ir::{Constraint, Initializer, Regularizer};

use super::convert;

/// What a layer, activation, optimizer or block takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callee<'k> {
    pub(crate) name: &'k str,
    pub(crate) signature: Signature<'k>,
    /// Whether it is written as a layer: some defaults are others then.
    pub(crate) is_layer: bool,
    /// How it is written, where that does not follow from the parameters.
    pub(crate) example: Option<&'static str>,
}

/// The parameters of a callee.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signature<'k> {
    /// Those of a word of the language.
    Word(&'static [Parameter]),
    /// Those of a block.
    Block(&'k [ParameterSyntax]),
}

impl<'k> Signature<'k> {
    fn len(self) -> usize {
        match self {
            Self::Word(parameters) => parameters.len(),
            Self::Block(parameters) => parameters.len(),
        }
    }

    fn names(self) -> impl Iterator<Item = &'k str> {
        (0..self.len()).map(move |index| match self {
            Self::Word(parameters) => parameters[index].name,
            Self::Block(parameters) => parameters[index].name.text.as_str(),
        })
    }

    fn position(self, name: &str) -> Option<usize> {
        self.names().position(|other| other == name)
    }

    fn is_required(self, index: usize) -> bool {
        match self {
            Self::Word(parameters) => parameters[index].kind.is_required(),
            Self::Block(parameters) => parameters[index].default.is_none(),
        }
    }
}

impl Callee<'_> {
    /// How it is written: `dense(units, activation = linear, …)`.
    pub(crate) fn usage(&self, source: &str) -> String {
        if let Some(example) = self.example {
            return example.to_owned();
        }
        if self.signature.len() == 0 {
            return self.name.to_owned();
        }
        let default = |index: usize| match self.signature {
            Signature::Word(parameters) => default(&parameters[index], self.is_layer),
            Signature::Block(parameters) => {
                let default = parameters[index].default.as_ref()?;
                Some(default.span.text(source).to_owned())
            }
        };
        // What few write would make the line too long to read.
        let of_tensors = ["_initializer", "_regularizer", "_constraint"];
        let is_rare =
            |name: &str| name == "trainable" || of_tensors.iter().any(|end| name.ends_with(end));
        let is_shown = |name: &str| matches!(self.signature, Signature::Block(_)) || !is_rare(name);
        let names = || self.signature.names().enumerate();
        let mut parameters: Vec<_> = names()
            .filter(|(_, name)| is_shown(name))
            .map(|(index, name)| match default(index) {
                Some(default) => format!("{name} = {default}"),
                None => name.to_owned(),
            })
            .collect();
        if names().any(|(_, name)| !is_shown(name)) {
            parameters.push("…".to_owned());
        }
        format!("{}({})", self.name, parameters.join(", "))
    }
}

/// The default of a parameter as it is written; none where an argument is needed.
pub(crate) fn default(parameter: &Parameter, is_layer: bool) -> Option<String> {
    match parameter.kind {
        Kind::Other(default) => default.map(str::to_owned),
        kind => kind.default(is_layer).map(|setting| setting.to_string()),
    }
}

/// A mistake that was reported already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported;

/// A typed argument: `None` where nothing was written.
pub(crate) type Given<T> = Result<Option<T>, Reported>;

/// Arguments in the order of the parameters.
#[derive(Debug)]
pub(crate) struct Bound<'a> {
    callee: Callee<'a>,
    values: Vec<Option<&'a Value>>,
    damaged: bool,
}

impl<'a> Bound<'a> {
    /// Whether the callee is written as a layer.
    pub(crate) fn is_layer(&self) -> bool {
        self.callee.is_layer
    }

    /// The value of a parameter. In damaged arguments nothing is certain.
    pub(crate) fn get(&self, parameter: &str) -> Given<&'a Value> {
        let index = self.callee.signature.position(parameter);
        match index.and_then(|index| self.values[index]) {
            Some(value) if value.kind == ValueKind::Invalid => Err(Reported),
            None if self.damaged => Err(Reported),
            value => Ok(value),
        }
    }

    /// Whether something about the arguments was reported.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Where the value of a parameter stands.
    pub(crate) fn span(&self, parameter: &str) -> Option<Span> {
        self.get(parameter).ok().flatten().map(|value| value.span)
    }
}

/// Whether an argument is `from = label`: what a layer reads in place of the line above.
pub(crate) fn is_from(argument: &Argument) -> bool {
    argument.name.as_ref().is_some_and(|name| name.text == FROM)
}

/// The argument that every layer but an input has.
pub(crate) const FROM: &str = "from";

/// What every stage behind the parser needs.
pub(crate) struct Context<'a> {
    pub(crate) source: &'a str,
    pub(crate) diagnostics: &'a mut Diagnostics,
    /// Through which calls the line at hand came about.
    pub(crate) trace: Trace,
    /// How many values are being evaluated, each for the one before.
    pub(crate) levels: usize,
}

impl Context<'_> {
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        if let Some(diagnostic) = self.trace.hold(diagnostic) {
            self.diagnostics.push(diagnostic);
        }
        Reported
    }

    /// Pairs arguments with parameters.
    pub(crate) fn bind<'a>(
        &mut self,
        callee: &Callee<'a>,
        place: Span,
        arguments: &'a [Argument],
        damaged: bool,
    ) -> Bound<'a> {
        let mut bound = Bound {
            callee: *callee,
            values: vec![None; callee.signature.len()],
            damaged,
        };
        let mut named: Option<Span> = None;
        for (position, argument) in arguments.iter().enumerate() {
            // Any layer may say what it reads.
            if callee.is_layer && is_from(argument) {
                named = named.or(Some(argument.span()));
                continue;
            }
            let index = match &argument.name {
                Some(name) => {
                    named = named.or(Some(argument.span()));
                    self.parameter(callee, name)
                }
                None => match named {
                    None => self.position(callee, position, argument),
                    Some(first) => Err(self.positional_after_named(callee, argument, first)),
                },
            };
            match index {
                Err(Reported) => bound.damaged = true,
                Ok(index) => match bound.values[index] {
                    None => bound.values[index] = Some(&argument.value),
                    Some(first) => {
                        let parameter = callee.signature.names().nth(index).unwrap_or_default();
                        self.report(
                            Diagnostic::new(
                                Code::DuplicateArgument,
                                argument.span(),
                                format!("`{parameter}` is given twice"),
                            )
                            .label("given again")
                            .secondary(first.span, "first given here"),
                        );
                    }
                },
            }
        }
        if !bound.damaged {
            self.required(&mut bound, place);
        }
        bound
    }

    fn parameter(&mut self, callee: &Callee<'_>, name: &Name) -> Result<usize, Reported> {
        let found = callee.signature.position(&name.text);
        found.ok_or_else(|| {
            let hint = match callee.signature {
                Signature::Word(parameters) => {
                    let names: Vec<_> = parameters.iter().map(|p| p.name).collect();
                    suggest::hint(Vocabulary::Argument, &name.text, &names)
                }
                Signature::Block(_) => None,
            };
            let diagnostic = if matches!(hint, Some(Hint::Unsupported(_))) {
                let message = format!("`{}` of `{}` is not supported", name.text, callee.name);
                Diagnostic::new(Code::Unsupported, name.span, message)
            } else {
                let message = format!("`{}` has no argument `{}`", callee.name, name.text);
                let diagnostic = Diagnostic::new(Code::UnknownArgument, name.span, message);
                match hint {
                    Some(_) => diagnostic,
                    None => {
                        diagnostic.note(format!("it is written `{}`", callee.usage(self.source)))
                    }
                }
            };
            self.report(diagnostic.maybe_help(hint.and_then(|hint| hint.help())))
        })
    }

    fn position(
        &mut self,
        callee: &Callee<'_>,
        position: usize,
        argument: &Argument,
    ) -> Result<usize, Reported> {
        if position < callee.signature.len() {
            return Ok(position);
        }
        let message = match callee.signature.len() {
            0 => format!("`{}` takes no arguments", callee.name),
            1 => format!("`{}` takes one argument", callee.name),
            count => format!("`{}` takes at most {count} arguments", callee.name),
        };
        let diagnostic = Diagnostic::new(Code::TooManyArguments, argument.span(), message)
            .note(format!("it is written `{}`", callee.usage(self.source)));
        Err(self.report(diagnostic))
    }

    fn positional_after_named(
        &mut self,
        callee: &Callee<'_>,
        argument: &Argument,
        first: Span,
    ) -> Reported {
        let diagnostic = Diagnostic::new(
            Code::PositionalAfterNamed,
            argument.span(),
            "an argument without a name stands after one with a name",
        )
        .secondary(first, "the first one with a name")
        .note(format!("it is written `{}`", callee.usage(self.source)));
        self.report(diagnostic)
    }

    fn required(&mut self, bound: &mut Bound<'_>, place: Span) {
        let callee = bound.callee;
        let missing: Vec<_> = callee
            .signature
            .names()
            .enumerate()
            .filter(|&(index, _)| {
                bound.values[index].is_none() && callee.signature.is_required(index)
            })
            .map(|(_, name)| format!("`{name}`"))
            .collect();
        if !missing.is_empty() {
            bound.damaged = true;
            let message = format!("`{}` needs {}", callee.name, missing.join(" and "));
            self.report(
                Diagnostic::new(Code::MissingArgument, place, message)
                    .help(format!("write `{}`", callee.usage(self.source))),
            );
        }
    }
}

/// Reads the arguments of a layer.
///
/// An argument that is wrong and decides the shape is an `Err`, so that nobody goes on with a guess.
/// One that does not is read as its default, and the layer is [`incomplete`](Reader::incomplete):
/// its shape is known all the same, for the layers behind it.
pub(crate) struct Reader<'c, 's> {
    pub(crate) context: &'c mut Context<'s>,
    callee: Callee<'static>,
    layer: &'c LayerSyntax,
    /// Made when an argument is first asked for.
    bound: Option<Bound<'c>>,
    /// Whether an argument was wrong that leaves the shape as it is.
    pub(crate) incomplete: bool,
    /// The labels of what it joins.
    pub(crate) operands: Vec<Name>,
}

impl<'c, 's> Reader<'c, 's> {
    /// Pairs the arguments of a line with the parameters of its kind.
    pub(crate) fn new(
        context: &'c mut Context<'s>,
        kind: &LayerKind,
        layer: &'c LayerSyntax,
    ) -> Self {
        let callee = Callee {
            name: kind.name,
            signature: Signature::Word(kind.parameters),
            is_layer: true,
            example: kind.example,
        };
        Self {
            context,
            callee,
            layer,
            bound: None,
            incomplete: false,
            operands: Vec::new(),
        }
    }

    /// The keyword.
    pub(crate) fn name(&self) -> &'static str {
        self.callee.name
    }

    /// The arguments as they were written.
    pub(crate) fn written(&self) -> &'c [Argument] {
        &self.layer.arguments
    }

    fn parameters(&self) -> &'static [Parameter] {
        match self.callee.signature {
            Signature::Word(parameters) => parameters,
            Signature::Block(_) => &[],
        }
    }

    fn bound(&mut self) -> &Bound<'c> {
        let Self {
            context,
            callee,
            layer,
            bound,
            ..
        } = self;
        bound.get_or_insert_with(|| {
            let keyword = layer.keyword.span;
            context.bind(callee, keyword, &layer.arguments, layer.damaged)
        })
    }

    /// Reads the labels of values that are joined, two to `most`; one, where the line above is the first.
    pub(crate) fn operands(&mut self, most: usize) -> Result<(), Reported> {
        let name = self.name();
        let mut result = match self.layer.damaged {
            true => Err(Reported),
            false => Ok(()),
        };
        let arguments = self.layer.arguments.iter();
        for argument in arguments.filter(|argument| !is_from(argument)) {
            let label = match (&argument.name, &argument.value.kind) {
                (None, ValueKind::Name(text)) => Ok(text.clone()),
                (_, ValueKind::Invalid) => Err(Reported),
                _ => {
                    let message = format!("`{name}` takes labels of lines above");
                    let diagnostic = Diagnostic::new(Code::WrongType, argument.span(), message);
                    let example = self.callee.example.unwrap_or(name);
                    Err(self
                        .context
                        .report(diagnostic.note(format!("it is written `{example}`"))))
                }
            };
            match label {
                Ok(text) => self.operands.push(Name {
                    text,
                    span: argument.value.span,
                }),
                Err(Reported) => result = Err(Reported),
            }
        }
        result?;
        let count = self.operands.len();
        let example = self.callee.example.unwrap_or(name);
        if count == 0 {
            let keyword = self.layer.keyword.span;
            let message = format!("`{name}` needs the label of what it joins with the line above");
            let diagnostic = Diagnostic::new(Code::MissingArgument, keyword, message)
                .help(format!("write `{example};`, with labels of lines above"));
            return Err(self.context.report(diagnostic));
        }
        if count > most {
            let last = self.operands[most].span;
            let message = format!("`{name}` joins at most {most} values");
            let diagnostic = Diagnostic::new(Code::TooManyArguments, last, message)
                .help("join the rest on a line of its own");
            return Err(self.context.report(diagnostic));
        }
        Ok(())
    }

    /// The value of a parameter.
    pub(crate) fn get(&mut self, parameter: &str) -> Given<&'c Value> {
        self.bound().get(parameter)
    }

    /// Where the value of a parameter stands, else the keyword.
    pub(crate) fn span(&mut self, parameter: &str) -> Span {
        let keyword = self.layer.keyword.span;
        self.bound().span(parameter).unwrap_or(keyword)
    }

    /// Where each argument stands that was written.
    pub(crate) fn spans(&mut self) -> Vec<(&'static str, Span)> {
        // Labels are no arguments.
        if !self.operands.is_empty() {
            return Vec::new();
        }
        let names: Vec<_> = self.parameters().iter().map(|p| p.name).collect();
        let bound = self.bound();
        names
            .into_iter()
            .filter_map(|name| Some((name, bound.span(name)?)))
            .collect()
    }

    /// A positive integer that has to be written.
    pub(crate) fn count(&mut self, parameter: &str) -> Result<usize, Reported> {
        let value = self.get(parameter);
        self.context.count(parameter, value)?.ok_or(Reported)
    }

    /// Height and width.
    pub(crate) fn pair(&mut self, parameter: &str) -> Given<[usize; 2]> {
        let value = self.get(parameter);
        self.context.pair(parameter, value)
    }

    /// A number that decides no shape.
    pub(crate) fn number(&mut self, parameter: &str, range: Range, default: f64) -> f64 {
        let value = self.get(parameter);
        let number = self.context.number(parameter, value, range);
        self.or_incomplete(number.map(|number| number.unwrap_or(default)), default)
    }

    /// `true` or `false`; what is wrong is the default.
    pub(crate) fn switch(&mut self, parameter: &str) -> bool {
        let kind = self
            .parameters()
            .iter()
            .filter(|p| p.name == parameter)
            .find_map(|p| p.kind.default(true));
        let default = matches!(kind, Some(Setting::Switch(true)));
        let value = self.get(parameter);
        let switch = self.context.boolean(parameter, value);
        // A mistake here leaves every shape as it is.
        switch.ok().flatten().unwrap_or(default)
    }

    /// The argument `activation`.
    pub(crate) fn activation(&mut self) -> Activation {
        let activation = match self.get("activation") {
            Ok(None) => Ok(Activation::Linear),
            Ok(Some(value)) => self.context.activation(value),
            Err(Reported) => Err(Reported),
        };
        self.or_incomplete(activation, Activation::Linear)
    }

    /// How a tensor of so many axes starts; the default is that of the parameter.
    pub(crate) fn initializer(&mut self, parameter: &str, axes: usize) -> Initializer {
        let mut parameters = self.parameters().iter();
        let default = parameters
            .find(|other| other.name == parameter)
            .and_then(|parameter| self::default(parameter, true));
        let word = Initializer::WORDS
            .iter()
            .find(|word| default.as_deref() == Some(word.name));
        let default = word.map_or(Initializer::Zeros, |word| {
            (word.make)(&convert::defaults(word, false))
        });
        let initializer = match self.get(parameter) {
            Ok(None) => Ok(default),
            Ok(Some(value)) => self.context.initializer(parameter, axes, value),
            Err(Reported) => Err(Reported),
        };
        self.or_incomplete(initializer, default)
    }

    /// The penalty on a tensor, if there is one.
    pub(crate) fn regularizer(&mut self, parameter: &str) -> Option<Regularizer> {
        let words = (Vocabulary::Regularizer, Regularizer::WORDS);
        self.of_tensor(words, parameter, "a regularizer")
    }

    /// What a tensor is kept to, if to something.
    pub(crate) fn constraint(&mut self, parameter: &str) -> Option<Constraint> {
        let words = (Vocabulary::Constraint, Constraint::WORDS);
        let constraint = self.of_tensor(words, parameter, "a constraint");
        if let Some(Constraint::MinMaxNorm {
            min_value,
            max_value,
            rate,
        }) = constraint
            && let Ok(Some(value)) = self.get(parameter)
            && (min_value > max_value || rate > 1.0)
        {
            let message = match rate > 1.0 {
                true => format!("`rate` is {rate}, but must be at most 1"),
                false => {
                    format!("`min_value` is {min_value}, which is above `max_value`, {max_value}")
                }
            };
            let diagnostic = Diagnostic::new(Code::OutOfRange, value.span, message);
            let reported = self.context.report(diagnostic);
            return self.or_incomplete(Err(reported), None);
        }
        constraint
    }

    /// A value of a vocabulary, or `none`, which is the default.
    fn of_tensor<T: Copy>(
        &mut self,
        words: (Vocabulary, &'static [Word<T>]),
        parameter: &str,
        what: &str,
    ) -> Option<T> {
        let read = match self.get(parameter) {
            Ok(None) => Ok(None),
            Ok(Some(value)) if value.kind == ValueKind::Name("none".to_owned()) => Ok(None),
            Ok(Some(value)) => (self.context)
                .vocabulary(words, (parameter, what), value)
                .map(|(value, _)| Some(value)),
            Err(Reported) => Err(Reported),
        };
        self.or_incomplete(read, None)
    }

    /// The value that the keyword names, with its settings.
    pub(crate) fn settings<T: Copy>(&mut self, word: &'static Word<T>) -> T {
        let default = (word.make)(&convert::defaults(word, true));
        self.bound();
        let value = match &self.bound {
            Some(bound) => self.context.make(word, bound),
            None => Err(Reported),
        };
        self.or_incomplete(value, default)
    }

    /// A value that decides no shape: what is wrong is the default.
    pub(crate) fn or_incomplete<T>(&mut self, value: Result<T, Reported>, default: T) -> T {
        value.unwrap_or_else(|Reported| {
            self.incomplete = true;
            default
        })
    }
}
