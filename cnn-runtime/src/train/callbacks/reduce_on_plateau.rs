//! The learning rate is reduced once a score has not become better for some epochs.

use super::monitor::{Mode, Monitor, Monitored, monitored};
use super::{Callback, CallbackRecord, EndOfEpoch, Score};
use crate::error::Error;
use crate::train::checkpoint::exact;
use serde::{Deserialize, Serialize};

/// Reduces the learning rate once a score has stopped becoming better, as `ReduceLROnPlateau` of Keras does; for
/// [`Trainer::reduce_on_plateau`](crate::Trainer::reduce_on_plateau).
///
/// After [`patience`](Self::patience) epochs in a row whose score is not better than the best one before by more than
/// [`min_delta`](Self::min_delta), the learning rate is multiplied by [`factor`](Self::factor).
///
/// Each call of `fit` begins anew, with the learning rate of the trainer's settings. In Keras the optimizer keeps the
/// reduced one: hand it to the next call by [`Trainer::learning_rate`](crate::Trainer::learning_rate).
///
/// Scores that are not numbers are treated as in [`EarlyStopping`](super::EarlyStopping).
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceOnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    cooldown: usize,
    min_learning_rate: f64,
}

impl ReduceOnPlateau {
    /// Follows the loss of the validation, or that of the training where there is no validation, with the defaults of
    /// Keras.
    pub const fn new() -> Self {
        Self {
            monitor: Monitor::new(1e-4),
            factor: 0.1,
            patience: 10,
            cooldown: 0,
            min_learning_rate: 0.0,
        }
    }

    monitored!("1e-4");

    /// What the learning rate is multiplied by: above 0 and less than 1, 0.1 by default.
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// How many epochs in a row may be no better than the best one until the learning rate is reduced; 10 by default.
    /// With 0 as with
    /// 1, the first such epoch reduces it.
    pub const fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// For how many epochs after a reduction no epoch counts as one that is no better; 0 by default. The last of them
    /// counts again, as in Keras.
    pub const fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// What the learning rate is not reduced below: zero or more, 0 by default.
    pub const fn min_learning_rate(mut self, learning_rate: f64) -> Self {
        self.min_learning_rate = learning_rate;
        self
    }

    /// What takes part in a call of `fit` whose epochs have these scores.
    ///
    /// # Errors
    ///
    /// [`Error::Monitor`] and [`Error::Setting`].
    pub(in crate::train) fn begin(&self, scores: &[Score]) -> Result<Box<dyn Callback>, Error> {
        let Self {
            factor,
            min_learning_rate,
            ..
        } = *self;
        if !(factor > 0.0 && factor < 1.0) {
            return Err(Error::Setting {
                name: "factor",
                value: format!("{factor:?}"),
                expected: "above 0 and less than 1",
            });
        }
        if !(min_learning_rate >= 0.0 && min_learning_rate.is_finite()) {
            return Err(Error::Setting {
                name: "min_learning_rate",
                value: format!("{min_learning_rate:?}"),
                expected: "zero or more and finite",
            });
        }
        Ok(Box::new(Waiting {
            monitored: self.monitor.find(scores)?,
            settings: self.clone(),
            memory: Memory::default(),
        }))
    }
}

impl Default for ReduceOnPlateau {
    fn default() -> Self {
        Self::new()
    }
}

/// A plateau between two epochs.
struct Waiting {
    settings: ReduceOnPlateau,
    monitored: Monitored,
    memory: Memory,
}

/// What the plateau has seen. The learning rate is part of the progress of the training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::train) struct Memory {
    #[serde(with = "exact::option")]
    best: Option<f64>,
    /// Epochs since the score was better, or the learning rate was reduced.
    wait: usize,
    /// Epochs that are left of the cooldown.
    cooldown: usize,
}

impl Callback for Waiting {
    fn end_of_epoch(&mut self, end: &mut EndOfEpoch<'_>) -> Result<(), Error> {
        let Self {
            settings,
            monitored,
            memory,
        } = self;
        let value = monitored.value(end);
        if memory.cooldown > 0 {
            memory.cooldown -= 1;
            memory.wait = 0;
        }
        if monitored.is_better(value, memory.best) {
            memory.best = Some(value);
            memory.wait = 0;
        } else if memory.cooldown == 0 {
            memory.wait = memory.wait.saturating_add(1);
            let least = settings.min_learning_rate;
            if memory.wait >= settings.patience && *end.learning_rate > least {
                *end.learning_rate = (*end.learning_rate * settings.factor).max(least);
                memory.cooldown = settings.cooldown;
                memory.wait = 0;
            }
        }
        Ok(())
    }

    fn remember(&self, record: &mut CallbackRecord) {
        record.reduce_on_plateau = Some(self.memory.clone());
    }

    fn recall(&mut self, record: &CallbackRecord, _best_weights: Option<&[f32]>) {
        if let Some(memory) = &record.reduce_on_plateau {
            self.memory = memory.clone();
        }
    }
}
