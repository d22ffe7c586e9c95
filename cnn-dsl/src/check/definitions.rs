//! Constants and blocks, which are defined in front of the layers.
//!
//! [`Definitions::collect`] finds them and checks their names. A constant is evaluated when it is first read, so
//! constants may be written in any order.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::check::arguments::Context;
use crate::check::evaluate::Names;
use crate::check::names;
use crate::diagnostic::{Code, Diagnostic};
use crate::layers::{self, PADDINGS};
use crate::syntax::{BlockSyntax, ConstantSyntax, Name, Span, Statement, ValueKind};
use cnn_ir::Activation;

/// The constants and blocks of a network.
#[derive(Debug, Default)]
pub(crate) struct Definitions<'t> {
    constants: BTreeMap<&'t str, Constant<'t>>,
    blocks: BTreeMap<&'t str, &'t BlockSyntax>,
    /// The blocks that were opened.
    pub(crate) opened: HashSet<&'t str>,
    /// How many constants are being evaluated, each for the one before.
    open: usize,
}

/// The most constants that are evaluated each for the one before.
const MOST_OPEN: usize = 64;

#[derive(Debug)]
struct Constant<'t> {
    syntax: &'t ConstantSyntax,
    value: State,
}

/// How far a constant is evaluated.
#[derive(Clone, Debug)]
enum State {
    Unread,
    /// Being evaluated: a read now means that the constant depends on itself.
    Open,
    Known(ValueKind),
}

impl<'t> Definitions<'t> {
    /// Finds the definitions of a network.
    pub(crate) fn collect(context: &mut Context<'_>, statements: &'t [Statement]) -> Self {
        let mut definitions = Self::default();
        let mut places: HashMap<&str, Span> = HashMap::new();
        for statement in statements {
            match statement {
                Statement::Constant(constant) => {
                    if let Some(name) = &constant.name
                        && context.free(name, "a constant", &mut places)
                    {
                        let value = State::Unread;
                        let syntax = constant;
                        definitions
                            .constants
                            .insert(&name.text, Constant { syntax, value });
                    }
                }
                Statement::Block(block) => {
                    if let Some(name) = &block.name
                        && context.free(name, "a block", &mut places)
                    {
                        definitions.blocks.insert(&name.text, block);
                    }
                }
                Statement::Repeat(_)
                | Statement::Layer(_)
                | Statement::Train(_)
                | Statement::Invalid => {}
            }
        }
        for block in definitions.blocks.values() {
            // A parameter may have the name of one of another block.
            let mut places = places.clone();
            for parameter in &block.parameters {
                context.free(&parameter.name, "a parameter", &mut places);
            }
        }
        definitions
    }

    /// The block of this name.
    pub(crate) fn block(&self, name: &str) -> Option<&'t BlockSyntax> {
        self.blocks.get(name).copied()
    }

    /// The names of all blocks.
    pub(crate) fn block_names(&self) -> Vec<&'t str> {
        self.blocks.keys().copied().collect()
    }

    /// All blocks in the order of the source.
    pub(crate) fn blocks(&self) -> Vec<&'t BlockSyntax> {
        let mut blocks: Vec<_> = self.blocks.values().copied().collect();
        blocks.sort_by_key(|block| block.keyword);
        blocks
    }

    /// Reports the constants that nobody read, after evaluating them for their own mistakes.
    pub(crate) fn unread(&mut self, context: &mut Context<'_>) {
        let unread: Vec<_> = self
            .constants
            .iter()
            .filter(|(_, constant)| matches!(constant.value, State::Unread))
            .filter_map(|(&name, constant)| Some((name, constant.syntax.name.as_ref()?.span)))
            .collect();
        for (name, span) in unread {
            let read_by_another = !matches!(self.constants[name].value, State::Unread);
            self.value(context, name);
            if !read_by_another {
                let message = format!("nothing reads the constant `{name}`");
                context.report(
                    Diagnostic::new(Code::UnusedDefinition, span, message).help("remove this line"),
                );
            }
        }
    }
}

impl Names for Definitions<'_> {
    fn value(&mut self, context: &mut Context<'_>, name: &str) -> Option<ValueKind> {
        let constant = self.constants.get_mut(name)?;
        let syntax = constant.syntax;
        match &constant.value {
            State::Known(value) => return Some(value.clone()),
            State::Open => {
                let message = format!("`{name}` is defined by itself");
                context.report(Diagnostic::new(Code::Recursion, syntax.value.span, message));
                return Some(ValueKind::Invalid);
            }
            State::Unread => constant.value = State::Open,
        }
        // A constant stands at the top, whoever reads it.
        let at = context.trace.at.take();
        if self.open >= MOST_OPEN {
            let message = format!("more than {MOST_OPEN} constants are defined by one another");
            let diagnostic = Diagnostic::new(Code::NestedTooDeeply, syntax.value.span, message);
            context.report(diagnostic.help("write the number instead of one of them"));
            context.trace.at = at;
            constant.value = State::Known(ValueKind::Invalid);
            return Some(ValueKind::Invalid);
        }
        self.open += 1;
        let value = context.evaluate(self, &syntax.value).kind;
        context.trace.at = at;
        self.open -= 1;
        if let Some(constant) = self.constants.get_mut(name) {
            constant.value = State::Known(value.clone());
        }
        Some(value)
    }

    fn names(&self) -> Vec<&str> {
        self.constants.keys().copied().collect()
    }
}

impl Context<'_> {
    /// Whether a name may be defined: it means nothing yet. Reports it otherwise.
    fn free<'t>(
        &mut self,
        name: &'t Name,
        what: &str,
        places: &mut HashMap<&'t str, Span>,
    ) -> bool {
        let text = name.text.as_str();
        if let Some(meaning) = meaning(text) {
            let message = format!("`{text}` cannot be {what}: it is {meaning}");
            self.report(
                Diagnostic::new(Code::NameTaken, name.span, message)
                    .help(format!("choose another name, as in `my_{text}`")),
            );
            return false;
        }
        if let Some(&first) = places.get(text) {
            let message = format!("the name `{text}` is taken");
            self.report(
                Diagnostic::new(Code::NameTaken, name.span, message)
                    .secondary(first, "it is defined here")
                    .help("constants, blocks and parameters have names of their own"),
            );
            return false;
        }
        if what == "a block" && !names::is_snake_case(text) {
            let snake = names::snake_case(text);
            let message = format!("`{text}` cannot be a block: names of blocks are snake_case");
            let diagnostic = Diagnostic::new(Code::LabelNotSnakeCase, name.span, message);
            self.report(diagnostic.help(format!("write `{snake}`")));
        }
        places.insert(text, name.span);
        true
    }
}

/// What a name means to the language, if it means something.
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    let is_activation = || {
        let mut words = Activation::WORDS.iter();
        words.any(|word| word.names().any(|other| other == name))
    };
    if is_activation() {
        Some("an activation")
    } else if layers::kind(name).is_some() {
        Some("a layer")
    } else if PADDINGS.contains(&name) || matches!(name, "true" | "false") {
        Some("a word of the language")
    } else if matches!(name, "train" | "block" | "repeat" | "output" | "x" | "from") {
        Some("a keyword")
    } else {
        None
    }
}
