//! Where values live: those whose lifetimes do not overlap share a slot.
//!
//! Slots of the two kinds are handed out apart, each kind along a time of its own. For a group of
//! the front, time is the step, forward and back. For a whole batch the front is a single moment
//! forward and a single one back, because every group passes through all of it; between them the
//! back runs step by step, and the end comes after everything.

use super::{KernelGradient, Memory, Per, Place, Plan, Slot, Step, StepKind, ValueId};

/// During inference a value lives from its step to its last reader.
pub(super) fn inference(plan: &Plan) -> Memory {
    // Dropout passes its input on: its output is the same storage.
    let mut storage: Vec<ValueId> = (0..plan.values.len()).collect();
    for step in plan.steps.iter().filter(|s| s.kernel == StepKind::Dropout) {
        storage[step.output] = storage[step.input];
    }
    let readers = last_readers(plan, &storage);
    let mut slots = Slots::new(plan);
    let mut places: Vec<Option<Place>> = vec![None; plan.values.len()];
    places[storage[plan.output]] = Some(Place::Output);
    places[plan.input] = Some(Place::Input);
    for (index, step) in plan.steps.iter().enumerate() {
        let value = storage[step.output];
        places[value].get_or_insert_with(|| {
            let len = plan.values[value].shape.len();
            let read = readers[value].map(Use::Forward);
            Place::Slot(slots.take(len, Use::Forward(index), [read]))
        });
    }
    Memory {
        slots: slots.finish(),
        values: storage
            .iter()
            .map(|&value| places[value].unwrap_or(Place::Input))
            .collect(),
        storage,
        gradients: vec![None; plan.values.len()],
        masks: vec![None; plan.steps.len()],
        argmax: vec![None; plan.steps.len()],
        argmax_slots: Vec::new(),
    }
}

/// A value lives from its step to the last pass that reads it, a gradient from its reader's
/// backward pass to its own step's, and what the kernel gradient of a dense layer is made of lives
/// to the end.
pub(super) fn training(plan: &Plan) -> Memory {
    let storage: Vec<ValueId> = (0..plan.values.len()).collect();
    let readers = last_readers(plan, &storage);
    let mut slots = Slots::new(plan);
    let mut memory = Memory {
        slots: Vec::new(),
        storage,
        values: vec![Place::Input; plan.values.len()],
        gradients: vec![None; plan.values.len()],
        masks: vec![None; plan.steps.len()],
        argmax: vec![None; plan.steps.len()],
        argmax_slots: Vec::new(),
    };
    let at_the_end = |step: &Step| {
        let product = step.kernel_gradient == Some(KernelGradient::Rows);
        product.then_some(Use::End)
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let (forward, backward) = (Use::Forward(index), Use::Backward(index));
        let len = plan.values[step.output].shape.len();
        memory.values[step.output] = if step.output == plan.output {
            Place::Output
        } else {
            let reader = readers[step.output];
            let by_reader = reader.and_then(|reader| {
                let reads = plan.steps[reader].reads_input();
                let backward = reads.then_some(Use::Backward(reader));
                at_the_end(&plan.steps[reader]).or(backward)
            });
            let by_itself = step.reads_output().then_some(backward);
            let uses = [reader.map(Use::Forward), by_reader, by_itself];
            Place::Slot(slots.take(len, forward, uses))
        };
        if step.kernel == StepKind::Dropout {
            let read = step.runs_backward().then_some(backward);
            memory.masks[index] = Some(slots.take(len, forward, [read]));
        }
        // Every group leaves its argmax before the first one reads them: none can share a slot.
        if step.pool.is_some() && step.runs_backward() {
            memory.argmax[index] = Some(memory.argmax_slots.len());
            memory.argmax_slots.push(len);
        }
    }
    for (index, step) in plan.steps.iter().enumerate().rev() {
        let value = &plan.values[step.output];
        if value.wants_gradient {
            let from = readers[step.output].map_or(Use::Loss, Use::Backward);
            let uses = [Some(Use::Backward(index)), at_the_end(step)];
            memory.gradients[step.output] = Some(slots.take(value.shape.len(), from, uses));
        }
    }
    memory.slots = slots.finish();
    memory
}

/// The last step that reads each storage.
fn last_readers(plan: &Plan, storage: &[ValueId]) -> Vec<Option<usize>> {
    let mut readers = vec![None; plan.values.len()];
    for (index, step) in plan.steps.iter().enumerate() {
        readers[storage[step.input]] = Some(index);
    }
    readers
}

/// A moment at which a value is written or read.
#[derive(Clone, Copy)]
enum Use {
    /// The forward pass of a step.
    Forward(usize),
    /// Between the passes.
    Loss,
    /// The backward pass of a step.
    Backward(usize),
    /// After all passes, as a matrix of the whole batch: the examples lie side by side, so the slot is no longer than
    /// the value.
    End,
}

/// Hands out slots: the smallest free one that fits, else the largest free one grown, else a new one.
/// Requests for each kind come in the order of their start.
struct Slots {
    front: usize,
    steps: usize,
    /// Each slot and the last moment at which it is taken.
    taken: Vec<(Slot, usize)>,
}

impl Slots {
    fn new(plan: &Plan) -> Self {
        Self {
            front: plan.front,
            steps: plan.steps.len(),
            taken: Vec::new(),
        }
    }

    /// A slot for a value that is written first and then has these uses.
    fn take<const N: usize>(&mut self, len: usize, first: Use, uses: [Option<Use>; N]) -> usize {
        let all = || uses.into_iter().flatten().chain([first]);
        let forward = all().all(|u| matches!(u, Use::Forward(step) if step < self.front));
        let backward = all().all(|u| matches!(u, Use::Backward(step) if step < self.front));
        let per = if forward || backward {
            Per::MicroBatch
        } else {
            Per::Example
        };
        let from = self.time(first, per);
        let until = all().map(|u| self.time(u, per)).max().unwrap_or(from);
        let most = match all().any(|u| matches!(u, Use::End)) {
            true => len,
            false => usize::MAX,
        };
        let free = |&(_, (slot, last)): &(usize, &(Slot, usize))| {
            slot.per == per && *last < from && slot.len <= most
        };
        let fits = |&(_, (slot, _)): &(usize, &(Slot, usize))| slot.len >= len;
        let candidates = || self.taken.iter().enumerate().filter(free);
        let best = candidates()
            .filter(fits)
            .min_by_key(|(_, (slot, _))| slot.len);
        let grown = || candidates().max_by_key(|(_, (slot, _))| slot.len);
        let Some((index, _)) = best.or_else(grown) else {
            self.taken.push((Slot { len, per }, until));
            return self.taken.len() - 1;
        };
        let (slot, last) = &mut self.taken[index];
        slot.len = slot.len.max(len);
        *last = until;
        index
    }

    /// When a use happens, in the time of a kind of slot.
    fn time(&self, at: Use, per: Per) -> usize {
        let end = 2 * self.steps + 1;
        let in_a_batch = |step: usize| per == Per::Example && step < self.front;
        match at {
            Use::Forward(step) if in_a_batch(step) => 0,
            Use::Forward(step) => step,
            Use::Loss => self.steps,
            Use::Backward(step) if in_a_batch(step) => end,
            Use::Backward(step) => 2 * self.steps - step,
            Use::End => end,
        }
    }

    fn finish(self) -> Vec<Slot> {
        self.taken.into_iter().map(|(slot, _)| slot).collect()
    }
}
