//! One step of training, cut up so that its result does not depend on the number of threads.
//!
//! ```text
//! batch ──▶ partials of neighbouring examples ──▶ each thread takes some: read, forward, backward
//!       ──▶ values and gradients of dense layers for the whole batch, sums of convolutions' gradients by partial
//! parameters ──▶ parts of tensors ──▶ each part: its gradient over the whole batch, update, packed weights
//! ```
//!
//! What is computed for one example does not depend on its neighbours, and every sum over examples
//! is made in their order (within a partial, then over partials, or over the whole batch), so who computes
//! what does not matter. The threads meet twice in a step.

use crate::data::Dataset;
use crate::kernels::Isa;
use crate::kernels::thread_pool::for_each;
use crate::model::packed;
use crate::model::parameters::Buffer;
use crate::model::{BufferPool, OptimizerState, size};
use crate::ops::{self, BatchGradient};
use crate::spec::{Gradient, PackedForm, Source, Spec, Train, Training, aligned};
use crate::thread_count::worthwhile;
use crate::train::reduction::{self, Partials};
use crate::{metric, optimizer};
use std::ops::Range;

/// Values of a part of a tensor: a quarter of a small second-level cache.
const PART: usize = 16 * 1024;

/// The buffers of a training step, used for every step of a call of `fit`.
pub(crate) struct Step {
    spec: &'static Spec,
    training: &'static Training,
    isa: Isa,
    threads: usize,
    batch: Batch,
    /// The gradients of the convolutions, summed over each partial.
    partials: Buffer,
    /// How many of them have been added to the first one.
    merged: usize,
    /// The scratch memory of each thread.
    workspaces: Vec<Buffer>,
    /// Where threads work off parts, while nobody does.
    workplaces: BufferPool<Workplace>,
    packed: Weights,
    /// The sums of the loss and of each metric: of the batch, then of each partial.
    sums: Vec<f64>,
}

/// What a batch flows through, as far as all of it is needed at once.
struct Batch {
    input: Buffer,
    target: Buffer,
    output: Buffer,
    losses: Buffer,
    slots: Vec<Buffer>,
    argmax: Vec<Vec<u8>>,
}

/// The weights in the forms that the passes want them in.
struct Weights {
    forward: Buffer,
    backward: Buffer,
}

/// A thread's share of a batch.
struct Share<'a> {
    first: usize,
    examples: usize,
    input: &'a mut [f32],
    target: &'a mut [f32],
    output: &'a mut [f32],
    losses: &'a mut [f32],
    slots: Vec<&'a mut [f32]>,
    argmax: Vec<&'a mut [u8]>,
    workspace: &'a mut [f32],
    partials: Range<usize>,
    /// The gradients of each partial.
    gradients: &'a mut [f32],
    sums: &'a mut [f64],
}

/// What a thread works off parts with, one after the other.
#[derive(Default)]
struct Workplace {
    /// The gradients of a part, then what they are computed with.
    buffer: Buffer,
    /// The gradients of the results of a dense layer, packed for all parts of its kernel.
    packed: Buffer,
    /// The kernel that they are for.
    tensor: Option<usize>,
}

/// A part of a tensor of parameters.
struct Part<'a> {
    tensor: usize,
    /// Where it starts in the tensor, in values.
    start: usize,
    parameters: &'a mut [f32],
    slots: [&'a mut [f32]; optimizer::MAX_SLOTS],
    /// The other forms of the tensor, forward and backward, with the place to write them to.
    packed: [Option<(&'static PackedForm, &'a mut [f32])>; 2],
}

impl Step {
    /// Buffers for batches of up to `batch_size` examples of a network with `parameters`.
    pub(crate) fn new(
        spec: &'static Spec,
        training: &'static Training,
        parameters: &[f32],
        batch_size: usize,
        threads: usize,
    ) -> Self {
        let isa = Isa::detect();
        let partials = reduction::count(batch_size);
        let columns = 1 + training.metrics.len();
        let values = |len: &usize| Buffer::zeros(batch_size * len);
        Self {
            spec,
            training,
            isa,
            threads,
            batch: Batch {
                input: values(&size(spec.input)),
                target: values(&size(spec.output)),
                output: values(&size(spec.output)),
                losses: values(&1),
                slots: training.slots.iter().map(values).collect(),
                argmax: (training.argmax_slots.iter())
                    .map(|len| vec![0; batch_size * len])
                    .collect(),
            },
            partials: Buffer::zeros(partials * aligned(training.partial)),
            merged: 0,
            workspaces: (0..threads.clamp(1, partials))
                .map(|_| Buffer::zeros(training.workspace))
                .collect(),
            workplaces: BufferPool::default(),
            packed: Weights {
                forward: packed::prepare(spec, training.packed_forward, isa, parameters),
                backward: packed::prepare(spec, training.packed_backward, isa, parameters),
            },
            sums: vec![0.0; (1 + partials) * columns],
        }
    }

    /// The first phase: computes what the gradients of the mean loss over the examples of `batch` are
    /// made of, and returns the sums over them of the loss and of each metric.
    pub(crate) fn forward_backward(
        &mut self,
        parameters: &[f32],
        data: &dyn Dataset,
        batch: &[usize],
        seed: u64,
    ) -> &[f64] {
        let (spec, training, isa) = (self.spec, self.training, self.isa);
        let (inputs, units) = (size(spec.input), size(spec.output));
        let columns = 1 + training.metrics.len();
        let scale = 1.0 / batch.len() as f32;
        let (total, partial_sums) = self.sums.split_at_mut(columns);
        // The backward pass takes about twice as long as the forward pass.
        let threads = worthwhile(self.threads, 3 * batch.len() as u64 * flops(spec));
        let weights = &self.packed;
        let mut shares = shares(
            spec,
            training,
            batch.len(),
            threads.min(self.workspaces.len()),
            &mut self.batch,
            &mut self.partials,
            &mut self.workspaces,
            partial_sums,
        );

        self.merged = shares.first().map_or(0, |share| share.partials.len());
        for_each(threads, &mut shares, |_, share| {
            let examples = &batch[share.first..share.first + share.examples];
            for (&example, input) in examples.iter().zip(share.input.chunks_exact_mut(inputs)) {
                data.read_input(example, input);
            }
            for (&example, target) in examples.iter().zip(share.target.chunks_exact_mut(units)) {
                data.read_target(example, target);
            }
            (training.train)(Train {
                isa,
                examples: share.examples,
                first: share.first,
                parameters,
                packed_forward: &weights.forward,
                packed_backward: &weights.backward,
                input: share.input,
                target: share.target,
                output: share.output,
                losses: share.losses,
                slots: &mut share.slots,
                argmax: &mut share.argmax,
                workspace: share.workspace,
                partials: Partials::new(
                    batch.len(),
                    share.partials.clone(),
                    share.gradients,
                    aligned(training.partial),
                ),
                scale,
                seed,
            });
            let partials = share.partials.clone();
            for (partial, sums) in partials.zip(share.sums.chunks_exact_mut(columns)) {
                let [start, end] =
                    [partial, partial + 1].map(|partial| reduction::start(partial, batch.len()));
                let examples = start - share.first..end - share.first;
                let losses = &share.losses[examples.clone()];
                sums[0] = losses.iter().map(|loss| f64::from(*loss)).sum();
                let values = examples.start * units..examples.end * units;
                let (output, target) = (&share.output[values.clone()], &share.target[values]);
                for (sum, metric) in sums[1..].iter_mut().zip(training.metrics) {
                    *sum = metric::sum(*metric, training.loss, units, output, target);
                }
            }
        });

        total.fill(0.0);
        for sums in partial_sums
            .chunks_exact(columns)
            .take(reduction::count(batch.len()))
        {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += sum;
            }
        }
        total
    }

    /// The second phase: completes the gradients that [`forward_backward`](Self::forward_backward)
    /// packed for `examples`, and lets the optimizer apply them.
    pub(crate) fn update(
        &mut self,
        parameters: &mut [f32],
        state: &mut OptimizerState,
        examples: usize,
    ) {
        state.iteration += 1;
        let (iteration, rule) = (state.iteration, state.optimizer);
        let slot_count = state.slots.len();
        let slots = state.slots.iter_mut().map(|slot| &mut slot[..]);
        self.for_each_part(parameters, slots, examples, |part, gradients, isa| {
            let slots = &mut part.slots[..slot_count];
            optimizer::update(&rule, isa, iteration, part.parameters, gradients, slots);
            for (form, place) in part.packed.iter_mut().flatten() {
                form.pack(isa, part.parameters, place);
            }
        });
    }

    /// The second phase without an update: the gradients, laid out as the parameters.
    pub(crate) fn gradients(&mut self, examples: usize) -> Vec<f32> {
        // The result takes the place of the parameters.
        let mut all = vec![0.0; self.spec.parameter_count];
        let no_slots = std::iter::empty();
        self.for_each_part(&mut all, no_slots, examples, |part, gradients, _| {
            part.parameters.copy_from_slice(gradients);
        });
        all
    }

    /// Calls `f(part, its gradients, what computes)` for all parameters that are trained. The gradients of a
    /// part live no longer than the call, in memory that the next part uses again: it stays in the cache.
    fn for_each_part<'a>(
        &'a mut self,
        parameters: &'a mut [f32],
        slots: impl Iterator<Item = &'a mut [f32]>,
        examples: usize,
        f: impl Fn(&mut Part<'_>, &[f32], Isa) + Sync,
    ) {
        let (spec, isa) = (self.spec, self.isa);
        let mut parts = parts(spec, self.training, parameters, slots, &mut self.packed);
        let partial = aligned(self.training.partial);
        let (partials, merged) = (
            &self.partials[..reduction::count(examples) * partial],
            self.merged,
        );
        let batch = &self.batch;
        for place in self.workplaces.idle() {
            place.tensor = None;
        }
        let workplaces = &self.workplaces;
        // A multiply-add for each example and parameter, and about as many operations as an optimizer has.
        let threads = worthwhile(
            self.threads,
            (2 * examples as u64 + 32) * spec.parameter_count as u64,
        );
        let most = parts.iter().map(|part| part.scratch(spec, examples)).max();
        for_each(threads, &mut parts, |_, part| {
            let len = part.parameters.len();
            let mut place = workplaces.take();
            place.buffer.reserve(most.unwrap_or(0));
            let (gradients, rest) = place.buffer.split_at_mut(aligned(len));
            let mut gradients = &mut gradients[..len];
            match spec.parameters[part.tensor].gradient {
                Gradient::Frozen => {}
                Gradient::Partials {
                    offset,
                    operation,
                    tensor,
                } => {
                    let start = offset + part.start;
                    reduction::total(partials, partial, merged, start..start + len, gradients);
                    let operation = ops::execute(&operation);
                    if operation.is_rearranged(tensor) {
                        let finished = &mut rest[..len];
                        operation.finish_gradient(isa, gradients, finished);
                        gradients = finished;
                    }
                }
                Gradient::Batch {
                    operation,
                    tensor,
                    input,
                    gradient,
                } => {
                    let operation = ops::execute(&operation);
                    let sizes = operation.batch_sizes(tensor, examples);
                    let x = match input {
                        Source::Input => &batch.input[..examples * sizes.input],
                        Source::Slot(slot) => &batch.slots[slot][..examples * sizes.input],
                    };
                    let dy = &batch.slots[gradient][..examples * sizes.output];
                    if place.tensor != Some(part.tensor) {
                        place.packed.reserve(sizes.packed);
                        let packed = &mut place.packed[..sizes.packed];
                        if sizes.packed > 0 {
                            operation.pack_gradient(isa, examples, dy, packed);
                        }
                        place.tensor = Some(part.tensor);
                    }
                    operation.batch_gradient(BatchGradient {
                        isa,
                        examples,
                        tensor,
                        start: part.start,
                        input: x,
                        output_gradient: dy,
                        packed: &place.packed[..sizes.packed],
                        gradient: gradients,
                        scratch: rest,
                    });
                }
            }
            f(part, gradients, isa);
            workplaces.give_back(place);
        });
    }
}

impl Part<'_> {
    /// Floats that its gradient takes: its values, and what they are computed from or with.
    fn scratch(&self, spec: &Spec, examples: usize) -> usize {
        let len = self.parameters.len();
        let rest = match spec.parameters[self.tensor].gradient {
            Gradient::Partials { .. } => len,
            Gradient::Batch {
                operation, tensor, ..
            } => {
                let operation = ops::execute(&operation);
                operation.batch_sizes(tensor, examples).scratch
            }
            Gradient::Frozen => 0,
        };
        aligned(len) + rest
    }
}

/// Floating-point operations of the forward pass for one example.
fn flops(spec: &Spec) -> u64 {
    spec.layers.iter().map(|layer| layer.flops).sum()
}

/// Cuts a batch into one share for each thread, at the borders of partials.
#[expect(clippy::too_many_arguments, reason = "each is a buffer of its own")]
fn shares<'a>(
    spec: &Spec,
    training: &Training,
    examples: usize,
    threads: usize,
    batch: &'a mut Batch,
    partials: &'a mut [f32],
    workspaces: &'a mut [Buffer],
    sums: &'a mut [f64],
) -> Vec<Share<'a>> {
    let count = reduction::count(examples);
    let threads = threads.clamp(1, count.max(1));
    let columns = 1 + training.metrics.len();
    let (inputs, units) = (size(spec.input), size(spec.output));
    let mut input = &mut batch.input[..];
    let mut target = &mut batch.target[..];
    let mut output = &mut batch.output[..];
    let mut losses = &mut batch.losses[..];
    let mut slots: Vec<_> = batch.slots.iter_mut().map(|slot| &mut slot[..]).collect();
    let mut argmax: Vec<_> = batch.argmax.iter_mut().map(|slot| &mut slot[..]).collect();
    let (mut gradients, mut sums) = (partials, sums);
    let mut workspaces = workspaces.iter_mut();
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
                output: cut(&mut output, n * units),
                losses: cut(&mut losses, n),
                slots: slots.map(|(slot, len)| cut(slot, n * len)).collect(),
                argmax: argmax.map(|(slot, len)| cut(slot, n * len)).collect(),
                workspace: workspaces.next().expect("a workspace for each thread"),
                partials: from..to,
                gradients: cut(&mut gradients, (to - from) * aligned(training.partial)),
                sums: cut(&mut sums, (to - from) * columns),
            }
        })
        .collect()
}

/// Cuts all parameters into parts. A tensor that is wanted in another form, or whose gradient is, stays
/// whole, as does a bias; the kernel of a dense layer is cut between rows.
fn parts<'a>(
    spec: &'static Spec,
    training: &'static Training,
    parameters: &'a mut [f32],
    slots: impl Iterator<Item = &'a mut [f32]>,
    packed: &'a mut Weights,
) -> Vec<Part<'a>> {
    let mut parameters = parameters;
    let mut slots: Vec<_> = slots.collect();
    let mut forms = [
        (training.packed_forward, &mut packed.forward),
        (training.packed_backward, &mut packed.backward),
    ]
    .map(|(forms, buffer)| (forms.iter().peekable(), &mut buffer[..]));
    let mut parts = Vec::new();
    for (tensor, parameter) in spec.parameters.iter().enumerate() {
        let packed = forms.each_mut().map(|(forms, buffer)| {
            let form = forms.next_if(|form| form.tensor == tensor)?;
            let place = cut(buffer, aligned(form.length));
            (form.length > 0).then_some((form, &mut place[..form.length]))
        });
        let len = parameter.len();
        let step = match parameter.gradient {
            _ if packed.iter().any(Option::is_some) => len,
            Gradient::Frozen => len,
            Gradient::Partials {
                operation, tensor, ..
            } => match ops::execute(&operation).is_rearranged(tensor) {
                true => len,
                false => PART,
            },
            Gradient::Batch {
                operation, tensor, ..
            } => match ops::execute(&operation).batch_sizes(tensor, 1).grain {
                0 => len,
                grain => (PART / grain).max(1) * grain,
            },
        };
        let mut packed = Some(packed);
        for start in (0..len).step_by(step.max(1)) {
            let values = step.min(len - start);
            let part = Part {
                tensor,
                start,
                parameters: cut(&mut parameters, values),
                slots: {
                    let mut slots = slots.iter_mut();
                    std::array::from_fn(|_| {
                        slots.next().map_or(&mut [][..], |slot| cut(slot, values))
                    })
                },
                packed: packed.take().unwrap_or_default(),
            };
            if !matches!(parameter.gradient, Gradient::Frozen) {
                parts.push(part);
            }
        }
    }
    parts
}

/// Cuts `length` values off the front.
fn cut<'a, T>(rest: &mut &'a mut [T], length: usize) -> &'a mut [T] {
    let (piece, tail) = std::mem::take(rest).split_at_mut(length);
    *rest = tail;
    piece
}
