//! The epochs of a call of `fit`: each passes over the data in steps of a batch, is validated, and is told to the
//! callbacks.
//!
//! ```text
//! Progress ──▶ order of the examples ──▶ steps ──▶ validation ──▶ on_epoch, callbacks ──▶ next Progress
//!     ╰──────────────── Snapshot, after a step or an epoch ──▶ checkpoints ──────────────────────╯
//! ```
//!
//! The loop does not know the type of the network, so that it is compiled once, in this crate. What a step computes is
//! in `step`. All that decides what comes next is in the parameters, the `TrainingState`, the [`Progress`] and the
//! memory of the callbacks, so that a checkpoint has to hold these four.

use crate::clock::Stopwatch;
use crate::data::targets::Checked;
use crate::data::{self, Dataset};
use crate::error::Error;
use crate::model::parameters::{mix, shuffle, stream};
use crate::model::{Model, Scores};
use crate::objective::Measures;
use crate::spec::{Port, Training};
use crate::train::callbacks::{Callback, CallbackRecord, EndOfEpoch, Saving};
use crate::train::checkpoint::{Progress, Snapshot};
use crate::train::history::{self, Epoch, History};
use crate::train::progress::Bar;
use crate::train::settings::Settings;
use crate::train::slow_build;
use crate::train::step::Step;

/// Keeps the random streams of shuffling and of dropout apart.
const SHUFFLE: u64 = 1;
const DROPOUT: u64 = 2;

/// What is trained, and who is told of it.
pub(super) trait Subject {
    fn model(&mut self) -> &mut Model;

    /// A step has been applied, which `describe` describes.
    fn after_step(&mut self, describe: &dyn Fn() -> history::Step);

    /// An epoch has been trained and validated.
    fn after_epoch(&mut self, epoch: &Epoch);
}

/// A call of `fit`.
pub(super) struct Run<'r> {
    pub(super) settings: &'r Settings<'r>,
    pub(super) training: &'static Training,
    pub(super) outputs: &'static [Port],
    pub(super) step: Step<'r>,
    pub(super) data: Checked<'r>,
    pub(super) validation: Option<&'r dyn Dataset>,
    pub(super) callbacks: Vec<Box<dyn Callback>>,
    pub(super) checkpoints: Vec<Saving>,
    pub(super) progress: Progress,
    /// Whether the learning rate is [`Progress::learning_rate`], not a schedule's.
    pub(super) learning_rate_is_constant: bool,
    /// The epochs that are done, and at last one that was cut short.
    pub(super) history: &'r mut History,
}

impl Run<'_> {
    /// Trains `subject`.
    pub(super) fn epochs(mut self, subject: &mut dyn Subject) -> Result<(), Error> {
        let last = self.settings.epochs;
        while self.progress.epoch <= last && !self.progress.stopped_early {
            self.history.stopped = self.settings.stopped();
            if self.history.stopped {
                break;
            }
            self.epoch(subject)?;
            if self.history.stopped {
                break;
            }
        }
        let model = subject.model();
        model.show_average();
        self.finish(model)
    }

    /// Trains the epoch that is next, or the rest of it, validates it, and tells it to the callbacks.
    fn epoch(&mut self, subject: &mut dyn Subject) -> Result<(), Error> {
        if self.learning_rate_is_constant {
            self.step.set_learning_rate(self.progress.learning_rate);
        }
        let (number, steps) = (self.progress.epoch, self.steps());
        let settings = self.settings;
        let mut bar = Bar::start(settings.progress, number, settings.epochs, steps);
        bar.skip(self.progress.steps);
        subject.model().take_up_weights(self.step.has_average());
        let trained = self.pass(subject, &mut bar);
        subject.model().show_average();
        let progress = &self.progress;
        if progress.examples > 0 {
            self.history.epochs.push(Epoch {
                number,
                scores: self.scores(),
                validation: None,
                learning_rate: progress.last_learning_rate,
                examples: progress.examples,
                seconds: progress.seconds,
            });
        }
        trained?;
        self.history.stopped = settings.stopped();
        let Some(epoch) = self.history.epochs.last_mut() else {
            return Ok(());
        };
        if let (Some(validation), false) = (self.validation, self.history.stopped) {
            let model = subject.model();
            let custom = &settings.custom;
            let scores =
                model.evaluate_checked(self.training, custom, validation, settings.threads);
            epoch.validation = Some(scores.map_err(Error::in_validation)?);
        }
        let learning_rate_changes =
            !self.learning_rate_is_constant || settings.reduce_on_plateau.is_some();
        bar.finish(epoch, learning_rate_changes);
        if !self.history.stopped {
            let epoch = epoch.clone();
            subject.after_epoch(&epoch);
            self.end_of_epoch(subject.model(), &epoch)?;
        }
        Ok(())
    }

    /// Passes over the rest of the epoch, not to its end if the stop flag is set or a step fails.
    fn pass(&mut self, subject: &mut dyn Subject, bar: &mut Bar) -> Result<(), Error> {
        // The first step of an epoch has counted it.
        let has_begun = self.progress.steps > 0;
        let epoch = subject.model().training().epochs - u64::from(has_begun);
        let seed = self.progress.pass.seed;
        self.data.begin(data::Pass::Training { seed, epoch });
        self.step.begin(seed, epoch);
        let order = self.order(epoch);
        let (first, end) = (self.progress.steps, self.steps());
        let steps = order.chunks(self.step_size()).take(end).skip(first);
        self.data.will_read(&mut steps.flatten().copied());
        let batches = order.chunks(self.step_size()).enumerate();
        for (step, batch) in batches.take(self.steps()).skip(self.progress.steps) {
            self.one_step(step, batch, subject, bar)?;
            if self.settings.stopped() {
                break;
            }
        }
        Ok(())
    }

    /// Step `step` of the epoch, counted from 0.
    fn one_step(
        &mut self,
        step: usize,
        batch: &[usize],
        subject: &mut dyn Subject,
        bar: &mut Bar,
    ) -> Result<(), Error> {
        let start = Stopwatch::start();
        let model = subject.model();
        let seed = mix(&[self.progress.pass.seed, DROPOUT, model.training().steps]);
        let sums = self.step.run(model, &self.data, batch, seed);
        let sums = sums.map_err(|rejection| rejection.in_step(self.progress.epoch, step + 1))?;
        let progress = &mut self.progress;
        for (total, sum) in progress.sums.iter_mut().zip(sums) {
            *total += sum;
        }
        progress.steps = step + 1;
        progress.examples += batch.len();
        progress.seconds += start.seconds();
        progress.last_learning_rate = self.step.learning_rate();
        if step == 0 {
            // An epoch has begun once a step of it has been applied.
            let (_, state) = model.trained();
            state.epochs += 1;
            if let Some(hint) = slow_build::hint(start.seconds()) {
                bar.say(hint);
            }
        }
        bar.step(|| self.scores());
        subject.after_step(&|| history::Step {
            epoch: self.progress.epoch,
            number: step + 1,
            steps: self.steps(),
            scores: self.scores_of(self.step.sums(), batch.len()),
            learning_rate: self.step.learning_rate(),
        });
        self.save_after_step(subject.model(), step + 1)
    }

    /// The callbacks at the end of an epoch, and the beginning of the next one.
    fn end_of_epoch(&mut self, model: &Model, epoch: &Epoch) -> Result<(), Error> {
        let Progress {
            learning_rate,
            stopped_early,
            ..
        } = &mut self.progress;
        let mut end = EndOfEpoch {
            epoch,
            parameters: model.parameters(),
            learning_rate,
            stop: stopped_early,
        };
        for callback in &mut self.callbacks {
            callback.end_of_epoch(&mut end)?;
        }
        let checkpoints = self.checkpoints.iter_mut();
        let due: Vec<bool> = checkpoints.map(|of| of.is_due_after_epoch(&end)).collect();

        let progress = &mut self.progress;
        progress.epoch += 1;
        progress.steps = 0;
        progress.examples = 0;
        progress.seconds = 0.0;
        progress.sums.fill(0.0);
        self.save(model, &due)
    }

    /// What is done once the last step has been trained, by the number of epochs, early stopping, or the stop flag.
    fn finish(mut self, model: &mut Model) -> Result<(), Error> {
        let due: Vec<bool> = self
            .checkpoints
            .iter()
            .map(Saving::is_due_at_the_end)
            .collect();
        self.save(model, &due)?;
        let failed = &mut self.history.checkpoint_error;
        // Of several files, each is written to its end, also where another one fails.
        let checkpoints = self.checkpoints.iter_mut();
        let finished: Vec<_> = checkpoints.map(|of| of.finish(failed)).collect();
        finished.into_iter().collect::<Result<(), Error>>()?;
        for callback in &self.callbacks {
            if let Some(parameters) = callback.end_of_training(self.history) {
                model.parameters_mut().copy_from_slice(parameters);
            }
        }
        Ok(())
    }

    /// Writes the checkpoints that are due after a step of an epoch. An error is that of an earlier one.
    fn save_after_step(&mut self, model: &Model, step: usize) -> Result<(), Error> {
        if self.checkpoints.is_empty() {
            return Ok(());
        }
        let checkpoints = self.checkpoints.iter();
        let due: Vec<bool> = checkpoints.map(|of| of.is_due_after_step(step)).collect();
        self.save(model, &due)
    }

    /// Writes the checkpoints that are `due`. An error is that of an earlier one.
    fn save(&mut self, model: &Model, due: &[bool]) -> Result<(), Error> {
        for (place, due) in due.iter().enumerate() {
            let snapshot = due.then(|| self.snapshot(model));
            let failed = &mut self.history.checkpoint_error;
            match snapshot {
                Some(snapshot) => self.checkpoints[place].save(snapshot, failed)?,
                None => self.checkpoints[place].poll(failed)?,
            }
        }
        Ok(())
    }

    /// A copy of the present state.
    fn snapshot(&self, model: &Model) -> Snapshot {
        let mut record = CallbackRecord::default();
        for callback in &self.callbacks {
            callback.remember(&mut record);
        }
        for checkpoint in &self.checkpoints {
            checkpoint.remember(&mut record);
        }
        let best = self
            .callbacks
            .iter()
            .find_map(|callback| callback.best_weights());
        // One that was cut short goes on.
        let epochs = self.history.epochs.iter();
        let done = epochs.filter(|epoch| epoch.number < self.progress.epoch);
        Snapshot::new(model, &self.progress, record, best, done)
    }

    /// The order of the examples in an epoch, the model's number `epoch`, counted from 0.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let pass = &self.progress.pass;
        let mut order: Vec<usize> = (0..pass.examples).collect();
        if pass.shuffle {
            shuffle(&mut order, &mut stream(&[pass.seed, SHUFFLE, epoch]));
        }
        order
    }

    /// Examples in one step.
    fn step_size(&self) -> usize {
        let pass = &self.progress.pass;
        pass.batch_size.saturating_mul(pass.accumulate)
    }

    /// The number of steps of an epoch.
    fn steps(&self) -> usize {
        let steps = self.progress.pass.examples.div_ceil(self.step_size());
        steps.min(self.settings.steps_per_epoch.unwrap_or(usize::MAX))
    }

    /// The mean loss and metrics of the epoch so far.
    fn scores(&self) -> Scores {
        self.scores_of(&self.progress.sums, self.progress.examples)
    }

    /// The mean loss and metrics of so many examples.
    fn scores_of(&self, sums: &[f64], examples: usize) -> Scores {
        let measures = Measures {
            objectives: self.training.objectives,
            outputs: self.outputs,
            custom: &self.settings.custom,
        };
        measures.scores(sums, examples)
    }
}
