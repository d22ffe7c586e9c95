//! What training reports: one [`Epoch`], a whole [`History`].

use crate::model::Scores;

/// One step of training, for [`Trainer::on_step`](crate::Trainer::on_step).
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The number of its epoch, from 1.
    pub epoch: usize,
    /// Its number within the epoch, from 1.
    pub number: usize,
    /// How many steps the epoch has.
    pub steps: usize,
    /// The mean loss and metrics over its examples, with the weights before the step and with dropout.
    pub scores: Scores,
    /// Its learning rate.
    pub learning_rate: f64,
}

/// One pass over the training data.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Its number within this call of `fit`, from 1 on, or from after [`initial_epoch`](crate::Trainer::initial_epoch).
    pub number: usize,
    /// Over the training data, each batch with the weights of its time and with dropout.
    pub scores: Scores,
    /// Over the validation data, with the weights at the end of the epoch.
    pub validation: Option<Scores>,
    /// The learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// How many examples were trained on; fewer than there are if training was stopped.
    pub examples: usize,
    /// How long the training took, without the validation; 0 on a platform without a clock, as
    /// `wasm32-unknown-unknown` is.
    pub seconds: f64,
}

impl Epoch {
    /// Examples trained on in a second; infinite on a platform without a clock.
    pub fn examples_per_second(&self) -> f64 {
        self.examples as f64 / self.seconds
    }
}

/// What a call of `fit` did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The epochs in order; the last one is cut short if training was stopped or failed within it.
    pub epochs: Vec<Epoch>,
    /// Whether training ended because the stop flag was set.
    pub stopped: bool,
    /// Whether [early stopping](crate::callbacks::EarlyStopping) has ended training, after the last of `epochs`.
    pub stopped_early: bool,
    /// The number of the epoch that was the best for early stopping; `None` without it, before its first epoch, and
    /// after an error.
    pub best_epoch: Option<usize>,
    /// Why a checkpoint could not be written, the last time that this happened, where training
    /// [goes on](crate::callbacks::Checkpoint::continue_on_error) all the same.
    pub checkpoint_error: Option<String>,
}

impl History {
    /// The training loss of the last epoch; `None` if there was none.
    pub fn loss(&self) -> Option<f64> {
        self.epochs.last().map(|epoch| epoch.scores.loss)
    }

    /// The training accuracy of the last epoch, if it was asked for.
    pub fn accuracy(&self) -> Option<f64> {
        self.epochs.last()?.scores.accuracy()
    }

    /// The scores of the last epoch on the validation data, if some was given.
    pub fn validation(&self) -> Option<&Scores> {
        self.epochs.last()?.validation.as_ref()
    }
}
