//! One step of training, cut up so that its result does not depend on the number of threads.
//!
//! ```text
//! batch ──▶ LANES nearly equal parts ──▶ each lane: read, forward, backward ──▶ its own gradients
//! lanes' gradients ──▶ PARTS ranges of the flat buffer ──▶ each part: sum in lane order, update
//! ```
//!
//! Threads take lanes, then parts, as they become free. Who computes a lane does not matter: a lane
//! is always the same examples, with a random seed of its own, and every sum over lanes is made in
//! their order.

use crate::data::Dataset;
use crate::kernels::Optimizer;
use crate::kernels::thread_pool::for_each;
use crate::model::{OptimizerState, size};
use crate::parameters::{ALIGNMENT, Buffer, mix};
use crate::spec::{Spec, Train, Training};

/// Parts of a batch that are computed independently: the most threads that help with one.
const LANES: usize = 8;

/// Ranges of the parameters that are updated independently.
const PARTS: usize = 16;

/// The buffers of a training step, used for every step of a call of `fit`.
pub(crate) struct Step {
    spec: &'static Spec,
    training: &'static Training,
    threads: usize,
    lanes: Vec<Lane>,
    /// The gradients of the batch, laid out as the parameters.
    gradients: Buffer,
    /// The sums of the loss and of each metric over the batch.
    sums: Vec<f64>,
}

/// A share of the batch, with all that computing its gradients takes.
struct Lane {
    input: Buffer,
    target: Buffer,
    output: Buffer,
    workspace: Buffer,
    gradients: Buffer,
    /// The sums of the loss and of each metric over the lane.
    sums: Vec<f64>,
}

impl Step {
    /// Buffers for batches of up to `batch_size` examples.
    ///
    /// They hold [`LANES`] lanes whatever the number of threads, each with the input, the target,
    /// the output and the workspace of its share of the batch, and gradients as long as the
    /// parameters; one more such buffer takes the sum of the gradients.
    pub(crate) fn new(
        spec: &'static Spec,
        training: &'static Training,
        batch_size: usize,
        threads: usize,
    ) -> Self {
        let examples = batch_size.div_ceil(LANES);
        let columns = 1 + training.metrics.len();
        let lane = || Lane {
            input: Buffer::zeros(examples * size(spec.input)),
            target: Buffer::zeros(examples * size(spec.output)),
            output: Buffer::zeros(examples * size(spec.output)),
            workspace: Buffer::zeros(training.workspace.floats(examples)),
            gradients: Buffer::zeros(spec.parameter_count),
            sums: vec![0.0; columns],
        };
        Self {
            spec,
            training,
            threads,
            lanes: (0..LANES).map(|_| lane()).collect(),
            gradients: Buffer::zeros(spec.parameter_count),
            sums: vec![0.0; columns],
        }
    }

    /// Computes the gradients of the mean loss over the examples of `batch`, and returns the sums
    /// over them of the loss and of each metric.
    pub(crate) fn forward_backward(
        &mut self,
        parameters: &[f32],
        data: &dyn Dataset,
        batch: &[usize],
        seed: u64,
    ) -> &[f64] {
        let (spec, training) = (self.spec, self.training);
        let (inputs, units) = (size(spec.input), size(spec.output));
        let scale = 1.0 / batch.len() as f32;

        for_each(self.threads, &mut self.lanes, |index, lane| {
            let examples = &batch[lane_start(index, batch)..lane_start(index + 1, batch)];
            let n = examples.len();
            lane.sums.fill(0.0);
            if n == 0 {
                return;
            }
            let input = &mut lane.input[..n * inputs];
            for (&example, input) in examples.iter().zip(input.chunks_exact_mut(inputs)) {
                data.read_input(example, input);
            }
            let target = &mut lane.target[..n * units];
            for (&example, target) in examples.iter().zip(target.chunks_exact_mut(units)) {
                data.read_target(example, target);
            }
            let output = &mut lane.output[..n * units];
            lane.gradients.fill(0.0);
            lane.sums[0] = (training.train)(Train {
                examples: n,
                parameters,
                gradients: &mut lane.gradients,
                input,
                target,
                output,
                workspace: &mut lane.workspace[..training.workspace.floats(n)],
                scale,
                seed: mix(&[seed, index as u64]),
            });
            for (sum, metric) in lane.sums[1..].iter_mut().zip(training.metrics) {
                *sum = metric.sum(training.loss, units, output, target);
            }
        });

        self.sums.fill(0.0);
        for lane in &self.lanes {
            for (total, sum) in self.sums.iter_mut().zip(&lane.sums) {
                *total += sum;
            }
        }
        &self.sums
    }

    /// Sums the gradients that [`forward_backward`](Self::forward_backward) left for `batch`, and
    /// lets the optimizer apply them.
    pub(crate) fn update(
        &mut self,
        parameters: &mut [f32],
        state: &mut OptimizerState,
        batch: &[usize],
    ) {
        struct Part<'a> {
            start: usize,
            parameters: &'a mut [f32],
            gradients: &'a mut [f32],
            slots: [&'a mut [f32]; Optimizer::MAX_SLOTS],
        }

        // Whole cache lines, so that no two threads write to the same one.
        let len = parameters
            .len()
            .div_ceil(PARTS)
            .max(1)
            .next_multiple_of(ALIGNMENT);
        let slot_count = state.slots.len();
        let mut parameters = parameters.chunks_mut(len);
        let mut gradients = self.gradients.chunks_mut(len);
        let mut slots = state.slots.iter_mut();
        let mut slots: [_; Optimizer::MAX_SLOTS] =
            std::array::from_fn(|_| slots.next().map(|slot| slot.chunks_mut(len)));
        let mut parts: [_; PARTS] = std::array::from_fn(|index| Part {
            start: index * len,
            parameters: parameters.next().unwrap_or_default(),
            gradients: gradients.next().unwrap_or_default(),
            slots: std::array::from_fn(|slot| {
                slots[slot]
                    .as_mut()
                    .and_then(Iterator::next)
                    .unwrap_or_default()
            }),
        });

        state.iteration += 1;
        let lanes = &self.lanes;
        for_each(self.threads, &mut parts, |_, part| {
            let range = part.start..part.start + part.parameters.len();
            if range.is_empty() {
                return;
            }
            part.gradients.fill(0.0);
            for (index, lane) in lanes.iter().enumerate() {
                if lane_start(index, batch) == lane_start(index + 1, batch) {
                    continue;
                }
                let gradients = part.gradients.iter_mut();
                for (sum, gradient) in gradients.zip(&lane.gradients[range.clone()]) {
                    *sum += gradient;
                }
            }
            let slots = &mut part.slots[..slot_count];
            state
                .optimizer
                .update(state.iteration, part.parameters, part.gradients, slots);
        });
    }
}

/// Where lane `index` of `batch` begins.
fn lane_start(index: usize, batch: &[usize]) -> usize {
    index * batch.len() / LANES
}
