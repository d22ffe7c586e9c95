//! How to train: the settings of a [`Trainer`](super::Trainer), and whether they can be used.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::Dataset;
use crate::error::Error;
use crate::objective::Objective;
use crate::objective::custom::Custom;
use crate::spec::{Port, Spec, Training};
use crate::thread_count;
use crate::train::callbacks::{
    Callback, Checkpoint, CsvLog, EarlyStopping, ReduceOnPlateau, Saving, Score,
};
use crate::train::multipliers::Multipliers;
use cnn_ir::vocabulary::{Kind, Parameter, Range, Setting};
use cnn_ir::{Augment, Clip, Optimizer, Schedule};

/// How to train.
pub(super) struct Settings<'a> {
    pub(super) epochs: usize,
    pub(super) initial_epoch: usize,
    pub(super) steps_per_epoch: Option<usize>,
    pub(super) batch_size: usize,
    pub(super) accumulate: usize,
    pub(super) optimizer: Option<Optimizer>,
    pub(super) learning_rate: Option<Schedule>,
    pub(super) multipliers: Multipliers,
    pub(super) threads: usize,
    pub(super) seed: u64,
    pub(super) shuffle: bool,
    pub(super) progress: bool,
    pub(super) validation: Option<&'a dyn Dataset>,
    pub(super) validation_split: Option<f64>,
    pub(super) stop: Option<&'a AtomicBool>,
    pub(super) early_stopping: Option<EarlyStopping>,
    pub(super) reduce_on_plateau: Option<ReduceOnPlateau>,
    pub(super) csv_log: Option<CsvLog>,
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) resume_from: Option<PathBuf>,
    pub(super) class_weights: Vec<f32>,
    pub(super) custom: Custom<'a>,
    pub(super) augment: Vec<Augment>,
}

impl Settings<'_> {
    /// The settings of the `train` block.
    pub(super) fn of(spec: &Spec) -> Self {
        let training = spec.training.as_ref();
        Self {
            epochs: training.map_or(1, |training| training.epochs),
            initial_epoch: 0,
            steps_per_epoch: None,
            batch_size: training.map_or(1, |training| training.batch_size),
            accumulate: training.map_or(1, |training| training.accumulate),
            optimizer: None,
            learning_rate: None,
            multipliers: Multipliers::default(),
            threads: thread_count::threads(),
            seed: training.map_or(0, |training| training.seed),
            shuffle: true,
            progress: true,
            validation: None,
            validation_split: None,
            stop: None,
            early_stopping: None,
            reduce_on_plateau: None,
            csv_log: None,
            checkpoints: Vec::new(),
            resume_from: None,
            class_weights: Vec::new(),
            custom: Custom::default(),
            augment: training.map_or(Vec::new(), |training| training.augment.to_vec()),
        }
    }

    /// Checks the settings and returns the optimizer to use.
    pub(super) fn check(&self, training: &Training) -> Result<Optimizer, Error> {
        for (name, count) in [
            ("batch_size", self.batch_size),
            ("accumulate", self.accumulate),
            ("steps_per_epoch", self.steps_per_epoch.unwrap_or(1)),
        ] {
            if count == 0 {
                return Err(Error::Setting {
                    name,
                    value: count.to_string(),
                    expected: "at least 1",
                });
            }
        }
        let mut optimizer = self.optimizer.unwrap_or(training.optimizer);
        if let Some(learning_rate) = self.learning_rate {
            optimizer = optimizer.with_learning_rate(learning_rate);
        }
        check_optimizer(&optimizer)?;
        Ok(optimizer)
    }

    /// Whether there is a weight for each class of the output.
    pub(super) fn check_class_weights(
        &self,
        objectives: &[Objective],
        outputs: &[Port],
    ) -> Result<(), Error> {
        let weights = &self.class_weights;
        if weights.is_empty() {
            return Ok(());
        }
        let refused = |expected| {
            Err(Error::Setting {
                name: "class_weights",
                value: format!("{weights:?}"),
                expected,
            })
        };
        let ([objective], [port]) = (objectives, outputs) else {
            return refused("left out, as there are several outputs: their losses take them");
        };
        if self.custom.has_losses() {
            return refused("left out, as a loss of one's own may weigh the classes itself");
        }
        match objective.classes(port.shape) {
            None => refused("left out, as the loss is of numbers, which have no classes"),
            Some(classes) if classes != weights.len() => refused("a weight for each class"),
            Some(_) if !weights.iter().all(|w| w.is_finite() && *w >= 0.0) => {
                refused("zero or more and finite")
            }
            Some(_) => Ok(()),
        }
    }

    /// How many of so many examples to train on: all but those that [`Trainer::validation_split`] holds back.
    pub(super) fn split(&self, examples: usize) -> Result<usize, Error> {
        let Some(share) = self.validation_split else {
            return Ok(examples);
        };
        let refused = |expected| {
            Err(Error::Setting {
                name: "validation_split",
                value: format!("{share:?}"),
                expected,
            })
        };
        if !(share > 0.0 && share < 1.0) {
            return refused("above 0 and less than 1");
        }
        if self.validation.is_some() {
            return refused("left out where `validation` has the examples");
        }
        // As Keras computes it.
        let trained = (examples as f64 * (1.0 - share)).floor() as usize;
        if trained == 0 || trained == examples {
            return refused("such that an example or more is on either side");
        }
        Ok(trained)
    }

    /// Whether the stop flag is set.
    pub(super) fn stopped(&self) -> bool {
        self.stop.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// What writes checkpoints, where epochs have these `scores`.
    pub(super) fn checkpoints(&self, scores: &[Score]) -> Result<Vec<Saving>, Error> {
        let checkpoints = self.checkpoints.iter();
        checkpoints
            .map(|checkpoint| checkpoint.begin(scores))
            .collect()
    }

    /// What takes part at the end of each epoch, where epochs have these `scores`, in a training that is resumed after
    /// so many epochs.
    pub(super) fn callbacks(
        &self,
        scores: &[Score],
        learning_rate: Schedule,
        resumed: Option<usize>,
    ) -> Result<Vec<Box<dyn Callback>>, Error> {
        let mut callbacks = Vec::new();
        if let Some(early_stopping) = &self.early_stopping {
            callbacks.push(early_stopping.begin(scores)?);
        }
        if let Some(reduce_on_plateau) = &self.reduce_on_plateau {
            if constant(learning_rate).is_none() {
                return Err(Error::Setting {
                    name: "learning_rate",
                    value: format!("the schedule `{}`", learning_rate.name()),
                    expected: "a number for `reduce_on_plateau` to change",
                });
            }
            callbacks.push(reduce_on_plateau.begin(scores)?);
        }
        // The last one, as it removes what is in the file.
        if let Some(csv_log) = &self.csv_log
            && self.epochs > 0
        {
            callbacks.push(csv_log.begin(scores, resumed)?);
        }
        Ok(callbacks)
    }
}

/// The learning rate, if it is the same in all steps.
pub(super) fn constant(schedule: Schedule) -> Option<f64> {
    match schedule {
        Schedule::Constant {
            learning_rate,
            warmup_steps: 0,
        } => Some(learning_rate),
        _ => None,
    }
}

/// Whether the hyperparameters are in their ranges.
fn check_optimizer(optimizer: &Optimizer) -> Result<(), Error> {
    let Optimizer {
        rule,
        learning_rate,
        weight_decay,
        clip,
        decay_biases: _,
        ema_momentum,
    } = optimizer;
    check_settings(learning_rate.word().parameters, &learning_rate.settings())?;
    check_settings(rule.word().parameters, &rule.settings())?;
    check_number("weight_decay", Range::NonNegative, *weight_decay)?;
    check_number("ema_momentum", Range::Fraction, *ema_momentum)?;
    match clip {
        Clip::None => {}
        Clip::Value(most) => check_number("clip_value", Range::Positive, *most)?,
        Clip::Norm(most) => check_number("clip_norm", Range::Positive, *most)?,
        Clip::GlobalNorm(most) => check_number("global_clip_norm", Range::Positive, *most)?,
    }
    if let Schedule::PiecewiseConstantDecay {
        boundaries, values, ..
    } = learning_rate
    {
        let refused = |name, value, expected| Error::Setting {
            name,
            value,
            expected,
        };
        if !boundaries.is_sorted_by(|a, b| a < b) {
            let value = format!("{boundaries:?}");
            return Err(refused("boundaries", value, "ascending"));
        }
        if values.len() != boundaries.len() + 1 {
            let value = format!("{values:?}");
            return Err(refused("values", value, "one more than `boundaries`"));
        }
    }
    Ok(())
}

/// Whether the settings of a word are in their ranges.
pub(super) fn check_settings(parameters: &[Parameter], settings: &[Setting]) -> Result<(), Error> {
    for (Parameter { name, kind, .. }, setting) in parameters.iter().zip(settings) {
        match (*kind, *setting) {
            (Kind::Number { range, .. }, Setting::Number(value)) => {
                check_number(name, range, value)?;
            }
            (Kind::Numbers(range), Setting::Numbers(values)) => {
                for value in values {
                    check_number(name, range, *value)?;
                }
            }
            (Kind::Count { least, .. }, Setting::Count(count)) if count < least => {
                return Err(Error::Setting {
                    name,
                    value: count.to_string(),
                    expected: "at least 1",
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a number is in its range as the `f32` that the arithmetic on tensors makes of it: 1e-50 is 0 there.
fn check_number(name: &'static str, range: Range, value: f64) -> Result<(), Error> {
    if range.contains(f64::from(value as f32)) {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        value: format!("{value:?}"),
        expected: match range {
            Range::Any => "finite as `f32`",
            Range::Positive => "above 0 and finite as `f32`",
            Range::NonNegative => "zero or more and finite as `f32`",
            Range::Fraction => "at least 0 and less than 1 as `f32`",
            Range::AtLeastOne => "1 or more and finite as `f32`",
        },
    })
}
