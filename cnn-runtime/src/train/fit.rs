//! The epochs of training: each passes over the data in steps of a batch, is validated, and is told to the callbacks.
//!
//! The loop does not know the type of the network, so that it is compiled once, in this crate. What a step computes is
//! in `step`.

use std::sync::atomic::Ordering;

use crate::clock::Stopwatch;
use crate::data::targets::Checked;
use crate::data::{Dataset, Share};
use crate::error::Error;
use crate::model::evaluation::{check_data, check_trainable};
use crate::model::parameters::{mix, shuffle, stream};
use crate::model::{Model, Scores};
use crate::objective;
use crate::spec::{Port, Training};
use crate::train::callbacks::{EndOfEpoch, Score};
use crate::train::history::{Epoch, History};
use crate::train::progress::Bar;
use crate::train::settings::{Settings, constant};
use crate::train::slow_build;
use crate::train::step::Step;

/// Keeps the random streams of shuffling and of dropout apart.
const SHUFFLE: u64 = 1;
const DROPOUT: u64 = 2;

/// What is trained, and who is told of its epochs.
pub(super) trait Subject {
    fn model(&mut self) -> &mut Model;

    /// An epoch has been trained and validated.
    fn after_epoch(&mut self, epoch: &Epoch);
}

impl Settings<'_> {
    /// Trains `subject` on `data`. What was done is in `history`, also after an error.
    pub(super) fn fit(
        &self,
        subject: &mut dyn Subject,
        data: &dyn Dataset,
        history: &mut History,
    ) -> Result<(), Error> {
        let model = subject.model();
        let spec = model.spec();
        let training = check_trainable(spec)?;
        let optimizer = self.check(training)?;
        let check = |data: &dyn Dataset| {
            check_data(spec, data)?;
            let mut outputs = training.objectives.iter().zip(spec.outputs).enumerate();
            outputs.try_for_each(|(target, (objective, port))| {
                data.check_target(target, objective.loss, port.shape)
            })
        };
        check(data).map_err(Error::in_training)?;
        if let Some(validation) = self.validation {
            check(validation).map_err(Error::in_validation)?;
        }
        let trained = self.split(data.len())?;
        let held_back = Share {
            data,
            range: trained..data.len(),
        };
        let data = &Share {
            data,
            range: 0..trained,
        };
        let validation: Option<&dyn Dataset> = match self.validation_split {
            Some(_) => Some(&held_back),
            None => self.validation,
        };
        let in_validation = |error: Error| match self.validation_split {
            Some(_) => error.counted_from(trained).in_validation(),
            None => error.in_validation(),
        };

        let columns = objective::columns(training.objectives);
        let example = Scores::mean(spec.outputs, training.objectives, &vec![0.0; columns], 1);
        let scores = Score::all(&example, validation.is_some());
        let mut callbacks = self.callbacks(&scores, optimizer.learning_rate)?;
        if self.epochs == 0 {
            return Ok(());
        }

        let constant = constant(optimizer.learning_rate);
        let mut learning_rate = constant.unwrap_or_default();
        let learning_rate_changes = constant.is_none() || self.reduce_on_plateau.is_some();
        let batch_size = self.batch_size.min(data.len());
        let mut run = Run {
            step_size: batch_size.saturating_mul(self.accumulate),
            order: vec![0; data.len()],
            sums: vec![0.0; columns],
            examples: 0,
            step: Step::new(model, training, optimizer, batch_size, self.threads),
            training,
            outputs: spec.outputs,
            data: Checked::new(data, training.objectives, spec.outputs),
        };
        for number in 1..=self.epochs {
            if self.stopped() {
                history.stopped = true;
                break;
            }
            let mut bar = Bar::start(self.progress, number, self.epochs, run.steps());
            let start = Stopwatch::start();
            let trained = self.epoch(number, subject.model(), &mut run, &mut bar);
            if run.examples > 0 {
                history.epochs.push(Epoch {
                    number,
                    scores: run.scores(),
                    validation: None,
                    learning_rate: run.step.learning_rate(),
                    examples: run.examples,
                    seconds: start.seconds(),
                });
            }
            trained?;
            history.stopped = self.stopped();
            let Some(epoch) = history.epochs.last_mut() else {
                break;
            };
            if let (Some(validation), false) = (validation, history.stopped) {
                let model = subject.model();
                let scores = model.evaluate_checked(training, validation, self.threads);
                epoch.validation = Some(scores.map_err(in_validation)?);
            }
            bar.finish(epoch, learning_rate_changes);
            if history.stopped {
                continue;
            }
            subject.after_epoch(epoch);
            let mut stop = false;
            for callback in &mut callbacks {
                callback.end_of_epoch(&mut EndOfEpoch {
                    epoch,
                    parameters: subject.model().parameters(),
                    learning_rate: &mut learning_rate,
                    stop: &mut stop,
                })?;
            }
            if stop {
                break;
            }
            if constant.is_some() {
                run.step.set_learning_rate(learning_rate);
            }
        }
        for callback in &callbacks {
            if let Some(parameters) = callback.end_of_training(history) {
                subject.model().parameters_mut().copy_from_slice(parameters);
            }
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Passes over the data once; not to its end if the stop flag is set or a step fails.
    fn epoch(
        &self,
        number: usize,
        model: &mut Model,
        run: &mut Run<'_>,
        bar: &mut Bar,
    ) -> Result<(), Error> {
        for (index, place) in run.order.iter_mut().enumerate() {
            *place = index;
        }
        if self.shuffle {
            let mut random = stream(&[self.seed, SHUFFLE, model.training().epochs]);
            shuffle(&mut run.order, &mut random);
        }

        run.sums.fill(0.0);
        run.examples = 0;
        for (step, batch) in run.order.chunks(run.step_size).enumerate() {
            let seed = mix(&[self.seed, DROPOUT, model.training().steps]);
            let begun = Stopwatch::start();
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
                if let Some(hint) = slow_build::hint(begun.seconds()) {
                    bar.say(hint);
                }
            }
            run.examples += batch.len();
            bar.step(|| run.scores());
            if self.stopped() {
                break;
            }
        }
        Ok(())
    }
}

/// What the epochs of one call of `fit` share.
struct Run<'d> {
    data: Checked<'d>,
    training: &'static Training,
    outputs: &'static [Port],
    /// Examples in one step.
    step_size: usize,
    /// The order of the examples in this epoch.
    order: Vec<usize>,
    step: Step,
    /// The sums of the loss and of each metric over the epoch so far.
    sums: Vec<f64>,
    /// The examples of the epoch so far.
    examples: usize,
}

impl Run<'_> {
    /// The number of steps of an epoch.
    fn steps(&self) -> usize {
        self.order.len().div_ceil(self.step_size)
    }

    /// The mean loss and metrics of the epoch so far.
    fn scores(&self) -> Scores {
        Scores::mean(
            self.outputs,
            self.training.objectives,
            &self.sums,
            self.examples,
        )
    }
}
