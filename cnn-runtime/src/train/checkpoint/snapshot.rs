//! A copy of all that decides what training does next: numbers and tensors.

use std::io::{self, Write};
use std::path::Path;

use super::Record;
use crate::error::Error;
use crate::file;
use crate::model::checkpoint::{self, CheckpointError, Named, RECORD};
use crate::model::parameters::Buffer;
use crate::model::{Model, Scores};
use crate::spec::Spec;
use crate::train::callbacks::CallbackRecord;
use crate::train::checkpoint::Progress;
use crate::train::frozen::Frozen;
use crate::train::history::Epoch;
use crate::train::state::{MovingAverage, OptimizerState};
use cnn_ir::UpdateRule;
use cnn_ir::tensor::TRAINING;

/// The parameters of the best epoch.
const BEST: &str = "best";

/// The weights whose moving average the parameters are.
const WEIGHTS: &str = "weights";

/// All that decides what training does next.
pub(in crate::train) struct Snapshot {
    spec: &'static Spec,
    pub(in crate::train) record: Record,
    parameters: Buffer,
    /// The weights whose moving average the parameters are, if they are.
    weights: Option<Buffer>,
    /// What the optimizer remembers, slot by slot.
    slots: Vec<Buffer>,
    frozen: Frozen,
    /// The parameters that early stopping would bring back.
    pub(in crate::train) best: Option<Buffer>,
}

impl Snapshot {
    /// A copy of the present state.
    pub(in crate::train) fn new<'h>(
        model: &Model,
        progress: &Progress,
        callbacks: CallbackRecord,
        best: Option<&[f32]>,
        history: impl Iterator<Item = &'h Epoch>,
    ) -> Self {
        let (spec, state) = (model.spec(), model.training());
        let slots = state.optimizer.iter().flat_map(|of| &of.slots);
        let (parameters, weights) = model.saved();
        Self {
            spec,
            record: Record::new(spec, state, progress, callbacks, history),
            parameters: copy(parameters),
            weights: weights.map(copy),
            slots: slots.cloned().collect(),
            frozen: state.frozen.clone(),
            best: best.map(copy),
        }
    }

    /// Writes it to the file `path`.
    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        file::replace(path, |writer| self.write(writer))
    }

    fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        let record = serde_json::to_string(&self.record).map_err(io::Error::other)?;
        let mut tensors = Named::all(self.spec, "", &self.parameters);
        let names = self.record.optimizer.iter().flat_map(|of| &of.slots);
        for (name, slot) in names.zip(&self.slots) {
            tensors.extend(Named::all(self.spec, &prefix(name), slot));
        }
        for (name, values) in [(WEIGHTS, &self.weights), (BEST, &self.best)] {
            if let Some(values) = values {
                tensors.extend(Named::all(self.spec, &prefix(name), values));
            }
        }
        checkpoint::encode(self.spec, &[(RECORD, &record)], &tensors, writer)
    }

    /// Reads the file `path`.
    ///
    /// # Errors
    ///
    /// If it is damaged, or of another network.
    pub(in crate::train) fn load(spec: &'static Spec, path: &Path) -> Result<Self, Error> {
        let bytes = checkpoint::read(spec, path)?;
        Self::decode(spec, &bytes).map_err(|source| source.in_file(path))
    }

    fn decode(spec: &'static Spec, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let file = checkpoint::File::parse(spec, bytes)?;
        let parameters = file.parameters(spec)?;
        let Some(text) = &file.header.record else {
            return Err(CheckpointError::NoTraining);
        };
        let record = Record::read(spec, text)?;
        let frozen = record.frozen(spec)?;
        let tensors = |name: &str| file.tensors(spec, &prefix(name));
        let names = record.optimizer.iter().flat_map(|of| &of.slots);
        let slots = names.map(|name| tensors(name)).collect::<Result<_, _>>()?;
        let tensors_if = |are_there: bool, name| are_there.then(|| tensors(name)).transpose();
        let weights = tensors_if(record.has_average, WEIGHTS)?;
        let best = tensors_if(record.callbacks.keeps_weights(), BEST)?;
        Ok(Self {
            spec,
            record,
            parameters,
            weights,
            slots,
            frozen,
            best,
        })
    }

    /// Whether training by `rule` can go on from here, with the settings of `progress`, and what it has done.
    /// `example` are scores of an epoch.
    pub(in crate::train) fn check(
        &self,
        rule: &UpdateRule,
        progress: &Progress,
        example: &Scores,
        columns: usize,
    ) -> Result<Vec<Epoch>, CheckpointError> {
        self.record.fits_rule(rule)?;
        self.record.fits_pass(&progress.pass)?;
        self.record.fits_multipliers(&progress.multipliers)?;
        self.record.fits_names(progress)?;
        self.record.fits_scores(columns, &progress.metrics)?;
        self.record.is_possible()?;
        self.record.history(example)
    }

    /// Brings the parameters and the state of training back, with `rule` as the optimizer's.
    pub(in crate::train) fn restore(&mut self, model: &mut Model, rule: UpdateRule) {
        let (parameters, state) = model.trained();
        parameters.copy_from_slice(&self.parameters);
        state.epochs = self.record.epochs;
        state.steps = self.record.steps;
        state.frozen = self.frozen.clone();
        state.average = self.weights.take().map(|aside| MovingAverage {
            aside,
            is_in_model: true,
        });
        let slots = std::mem::take(&mut self.slots);
        state.optimizer = (self.record.optimizer.as_ref()).map(|optimizer| OptimizerState {
            rule,
            iteration: optimizer.iteration,
            slots,
        });
    }
}

/// What stands before the names of tensors that are like the network's.
fn prefix(name: &str) -> String {
    format!("{TRAINING}{name}/")
}

fn copy(values: &[f32]) -> Buffer {
    let mut copy = Buffer::zeros(values.len());
    copy.copy_from_slice(values);
    copy
}
