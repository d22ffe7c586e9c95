//! What names mean at a line: labels, `input`, parameters.
//!
//! There is a [`Scope`] for each body that is being read: the network, a call of a block, a round of a repeat. A round
//! sees the names around it; a block sees only its parameters and its own labels.

use std::collections::BTreeMap;

use crate::check::arguments::Context;
use crate::check::definitions::Definitions;
use crate::check::evaluate::Names;
use crate::check::names;
use crate::check::trace::FrameId;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::{Name, Span, Statement, ValueKind};

/// A body that is being read.
#[derive(Debug, Default)]
pub(crate) struct Scope<'t> {
    /// What stands before the names of its layers: `stage2.`; empty at the top.
    pub(crate) prefix: String,
    /// How it was opened; none at the top.
    pub(crate) frame: Option<FrameId>,
    /// The values of the parameters, in the call of a block.
    pub(crate) parameters: BTreeMap<&'t str, ValueKind>,
    /// Whether it sees what stands around it.
    pub(crate) is_round: bool,
    /// The place of the value that `input` means.
    pub(crate) input: Option<usize>,
    /// Whether `input` could mean several values.
    pub(crate) several_inputs: bool,
    /// The place of the value of the last line.
    pub(crate) above: Option<usize>,
    /// The places of the values with labels, up to the line at hand.
    pub(crate) labels: BTreeMap<&'t str, usize>,
    /// All labels of the body, by the place of their statement.
    pub(crate) declared: BTreeMap<usize, &'t Name>,
    /// The names that were given to lines without labels, and their keywords.
    pub(crate) automatic: BTreeMap<String, Name>,
    pub(crate) counts: BTreeMap<String, usize>,
}

/// What a label means at a line.
pub(crate) enum Meaning {
    /// The value at this place.
    Value(usize),
    /// A line that comes later, or the line itself.
    Later,
    /// A line without a label, which has this keyword.
    Automatic(Name),
    /// The word `input` where there are several.
    SeveralInputs,
    Unknown,
}

impl<'t> Scope<'t> {
    /// The name of a line without its prefix: the label, or the keyword with a number. An input is just `input`.
    pub(crate) fn name(&mut self, keyword: &Name, label: Option<&Name>) -> String {
        if let Some(label) = label {
            return label.text.clone();
        }
        if keyword.text == "input" {
            return keyword.text.clone();
        }
        let count = self.counts.entry(keyword.text.clone()).or_default();
        *count += 1;
        let name = format!("{}_{count}", keyword.text);
        self.automatic.insert(name.clone(), keyword.clone());
        name
    }
}

/// What a label means in the innermost of `scopes`.
pub(crate) fn meaning(scopes: &[Scope<'_>], label: &str) -> Meaning {
    for scope in scopes.iter().rev() {
        if label == "input"
            && let Some(place) = scope.input
        {
            return match scope.several_inputs {
                true => Meaning::SeveralInputs,
                false => Meaning::Value(place),
            };
        }
        if let Some(&place) = scope.labels.get(label) {
            return Meaning::Value(place);
        }
        if scope.declared.values().any(|other| other.text == label) {
            return Meaning::Later;
        }
        if let Some(keyword) = scope.automatic.get(label) {
            return Meaning::Automatic(keyword.clone());
        }
        if !scope.is_round {
            break;
        }
    }
    Meaning::Unknown
}

/// The names of values at a line: the constants, and the parameters of the block around it.
pub(crate) struct Visible<'v, 't> {
    pub(crate) definitions: &'v mut Definitions<'t>,
    pub(crate) scopes: &'v [Scope<'t>],
}

impl<'t> Visible<'_, 't> {
    /// The call of a block that is open, if one is.
    fn call(&self) -> Option<&Scope<'t>> {
        self.scopes.iter().rev().find(|scope| !scope.is_round)
    }
}

impl Names for Visible<'_, '_> {
    fn value(&mut self, context: &mut Context<'_>, name: &str) -> Option<ValueKind> {
        match self.call().and_then(|call| call.parameters.get(name)) {
            Some(value) => {
                context.trace.reads(name);
                Some(value.clone())
            }
            None => self.definitions.value(context, name),
        }
    }

    fn names(&self) -> Vec<&str> {
        let parameters = self
            .call()
            .into_iter()
            .flat_map(|call| call.parameters.keys());
        let constants = self.definitions.names();
        parameters.copied().chain(constants).collect()
    }
}

impl Context<'_> {
    /// The labels of a body that may be used, by the place of their statement.
    pub(crate) fn labels<'t>(&mut self, statements: &'t [Statement]) -> BTreeMap<usize, &'t Name> {
        let mut by_text: BTreeMap<&str, Span> = BTreeMap::new();
        let mut by_place = BTreeMap::new();
        for (index, statement) in statements.iter().enumerate() {
            let label = match statement {
                Statement::Layer(layer) => layer.label.as_ref(),
                Statement::Repeat(repeat) => repeat.label.as_ref(),
                Statement::Constant(_)
                | Statement::Block(_)
                | Statement::Train(_)
                | Statement::Invalid => None,
            };
            let Some(label) = label else { continue };
            if !names::is_snake_case(&label.text) {
                let snake = names::snake_case(&label.text);
                let usable = names::invalid(&snake).is_none() && names::reserved(&snake).is_none();
                self.report(
                    Diagnostic::new(
                        Code::LabelNotSnakeCase,
                        label.span,
                        format!("`{}` cannot be a label: labels are snake_case", label.text),
                    )
                    .maybe_help(usable.then(|| format!("write `{snake}`"))),
                );
            } else if let Some(reason) = names::reserved(&label.text) {
                self.report(
                    Diagnostic::new(
                        Code::ReservedLabel,
                        label.span,
                        format!("`{}` cannot be a label: {reason}", label.text),
                    )
                    .help(format!("choose another one, as in `{}_layer`", label.text)),
                );
            } else if let Some(&first) = by_text.get(label.text.as_str()) {
                self.report(
                    Diagnostic::new(
                        Code::DuplicateLabel,
                        label.span,
                        format!("two layers are called `{}`", label.text),
                    )
                    .secondary(first, "the first one is here"),
                );
            } else {
                by_text.insert(&label.text, label.span);
                by_place.insert(index, label);
            }
        }
        by_place
    }

    /// Labels of a body that are the automatic name of another line.
    pub(crate) fn clashes(&mut self, scope: &Scope<'_>) {
        for label in scope.declared.values() {
            if let Some(other) = scope.automatic.get(&label.text) {
                let name = &label.text;
                self.report(
                    Diagnostic::new(
                        Code::DuplicateLabel,
                        label.span,
                        format!("two layers are called `{name}`"),
                    )
                    .secondary(
                        other.span,
                        format!("this layer has no label, so it is called `{name}`"),
                    )
                    .help("choose another label"),
                );
            }
        }
    }
}
