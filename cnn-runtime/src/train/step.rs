//! One step of training: it is applied whole, or not at all.
//!
//! ```text
//! 1  batch      ──▶ forward, backward     are the targets valid, and is the loss finite?
//! 2  gradients  ──▶ one flat buffer       are all of them?
//!    penalties  ──▶ the same buffer
//!    clipping   ──▶ the same buffer
//! 3  running    ──▶ running statistics    are the results?
//!    update     ──▶ parameters, slots     are the results?
//!    constraints ─▶ parameters
//!    average    ──▶ moving average of the parameters
//!    pack       ──▶ weights in the forms that the next step wants
//! ```
//!
//! Each phase is shared by the threads that take part, which meet at its end. Where the answer is no, the step is rejected, and
//! parameters, optimizer and all counters are as they were.
//!
//! A step of several batches goes through the first two phases with each of them, and adds up the gradients. The update
//! is that of their mean over all examples, as if they were one batch that is too large for the memory; layers that
//! look at their whole batch see each by itself.

use crate::cores;
use crate::data::targets::Checked;
use crate::data::{Dataset, Pass};
use crate::error::Error;
use crate::model::Model;
use crate::model::evaluation::{check_data, check_trainable};
use crate::model::parameters::mix;
use crate::non_finite::NonFinite;
use crate::objective::Measures;
use crate::objective::custom::Custom;
use crate::spec::{Penalty, Spec, Training};
use crate::thread_count::{threads, worthwhile, worthwhile_sharing};
use crate::train::average::Average;
use crate::train::batch::{self, Batch};
use crate::train::clipping::Clipping;
use crate::train::gradients::Gradients;
use crate::train::multipliers::Multipliers;
use crate::train::origin;
use crate::train::penalties;
use crate::train::running::Running;
use crate::train::update::{self, Update};
use cnn_ir::{Augment, Optimizer};

/// The buffers of a training step, used for every step of a call of `fit`.
pub(crate) struct Step<'c> {
    batch: Batch<'c>,
    batch_size: usize,
    /// The most threads that take part.
    threads: usize,
    /// The sums of the loss and of each metric over the examples of the last step.
    sums: Vec<f64>,
    gradients: Gradients,
    clipping: Option<Clipping>,
    running: Running,
    update: Update,
    average: Option<Average>,
    penalties: Vec<Penalty>,
}

/// Why a step was not applied.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// A target that the loss does not take.
    Target(Error),
    /// The mean loss of the batch, which is not finite, and why.
    Loss(f64, Option<Box<NonFinite>>),
    /// The first tensor whose gradient is not finite, and why.
    Gradient(&'static str, Option<Box<NonFinite>>),
    /// The first tensor that would no longer be finite, or what the optimizer remembers of it.
    Update(&'static str),
}

impl Rejection {
    /// The error of `fit`. Epochs, and steps within one, count from 1.
    pub(crate) fn in_step(self, epoch: usize, step: usize) -> Error {
        match self {
            Self::Target(error) => error.in_training(),
            Self::Loss(loss, origin) => Error::NonFiniteLoss {
                epoch,
                step,
                loss,
                origin,
            },
            Self::Gradient(tensor, origin) => Error::NonFiniteGradient {
                epoch,
                step,
                tensor,
                origin,
            },
            Self::Update(tensor) => Error::NonFiniteUpdate {
                epoch,
                step,
                tensor,
            },
        }
    }
}

impl<'c> Step<'c> {
    /// Buffers for steps in batches of up to `batch_size` examples.
    pub(crate) fn new(
        model: &Model,
        training: &'static Training,
        optimizer: Optimizer,
        multipliers: &Multipliers,
        custom: &'c Custom<'c>,
        batch_size: usize,
        threads: usize,
    ) -> Self {
        let (spec, parameters) = (model.spec(), model.parameters());
        let frozen = &model.training().frozen;
        let measures = Measures {
            objectives: training.objectives,
            outputs: spec.outputs,
            custom,
        };
        Self {
            batch: Batch::new(
                spec, training, parameters, frozen, custom, batch_size, threads,
            ),
            batch_size,
            threads,
            sums: vec![0.0; measures.columns()],
            gradients: Gradients::new(spec, frozen),
            clipping: Clipping::new(spec, frozen, optimizer.clip, threads),
            running: Running::new(spec, training, frozen),
            update: Update::new(
                spec,
                frozen,
                multipliers,
                training.constraints,
                optimizer,
                threads,
            ),
            average: Average::new(spec, optimizer.ema_momentum, threads),
            penalties: penalties::of(training, frozen),
        }
    }

    /// Trains `model` on the examples of `data` that `examples` lists, one batch or several, and returns the sums over
    /// them of the loss and of each metric. Dropout drops what `seed` says.
    ///
    /// # Errors
    ///
    /// A [`Rejection`]; the model is then as it was before the call.
    pub(crate) fn run(
        &mut self,
        model: &mut Model,
        data: &Checked<'_>,
        examples: &[usize],
        seed: u64,
    ) -> Result<&[f64], Rejection> {
        self.share(model.spec(), examples.len());
        let Self {
            batch,
            batch_size,
            threads: _,
            sums,
            gradients,
            clipping,
            running,
            update,
            average,
            penalties,
        } = self;
        let is_one_batch = examples.len() <= *batch_size;
        sums.fill(0.0);
        running.begin(model.parameters());
        for (index, of_batch) in examples.chunks(*batch_size).enumerate() {
            let is_first = index == 0;
            let seed = match is_first {
                true => seed,
                false => mix(&[seed, index as u64]),
            };
            batch.forward_backward(model.parameters(), data, of_batch, seed);
            data.verdict().map_err(Rejection::Target)?;
            let loss = batch.sums()[0];
            if !loss.is_finite() {
                let origin = origin::of_loss(model, batch, of_batch);
                return Err(Rejection::Loss(
                    loss / of_batch.len() as f64,
                    origin.map(Box::new),
                ));
            }
            for (total, sum) in sums.iter_mut().zip(batch.sums()) {
                *total += sum;
            }
            gradients.complete(batch).map_err(|tensor| {
                let origin = origin::of_gradient(model, batch, gradients.values(), of_batch);
                Rejection::Gradient(tensor, origin.map(Box::new))
            })?;
            if !is_one_batch {
                let share = of_batch.len() as f64 / examples.len() as f64;
                gradients.accumulate(share, is_first);
            }
            running.advance(batch).map_err(Rejection::Update)?;
        }
        if !is_one_batch {
            gradients.finish_accumulation();
        }
        if !penalties.is_empty() {
            let (spec, parameters) = (model.spec(), model.parameters());
            let penalty = penalties::total(spec, penalties, parameters);
            if !penalty.is_finite() {
                let origin = origin::of_penalties(model, penalties);
                return Err(Rejection::Loss(penalty, origin.map(Box::new)));
            }
            sums[0] += penalty * examples.len() as f64;
            let added = gradients.add_penalties(spec, penalties, parameters);
            added.map_err(|tensor| {
                let origin = origin::last_gradient(spec, gradients.values());
                Rejection::Gradient(tensor, origin.map(Box::new))
            })?;
        }
        if let Some(clipping) = clipping {
            gradients.clip(clipping);
        }
        let (parameters, state) = model.trained();
        update
            .apply(parameters, state, gradients)
            .map_err(Rejection::Update)?;
        running.apply(parameters);
        if let Some(average) = average {
            average.advance(parameters, state);
        }
        batch.pack(parameters);
        Ok(sums)
    }

    /// Lets all threads take part in the next step, of so many examples, or one, whichever is faster: in all of its
    /// phases, so that a part of the parameters stays with its thread.
    fn share(&mut self, spec: &Spec, examples: usize) {
        let examples = examples.min(self.batch_size);
        let values = spec.parameter_count;
        let flops = batch::step_flops(spec, examples) + update::flops(values);
        if worthwhile(self.threads, flops) > 1 {
            cores::measure();
        }
        let threads = worthwhile_sharing(self.threads, flops, values, cores::distance());
        self.batch.threads = threads;
        self.update.threads = threads;
        if let Some(clipping) = &mut self.clipping {
            clipping.threads = threads;
        }
        if let Some(average) = &mut self.average {
            average.threads = threads;
        }
    }

    /// The sums of the loss and of each metric over the examples of the last step.
    pub(crate) fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// Whether a moving average of the weights is kept up.
    pub(crate) fn has_average(&self) -> bool {
        self.average.is_some()
    }

    /// How much each class counts; as the objective says where this is empty.
    pub(crate) fn set_class_weights(&mut self, class_weights: &[f32]) {
        self.batch.class_weights = class_weights.to_vec();
    }

    /// How the examples are changed.
    pub(crate) fn set_augment(&mut self, list: &[Augment]) {
        self.batch.set_augment(list, self.batch_size);
    }

    /// The steps from the next one on are those of this epoch.
    pub(crate) fn begin(&mut self, seed: u64, epoch: u64) {
        self.batch.begin(seed, epoch);
    }

    /// The steps from the next one on have this learning rate.
    pub(crate) fn set_learning_rate(&mut self, learning_rate: f64) {
        self.update.set_learning_rate(learning_rate);
    }

    /// The learning rate of the last step; 0 before the first one.
    pub(crate) fn learning_rate(&self) -> f64 {
        self.update.learning_rate()
    }
}

impl Model {
    /// The mean loss over `data` as one batch, and its gradients in the order of the parameters, both with the penalties
    /// of regularizers. Dropout drops what `seed` says.
    ///
    /// Both are returned as they are: infinite or not a number, where the arithmetic comes to that. Gradients of
    /// tensors that are not trained are zero.
    ///
    /// # Errors
    ///
    /// [`Error::NotTrainable`] without a `train` block, [`Error::EmptyDataset`], what
    /// [`Dataset::check`] finds, and [`Error::TargetValue`] or [`Error::TargetSum`].
    pub fn gradients(&self, data: &dyn Dataset, seed: u64) -> Result<(f64, Vec<f32>), Error> {
        let training = check_trainable(self.spec())?;
        check_data(self.spec(), data)?;
        let examples: Vec<usize> = (0..data.len()).collect();
        let (parameters, frozen) = (self.parameters(), &self.training().frozen);
        let custom = Custom::default();
        let mut batch = Batch::new(
            self.spec(),
            training,
            parameters,
            frozen,
            &custom,
            examples.len(),
            threads(),
        );
        data.begin(Pass::Evaluation);
        let data = Checked::new(data, training.objectives, self.spec().outputs);
        batch.forward_backward(parameters, &data, &examples, seed);
        data.verdict()?;
        let mut gradients = Gradients::new(self.spec(), frozen);
        // Whether they are finite is for the caller to judge.
        let _ = gradients.complete(&batch);
        let (spec, penalties) = (self.spec(), penalties::of(training, frozen));
        let _ = gradients.add_penalties(spec, &penalties, parameters);
        let penalty = penalties::total(spec, &penalties, parameters);
        let loss = batch.sums()[0] / examples.len() as f64 + penalty;
        Ok((loss, gradients.values().to_vec()))
    }
}
