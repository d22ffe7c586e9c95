//! What a trainer does at the end of each epoch, as the callbacks of the same names do in Keras.
//!
//! ```text
//! epoch, validation ──▶ on_epoch ──▶ Callback::end_of_epoch, of each ──▶ next epoch, with this learning rate?
//!                                                          after the last ──▶ Callback::end_of_training
//! ```
//!
//! Users describe a callback by its settings: [`EarlyStopping`], [`ReduceOnPlateau`], [`CsvLog`], [`Checkpoint`]. A call of `fit` makes
//! a `Callback` of each, which remembers what it has seen; the loop knows only that trait. Callbacks that follow a score
//! share `monitor`.

mod checkpoint;
mod csv_log;
mod early_stopping;
mod monitor;
mod reduce_on_plateau;

#[cfg(test)]
mod tests;

pub use checkpoint::Checkpoint;
pub use csv_log::CsvLog;
pub use {early_stopping::EarlyStopping, monitor::Mode, reduce_on_plateau::ReduceOnPlateau};

pub(super) use checkpoint::Saving;
pub(super) use monitor::Score;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::train::history::{Epoch, History};

/// What takes part in a call of `fit`.
pub(super) trait Callback {
    /// An epoch has been trained and validated.
    ///
    /// # Errors
    ///
    /// What ends the training; the model and the history stay as they are.
    fn end_of_epoch(&mut self, end: &mut EndOfEpoch<'_>) -> Result<(), Error>;

    /// The last epoch has been trained, and no error has ended the training. Returns the parameters that the network
    /// shall have then, if not those of the last step.
    fn end_of_training(&self, history: &mut History) -> Option<&[f32]> {
        let _ = history;
        None
    }

    /// Adds what it has seen to the record of a checkpoint.
    fn remember(&self, record: &mut CallbackRecord) {
        let _ = record;
    }

    /// Takes up what the callback of its kind had seen when a checkpoint was written; `best_weights` are those that one
    /// of them had kept.
    fn recall(&mut self, record: &CallbackRecord, best_weights: Option<&[f32]>) {
        let _ = (record, best_weights);
    }

    /// The parameters that it keeps.
    fn best_weights(&self) -> Option<&[f32]> {
        None
    }
}

/// What callbacks have seen, for a checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct CallbackRecord {
    early_stopping: Option<early_stopping::Memory>,
    reduce_on_plateau: Option<reduce_on_plateau::Memory>,
    /// By the path of each checkpoint that is only written when a score gets better.
    checkpoints: BTreeMap<String, checkpoint::Best>,
}

impl CallbackRecord {
    /// Whether one of them keeps the parameters of the best epoch.
    pub(super) fn keeps_weights(&self) -> bool {
        let early_stopping = self.early_stopping.as_ref();
        early_stopping.is_some_and(|memory| memory.keeps_weights)
    }
}

/// An epoch that has been trained, and how training goes on.
pub(super) struct EndOfEpoch<'a> {
    pub(super) epoch: &'a Epoch,
    /// The network's parameters.
    pub(super) parameters: &'a [f32],
    /// The learning rate of the next epoch, where no schedule decides it.
    pub(super) learning_rate: &'a mut f64,
    /// Whether there is no next epoch.
    pub(super) stop: &'a mut bool,
}

impl EndOfEpoch<'_> {
    /// All scores of the epoch in the order of [`Score::all`].
    fn scores(&self) -> Vec<(String, f64)> {
        let mut named = self.epoch.scores.named();
        let validation = self.epoch.validation.iter();
        named.extend(
            validation
                .flat_map(|scores| scores.named())
                .map(|(name, value)| (format!("{VALIDATION}{name}"), value)),
        );
        named
    }
}

/// What the name of a score of the validation begins with.
const VALIDATION: &str = "val_";
