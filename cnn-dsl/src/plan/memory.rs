//! The memory planner: values whose lifetimes do not overlap share a slot.
//!
//! Slots of the two kinds are handed out apart, each kind along a time of its own. For a micro-batch of
//! a stage, time is the step, forward and back. For a whole batch a stage of images is a single moment
//! forward and a single one back, because every micro-batch passes through all of it; other steps are
//! moments of their own, and the end comes after everything.
//!
//! Gradients that are passed on share a slot though all of them are alive: see `gradient_storage`.
//!
//! A step that has to know the whole batch leaves the gradient of its input in the stage before its own, at the
//! begin of that stage's backward pass: see `stages`.

use super::gradient_storage::{self, is_read_at_the_end};
use super::stages::place_of;
use super::{Plan, Scope, Stage, Step, ValueId};

/// Where each value lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The slots of floats.
    pub slots: Vec<Slot>,
    /// The value whose storage each value is: its own but where a step passes its input on.
    pub storage: Vec<ValueId>,
    /// The place of each value.
    pub values: Vec<Place>,
    /// The value whose gradient's storage the gradient of each value is: its own but where a step passes the gradient of
    /// its output on.
    pub gradient_storage: Vec<ValueId>,
    /// The slot of each value's gradient.
    pub gradients: Vec<Option<usize>>,
    /// By step: the slot of the floats that its forward pass saves (a mask, a pre-activation).
    pub saved: Vec<Option<usize>>,
    /// By step: the byte slot of its argmax; none where no backward pass reads it.
    pub argmax: Vec<Option<usize>>,
    /// By step and input: the slot of a gradient that is to be added to what other readers have left; none where that is
    /// the gradient of the output, which the step passes on.
    pub addends: Vec<Vec<Option<usize>>>,
    /// The size of each byte slot, for one example.
    pub argmax_slots: Vec<usize>,
}

/// A piece of the workspace that values share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its size, in floats for one example.
    pub len: usize,
    /// How many examples lie in it.
    pub per: Per,
}

/// How many examples lie in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// All of them, each in a piece of its own.
    Example,
    /// A micro-batch; the next one overwrites it.
    MicroBatch,
}

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the caller's input.
    Input,
    /// In the caller's output.
    Output,
    /// In a slot of the workspace.
    Slot(usize),
}

impl Place {
    /// The slot, if the value lives in one.
    pub fn slot(self) -> Option<usize> {
        match self {
            Self::Slot(slot) => Some(slot),
            Self::Input | Self::Output => None,
        }
    }
}

impl Memory {
    fn new(plan: &Plan, storage: Vec<ValueId>) -> Self {
        Self {
            storage,
            values: vec![Place::Input; plan.values.len()],
            gradient_storage: (0..plan.values.len()).collect(),
            gradients: vec![None; plan.values.len()],
            saved: vec![None; plan.steps.len()],
            argmax: vec![None; plan.steps.len()],
            addends: plan
                .steps
                .iter()
                .map(|step| vec![None; step.inputs.len()])
                .collect(),
            ..Self::default()
        }
    }

    /// Floats for each example.
    pub fn per_example(&self) -> usize {
        self.floats(Per::Example)
    }

    /// Floats for each image of a micro-batch, whatever the number of examples.
    pub fn per_micro_batch_image(&self) -> usize {
        self.floats(Per::MicroBatch)
    }

    /// Bytes for each example.
    pub fn argmax_bytes(&self) -> usize {
        self.argmax_slots.iter().sum()
    }

    fn floats(&self, per: Per) -> usize {
        let slots = self.slots.iter().filter(|slot| slot.per == per);
        slots.map(|slot| slot.len).sum()
    }
}

/// During inference a value lives from its step to its last reader, or to the end of the chain of that: until then
/// another thread may read it.
pub(super) fn inference(plan: &Plan) -> Memory {
    let mut storage: Vec<ValueId> = (0..plan.values.len()).collect();
    for step in &plan.steps {
        if step.operation.facts().passes_on_in_inference() {
            storage[step.output] = storage[step.inputs[0]];
        }
    }
    let mut last_reader = vec![None; plan.values.len()];
    for (index, step) in plan.steps.iter().enumerate() {
        let mut chains = plan.inference.chains.iter();
        let chain = chains.find(|chain| chain.contains(&index));
        for &input in &step.inputs {
            last_reader[storage[input]] = Some(chain.map_or(index, |chain| chain.end - 1));
        }
    }
    let mut slots = Slots::new(&plan.inference.stages, plan.steps.len());
    let mut places: Vec<Option<Place>> = vec![None; plan.values.len()];
    places[storage[plan.output]] = Some(Place::Output);
    places[plan.input] = Some(Place::Input);
    for (index, step) in plan.steps.iter().enumerate() {
        let value = storage[step.output];
        places[value].get_or_insert_with(|| {
            let len = plan.values[value].shape.len();
            let read = last_reader[value].map(Use::Forward);
            Place::Slot(slots.take(len, Use::Forward(index), read))
        });
    }
    let mut memory = Memory::new(plan, storage);
    memory.slots = slots.finish();
    for (place, &value) in memory.values.iter_mut().zip(&memory.storage) {
        *place = places[value].unwrap_or(Place::Input);
    }
    memory
}

/// A value lives from its step to the last pass that reads it, a gradient from the first backward pass
/// of a reader to that of its own step, and what a product over the whole batch is made of lives to the
/// end.
pub(super) fn training(plan: &Plan) -> Memory {
    let readers = plan.readers();
    let mut slots = Slots::new(&plan.training.stages, plan.steps.len());
    let mut memory = Memory::new(plan, (0..plan.values.len()).collect());
    memory.gradient_storage = gradient_storage::find(plan);
    // The last moment at which the backward pass of a step reads, and the one at which it writes the gradients of
    // its inputs.
    let back = |index: usize| match plan.steps[index].meets() && plan.steps[index].wanted().input {
        true => Use::Met(index),
        false => Use::Backward(index),
    };
    let at_the_end = |step: &Step| is_read_at_the_end(step).then_some(Use::End);
    for (index, step) in plan.steps.iter().enumerate() {
        let (forward, backward) = (Use::Forward(index), Use::Backward(index));
        let saves = step.saves();
        let len = plan.values[step.output].shape.len();
        memory.values[step.output] = if step.output == plan.output {
            Place::Output
        } else {
            let by_readers = readers[step.output].iter().flat_map(|&reader| {
                let reader_of = &plan.steps[reader];
                let saved = &reader_of.inputs[..reader_of.saves().inputs];
                let backward = saved.contains(&step.output).then(|| back(reader));
                [
                    Some(Use::Forward(reader)),
                    at_the_end(reader_of).or(backward),
                ]
            });
            let by_itself = saves.output.then_some(backward);
            let uses = by_readers.chain([by_itself]).flatten();
            Place::Slot(slots.take(len, forward, uses))
        };
        if saves.floats > 0 {
            let read = step.wanted().any().then_some(backward);
            memory.saved[index] = Some(slots.take(saves.floats, forward, read));
        }
        // Every micro-batch leaves its argmax before the first one reads them: none can share a slot.
        if saves.bytes > 0 && step.wanted().any() {
            memory.argmax[index] = Some(memory.argmax_slots.len());
            memory.argmax_slots.push(saves.bytes);
        }
    }
    for (index, step) in plan.steps.iter().enumerate().rev() {
        let value = &plan.values[step.output];
        let storage = memory.gradient_storage[step.output];
        if value.wants_gradient && storage != step.output {
            // The step that passes it on stands behind this one.
            memory.gradients[step.output] = memory.gradients[storage];
        } else if value.wants_gradient {
            let from = match readers[step.output].last() {
                Some(&reader) if step.output != plan.output => back(reader),
                Some(_) | None => Use::Loss,
            };
            let sharers = plan.steps.iter().enumerate();
            let sharers =
                sharers.filter(|(_, step)| memory.gradient_storage[step.output] == storage);
            let uses = sharers.flat_map(|(index, step)| {
                let uses = [
                    Some(Use::Backward(index)),
                    Some(back(index)),
                    at_the_end(step),
                ];
                uses.into_iter().flatten()
            });
            memory.gradients[step.output] = Some(slots.take(value.shape.len(), from, uses));
        }
        for (place, (&input, write)) in step.inputs.iter().zip(&step.input_gradients).enumerate() {
            let is_passed_on = step.operation.facts().passes_gradient_on(place);
            if *write == Some(super::Write::Add) && !is_passed_on {
                let len = plan.values[input].shape.len();
                let slot = slots.take(len, back(index), []);
                memory.addends[index][place] = Some(slot);
            }
        }
    }
    memory.slots = slots.finish();
    memory
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
    /// The begin of the backward pass of the stage before a step, when all threads have met.
    Met(usize),
    /// After all passes, as a matrix of the whole batch: the examples lie side by side, so the slot is no longer than
    /// the value.
    End,
}

/// Hands out slots: the smallest free one that fits, else the largest free one grown, else a new one.
/// Requests for each kind come in the order of their start.
struct Slots<'a> {
    stages: &'a [Stage],
    steps: usize,
    /// Each slot and the last moment at which it is taken.
    taken: Vec<(Slot, usize)>,
}

impl<'a> Slots<'a> {
    fn new(stages: &'a [Stage], steps: usize) -> Self {
        Self {
            stages,
            steps,
            taken: Vec::new(),
        }
    }

    /// A slot for a value that is written first and then has these uses.
    fn take(&mut self, len: usize, first: Use, uses: impl IntoIterator<Item = Use>) -> usize {
        let uses: Vec<Use> = uses.into_iter().chain([first]).collect();
        let per = self.per(&uses);
        let from = self.time(first, per);
        let times = uses.iter().map(|&at| self.time(at, per));
        let until = times.max().unwrap_or(from);
        let most = match uses.iter().any(|at| matches!(at, Use::End)) {
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

    /// A micro-batch is enough where all uses lie in one pass through one stage of images.
    fn per(&self, uses: &[Use]) -> Per {
        let stage = |place: usize| {
            let is_images = self.stages[place].scope == Scope::Images;
            is_images.then_some(place)
        };
        let pass = |at: &Use| match *at {
            Use::Forward(step) => Some((true, stage(place_of(self.stages, step))?)),
            Use::Backward(step) => Some((false, stage(place_of(self.stages, step))?)),
            Use::Met(step) => Some((false, stage(self.before(step))?)),
            Use::Loss | Use::End => None,
        };
        let first = uses.first().and_then(pass);
        if first.is_some() && uses.iter().all(|at| pass(at) == first) {
            Per::MicroBatch
        } else {
            Per::Example
        }
    }

    /// The place of the stage that ends with the statistics for a step.
    fn before(&self, step: usize) -> usize {
        let place = (self.stages.iter()).position(|stage| stage.meets_for == Some(step));
        place.expect("a stage meets for the step")
    }

    /// When a use happens, in the time of a kind of slot.
    fn time(&self, at: Use, per: Per) -> usize {
        // In the time of a whole batch a stage of images is one moment.
        let moment = |step: usize| {
            let stage = &self.stages[place_of(self.stages, step)];
            match (per, stage.scope) {
                (Per::Example, Scope::Images) => stage.steps.start,
                (Per::Example, Scope::Share) | (Per::MicroBatch, _) => step,
            }
        };
        // Two moments for each step, so that there is one between two of them.
        let end = 4 * self.steps;
        match at {
            Use::Forward(step) => 2 * moment(step),
            Use::Loss => 2 * self.steps,
            Use::Backward(step) => end - 2 * moment(step),
            Use::Met(step) => {
                let stage = &self.stages[self.before(step)];
                match (per, stage.scope) {
                    (Per::Example, Scope::Images) => end - 2 * stage.steps.start,
                    (Per::Example, Scope::Share) | (Per::MicroBatch, _) => {
                        end - 2 * stage.steps.end + 1
                    }
                }
            }
            Use::End => end + 1,
        }
    }

    fn finish(self) -> Vec<Slot> {
        self.taken.into_iter().map(|(slot, _)| slot).collect()
    }
}
