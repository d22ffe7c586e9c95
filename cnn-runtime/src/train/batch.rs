//! The first phase of a step: a batch flows forward and backward through the network.
//!
//! ```text
//! batch ──▶ partials of neighbouring examples ──▶ each thread takes a share of them: read, forward, backward,
//!           in passes between which all threads meet where an operation has to know the whole batch
//!       ──▶ values and gradients of dense layers for the whole batch, sums of convolutions' gradients by partial
//! ```
//!
//! What is computed for one example does not depend on its neighbours, and every sum over examples is made in their
//! order (within a partial, then over partials, or over the whole batch). So it does not matter which thread
//! computes what.

use std::ops::Range;

use crate::data;
use crate::data::targets::Checked;
use crate::kernels::Isa;
use crate::kernels::thread_pool::for_each;
use crate::model::parameters::Buffer;
use crate::model::{packed, size};
use crate::objective::custom::{Custom, Replacement};
use crate::objective::{self, Measures, Weights};
use crate::ops::{self, Direction};
use crate::spec::{Meeting, Source, Spec, Train, Training, aligned};
use crate::thread_count::worthwhile;
use crate::train::augment::{Augmentation, Mixing, Rows};
use crate::train::frozen::Frozen;
use crate::train::reduction::{self, Partials};
use cnn_ir::Augment;

/// The buffers that a batch flows through, used for one batch after the other.
pub(crate) struct Batch<'c> {
    pub(super) spec: &'static Spec,
    training: &'static Training,
    /// What is asked beside the objectives.
    custom: &'c Custom<'c>,
    /// Its losses, by output.
    replacements: Vec<Option<Replacement<'c>>>,
    /// The tensors that the step leaves as they are.
    frozen: Frozen,
    /// How much each class counts, if not as the objective says.
    pub(super) class_weights: Vec<f32>,
    pub(super) isa: Isa,
    /// The most threads to use.
    pub(super) threads: usize,
    /// Examples of the batch that flowed through last.
    pub(super) examples: usize,
    values: Values,
    /// What is summed up over each partial, by region: `[partials, aligned(sums.len)]`.
    regions: Vec<Buffer>,
    /// The statistics of the whole batch.
    totals: Buffer,
    /// How many partials have been added to the first one.
    merged: usize,
    /// The scratch memory of each thread.
    workspaces: Vec<Buffer>,
    augmentation: Option<Augmentation>,
    /// What each thread needs for augmentation.
    scratch: Vec<Buffer>,
    /// The batch before its examples are mixed, if they are.
    mixing: Option<Mixing>,
    packed: PackedWeights,
    /// The sums of the loss and of each metric: of the batch, then of each partial.
    sums: Vec<f64>,
}

/// What the whole batch keeps, `[examples, …]` each.
struct Values {
    input: Buffer,
    target: Buffer,
    /// Of each example under the loss of each output.
    weights: Vec<f32>,
    output: Buffer,
    losses: Buffer,
    slots: Vec<Buffer>,
    argmax: Vec<Vec<u8>>,
}

/// The weights in the forms that the passes want them in.
struct PackedWeights {
    forward: Buffer,
    backward: Buffer,
}

/// A thread's share of a batch.
struct Share<'a> {
    /// The place of its first example in the batch.
    first: usize,
    examples: usize,
    input: &'a mut [f32],
    target: &'a mut [f32],
    weights: &'a mut [f32],
    /// Whether all of them are 1.
    are_even: bool,
    output: &'a mut [f32],
    losses: &'a mut [f32],
    slots: Vec<&'a mut [f32]>,
    argmax: Vec<&'a mut [u8]>,
    workspace: &'a mut [f32],
    scratch: &'a mut [f32],
    partials: Range<usize>,
    /// What is summed up over each partial, by region.
    regions: Vec<&'a mut [f32]>,
    /// The sums of the loss and of each metric over each partial.
    sums: &'a mut [f64],
}

impl<'c> Batch<'c> {
    /// Buffers for batches of up to `batch_size` examples of a network with `parameters`, some of which are `frozen`.
    pub(crate) fn new(
        spec: &'static Spec,
        training: &'static Training,
        parameters: &[f32],
        frozen: &Frozen,
        custom: &'c Custom<'c>,
        batch_size: usize,
        threads: usize,
    ) -> Self {
        let isa = Isa::detect();
        let partials = reduction::count(batch_size);
        let columns = measures(spec, training, custom).columns();
        let values = |len: &usize| Buffer::zeros(batch_size * len);
        Self {
            spec,
            training,
            custom,
            replacements: custom.losses(spec.outputs.len()),
            frozen: frozen.clone(),
            class_weights: Vec::new(),
            isa,
            threads,
            examples: 0,
            values: Values {
                input: values(&size(spec.input)),
                target: values(&size(spec.output)),
                weights: vec![1.0; batch_size * spec.outputs.len()],
                output: values(&size(spec.output)),
                losses: values(&objective::losses(training.objectives)),
                slots: training.slots.iter().map(values).collect(),
                argmax: (training.argmax_slots.iter())
                    .map(|len| vec![0; batch_size * len])
                    .collect(),
            },
            regions: (training.sums.iter())
                .map(|sums| Buffer::zeros(partials * aligned(sums.len)))
                .collect(),
            totals: Buffer::zeros(training.totals),
            merged: 0,
            workspaces: (0..threads.clamp(1, partials))
                .map(|_| Buffer::zeros(training.workspace))
                .collect(),
            augmentation: None,
            scratch: (0..threads.clamp(1, partials))
                .map(|_| Buffer::default())
                .collect(),
            mixing: None,
            packed: PackedWeights {
                forward: packed::prepare(spec, training.packed_forward, isa, parameters),
                backward: packed::prepare(spec, training.packed_backward, isa, parameters),
            },
            sums: vec![0.0; (1 + partials) * columns],
        }
    }

    /// Changes the examples of the batches from now on, of up to `batch_size` examples each.
    pub(super) fn set_augment(&mut self, list: &[Augment], batch_size: usize) {
        let spec = self.spec;
        self.augmentation = Augmentation::new(list, spec.input, self.isa);
        let scratch = (self.augmentation.as_ref()).map_or(0, Augmentation::scratch);
        self.scratch.fill_with(|| Buffer::zeros(scratch));
        let mixes = (self.augmentation.as_ref()).is_some_and(Augmentation::mixes);
        self.mixing = mixes.then(|| Mixing::new(batch_size, lengths(spec)));
    }

    /// The batches from now on are those of this epoch.
    pub(super) fn begin(&mut self, seed: u64, epoch: u64) {
        if let Some(augmentation) = &mut self.augmentation {
            augmentation.begin(seed, epoch);
        }
    }

    /// Packs the weights anew, after a change of the parameters.
    pub(crate) fn pack(&mut self, parameters: &[f32]) {
        /// About as many as a transformed kernel takes for a float.
        const FLOPS: u64 = 16;
        let (spec, isa) = (self.spec, self.isa);
        let PackedWeights { forward, backward } = &mut self.packed;
        let floats = forward.len() + backward.len();
        let forward = packed::places(self.training.packed_forward, forward);
        let backward = packed::places(self.training.packed_backward, backward);
        let mut places: Vec<_> = forward.chain(backward).collect();
        let threads = worthwhile(self.threads, FLOPS * floats as u64);
        for_each(threads, &mut places, |_, (form, place)| {
            form.pack(isa, spec.parameters, parameters, place);
        });
    }

    /// Computes what the gradients of the mean loss over the examples of `data` that `batch` lists are made of.
    /// Dropout drops what `seed` says.
    pub(crate) fn forward_backward(
        &mut self,
        parameters: &[f32],
        data: &Checked<'_>,
        batch: &[usize],
        seed: u64,
    ) {
        let (spec, training, isa) = (self.spec, self.training, self.isa);
        let measures = measures(spec, training, self.custom);
        let columns = measures.columns();
        let scale = 1.0 / batch.len() as f32;
        let (total, partial_sums) = self.sums.split_at_mut(columns);
        let threads = worthwhile(self.threads, step_flops(spec, batch.len()));
        let (weights, classes) = (&self.packed, &self.class_weights[..]);
        let replacements = &self.replacements[..];
        let mut shares = shares(
            spec,
            training,
            columns,
            batch.len(),
            threads.min(self.workspaces.len()),
            &mut self.values,
            &mut self.regions,
            &mut self.workspaces,
            &mut self.scratch,
            partial_sums,
        );
        let augmentation = self.augmentation.as_ref();
        let mixing = self.mixing.as_mut().map(|mixing| {
            let parts = mixing.parts(shares.iter().map(|share| share.examples), lengths(spec));
            let mut readers: Vec<_> = parts.collect();
            let mut readers: Vec<_> = shares.iter_mut().zip(&mut readers).collect();
            for_each(threads, &mut readers, |_, (share, copy)| {
                share.read(spec, data, batch, augmentation);
                copy.copy_from(share.input, share.target, share.weights);
            });
            &*mixing
        });

        self.examples = batch.len();
        self.merged = shares.first().map_or(0, |share| share.partials.len());
        for (place, pass) in training.passes.iter().enumerate() {
            let (is_first, is_last) = (place == 0, place + 1 == training.passes.len());
            let totals = &self.totals[..];
            for_each(threads, &mut shares, |_, share| {
                if is_first {
                    match (mixing, augmentation) {
                        (Some(mixing), Some(augmentation)) => {
                            share.mix(spec, mixing, batch, augmentation);
                        }
                        (None, _) | (_, None) => share.read(spec, data, batch, augmentation),
                    }
                }
                (pass.run)(Train {
                    isa,
                    examples: share.examples,
                    first: share.first,
                    parameters,
                    packed_forward: &weights.forward,
                    packed_backward: &weights.backward,
                    input: share.input,
                    target: share.target,
                    weights: Weights {
                        examples: match share.are_even {
                            true => &[],
                            false => share.weights,
                        },
                        classes,
                        losses: replacements,
                    },
                    output: share.output,
                    losses: share.losses,
                    slots: &mut share.slots,
                    argmax: &mut share.argmax,
                    workspace: share.workspace,
                    partials: Partials::new(
                        batch.len(),
                        share.partials.clone(),
                        &mut share.regions,
                        training.sums,
                    ),
                    totals,
                    scale,
                    seed,
                });
                if is_last {
                    share.sum_up(spec, measures, batch.len());
                }
            });
            for meeting in pass.meetings {
                if take_state(
                    meeting,
                    spec,
                    training,
                    &self.frozen,
                    parameters,
                    &mut self.totals,
                ) {
                    continue;
                }
                meet(meeting, training, batch.len(), &shares, &mut self.totals);
            }
        }

        total.fill(0.0);
        for sums in partial_sums
            .chunks_exact(columns)
            .take(reduction::count(batch.len()))
        {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += sum;
            }
        }
    }

    /// The sums of the loss and of each metric over the examples of the last batch.
    pub(crate) fn sums(&self) -> &[f64] {
        let measures = measures(self.spec, self.training, self.custom);
        &self.sums[..measures.columns()]
    }

    /// The inputs of the last batch, `[examples, ..input]`.
    pub(super) fn input(&self) -> &[f32] {
        self.source(Source::Input, size(self.spec.input))
    }

    /// The first example of the last batch whose loss is not finite: its place in the batch, the output of which it is
    /// the loss, and the loss.
    pub(super) fn first_not_finite_loss(&self) -> Option<(usize, &'static str, f32)> {
        let columns = objective::losses(self.training.objectives);
        let losses = &self.values.losses[..self.examples * columns];
        losses
            .chunks_exact(columns)
            .enumerate()
            .find_map(|(example, losses)| {
                // Of several outputs, the sum comes before the loss of each.
                let each = if columns == 1 { losses } else { &losses[1..] };
                let mut outputs = self.spec.outputs.iter().zip(each);
                let (output, loss) = outputs.find(|(_, loss)| !loss.is_finite())?;
                Some((example, output.name, *loss))
            })
    }

    /// The values of the last batch at `source`, `len` for each example.
    pub(super) fn source(&self, source: Source, len: usize) -> &[f32] {
        let values = match source {
            Source::Input => &self.values.input,
            Source::Slot(slot) => &self.values.slots[slot],
        };
        &values[..self.examples * len]
    }

    /// The statistics of the last batch.
    pub(super) fn totals(&self) -> &[f32] {
        &self.totals
    }

    /// Adds up `values` of the partials of the last batch.
    pub(super) fn total(&self, region: usize, values: Range<usize>, sums: &mut [f32]) {
        let length = aligned(self.training.sums[region].len);
        let partials = &self.regions[region][..reduction::count(self.examples) * length];
        reduction::total(partials, length, self.merged, values, sums);
    }
}

impl Share<'_> {
    /// Reads its examples, of those that `batch` lists, and changes them.
    fn read(
        &mut self,
        spec: &Spec,
        data: &Checked<'_>,
        batch: &[usize],
        augmentation: Option<&Augmentation>,
    ) {
        let (inputs, units) = (size(spec.input), size(spec.output));
        let examples = &batch[self.first..self.first + self.examples];
        for (&example, input) in examples.iter().zip(self.input.chunks_exact_mut(inputs)) {
            data::read_inputs(data, spec.inputs, example, input);
            if let Some(augmentation) = augmentation {
                augmentation.apply(example, input, self.scratch);
            }
        }
        for (&example, target) in examples.iter().zip(self.target.chunks_exact_mut(units)) {
            data::read_targets(data, spec.outputs, example, target);
        }
        self.are_even = true;
        let weights = self.weights.chunks_exact_mut(spec.outputs.len());
        for (&example, weights) in examples.iter().zip(weights) {
            self.are_even &= data::read_weights(data, example, weights);
        }
    }

    /// Mixes its examples, once all have been read.
    fn mix(&mut self, spec: &Spec, mixing: &Mixing, batch: &[usize], augmentation: &Augmentation) {
        let rows = Rows {
            input: self.input,
            target: self.target,
            weights: self.weights,
        };
        self.are_even = mixing.mix(augmentation, batch, self.first, rows, lengths(spec));
    }

    /// Sums up the losses and the metrics over each of its partials, of a batch of so many examples.
    fn sum_up(&mut self, spec: &Spec, measures: Measures<'_>, batch: usize) {
        let (units, losses) = (size(spec.output), objective::losses(measures.objectives));
        let columns = measures.columns();
        let sums = self.sums.chunks_exact_mut(columns);
        for (partial, sums) in self.partials.clone().zip(sums) {
            let [start, end] =
                [partial, partial + 1].map(|partial| reduction::start(partial, batch));
            let examples = start - self.first..end - self.first;
            let of = |len: usize| examples.start * len..examples.end * len;
            measures.sum(
                &self.output[of(units)],
                &self.target[of(units)],
                &self.losses[of(losses)],
                sums,
            );
        }
    }
}

/// Makes the total of a frozen operation of its running statistics, and says whether it is one.
fn take_state(
    meeting: &Meeting,
    spec: &Spec,
    training: &Training,
    frozen: &Frozen,
    parameters: &[f32],
    totals: &mut [f32],
) -> bool {
    let states = match meeting.direction {
        Direction::Forward => training.states,
        Direction::Backward => &[],
    };
    let states = states.iter();
    let states =
        states.filter(|state| state.total == meeting.total && frozen.contains(state.parameter));
    let mut is_frozen = false;
    for state in states {
        is_frozen = true;
        let values = &parameters[spec.parameters[state.parameter].range()];
        let total = &mut totals[meeting.total..];
        ops::execute(&state.operation).take_state(state.tensor, values, total);
    }
    is_frozen
}

/// Makes the total of the statistics that the threads have left in the partials of a batch of so many examples.
fn meet(
    meeting: &Meeting,
    training: &Training,
    examples: usize,
    shares: &[Share<'_>],
    totals: &mut [f32],
) {
    let operation = ops::execute(&meeting.operation);
    let Some(sizes) = meeting.operation.facts().statistics() else {
        return;
    };
    let sizes = match meeting.direction {
        Direction::Forward => sizes.forward,
        Direction::Backward => sizes.backward,
    };
    let sums = training.sums[meeting.region];
    let values = meeting.offset..meeting.offset + sizes.partial;
    // Of those that are added, the first share has left a single one.
    let partials = shares.iter().enumerate().flat_map(|(place, share)| {
        let count = match sums.are_added && place == 0 {
            true => share.partials.len().min(1),
            false => share.partials.len(),
        };
        let partials = share.regions[meeting.region].chunks_exact(aligned(sums.len));
        partials.take(count).map(|partial| &partial[values.clone()])
    });
    let total = &mut totals[meeting.total..][..sizes.total];
    let partials: Vec<_> = partials.collect();
    operation.merge(meeting.direction, examples, &partials, total);
}

/// All that is measured of the outputs.
fn measures<'a>(spec: &'a Spec, training: &'a Training, custom: &'a Custom<'a>) -> Measures<'a> {
    Measures {
        objectives: training.objectives,
        outputs: spec.outputs,
        custom,
    }
}

/// The floats of an example's inputs, targets and weights.
fn lengths(spec: &Spec) -> [usize; 3] {
    [size(spec.input), size(spec.output), spec.outputs.len()]
}

/// Floating-point operations of a step with so many examples, about: the backward pass takes twice as many as the forward
/// pass.
pub(super) fn step_flops(spec: &Spec, examples: usize) -> u64 {
    let forward: u64 = spec.layers.iter().map(|layer| layer.flops).sum();
    3 * examples as u64 * forward
}

/// Cuts a batch into one share for each thread, at the borders of partials.
#[expect(clippy::too_many_arguments, reason = "each is a buffer of its own")]
fn shares<'a>(
    spec: &Spec,
    training: &Training,
    columns: usize,
    examples: usize,
    threads: usize,
    values: &'a mut Values,
    regions: &'a mut [Buffer],
    workspaces: &'a mut [Buffer],
    scratch: &'a mut [Buffer],
    sums: &'a mut [f64],
) -> Vec<Share<'a>> {
    let count = reduction::count(examples);
    let threads = threads.clamp(1, count.max(1));
    let (inputs, units) = (size(spec.input), size(spec.output));
    let mut input = &mut values.input[..];
    let mut target = &mut values.target[..];
    let mut weights = &mut values.weights[..];
    let mut output = &mut values.output[..];
    let mut losses = &mut values.losses[..];
    let mut slots: Vec<_> = values.slots.iter_mut().map(|slot| &mut slot[..]).collect();
    let mut argmax: Vec<_> = values.argmax.iter_mut().map(|slot| &mut slot[..]).collect();
    let mut regions: Vec<_> = regions.iter_mut().map(|region| &mut region[..]).collect();
    let mut sums = sums;
    let mut workspaces = workspaces.iter_mut();
    let mut scratch = scratch.iter_mut();
    (0..threads)
        .map(|thread| {
            let [from, to] = [thread, thread + 1].map(|thread| thread * count / threads);
            let [first, end] = [from, to].map(|partial| reduction::start(partial, examples));
            let n = end - first;
            let slots = slots.iter_mut().zip(training.slots);
            let argmax = argmax.iter_mut().zip(training.argmax_slots);
            Share {
                first,
                examples: n,
                input: cut(&mut input, n * inputs),
                target: cut(&mut target, n * units),
                weights: cut(&mut weights, n * spec.outputs.len()),
                are_even: true,
                output: cut(&mut output, n * units),
                losses: cut(&mut losses, n * objective::losses(training.objectives)),
                slots: slots.map(|(slot, len)| cut(slot, n * len)).collect(),
                argmax: argmax.map(|(slot, len)| cut(slot, n * len)).collect(),
                workspace: workspaces.next().expect("a workspace for each thread"),
                scratch: scratch.next().expect("one for each thread"),
                partials: from..to,
                regions: (regions.iter_mut().zip(training.sums))
                    .map(|(region, sums)| cut(region, (to - from) * aligned(sums.len)))
                    .collect(),
                sums: cut(&mut sums, (to - from) * columns),
            }
        })
        .collect()
}

/// Cuts `length` values off the front.
pub(super) fn cut<'a, T>(rest: &mut &'a mut [T], length: usize) -> &'a mut [T] {
    let (piece, tail) = std::mem::take(rest).split_at_mut(length);
    *rest = tail;
    piece
}
