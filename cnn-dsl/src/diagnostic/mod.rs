//! Diagnostics: what is wrong, where, and what to write instead.
//!
//! Every stage pushes into one [`Diagnostics`]; nothing stops at the first mistake. `render`
//! prints them in rustc's manner. Messages are lower case, without a full stop, with names in
//! backticks.

mod catalogue;
mod render;
pub(crate) mod suggest;

use crate::syntax::Span;
pub use catalogue::Code;

/// Whether a description is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The description is refused.
    Error,
    /// Legal, but probably not what was meant.
    Warning,
}

impl core::fmt::Display for Severity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about.
    pub code: Code,
    /// Whether the description is refused.
    pub severity: Severity,
    /// The first line.
    pub message: String,
    /// The exact token or tokens that are wrong.
    pub span: Span,
    /// What stands beside the carets under `span`.
    pub label: Option<String>,
    /// Other places that belong to the message, each with what stands beside it.
    pub secondary: Vec<(Span, String)>,
    /// How it comes about.
    pub notes: Vec<String>,
    /// What to write instead.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A message with the severity that the catalogue gives to `code`.
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            span,
            label: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    pub(crate) fn secondary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push((span, text.into()));
        self
    }

    pub(crate) fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds a help line where there is something to say.
    pub(crate) fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help.extend(text);
        self
    }

    /// Says that a name where a value belongs is nothing that a macro can look up.
    pub(crate) fn value_of_the_program(self, name: &str) -> Self {
        let name = name.rsplit([':', '.']).next().unwrap_or(name);
        self.note("a description is read before the program has constants or variables")
            .help(format!(
                "define it in the network, as in `const {name} = …;`"
            ))
    }

    /// The message as rustc would print it, with the line of `source` that it is about.
    pub fn render(&self, source: &str, file_name: &str) -> String {
        crate::diagnostic::render::render(self, source, file_name)
    }
}

impl core::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}[{}]: {}", self.severity, self.code, self.message)
    }
}

/// Every message about a description, in the order of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "diagnostics are for somebody to read"]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Puts the messages into the order of the source; those at one place keep theirs.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|diagnostic| diagnostic.span);
    }

    /// Whether the description is refused.
    pub fn has_errors(&self) -> bool {
        self.iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The messages.
    pub fn iter(&self) -> core::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All messages as rustc would print them, with an empty line between two.
    pub fn render(&self, source: &str, file_name: &str) -> String {
        let rendered: Vec<_> = self
            .iter()
            .map(|diagnostic| diagnostic.render(source, file_name))
            .collect();
        rendered.join("\n")
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = core::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl core::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, diagnostic) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
