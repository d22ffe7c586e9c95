//! Gradients that share one place: where a step passes the gradient of its output on, nothing has to be copied.
//!
//! An `add` does so for all its operands, which may all share the place of its output's gradient. A place is right for all
//! who share it as long as none of them changes it while another one still needs it or has it already:
//!
//! ```text
//! the gradient of a value    written by its last reader ─▶ added to by its other readers ─▶ read by its own step,
//!                                                                      which may undo an activation in it before
//! ```
//!
//! Each example has its own piece of a place, and passes through the steps in their order. So the moments that count are
//! those of one example, whatever runs in micro-batches.

use super::{Plan, Step, ValueId, Write};
use cnn_ir::operation::Reduction;

/// A moment of the backward pass: the passes of the steps in their order, and what happens within one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(usize, Within);

/// What happens within the backward pass of a step, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Within {
    /// The gradient of the output becomes the one before the activation.
    Undo,
    /// The gradients of the inputs are written.
    Store,
    /// They are added to what other readers have left, and the step is done.
    Add,
}

/// When a gradient is needed, and when it changes meanwhile.
struct LiveRange {
    from: Moment,
    until: Moment,
    changes: Vec<Moment>,
}

impl LiveRange {
    /// Whether both may share one place.
    fn goes_with(&self, other: &Self) -> bool {
        let spares = |changed: &Self, other: &Self| {
            let mut changes = changed.changes.iter();
            changes.all(|at| *at < other.from || other.until < *at)
        };
        spares(self, other) && spares(other, self)
    }
}

/// The value whose gradient's place the gradient of each value has: its own but where a step passes its gradient on.
pub(super) fn find(plan: &Plan) -> Vec<ValueId> {
    let live_ranges = live_ranges(plan);
    let mut storage: Vec<ValueId> = (0..plan.values.len()).collect();
    for step in plan.steps.iter().rev() {
        let inputs = step.inputs.iter().zip(&step.input_gradients).enumerate();
        for (place, (&input, write)) in inputs {
            if *write != Some(Write::Store) || !step.operation.facts().passes_gradient_on(place) {
                continue;
            }
            let shared = storage[step.output];
            let mut sharers = live_ranges.iter().zip(&storage);
            if sharers
                .all(|(live_range, of)| *of != shared || live_range.goes_with(&live_ranges[input]))
            {
                storage[input] = shared;
            }
        }
    }
    storage
}

/// The live_range of the gradient of each value.
fn live_ranges(plan: &Plan) -> Vec<LiveRange> {
    let steps = plan.steps.len();
    // The gradient of a step's input comes when all threads have met, before the pass of the step before it.
    let undone = |index: usize| 2 * (steps - index);
    let written = |index: usize| undone(index) + usize::from(plan.steps[index].meets());
    let loss = Moment(0, Within::Store);
    let end = Moment(usize::MAX, Within::Add);
    let readers = plan.readers();
    let live_range = |(value, readers): (ValueId, &Vec<usize>)| {
        let last_reader = readers.last().filter(|_| value != plan.output);
        let from = last_reader.map_or(loss, |&reader| Moment(written(reader), Within::Store));
        let added = readers.iter().filter(|&&reader| {
            let step = &plan.steps[reader];
            let mut inputs = step.inputs.iter().zip(&step.input_gradients);
            inputs.any(|(&input, write)| input == value && *write == Some(Write::Add))
        });
        let mut changes: Vec<_> = added
            .map(|&reader| Moment(written(reader), Within::Add))
            .collect();
        let mut until = from;
        if let Some(index) = plan.values[value].producer {
            let step = &plan.steps[index];
            until = match is_read_at_the_end(step) {
                true => end,
                false => Moment(written(index), Within::Add),
            };
            if step.operation.facts().changes_gradient() {
                changes.push(Moment(undone(index), Within::Undo));
            }
        }
        LiveRange {
            from,
            until,
            changes,
        }
    };
    readers.iter().enumerate().map(live_range).collect()
}

/// Whether the gradient of a step's output, and what it read, are operands of a product over the whole batch, behind all
/// passes.
pub(super) fn is_read_at_the_end(step: &Step) -> bool {
    step.trains_tensors && step.operation.facts().reduction() == Reduction::Batch
}
