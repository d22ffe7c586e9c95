//! Steps that are computed row by row one after the other, so that the threads that share an example meet once.
//!
//! ```text
//! thread 0   rows 0 to 6 of the first step ─▶ rows 0 to 6 of the second ─▶ …
//! thread 1   rows 7 to 13                  ─▶ rows 7 to 13              ─▶ …       then both meet
//! ```
//!
//! The plan says which steps these are. On one thread, and of several examples, they run one after the other.

#[cfg(all(test, feature = "std"))]
mod tests;

use super::stripes::Striped;
#[cfg(feature = "std")]
use super::stripes::threaded;
use super::{Execute, Infer, Run};
use cnn_ir::choice::stripes::{Cut, MAX_CHAIN, Work};
use cnn_ir::operation::{Inputs, Rows};
use core::ops::Range;

/// A step of a chain.
pub struct Link<'a> {
    /// What it computes.
    pub step: &'a dyn Linked,
    /// What it reads beside the output of the step before it, each `[examples, ..]`.
    pub inputs: &'a [&'a [f32]],
    /// Its tensors, in their order.
    pub tensors: &'a [&'a [f32]],
    /// What [`Execute::pack`] wrote for [`Pass::Inference`](cnn_ir::operation::Pass::Inference); empty: the call does
    /// without.
    pub packed: &'a [f32],
    /// `[examples, ..]`, overwritten.
    pub output: &'a mut [f32],
}

/// An operation whose rows can be computed apart, or one with a normalization folded into it.
pub trait Linked: Sync {
    /// [`Execute::infer`].
    fn infer(&self, call: Infer<'_>);

    /// What it takes for one example.
    fn work(&self) -> Work;

    /// How it is cut into up to `most` stripes, with these tensors and packed tensors.
    fn cut(&self, run: Run, tensors: &[&[f32]], packed: &[f32], most: usize) -> Cut;

    /// Values of a row of the output.
    fn output_row(&self) -> usize;

    /// Floats of scratch memory for some rows of the output. None where they see padding alone.
    fn scratch(&self, rows: Range<usize>) -> Option<usize>;

    /// Computes some rows of the output of one example. `input` are the same rows of the output of the step before it,
    /// if there is one; all other inputs are whole. Returns whether the values stand; if those of any
    /// stripe do not, all is computed in their place.
    fn infer_rows(&self, rows: Range<usize>, input: Option<&[f32]>, call: Infer<'_>) -> bool;
}

impl<O: Striped> Linked for O {
    fn infer(&self, call: Infer<'_>) {
        Execute::infer(self, call);
    }

    fn work(&self) -> Work {
        Rows::work(self)
    }

    fn cut(&self, run: Run, _tensors: &[&[f32]], packed: &[f32], most: usize) -> Cut {
        Striped::cut(self, run.isa, packed.len(), [most, run.threads])
    }

    fn output_row(&self) -> usize {
        Rows::output_row(self)
    }

    fn scratch(&self, rows: Range<usize>) -> Option<usize> {
        Some(Striped::scratch(&self.stripe(rows)?.operation))
    }

    fn infer_rows(&self, rows: Range<usize>, input: Option<&[f32]>, call: Infer<'_>) -> bool {
        let Some(stripe) = self.stripe(rows) else {
            return false;
        };
        let given = usize::from(input.is_some());
        let whole = call.inputs.iter().enumerate();
        let seen = whole.map(|(place, input)| stripe.seen(input, self.input_row(given + place)));
        let inputs = Joined::new(input, seen);
        let operation = &stripe.operation;
        let channels = 0..operation.channels();
        operation.infer_stripe(
            channels,
            Infer {
                inputs: inputs.all(),
                ..call
            },
        )
    }
}

/// The output of the step before, then the other inputs.
pub(super) struct Joined<'a> {
    count: usize,
    inputs: [&'a [f32]; Inputs::MOST],
}

impl<'a> Joined<'a> {
    pub(super) fn new(first: Option<&'a [f32]>, others: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut joined = Self {
            count: 0,
            inputs: [&[]; Inputs::MOST],
        };
        for input in first.into_iter().chain(others) {
            joined.inputs[joined.count] = input;
            joined.count += 1;
        }
        joined
    }

    pub(super) fn all(&self) -> &[&'a [f32]] {
        &self.inputs[..self.count]
    }
}

/// [`Execute::infer`] of one step after the other, on as many threads as pay.
///
/// # Panics
/// If there are more than [`MAX_CHAIN`].
pub fn chain(run: Run, links: &mut [Link<'_>], scratch: &mut [f32]) {
    assert!(links.len() <= MAX_CHAIN, "steps of a chain");
    #[cfg(feature = "std")]
    if run.examples == 1 && run.threads > 1 && threaded::infer_chain(run, links) {
        return;
    }
    for place in 0..links.len() {
        let (done, links) = links.split_at_mut(place);
        let Some(link) = links.first_mut() else {
            return;
        };
        // Most steps have one input; on small networks the places for more of them would count.
        let (alone, joined);
        let inputs = match (done.last(), link.inputs) {
            (None, inputs) => inputs,
            (Some(before), []) => {
                alone = [&*before.output];
                &alone[..]
            }
            (Some(before), others) => {
                joined = Joined::new(Some(before.output), others.iter().copied());
                joined.all()
            }
        };
        link.step.infer(Infer {
            run,
            inputs,
            tensors: link.tensors,
            packed: link.packed,
            output: link.output,
            scratch,
        });
    }
}
