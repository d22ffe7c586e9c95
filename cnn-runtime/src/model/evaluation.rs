//! Evaluation: the mean loss and the metrics over a dataset, in chunks that the threads share.
//!
//! ```text
//! dataset ──▶ chunks of examples ──▶ each thread takes some: read, forward, loss and metrics ──▶ sums of a chunk
//! sums of all chunks ──added in their order──▶ scores
//! ```

use super::prediction::CHUNK;
use super::{Model, Scores, size};
use crate::data::targets::Checked;
use crate::data::{self, Dataset, Pass};
use crate::error::Error;
use crate::kernels::Isa;
use crate::kernels::thread_pool::for_each;
use crate::objective::custom::Custom;
use crate::objective::{self, Measures, Weights};
use crate::spec::{Port, Spec, Training, aligned, split_workspace};
use crate::thread_count::threads;
use crate::train::penalties;

impl Model {
    /// The mean loss, with the penalties of regularizers, and the metrics over `data`.
    ///
    /// # Errors
    ///
    /// [`Error::NotTrainable`] without a `train` block, [`Error::EmptyDataset`], what
    /// [`Dataset::check`] finds, and [`Error::TargetValue`], [`Error::TargetSum`] or [`Error::SampleWeight`].
    pub fn evaluate(&self, data: &dyn Dataset) -> Result<Scores, Error> {
        let training = check_trainable(self.spec)?;
        check_data(self.spec, data)?;
        self.evaluate_checked(training, &Custom::default(), data, threads())
    }

    /// [`evaluate`](Self::evaluate) of data that [`check_data`] has accepted.
    pub(crate) fn evaluate_checked(
        &self,
        training: &Training,
        custom: &Custom<'_>,
        data: &dyn Dataset,
        threads: usize,
    ) -> Result<Scores, Error> {
        let measures = Measures {
            objectives: training.objectives,
            outputs: self.spec.outputs,
            custom,
        };
        let columns = measures.columns();
        let mut sums = self.sum_over(training, custom, data, threads, columns, |chunk, sums| {
            let Chunk {
                output,
                target,
                losses,
            } = chunk;
            measures.sum(output, target, losses, sums);
        })?;
        let penalties = penalties::of(training, &self.training.frozen);
        let penalty = penalties::total(self.spec, &penalties, &self.parameters);
        sums[0] += penalty * data.len() as f64;
        Ok(measures.scores(&sums, data.len()))
    }

    /// Sums over all examples of data that [`check_data`] has accepted, `columns` of them. `sum` makes those of a chunk,
    /// in place of zeros.
    pub(super) fn sum_over(
        &self,
        training: &Training,
        custom: &Custom<'_>,
        data: &dyn Dataset,
        threads: usize,
        columns: usize,
        sum: impl Fn(Chunk<'_>, &mut [f64]) + Sync,
    ) -> Result<Vec<f64>, Error> {
        /// The most sums that are kept at once, if that is a chunk or more for each thread.
        const KEPT: usize = 1 << 17;
        data.begin(Pass::Evaluation);
        let data = Checked::new(data, training.objectives, self.spec.outputs);
        let (inputs, units) = (size(self.spec.input), size(self.spec.output));
        let (objectives, outputs) = (training.objectives, self.spec.outputs);
        let of_losses = objective::losses(objectives);
        let replacements = custom.losses(outputs.len());
        let isa = Isa::detect();
        data.will_read(&mut (0..data.len()));
        let chunks = data.len().div_ceil(CHUNK);
        let at_once = (KEPT / columns).max(threads).clamp(1, chunks);
        let mut totals = vec![0.0; columns];
        let mut sums = vec![0.0; at_once * columns];
        for start in (0..chunks).step_by(at_once) {
            let count = at_once.min(chunks - start);
            let sums = &mut sums[..count * columns];
            sums.fill(0.0);
            let mut of_chunks: Vec<&mut [f64]> = sums.chunks_mut(columns).collect();
            for_each(threads, &mut of_chunks, |index, sums| {
                let first = (start + index) * CHUNK;
                let examples = CHUNK.min(data.len() - first);
                let lengths = [
                    examples * inputs,
                    examples * units,
                    examples * units,
                    examples * outputs.len(),
                    examples * of_losses,
                ];
                let values: usize = lengths.iter().map(|&length| aligned(length)).sum();
                let mut buffer = self.buffers.take();
                buffer.reserve(values + self.spec.workspace.floats(examples));
                let ([input, target, output, weights, losses], workspace) =
                    split_workspace(&mut buffer, lengths);
                for (offset, input) in input.chunks_exact_mut(inputs).enumerate() {
                    data::read_inputs(&data, self.spec.inputs, first + offset, input);
                }
                for (offset, target) in target.chunks_exact_mut(units).enumerate() {
                    data::read_targets(&data, outputs, first + offset, target);
                }
                let mut are_even = true;
                for (offset, weights) in weights.chunks_exact_mut(outputs.len()).enumerate() {
                    are_even &= data::read_weights(&data, first + offset, weights);
                }
                let weights = Weights {
                    examples: if are_even { &[] } else { weights },
                    classes: &[],
                    losses: &replacements,
                };
                self.predictor()
                    .forward(examples, 1, (input, output, workspace));
                objective::forward(objectives, outputs, isa, output, target, weights, losses);
                let chunk = Chunk {
                    output,
                    target,
                    losses,
                };
                sum(chunk, sums);
                self.buffers.give_back(buffer);
            });
            for chunk in of_chunks {
                for (total, sum) in totals.iter_mut().zip(chunk) {
                    *total += *sum;
                }
            }
        }
        data.verdict()?;
        Ok(totals)
    }
}

/// Some examples whose losses are known.
pub(super) struct Chunk<'a> {
    /// `[examples, ..]`, of all outputs.
    pub(super) output: &'a [f32],
    pub(super) target: &'a [f32],
    /// `[examples, losses]`.
    pub(super) losses: &'a [f32],
}

/// How the network is trained, which says what its loss is.
pub(crate) fn check_trainable(spec: &'static Spec) -> Result<&'static Training, Error> {
    let network = spec.name;
    let training = spec.training.as_ref();
    training.ok_or(Error::NotTrainable { network })
}

/// Whether `data` holds examples that fit the network.
pub(crate) fn check_data(spec: &Spec, data: &dyn Dataset) -> Result<(), Error> {
    if data.is_empty() {
        return Err(Error::EmptyDataset);
    }
    let shapes = |ports: &[Port]| ports.iter().map(|port| port.shape).collect::<Vec<_>>();
    data.check_all(&shapes(spec.inputs), &shapes(spec.outputs))
}
