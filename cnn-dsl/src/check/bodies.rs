//! Calls of blocks and rounds of repeats.
//!
//! A body is the lines of a block or a repeat. Each call and each round reads its lines again, in a [`Scope`] of its own,
//! which makes new layers of them.

use std::collections::BTreeMap;

use crate::check::arguments::{Callee, Reported, Signature};
use crate::check::lines::Lines;
use crate::check::scope::{Scope, Visible};
use crate::check::trace::{Frame, Opened};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Group;
use crate::syntax::{BlockSyntax, LayerSyntax, Name, RepeatSyntax, Statement, ValueKind};

/// The most layers of a network, so that repeats within repeats end.
const MOST_LAYERS: usize = 4096;

/// The most lines that are read in calls and rounds, so that those end that have more lines than layers.
const MOST_LINES: usize = 16 * MOST_LAYERS;

/// The most blocks that call one another.
const MOST_CALLS: usize = 32;

impl<'t> Lines<'_, '_, 't> {
    /// Opens a block.
    pub(crate) fn call(
        &mut self,
        block: &'t BlockSyntax,
        syntax: &LayerSyntax,
        label: Option<&'t Name>,
    ) {
        let Some(name) = &block.name else {
            return self.push(None, label);
        };
        self.definitions.opened.insert(&name.text);
        let evaluated = self.evaluated(syntax, None);
        let callee = Callee {
            name: &name.text,
            signature: Signature::Block(&block.parameters),
            is_layer: true,
            example: None,
        };
        let damaged = syntax.damaged || block.damaged;
        let keyword = syntax.keyword.span;
        let bound = (self.context).bind(&callee, keyword, &evaluated.arguments, damaged);
        let input = match self.from(syntax, false) {
            Ok(Some(from)) => self.reference(&from, &name.text, label),
            Ok(None) => self.above(&syntax.keyword),
            Err(Reported) => None,
        };
        let frame = self.scope().frame;
        let open = self.context.trace.blocks(frame);
        if open.contains(&name.text.as_str()) {
            let message = match open[0] == name.text {
                true => format!("`{}` calls itself", name.text),
                false => format!("`{}` calls itself by way of `{}`", name.text, open[0]),
            };
            let diagnostic = Diagnostic::new(Code::Recursion, keyword, message)
                .secondary(name.span, "the block is defined here")
                .help("a block is opened where it is called, which would never end");
            self.context.trace.parameters.clear();
            self.context.report(diagnostic);
            return self.push(None, label);
        }
        if open.len() >= MOST_CALLS {
            let message = "blocks call one another too deeply";
            let diagnostic = Diagnostic::new(Code::NestedTooDeeply, keyword, message)
                .help(format!("at most {MOST_CALLS} blocks may be open at once"));
            self.context.report(diagnostic);
            return self.push(None, label);
        }
        if bound.is_damaged() {
            return self.push(None, label);
        }
        let mut parameters = BTreeMap::new();
        let mut arguments = Vec::new();
        for parameter in &block.parameters {
            let text = parameter.name.text.as_str();
            let value = match (bound.get(text), &parameter.default) {
                (Ok(Some(value)), _) => {
                    arguments.push((text.to_owned(), value.span));
                    value.kind.clone()
                }
                (Ok(None), Some(default)) => self.context.evaluate(self.definitions, default).kind,
                (Ok(None), None) | (Err(Reported), _) => ValueKind::Invalid,
            };
            parameters.insert(text, value);
        }
        let opened = Opened::Call {
            block: name.text.clone(),
            keyword,
            arguments,
        };
        let scope = Scope {
            parameters,
            input,
            ..self.opened(opened)
        };
        let local = self.scope().name(&syntax.keyword, label);
        self.open(&block.body, scope, &local, |name| Group {
            name,
            label: label.map(|label| label.span),
            keyword: syntax.keyword.clone(),
            docs: [&syntax.docs[..], &block.docs[..]].concat(),
            inputs: input.into_iter().collect(),
            nodes: 0..0,
        });
        self.value(label);
    }

    /// Opens the rounds of a repeat.
    pub(crate) fn repeat(&mut self, syntax: &'t RepeatSyntax, label: Option<&'t Name>) {
        let keyword = Name {
            text: "repeat".to_owned(),
            span: syntax.keyword,
        };
        self.behind_train(&keyword);
        let mut names = Visible {
            definitions: self.definitions,
            scopes: &self.scopes,
        };
        let count = self.context.evaluate(&mut names, &syntax.count);
        let count = match count.kind {
            ValueKind::Invalid => Err(Reported),
            _ => self.context.count("repeat", Ok(Some(&count))),
        };
        let Ok(Some(count)) = count else {
            return self.push(None, label);
        };
        let local = self.scope().name(&keyword, label);
        for round in 1..=count {
            if self.is_full {
                break;
            }
            let input = match round {
                1 => self.above(&keyword),
                _ => self.scope().above,
            };
            let scope = Scope {
                input,
                is_round: true,
                ..self.opened(Opened::Round { round, of: count })
            };
            let local = format!("{local}_{round}");
            self.scope()
                .automatic
                .insert(local.clone(), keyword.clone());
            let has_layers = self.open(&syntax.body, scope, &local, |name| Group {
                name,
                label: None,
                keyword: keyword.clone(),
                docs: syntax.docs.clone(),
                inputs: input.into_iter().collect(),
                nodes: 0..0,
            });
            self.value(None);
            // The next round has none either, which is reported once.
            if !has_layers {
                break;
            }
        }
        self.value(label);
    }

    /// Counts a line of a body, and tells whether there are too many.
    pub(crate) fn is_beyond_limit(&mut self) -> bool {
        self.read_in_bodies += 1;
        let is_beyond = self.read_in_bodies > MOST_LINES;
        if is_beyond && !self.is_full {
            self.is_full = true;
            if let Some(keyword) = self.resolved.groups.last().map(|group| group.keyword.span) {
                let message =
                    format!("the network's blocks and repeats have more than {MOST_LINES} lines");
                let diagnostic = Diagnostic::new(Code::TooManyLayers, keyword, message);
                let note = "each call and each round counts as all its lines";
                self.context.report(diagnostic.note(note));
            }
        }
        is_beyond
    }

    /// The scope of a body that the line at hand opens.
    fn opened(&mut self, opened: Opened) -> Scope<'t> {
        let parent = self.scope().frame;
        let frame = self.context.trace.open(Frame {
            parent,
            opened,
            parameters: self.context.trace.parameters.clone(),
            uncalled: self.uncalled,
        });
        Scope {
            frame: Some(frame),
            ..Scope::default()
        }
    }

    /// Reads the body of a call or a round, whose layers become a group; tells whether it has any.
    fn open(
        &mut self,
        body: &'t [Statement],
        mut scope: Scope<'t>,
        local: &str,
        group: impl FnOnce(String) -> Group,
    ) -> bool {
        let outer = self.scope().frame;
        let name = format!("{}{local}", self.scope().prefix);
        scope.prefix = format!("{name}.");
        scope.above = scope.input;
        let begin = self.resolved.layers.len();
        let place = self.resolved.groups.len();
        let mut group = group(name);
        self.resolved.groups.push(group.clone());
        let keyword = group.keyword.clone();
        if self.is_full {
            self.resolved.layers.push(None);
        } else {
            self.body(body, scope);
        }
        self.context.trace.at = outer;
        let end = self.resolved.layers.len();
        if begin == end {
            let message = format!("`{}` has no layers", keyword.text);
            let diagnostic = Diagnostic::new(Code::EmptyBody, keyword.span, message);
            self.context
                .report(diagnostic.help("write one layer a line between its braces"));
            self.resolved.layers.push(None);
        } else if end > MOST_LAYERS && !self.is_full {
            self.is_full = true;
            let message = format!("the network has more than {MOST_LAYERS} layers");
            let diagnostic = Diagnostic::new(Code::TooManyLayers, keyword.span, message);
            self.context
                .report(diagnostic.note("a call counts as all the layers of its block"));
            self.resolved.layers.push(None);
        }
        group.nodes = begin..end;
        self.resolved.groups[place] = group;
        begin < end
    }
}
