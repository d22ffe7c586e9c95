//! The second phase of a step: the gradient of every parameter over the whole batch, in one flat buffer.
//!
//! ```text
//! what the first phase left ──▶ parts of tensors ──▶ each thread takes some: sum or product over the batch, finite?
//!                           ──▶ one buffer, laid out as the parameters
//! ```
//!
//! The buffer is complete, and known to be finite, before any parameter changes.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::kernels::Isa;
use crate::kernels::magnitude::largest_magnitude;
use crate::kernels::thread_pool::for_each;
use crate::model::buffer_pool::BufferPool;
use crate::model::parameters::Buffer;
use crate::ops::{self, BatchGradient};
use crate::spec::{Gradient, Penalty, Source, Spec};
use crate::thread_count::worthwhile;
use crate::train::batch::{Batch, cut};
use crate::train::clipping::Clipping;
use crate::train::frozen::Frozen;
use crate::train::penalties;

/// Values of a part of a tensor: a quarter of a small second-level cache.
const PART: usize = 16 * 1024;

/// The gradients of a batch.
pub(crate) struct Gradients {
    /// Laid out as the parameters; those of tensors that are not trained are zero.
    values: Buffer,
    /// The tensors whose gradients are left out.
    frozen: Frozen,
    /// The largest magnitude of `values`.
    largest: f32,
    /// The mean over the batches of a step so far, if there are several.
    accumulated: Option<Accumulated>,
    /// Idle per-thread buffers.
    scratch: BufferPool<Scratch>,
}

/// A mean over several batches.
struct Accumulated {
    values: Buffer,
    /// The largest magnitude of what was added.
    largest: f32,
}

/// What a thread computes gradients with.
#[derive(Default)]
struct Scratch {
    floats: Buffer,
    /// The gradient of an operation's output, packed for all parts of its tensor.
    packed: Buffer,
    /// The tensor that it is packed for.
    packed_for: Option<usize>,
}

/// A part of a tensor.
struct Part<'a> {
    tensor: usize,
    /// Where it starts in the tensor, in values.
    start: usize,
    gradients: &'a mut [f32],
}

impl Gradients {
    /// Zeros, of a network with these frozen tensors.
    pub(crate) fn new(spec: &Spec, frozen: &Frozen) -> Self {
        Self {
            values: Buffer::zeros(spec.parameter_count),
            frozen: frozen.clone(),
            largest: 0.0,
            accumulated: None,
            scratch: BufferPool::default(),
        }
    }

    /// Adds the gradients of one of several batches to those of the step, of whose examples it has `share`. The first
    /// batch of a step begins anew.
    pub(crate) fn accumulate(&mut self, share: f64, is_first: bool) {
        let accumulated = self.accumulated.get_or_insert_with(|| Accumulated {
            values: Buffer::zeros(self.values.len()),
            largest: 0.0,
        });
        if is_first {
            accumulated.values.fill(0.0);
            accumulated.largest = 0.0;
        }
        let share = share as f32;
        for (sum, value) in accumulated.values.iter_mut().zip(&self.values[..]) {
            *sum += share * value;
        }
        accumulated.largest = accumulated.largest.max(self.largest);
    }

    /// Makes the gradients those that were accumulated. They are finite, as a mean of finite values is.
    pub(crate) fn finish_accumulation(&mut self) {
        if let Some(accumulated) = &mut self.accumulated {
            std::mem::swap(&mut self.values, &mut accumulated.values);
            // With room for the rounding of the shares.
            self.largest = accumulated.largest * (1.0 + 1e-5);
        }
    }

    /// The gradients, laid out as the parameters.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The largest magnitude of a gradient.
    pub(crate) fn largest(&self) -> f32 {
        self.largest
    }

    /// Adds the gradients of penalties on `parameters`.
    ///
    /// # Errors
    ///
    /// The first tensor whose gradient is infinite or not a number then.
    pub(crate) fn add_penalties(
        &mut self,
        spec: &Spec,
        penalties: &[Penalty],
        parameters: &[f32],
    ) -> Result<(), &'static str> {
        penalties::add_gradients(spec, penalties, parameters, &mut self.values);
        let isa = Isa::detect();
        for tensor in penalties.iter().map(|of| &spec.parameters[of.tensor]) {
            let largest = largest_magnitude(isa, &self.values[tensor.range()]);
            if !largest.is_finite() {
                return Err(tensor.name);
            }
            self.largest = self.largest.max(largest);
        }
        Ok(())
    }

    /// Clips the gradients.
    pub(crate) fn clip(&mut self, clipping: &Clipping) {
        clipping.apply(&mut self.values);
        self.largest = self.largest.min(clipping.largest());
    }

    /// Overwrites the gradients with those of the mean loss over the examples that flowed through `batch` last.
    ///
    /// # Errors
    ///
    /// The first tensor whose gradient is infinite or not a number. The gradients are complete all the same.
    pub(crate) fn complete(&mut self, batch: &Batch<'_>) -> Result<(), &'static str> {
        let (spec, isa, examples) = (batch.spec, batch.isa, batch.examples);
        let mut parts = parts(spec, &self.frozen, &mut self.values);
        for scratch in self.scratch.idle() {
            scratch.packed_for = None;
        }
        let scratch = &self.scratch;
        let floats = parts.iter().map(|part| part.scratch(spec, examples)).max();
        let floats = floats.unwrap_or(0);
        // A multiply-add for each example and parameter.
        let flops = 2 * examples as u64 * spec.parameter_count as u64;
        // Threads come here in any order.
        let largest = AtomicU32::new(0);
        let first_damaged = AtomicUsize::new(usize::MAX);
        for_each(worthwhile(batch.threads, flops), &mut parts, |_, part| {
            let mut buffers = scratch.take();
            buffers.floats.reserve(floats);
            part.complete(batch, &mut buffers);
            scratch.give_back(buffers);
            let magnitude = largest_magnitude(isa, part.gradients);
            // Magnitudes are in the order of their bits.
            largest.fetch_max(magnitude.to_bits(), Ordering::Relaxed);
            if !magnitude.is_finite() {
                first_damaged.fetch_min(part.tensor, Ordering::Relaxed);
            }
        });
        self.largest = f32::from_bits(largest.into_inner());
        match spec.parameters.get(first_damaged.into_inner()) {
            Some(parameter) => Err(parameter.name),
            None => Ok(()),
        }
    }
}

impl Part<'_> {
    /// Floats that its gradient is computed with.
    fn scratch(&self, spec: &Spec, examples: usize) -> usize {
        match spec.parameters[self.tensor].gradient {
            Gradient::Frozen | Gradient::Total(_) => 0,
            Gradient::Partials {
                operation, tensor, ..
            } => match ops::execute(&operation).is_rearranged(tensor) {
                true => self.gradients.len(),
                false => 0,
            },
            Gradient::Batch {
                operation, tensor, ..
            } => {
                let operation = ops::execute(&operation);
                operation.batch_sizes(tensor, examples).scratch
            }
        }
    }

    /// Computes its gradient.
    fn complete(&mut self, batch: &Batch<'_>, scratch: &mut Scratch) {
        let (isa, examples) = (batch.isa, batch.examples);
        let len = self.gradients.len();
        match batch.spec.parameters[self.tensor].gradient {
            Gradient::Frozen => {}
            Gradient::Total(place) => {
                let total = &batch.totals()[place + self.start..][..len];
                self.gradients.copy_from_slice(total);
            }
            Gradient::Partials {
                region,
                offset,
                operation,
                tensor,
            } => {
                let start = offset + self.start;
                let operation = ops::execute(&operation);
                if operation.is_rearranged(tensor) {
                    let sums = &mut scratch.floats[..len];
                    batch.total(region, start..start + len, sums);
                    operation.finish_gradient(isa, sums, self.gradients);
                } else {
                    batch.total(region, start..start + len, self.gradients);
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
                let output_gradient = batch.source(Source::Slot(gradient), sizes.output);
                if scratch.packed_for != Some(self.tensor) {
                    scratch.packed.reserve(sizes.packed);
                    if sizes.packed > 0 {
                        let packed = &mut scratch.packed[..sizes.packed];
                        operation.pack_gradient(isa, examples, output_gradient, packed);
                    }
                    scratch.packed_for = Some(self.tensor);
                }
                operation.batch_gradient(BatchGradient {
                    isa,
                    examples,
                    tensor,
                    start: self.start,
                    input: batch.source(input, sizes.input),
                    output_gradient,
                    packed: &scratch.packed[..sizes.packed],
                    gradient: self.gradients,
                    scratch: &mut scratch.floats,
                });
            }
        }
    }
}

/// Cuts the gradients of all tensors that are trained into parts. A tensor whose sums are laid out otherwise stays
/// whole; one that is a product over the batch is cut where its operation says.
fn parts<'a>(spec: &Spec, frozen: &Frozen, gradients: &'a mut [f32]) -> Vec<Part<'a>> {
    let mut rest = gradients;
    let mut parts = Vec::new();
    for (tensor, parameter) in spec.parameters.iter().enumerate() {
        let values = cut(&mut rest, parameter.len());
        if frozen.contains(tensor) {
            continue;
        }
        let longest = match parameter.gradient {
            Gradient::Frozen => continue,
            Gradient::Total(_) => values.len(),
            Gradient::Partials {
                operation, tensor, ..
            } => match ops::execute(&operation).is_rearranged(tensor) {
                true => values.len(),
                false => PART,
            },
            Gradient::Batch {
                operation, tensor, ..
            } => match ops::execute(&operation).batch_sizes(tensor, 1).grain {
                0 => values.len(),
                grain => (PART / grain).max(1) * grain,
            },
        };
        let chunks = values.chunks_mut(longest.max(1)).enumerate();
        parts.extend(chunks.map(|(index, gradients)| Part {
            tensor,
            start: index * longest,
            gradients,
        }));
    }
    parts
}
