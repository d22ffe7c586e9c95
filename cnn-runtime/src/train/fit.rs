//! A call of `fit`: the data and the settings are checked, a checkpoint is read if there is one to resume from, and the
//! epochs run, which are in `run`.

use crate::data::targets::Checked;
use crate::data::{Dataset, Subset};
use crate::error::Error;
use crate::model::evaluation::{check_data, check_trainable};
use crate::objective::Measures;
use crate::train::augment;
use crate::train::callbacks::Score;
use crate::train::checkpoint::{Pass, Progress, Snapshot};
use crate::train::history::History;
use crate::train::run::{Run, Subject};
use crate::train::settings::{Settings, constant};
use crate::train::step::Step;

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
        self.check_class_weights(training.objectives, spec.outputs)?;
        self.custom.check(training.objectives, spec.outputs)?;
        augment::check(
            &self.augment,
            spec.inputs,
            spec.outputs,
            training.objectives,
        )?;
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
        let held_back = Subset::range(data, trained..data.len());
        let data = &Subset::range(data, 0..trained);
        let validation: Option<&dyn Dataset> = match self.validation_split {
            Some(_) => Some(&held_back),
            None => self.validation,
        };

        let measures = Measures {
            objectives: training.objectives,
            outputs: spec.outputs,
            custom: &self.custom,
        };
        let columns = measures.columns();
        let example = measures.scores(&vec![0.0; columns], 1);
        let scores = Score::all(&example, &self.custom, validation.is_some());
        let batch_size = self.batch_size.min(data.len());
        let constant = constant(optimizer.learning_rate);
        let mut progress = Progress {
            epoch: self.initial_epoch.saturating_add(1),
            steps: 0,
            examples: 0,
            seconds: 0.0,
            sums: vec![0.0; columns],
            learning_rate: constant.unwrap_or_default(),
            last_learning_rate: 0.0,
            pass: Pass {
                examples: data.len(),
                batch_size,
                accumulate: self.accumulate,
                shuffle: self.shuffle,
                seed: self.seed,
                augment: augment::text(&self.augment),
            },
            stopped_early: false,
            multipliers: self.multipliers.record(spec),
            excluded: self.multipliers.excluded(spec),
            losses: self.custom.loss_names(spec.outputs),
            metrics: self.custom.metric_names(spec.outputs),
        };

        let mut resumed = None;
        if let Some(path) = &self.resume_from {
            let snapshot = Snapshot::load(spec, path)?;
            let checked = snapshot.check(&optimizer.rule, &progress, &example, columns);
            let epochs = checked.map_err(|source| source.in_file(path))?;
            resumed = Some((snapshot, epochs));
        }
        let done = resumed
            .as_ref()
            .map(|(snapshot, _)| snapshot.record.progress.epoch - 1);
        let mut checkpoints = self.checkpoints(&scores)?;
        let mut callbacks = self.callbacks(&scores, optimizer.learning_rate, done)?;
        let model = subject.model();
        if let Some((mut snapshot, epochs)) = resumed {
            snapshot.restore(model, optimizer.rule);
            history.epochs = epochs;
            let record = &snapshot.record;
            for callback in &mut callbacks {
                callback.recall(&record.callbacks, snapshot.best.as_deref());
            }
            for checkpoint in &mut checkpoints {
                checkpoint.recall(&record.callbacks);
            }
            let before = record.progress.clone();
            progress = Progress {
                learning_rate: match self.reduce_on_plateau {
                    Some(_) => before.learning_rate,
                    None => progress.learning_rate,
                },
                pass: progress.pass,
                multipliers: progress.multipliers,
                excluded: progress.excluded,
                losses: progress.losses,
                ..before
            };
        }
        if self.epochs == 0 {
            return Ok(());
        }
        model.take_up_weights(optimizer.ema_momentum > 0.0);
        let mut run = Run {
            settings: self,
            training,
            outputs: spec.outputs,
            step: Step::new(
                model,
                training,
                optimizer,
                &self.multipliers,
                &self.custom,
                batch_size,
                self.threads,
            ),
            data: Checked::new(data, training.objectives, spec.outputs),
            validation,
            callbacks,
            checkpoints,
            progress,
            learning_rate_is_constant: constant.is_some(),
            history,
        };
        run.step.set_class_weights(&self.class_weights);
        run.step.set_augment(&self.augment);
        run.epochs(subject)
    }
}
