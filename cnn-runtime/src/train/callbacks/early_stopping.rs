//! Early stopping: training ends once a score has not become better for some epochs.

use super::monitor::{Mode, Monitor, Monitored, monitored};
use super::{Callback, CallbackRecord, EndOfEpoch, Score};
use crate::error::Error;
use crate::train::checkpoint::exact;
use crate::train::history::History;
use serde::{Deserialize, Serialize};

/// Ends training once a score has stopped becoming better, as `EarlyStopping` of Keras does; for
/// [`Trainer::early_stopping`](crate::Trainer::early_stopping).
///
/// An epoch is better than the best one before it if its score is better by more than [`min_delta`](Self::min_delta).
/// Training ends after [`patience`](Self::patience) epochs in a row that are not.
///
/// Each call of `fit` begins anew: it knows nothing of the scores of the call before.
///
/// A score that is not a number is never better, and any number is better than it; in Keras no score is better than one
/// that is not a number. Scores are compared as `f64`, in Keras as `f32`.
///
/// Source: Prechelt 1998, "Early Stopping – But When?", <https://doi.org/10.1007/3-540-49430-8_3>.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    baseline: Option<f64>,
    restore_best_weights: bool,
    start_from_epoch: usize,
}

impl EarlyStopping {
    /// Follows the loss of the validation, or that of the training where there is no validation, with the defaults of
    /// Keras.
    pub const fn new() -> Self {
        Self {
            monitor: Monitor::new(0.0),
            patience: 0,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
        }
    }

    monitored!("0");

    /// How many epochs in a row may be no better than the best one until training ends; 0 by default. With 0 as with 1,
    /// the first such epoch ends it.
    pub const fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// A value that the score has to be better than, too: an epoch that is better than those before, but not than the
    /// baseline, does not begin the patience anew.
    pub const fn baseline(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self
    }

    /// Whether the network ends with the parameters of its best epoch, with all running statistics, bit for bit; it
    /// does not by default. They are restored however the epochs end, also by the flag of
    /// [`stop`](crate::Trainer::stop), but not after an error. The optimizer's state stays that of the last step, as in
    /// Keras. It takes the memory of the parameters once more.
    pub const fn restore_best_weights(mut self, restore: bool) -> Self {
        self.restore_best_weights = restore;
        self
    }

    /// How many epochs at the beginning are not looked at; 0 by default.
    pub const fn start_from_epoch(mut self, epochs: usize) -> Self {
        self.start_from_epoch = epochs;
        self
    }

    /// What takes part in a call of `fit` whose epochs have these scores.
    ///
    /// # Errors
    ///
    /// [`Error::Monitor`] and [`Error::Setting`].
    pub(in crate::train) fn begin(&self, scores: &[Score]) -> Result<Box<dyn Callback>, Error> {
        if let Some(baseline) = self.baseline
            && !baseline.is_finite()
        {
            return Err(Error::Setting {
                name: "baseline",
                value: format!("{baseline:?}"),
                expected: "finite",
            });
        }
        Ok(Box::new(Waiting {
            monitored: self.monitor.find(scores)?,
            settings: self.clone(),
            memory: Memory::default(),
            best_weights: None,
        }))
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self::new()
    }
}

/// Early stopping between two epochs.
struct Waiting {
    settings: EarlyStopping,
    monitored: Monitored,
    memory: Memory,
    /// The parameters of the best epoch, where they are asked for.
    best_weights: Option<Vec<f32>>,
}

/// What early stopping has seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::train) struct Memory {
    best: Option<Best>,
    /// Whether the parameters of the best epoch are kept.
    pub(super) keeps_weights: bool,
    /// Epochs since the score was better, than the best one and than the baseline.
    wait: usize,
    stopped: bool,
}

/// The best epoch so far.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Best {
    number: usize,
    #[serde(with = "exact")]
    value: f64,
}

impl Callback for Waiting {
    fn end_of_epoch(&mut self, end: &mut EndOfEpoch<'_>) -> Result<(), Error> {
        let Self {
            settings,
            monitored,
            memory,
            best_weights,
        } = self;
        let number = end.epoch.number;
        if number <= settings.start_from_epoch {
            return Ok(());
        }
        let value = monitored.value(end);
        memory.wait = memory.wait.saturating_add(1);
        if monitored.is_better(value, memory.best.map(|best| best.value)) {
            if settings.restore_best_weights {
                let weights = best_weights.get_or_insert_default();
                weights.clear();
                weights.extend_from_slice(end.parameters);
            } else {
                *best_weights = None;
            }
            memory.best = Some(Best { number, value });
            let baseline = settings.baseline;
            if baseline.is_none() || monitored.is_better(value, baseline) {
                memory.wait = 0;
            }
        } else if memory.wait >= settings.patience && number > 1 {
            memory.stopped = true;
            *end.stop = true;
        }
        Ok(())
    }

    fn end_of_training(&self, history: &mut History) -> Option<&[f32]> {
        history.stopped_early = self.memory.stopped;
        history.best_epoch = Some(self.memory.best?.number);
        self.best_weights.as_deref()
    }

    fn remember(&self, record: &mut CallbackRecord) {
        record.early_stopping = Some(Memory {
            keeps_weights: self.best_weights.is_some(),
            ..self.memory.clone()
        });
    }

    fn recall(&mut self, record: &CallbackRecord, best_weights: Option<&[f32]>) {
        if let Some(memory) = &record.early_stopping {
            self.memory = memory.clone();
            self.best_weights = best_weights.map(<[f32]>::to_vec);
        }
    }

    fn best_weights(&self) -> Option<&[f32]> {
        self.best_weights.as_deref()
    }
}
