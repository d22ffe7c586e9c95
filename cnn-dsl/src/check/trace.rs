//! Where a mistake in a block is reported: at the line of the block, or at the call that makes the line wrong.
//!
//! A line of a block is read once for each call of the block. Meanwhile [`Trace`] holds back the messages and records
//! the calls through which each line was read. When all lines are read, [`Trace::settle`] chooses the place of
//! each message. It is the line, if the line is wrong by itself or in every call of the block; otherwise it is the call,
//! with the line as a second place. A mistake that many calls repeat is reported once.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::Span;

/// The place of a frame in [`Trace::frames`].
pub(crate) type FrameId = usize;

/// A body that is being opened.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The frame of the line that opens it.
    pub(crate) parent: Option<FrameId>,
    pub(crate) opened: Opened,
    /// The parameters of the block around that the line reads.
    pub(crate) parameters: Vec<String>,
    /// Whether it is only looked through because nobody calls it.
    pub(crate) uncalled: bool,
}

impl Frame {
    /// The block that is called here, by somebody.
    fn called(&self) -> Option<&str> {
        match &self.opened {
            Opened::Call { block, .. } if !self.uncalled => Some(block),
            Opened::Call { .. } | Opened::Round { .. } => None,
        }
    }
}

/// What a body is opened for.
#[derive(Clone, Debug)]
pub(crate) enum Opened {
    /// A call of a block.
    Call {
        /// The name of the block.
        block: String,
        /// The name of the block at the call.
        keyword: Span,
        /// Where the call gives a value to each parameter.
        arguments: Vec<(String, Span)>,
    },
    /// A round of a repeat, of so many; the first is 1.
    Round { round: usize, of: usize },
}

/// A message about a line of a body.
#[derive(Clone, Debug)]
struct Held {
    diagnostic: Diagnostic,
    frame: FrameId,
    /// The parameters that the line reads.
    parameters: Vec<String>,
    /// Whether it depends on the shapes that flow into the line.
    shapes: bool,
}

/// A message, wherever it is told.
type What = (Code, Span);

impl Held {
    fn what(&self) -> What {
        (self.diagnostic.code, self.diagnostic.span)
    }
}

/// The calls of blocks, and what is wrong in them.
#[derive(Debug, Default)]
struct Calls<'t> {
    count: HashMap<&'t str, usize>,
    failing: HashMap<(&'t str, What), HashSet<FrameId>>,
}

impl Calls<'_> {
    /// Whether every call of a block has this message, and there are several.
    fn all_have(&self, block: &str, what: What) -> bool {
        let count = self.count.get(block).copied().unwrap_or(0);
        let failing = self.failing.get(&(block, what)).map_or(0, HashSet::len);
        count > 1 && failing == count
    }
}

/// The calls by which lines come about, and what was reported of them.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) frames: Vec<Frame>,
    /// The frame of the line at hand; none at the top.
    pub(crate) at: Option<FrameId>,
    /// The parameters that the line at hand reads.
    pub(crate) parameters: Vec<String>,
    /// Whether shapes are being checked.
    pub(crate) shapes: bool,
    held: Vec<Held>,
}

impl Trace {
    /// Takes a message about a line of a body; one about a line at the top comes back.
    pub(crate) fn hold(&mut self, diagnostic: Diagnostic) -> Option<Diagnostic> {
        let Some(frame) = self.at else {
            return Some(diagnostic);
        };
        self.held.push(Held {
            diagnostic,
            frame,
            parameters: self.parameters.clone(),
            shapes: self.shapes,
        });
        None
    }

    /// Notes that the line at hand reads a parameter.
    pub(crate) fn reads(&mut self, parameter: &str) {
        if !self.parameters.iter().any(|other| other == parameter) {
            self.parameters.push(parameter.to_owned());
        }
    }

    /// Opens a body.
    pub(crate) fn open(&mut self, frame: Frame) -> FrameId {
        self.frames.push(frame);
        self.frames.len() - 1
    }

    /// A frame and those around it.
    fn around(&self, frame: FrameId) -> impl Iterator<Item = &Frame> {
        std::iter::successors(Some(frame), |&frame| self.frames[frame].parent)
            .map(|frame| &self.frames[frame])
    }

    /// The blocks that are open around a frame.
    pub(crate) fn blocks(&self, frame: Option<FrameId>) -> Vec<&str> {
        let around = frame.into_iter().flat_map(|frame| self.around(frame));
        around
            .filter_map(|frame| match &frame.opened {
                Opened::Call { block, .. } => Some(block.as_str()),
                Opened::Round { .. } => None,
            })
            .collect()
    }

    /// How often each block is called, and in which calls each message came up.
    fn calls(&self) -> Calls<'_> {
        let mut calls = Calls::default();
        for frame in &self.frames {
            if let Some(block) = frame.called() {
                *calls.count.entry(block).or_default() += 1;
            }
        }
        for held in &self.held {
            let ids = std::iter::successors(Some(held.frame), |&id| self.frames[id].parent);
            for id in ids {
                if let Some(block) = self.frames[id].called() {
                    let failing = calls.failing.entry((block, held.what())).or_default();
                    failing.insert(id);
                }
            }
        }
        calls
    }

    /// The messages, each at the place that is to blame.
    pub(crate) fn settle(&mut self) -> Vec<Diagnostic> {
        let calls = self.calls();
        // The frame that first told of a mistake at a place.
        let mut told: HashMap<(What, Span), FrameId> = HashMap::new();
        let mut settled = Vec::new();
        for held in &self.held {
            let (place, passed) = self.blame(held, &calls);
            let first = told.entry((held.what(), place)).or_insert(held.frame);
            if *first == held.frame {
                settled.push(self.moved(held, place, passed));
            }
        }
        self.held.clear();
        settled
    }

    /// The place that is to blame, and the lines on the way there, each with its block.
    fn blame(&self, held: &Held, calls: &Calls<'_>) -> (Span, Vec<(Span, String)>) {
        let mut place = held.diagnostic.span;
        let mut parameters = &held.parameters;
        let mut passed = Vec::new();
        for frame in self.around(held.frame) {
            let Opened::Call {
                block,
                keyword,
                arguments,
            } = &frame.opened
            else {
                continue;
            };
            let in_the_line = !held.shapes && parameters.is_empty();
            if in_the_line || calls.all_have(block, held.what()) {
                break;
            }
            passed.push((place, block.clone()));
            let given = match &parameters[..] {
                [parameter] if !held.shapes => arguments.iter().find(|(name, _)| name == parameter),
                _ => None,
            };
            place = given.map_or(*keyword, |(_, span)| *span);
            parameters = &frame.parameters;
        }
        (place, passed)
    }

    fn moved(&self, held: &Held, place: Span, passed: Vec<(Span, String)>) -> Diagnostic {
        let mut diagnostic = held.diagnostic.clone();
        diagnostic.span = place;
        if !passed.is_empty() {
            diagnostic.label = None;
        }
        if let Some((_, block)) = passed.first() {
            for help in &mut diagnostic.help {
                *help = help.replace("this line", &format!("that line of `{block}`"));
            }
        }
        let lines = passed
            .into_iter()
            .map(|(span, block)| (span, format!("in this line of `{block}`")));
        let others = std::mem::take(&mut diagnostic.secondary);
        diagnostic.secondary = lines.chain(others).collect();
        if !held.shapes {
            return diagnostic;
        }
        // The shapes in the message are those of one call, or of one round.
        if diagnostic.secondary.is_empty()
            && let Some(Opened::Call { block, keyword, .. }) = self
                .around(held.frame)
                .map(|frame| &frame.opened)
                .find(|opened| matches!(opened, Opened::Call { .. }))
        {
            let label = format!("in this call of `{block}`");
            diagnostic.secondary.push((*keyword, label));
        }
        match self.frames[held.frame].opened {
            Opened::Round { round, of } if round > 1 => {
                diagnostic.note(format!("in round {round} of {of}"))
            }
            Opened::Round { .. } | Opened::Call { .. } => diagnostic,
        }
    }
}
