//! Arguments: which value belongs to which parameter.
//!
//! [`Context::bind`] pairs the arguments of a layer, activation or optimizer with its
//! [`Signature`]; the readers of `convert` then take typed values out of the result. A value is
//! `Ok(None)` where nothing was written, and `Err(Reported)` where something wrong was, so that
//! nobody goes on with a guess.

use crate::diagnostic::suggest::{self, Hint, Vocabulary};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::syntax::{Argument, Name, Span, Value, ValueKind};

/// What a layer, activation or optimizer takes.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    /// The names of the arguments, in the order in which they stand without names.
    pub(crate) parameters: &'static [&'static str],
    /// How many of them must be given.
    pub(crate) required: usize,
    /// How it is written, for messages.
    pub(crate) usage: &'static str,
}

/// A mistake that was reported already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported;

/// A typed argument: `None` where nothing was written.
pub(crate) type Given<T> = Result<Option<T>, Reported>;

/// Arguments in the order of a signature.
#[derive(Debug)]
pub(crate) struct Bound<'a> {
    signature: &'static Signature,
    values: Vec<Option<&'a Value>>,
    damaged: bool,
}

impl<'a> Bound<'a> {
    /// The value of a parameter. In damaged arguments nothing is certain.
    pub(crate) fn get(&self, parameter: &str) -> Given<&'a Value> {
        let value = self
            .signature
            .parameters
            .iter()
            .position(|name| *name == parameter)
            .and_then(|index| self.values[index]);
        match value {
            Some(value) if value.kind == ValueKind::Invalid => Err(Reported),
            None if self.damaged => Err(Reported),
            value => Ok(value),
        }
    }

    /// Where the value of a parameter stands.
    pub(crate) fn span(&self, parameter: &str) -> Option<Span> {
        self.get(parameter).ok().flatten().map(|value| value.span)
    }
}

/// What every stage behind the parser needs.
pub(crate) struct Context<'a> {
    pub(crate) source: &'a str,
    pub(crate) diagnostics: &'a mut Diagnostics,
}

impl Context<'_> {
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        self.diagnostics.push(diagnostic);
        Reported
    }

    /// Pairs arguments with parameters.
    pub(crate) fn bind<'a>(
        &mut self,
        signature: &'static Signature,
        callee: Span,
        arguments: &'a [Argument],
        damaged: bool,
    ) -> Bound<'a> {
        let mut bound = Bound {
            signature,
            values: vec![None; signature.parameters.len()],
            damaged,
        };
        let mut named: Option<Span> = None;
        for (position, argument) in arguments.iter().enumerate() {
            let index = match &argument.name {
                Some(name) => {
                    named = named.or(Some(argument.span()));
                    self.parameter(signature, name)
                }
                None => match named {
                    None => self.position(signature, position, argument),
                    Some(first) => Err(self.positional_after_named(signature, argument, first)),
                },
            };
            match index {
                Err(Reported) => bound.damaged = true,
                Ok(index) => match bound.values[index] {
                    None => bound.values[index] = Some(&argument.value),
                    Some(first) => {
                        let parameter = signature.parameters[index];
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
            self.required(&mut bound, callee);
        }
        bound
    }

    fn parameter(&mut self, signature: &'static Signature, name: &Name) -> Result<usize, Reported> {
        let found = signature
            .parameters
            .iter()
            .position(|parameter| *parameter == name.text);
        found.ok_or_else(|| {
            let hint = suggest::hint(Vocabulary::Argument, &name.text, signature.parameters);
            let diagnostic = if matches!(hint, Some(Hint::Unsupported(_))) {
                let message = format!("`{}` of `{}` is not supported", name.text, signature.name);
                Diagnostic::new(Code::Unsupported, name.span, message)
            } else {
                let message = format!("`{}` has no argument `{}`", signature.name, name.text);
                let diagnostic = Diagnostic::new(Code::UnknownArgument, name.span, message);
                match hint {
                    Some(_) => diagnostic,
                    None => diagnostic.note(format!("it is written `{}`", signature.usage)),
                }
            };
            self.report(diagnostic.maybe_help(hint.and_then(|hint| hint.help())))
        })
    }

    fn position(
        &mut self,
        signature: &'static Signature,
        position: usize,
        argument: &Argument,
    ) -> Result<usize, Reported> {
        if position < signature.parameters.len() {
            return Ok(position);
        }
        let message = match signature.parameters.len() {
            0 => format!("`{}` takes no arguments", signature.name),
            1 => format!("`{}` takes one argument", signature.name),
            count => format!("`{}` takes at most {count} arguments", signature.name),
        };
        let diagnostic = Diagnostic::new(Code::TooManyArguments, argument.span(), message)
            .note(format!("it is written `{}`", signature.usage));
        Err(self.report(diagnostic))
    }

    fn positional_after_named(
        &mut self,
        signature: &'static Signature,
        argument: &Argument,
        first: Span,
    ) -> Reported {
        let diagnostic = Diagnostic::new(
            Code::PositionalAfterNamed,
            argument.span(),
            "an argument without a name stands after one with a name",
        )
        .secondary(first, "the first one with a name")
        .note(format!("it is written `{}`", signature.usage));
        self.report(diagnostic)
    }

    fn required(&mut self, bound: &mut Bound<'_>, callee: Span) {
        let signature = bound.signature;
        let missing: Vec<_> = signature.parameters[..signature.required]
            .iter()
            .zip(&bound.values)
            .filter(|(_, value)| value.is_none())
            .map(|(parameter, _)| format!("`{parameter}`"))
            .collect();
        if !missing.is_empty() {
            bound.damaged = true;
            let message = format!("`{}` needs {}", signature.name, missing.join(" and "));
            self.report(
                Diagnostic::new(Code::MissingArgument, callee, message)
                    .help(format!("write `{}`", signature.usage)),
            );
        }
    }
}
