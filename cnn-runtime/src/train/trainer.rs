//! The training loop: epochs over a dataset, each in steps of a batch.
//!
//! A [`Trainer`] collects the settings, which begin as those of the `train` block, and [`Trainer::fit`] runs the
//! epochs. What a step computes is in `step`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::data::Dataset;
use crate::data::targets::Checked;
use crate::error::Error;
use crate::model::evaluation::{check_data, check_trainable};
use crate::model::parameters::{mix, shuffle, stream};
use crate::model::{Model, Scores};
use crate::spec::Training;
use crate::thread_count;
use crate::train::history::{Epoch, History};
use crate::train::progress::Bar;
use crate::train::slow_build;
use crate::train::step::Step;
use cnn_ir::Optimizer;
use cnn_ir::vocabulary::{Kind, Range, Setting};

/// Keeps the random streams of shuffling and of dropout apart.
const SHUFFLE: u64 = 1;
const DROPOUT: u64 = 2;

/// Trains a model; made by [`Model::trainer`].
///
/// Settings that are not changed are those of the `train` block. The result depends on them, on the
/// data and on the model, but not on the number of threads: the same seed gives the same bits.
///
/// Calls of `fit` continue each other, as in Keras: with the same seed, two calls of two epochs give
/// the same model as one of four. The optimizer's state is kept as long as its kind stays the same
/// and the number of values that it keeps for a parameter ([`slots`](crate::optimizer::slots)) does too.
///
/// A step is applied whole or not at all: parameters, optimizer and counters change only once the loss, all
/// gradients and the results of the update are known to be finite.
///
/// While `fit` runs it holds, beside the parameters and the optimizer's state:
///
/// - for a batch, its input, target and output, and what the plan keeps of each example;
/// - the gradients of all convolutions for each of up to sixteen parts of the batch, whatever the number of threads;
/// - the gradients of all parameters, and the weights in the forms that the kernels want;
/// - for each thread, the plan's scratch memory and a copy of the gradients of the widest dense layer's results.
///
/// A step whose update might overflow also takes a copy of the parameters and of the optimizer's state.
#[must_use = "a trainer does nothing until `fit`"]
pub struct Trainer<'a> {
    model: &'a mut Model,
    epochs: usize,
    batch_size: usize,
    optimizer: Option<Optimizer>,
    learning_rate: Option<f64>,
    threads: usize,
    seed: u64,
    shuffle: bool,
    progress: bool,
    validation: Option<&'a dyn Dataset>,
    stop: Option<&'a AtomicBool>,
    on_epoch: Option<OnEpoch<'a>>,
}

type OnEpoch<'a> = Box<dyn FnMut(&Epoch, &Model) + 'a>;

impl Model {
    /// Trains with the settings of the `train` block.
    ///
    /// # Errors
    ///
    /// Those of [`Trainer::fit`].
    pub fn fit(&mut self, data: &dyn Dataset) -> Result<History, Error> {
        self.trainer().fit(data)
    }

    /// A trainer with the settings of the `train` block, each of which can be changed.
    pub fn trainer(&mut self) -> Trainer<'_> {
        Trainer::new(self)
    }
}

impl<'a> Trainer<'a> {
    fn new(model: &'a mut Model) -> Self {
        let training = model.spec().training.as_ref();
        Self {
            epochs: training.map_or(1, |training| training.epochs),
            batch_size: training.map_or(1, |training| training.batch_size),
            seed: training.map_or(0, |training| training.seed),
            model,
            optimizer: None,
            learning_rate: None,
            threads: thread_count::threads(),
            shuffle: true,
            progress: true,
            validation: None,
            stop: None,
            on_epoch: None,
        }
    }

    /// How often to pass over the data. With 0, `fit` checks the data and the settings and does
    /// nothing.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// Examples in one step, at least 1. The last step of an epoch takes what is left.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// The update rule. With its first step its state begins anew if the model was trained before with another kind,
    /// or with one of another number of [`slots`](crate::optimizer::slots).
    ///
    /// Learning rate and `epsilon` must be above 0 and finite; `momentum`, `rho`, `beta_1` and
    /// `beta_2` at least 0 and less than 1; all of them also when rounded to `f32`.
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.optimizer = Some(optimizer);
        self
    }

    /// The optimizer's learning rate: above 0 and finite, also when rounded to `f32`.
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = Some(learning_rate);
        self
    }

    /// How many threads to use, instead of [`threads`](crate::threads()); 0 stands for as many as
    /// the machine offers. More than 16 do not help. The result is the same for any number.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = thread_count::resolve(threads);
        self
    }

    /// Decides the order of the examples and what dropout drops.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether each epoch takes the examples in a new random order; it does by default.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Examples to evaluate the model on after each epoch.
    pub fn validation(mut self, data: &'a dyn Dataset) -> Self {
        self.validation = Some(data);
        self
    }

    /// Whether to draw a progress bar on the standard error stream; by default it is drawn if that
    /// is a terminal. Needs the feature `progress`.
    pub fn progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// A flag that ends training once it is set: it is looked at after every step, and the weights
    /// stay as the last one left them. The epoch in which that happens is the history's last; it is
    /// not validated, and `on_epoch` does not see it.
    pub fn stop(mut self, flag: &'a AtomicBool) -> Self {
        self.stop = Some(flag);
        self
    }

    /// Called after each epoch and its validation, to print it or to save the model.
    pub fn on_epoch(mut self, callback: impl FnMut(&Epoch, &Model) + 'a) -> Self {
        self.on_epoch = Some(Box::new(callback));
        self
    }

    /// Trains the model on `data`.
    ///
    /// # Errors
    ///
    /// Before the first step: [`Error::NotTrainable`], [`Error::Setting`], [`Error::EmptyDataset`],
    /// and what [`Dataset::check`] and [`Dataset::check_targets`] find in either dataset. While training:
    /// [`Error::NonFiniteLoss`], [`Error::NonFiniteGradient`], [`Error::NonFiniteUpdate`], [`Error::TargetValue`] and
    /// [`Error::TargetSum`]. The model is then as the step before left it: parameters, optimizer and counters, so that
    /// training can go on with other data as if the step that failed had never been tried.
    ///
    /// Errors of the validation data come in an [`Error::Validation`]; after an epoch, the model is as it was
    /// trained so far.
    pub fn fit(mut self, data: &dyn Dataset) -> Result<History, Error> {
        let spec = self.model.spec();
        let training = check_trainable(spec)?;
        let optimizer = self.check_settings(training)?;
        let check = |data: &dyn Dataset| {
            check_data(spec, data)?;
            data.check_targets(training.loss, spec.output)
        };
        check(data)?;
        if let Some(validation) = self.validation {
            check(validation).map_err(Error::in_validation)?;
        }

        let mut history = History::default();
        if self.epochs == 0 {
            return Ok(history);
        }
        let batch_size = self.batch_size.min(data.len());
        let mut run = Run {
            batch_size,
            order: vec![0; data.len()],
            sums: vec![0.0; 1 + training.metrics.len()],
            step: Step::new(self.model, training, optimizer, batch_size, self.threads),
            training,
            data: Checked::new(data, training.loss, spec.output),
        };
        for number in 1..=self.epochs {
            if self.stopped() {
                history.stopped = true;
                break;
            }
            let mut bar = Bar::start(self.progress, number, self.epochs, run.steps());
            let mut epoch = self.epoch(number, &mut run, &mut bar)?;
            history.stopped = self.stopped();
            if let (Some(validation), false) = (self.validation, history.stopped) {
                let scores = self
                    .model
                    .evaluate_checked(training, validation, self.threads)
                    .map_err(Error::in_validation)?;
                epoch.validation = Some(scores);
            }
            bar.finish(&epoch);
            if let (Some(callback), false) = (&mut self.on_epoch, history.stopped) {
                callback(&epoch, self.model);
            }
            history.epochs.push(epoch);
        }
        Ok(history)
    }

    fn stopped(&self) -> bool {
        self.stop.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Checks the settings and returns the optimizer to use.
    fn check_settings(&self, training: &Training) -> Result<Optimizer, Error> {
        if self.batch_size == 0 {
            return Err(Error::Setting {
                name: "batch_size",
                value: self.batch_size.to_string(),
                expected: "at least 1",
            });
        }
        let mut optimizer = self.optimizer.unwrap_or(training.optimizer);
        if let Some(learning_rate) = self.learning_rate {
            optimizer = optimizer.with_learning_rate(learning_rate);
        }
        check_optimizer(&optimizer)?;
        Ok(optimizer)
    }

    /// Passes over the data once; not to its end if the stop flag is set.
    fn epoch(&mut self, number: usize, run: &mut Run<'_>, bar: &mut Bar) -> Result<Epoch, Error> {
        let start = Instant::now();
        let model = &mut *self.model;
        for (index, place) in run.order.iter_mut().enumerate() {
            *place = index;
        }
        if self.shuffle {
            let mut random = stream(&[self.seed, SHUFFLE, model.training().epochs]);
            shuffle(&mut run.order, &mut random);
        }

        run.sums.fill(0.0);
        let mut examples = 0;
        for (step, batch) in run.order.chunks(run.batch_size).enumerate() {
            let seed = mix(&[self.seed, DROPOUT, model.training().steps]);
            let begun = Instant::now();
            let sums = run
                .step
                .run(model, &run.data, batch, seed)
                .map_err(|rejection| rejection.in_step(number, step + 1))?;
            for (total, sum) in run.sums.iter_mut().zip(sums) {
                *total += sum;
            }
            if step == 0 {
                // An epoch has begun once a step of it has been applied.
                let (_, state) = model.trained();
                state.epochs += 1;
                if let Some(hint) = slow_build::hint(begun.elapsed()) {
                    bar.say(hint);
                }
            }
            examples += batch.len();
            bar.step(|| Scores::mean(run.training.metrics, &run.sums, examples));
            if self.stop.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
                break;
            }
        }
        Ok(Epoch {
            number,
            scores: Scores::mean(run.training.metrics, &run.sums, examples),
            validation: None,
            examples,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

/// Whether the hyperparameters are in their ranges, as the `f32` that the arithmetic on tensors makes of
/// them: 1e-50 is 0 there.
fn check_optimizer(optimizer: &Optimizer) -> Result<(), Error> {
    let parameters = optimizer.word().parameters.iter();
    for (parameter, setting) in parameters.zip(optimizer.settings()) {
        let (Kind::Number { range, .. }, Setting::Number(value)) = (parameter.kind, setting) else {
            continue;
        };
        if !range.contains(f64::from(value as f32)) {
            return Err(Error::Setting {
                name: parameter.name,
                value: format!("{value:?}"),
                expected: match range {
                    Range::Positive => "above 0 and finite as `f32`",
                    Range::NonNegative => "zero or more and finite as `f32`",
                    Range::Fraction => "at least 0 and less than 1 as `f32`",
                },
            });
        }
    }
    Ok(())
}

/// What the epochs of one call of `fit` share.
struct Run<'d> {
    data: Checked<'d>,
    training: &'static Training,
    batch_size: usize,
    /// The order of the examples in this epoch.
    order: Vec<usize>,
    step: Step,
    /// The sums of the loss and of each metric over the epoch so far.
    sums: Vec<f64>,
}

impl Run<'_> {
    /// The number of steps of an epoch.
    fn steps(&self) -> usize {
        self.order.len().div_ceil(self.batch_size)
    }
}

impl fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("model", &self.model)
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("optimizer", &self.optimizer)
            .field("learning_rate", &self.learning_rate)
            .field("threads", &self.threads)
            .field("seed", &self.seed)
            .field("shuffle", &self.shuffle)
            .finish_non_exhaustive()
    }
}
