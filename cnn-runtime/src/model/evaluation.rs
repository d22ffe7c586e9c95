//! Evaluation: the mean loss and metrics over a dataset, in chunks that the threads share.
//!
//! ```text
//! dataset ──▶ chunks of examples ──▶ each thread takes some: read, forward, loss and metrics ──▶ sums of a chunk
//! sums of all chunks ──added in their order──▶ means
//! ```

use super::prediction::CHUNK;
use super::{Model, Scores, size};
use crate::data::targets::Checked;
use crate::data::{self, Dataset};
use crate::error::Error;
use crate::kernels::Isa;
use crate::kernels::thread_pool::for_each;
use crate::objective;
use crate::spec::{Port, Spec, Training, aligned, split_workspace};
use crate::thread_count::threads;
use crate::train::penalties;

impl Model {
    /// The mean loss and metrics over `data`.
    ///
    /// # Errors
    ///
    /// [`Error::NotTrainable`] without a `train` block, [`Error::EmptyDataset`], what
    /// [`Dataset::check`] finds, and [`Error::TargetValue`] or [`Error::TargetSum`].
    pub fn evaluate(&self, data: &dyn Dataset) -> Result<Scores, Error> {
        let training = check_trainable(self.spec)?;
        check_data(self.spec, data)?;
        self.evaluate_checked(training, data, threads())
    }

    /// [`evaluate`](Self::evaluate) of data that [`check_data`] has accepted.
    pub(crate) fn evaluate_checked(
        &self,
        training: &Training,
        data: &dyn Dataset,
        threads: usize,
    ) -> Result<Scores, Error> {
        let data = Checked::new(data, training.objectives, self.spec.outputs);
        let (inputs, units) = (size(self.spec.input), size(self.spec.output));
        let (objectives, outputs) = (training.objectives, self.spec.outputs);
        let (columns, of_losses) = (
            objective::columns(objectives),
            objective::losses(objectives),
        );
        let isa = Isa::detect();
        let mut sums = vec![0.0; data.len().div_ceil(CHUNK) * columns];
        let mut chunks: Vec<&mut [f64]> = sums.chunks_mut(columns).collect();
        for_each(threads, &mut chunks, |index, sums| {
            let first = index * CHUNK;
            let examples = CHUNK.min(data.len() - first);
            let lengths = [
                examples * inputs,
                examples * units,
                examples * units,
                examples * of_losses,
            ];
            let values: usize = lengths.iter().map(|&length| aligned(length)).sum();
            let mut buffer = self.buffers.take();
            buffer.reserve(values + self.spec.workspace.floats(examples));
            let ([input, target, output, losses], workspace) =
                split_workspace(&mut buffer, lengths);
            for (offset, input) in input.chunks_exact_mut(inputs).enumerate() {
                data::read_inputs(&data, self.spec.inputs, first + offset, input);
            }
            for (offset, target) in target.chunks_exact_mut(units).enumerate() {
                data::read_targets(&data, outputs, first + offset, target);
            }
            self.predictor().forward(examples, input, output, workspace);
            objective::forward(objectives, outputs, isa, output, target, losses);
            objective::sum(objectives, outputs, output, target, losses, sums);
            self.buffers.give_back(buffer);
        });
        data.verdict()?;

        let mut totals = vec![0.0; columns];
        for chunk in chunks {
            for (total, sum) in totals.iter_mut().zip(chunk) {
                *total += *sum;
            }
        }
        let penalty = penalties::total(self.spec, training.penalties, &self.parameters);
        totals[0] += penalty * data.len() as f64;
        Ok(Scores::mean(outputs, objectives, &totals, data.len()))
    }
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
