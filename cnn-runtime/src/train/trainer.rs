//! The training loop: epochs over a dataset, each in steps of a batch.
//!
//! ```text
//! Trainer ──▶ Settings ──▶ fit: epochs ──▶ steps ──▶ History
//! network, on_epoch ──▶ Subject ──╯
//! ```
//!
//! A [`Trainer`] collects the settings, which begin as those of the `train` block, and [`Trainer::fit`] runs the
//! epochs. It knows the type of the network; the loop does not, so that it is compiled once, in this crate. What a
//! step computes is in `step`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Stopwatch;
use crate::data::targets::Checked;
use crate::data::{Dataset, Share};
use crate::error::Error;
use crate::model::evaluation::{check_data, check_trainable};
use crate::model::parameters::{mix, shuffle, stream};
use crate::model::{AsModel, Model, Scores};
use crate::objective;
use crate::spec::{Port, Training};
use crate::thread_count;
use crate::train::callbacks::{
    Callback, CsvLog, EarlyStopping, EndOfEpoch, ReduceOnPlateau, Score,
};
use crate::train::history::{Epoch, History};
use crate::train::progress::Bar;
use crate::train::slow_build;
use crate::train::step::Step;
use cnn_ir::vocabulary::{Kind, Parameter, Range, Setting};
use cnn_ir::{Clip, Optimizer, Schedule};

/// Keeps the random streams of shuffling and of dropout apart.
const SHUFFLE: u64 = 1;
const DROPOUT: u64 = 2;

/// Trains a network; made by its `trainer` method, or by [`Model::trainer`].
///
/// ```
/// use cnn::Optimizer;
/// # cnn::network! {
/// #     network Xor {
/// #         input(2);
/// #         dense(8, activation = tanh);
/// #         dense(1, activation = sigmoid);
/// #         train { loss = binary_crossentropy; metrics = [accuracy]; }
/// #     }
/// # }
/// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// # let train = cnn::Examples::labelled(&inputs, [0, 1, 1, 0])?;
/// # let validation = train.clone();
/// let mut net = Xor::new(0);
/// let history = net
///     .trainer()
///     .epochs(3)
///     .batch_size(2)
///     .optimizer(Optimizer::adam().with_learning_rate(0.01))
///     .validation(&validation)
///     .on_epoch(|epoch, net: &Xor| {
///         let [probability] = net.predict(&[1.0, 0.0]);
///         println!("epoch {}: {}, {probability}", epoch.number, epoch.scores);
///     })
///     .fit(&train)?;
/// assert_eq!(history.epochs.len(), 3);
/// # Ok::<(), cnn::Error>(())
/// ```
///
/// Settings that are not changed are those of the `train` block. The result depends on them, on the
/// data and on the model, but not on the number of threads: the same seed gives the same bits.
///
/// Calls of `fit` continue each other, as in Keras: with the same seed, two calls of two epochs give
/// the same model as one of four, also with a [`Schedule`] of learning rates. The optimizer's state is kept as long as
/// its kind stays the same and the values that it keeps for a parameter ([`slots`](crate::optimizer::slots)) do too.
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
///
/// # Early stopping
///
/// Training ends once the loss of the validation has not become less for five epochs, and the network gets the parameters of its
/// best epoch back:
///
/// ```
/// use cnn::callbacks::EarlyStopping;
/// # cnn::network! {
/// #     network Xor {
/// #         input(2);
/// #         dense(8, activation = tanh);
/// #         dense(1, activation = sigmoid);
/// #         train { loss = binary_crossentropy; optimizer = adam(learning_rate = 0.1); batch_size = 4; }
/// #     }
/// # }
/// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// # let train = cnn::Examples::labelled(&inputs, [0, 1, 1, 0])?;
/// # // Of the opposite, so that its loss rises.
/// # let validation = cnn::Examples::labelled(&inputs, [1, 0, 0, 1])?;
///
/// let mut net = Xor::new(0);
/// let history = net
///     .trainer()
///     .epochs(200)
///     .validation(&validation)
///     .early_stopping(EarlyStopping::new().patience(5).restore_best_weights(true))
///     .fit(&train)?;
///
/// assert!(history.stopped_early);
/// let best = history.best_epoch.expect("there was an epoch");
/// assert_eq!(history.epochs.len(), best + 5);
/// let scores = history.epochs[best - 1].validation.as_ref();
/// assert_eq!(scores, Some(&net.evaluate(&validation)?));
/// # Ok::<(), cnn::Error>(())
/// ```
///
/// For any other reason to stop, set the flag that [`stop`](Self::stop) takes within [`on_epoch`](Self::on_epoch): it ends training
/// right after that epoch, with the weights that the callback saw.
///
/// # Ctrl-C
///
/// With the crate `ctrlc`, Ctrl-C ends training after the step that runs, and what was learned until then is kept:
///
/// ```ignore
/// static STOP: AtomicBool = AtomicBool::new(false);
/// ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))?;
/// net.trainer().stop(&STOP).fit(&train)?;
/// ```
#[must_use = "a trainer does nothing until `fit`"]
pub struct Trainer<'a, N = Model> {
    network: &'a mut N,
    settings: Settings<'a>,
    on_epoch: Option<OnEpoch<'a, N>>,
    history: Option<&'a mut History>,
}

type OnEpoch<'a, N> = Box<dyn FnMut(&Epoch, &N) + 'a>;

/// How to train.
struct Settings<'a> {
    epochs: usize,
    batch_size: usize,
    accumulate: usize,
    optimizer: Option<Optimizer>,
    learning_rate: Option<Schedule>,
    threads: usize,
    seed: u64,
    shuffle: bool,
    progress: bool,
    validation: Option<&'a dyn Dataset>,
    validation_split: Option<f64>,
    stop: Option<&'a AtomicBool>,
    early_stopping: Option<EarlyStopping>,
    reduce_on_plateau: Option<ReduceOnPlateau>,
    csv_log: Option<CsvLog>,
}

/// What is trained, and who is told of its epochs.
trait Subject {
    fn model(&mut self) -> &mut Model;

    /// An epoch has been trained and validated.
    fn after_epoch(&mut self, epoch: &Epoch);
}

/// A network and the callback that sees it.
struct Observed<'t, 'a, N> {
    network: &'t mut N,
    on_epoch: &'t mut Option<OnEpoch<'a, N>>,
}

impl<N: AsModel> Subject for Observed<'_, '_, N> {
    fn model(&mut self) -> &mut Model {
        self.network.as_model_mut()
    }

    fn after_epoch(&mut self, epoch: &Epoch) {
        if let Some(callback) = self.on_epoch {
            callback(epoch, self.network);
        }
    }
}

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

impl<'a, N: AsModel> Trainer<'a, N> {
    /// A trainer of `network` with the settings of its `train` block.
    pub fn new(network: &'a mut N) -> Self {
        let training = network.as_model().spec().training.as_ref();
        let settings = Settings {
            epochs: training.map_or(1, |training| training.epochs),
            batch_size: training.map_or(1, |training| training.batch_size),
            accumulate: training.map_or(1, |training| training.accumulate),
            optimizer: None,
            learning_rate: None,
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
        };
        Self {
            network,
            settings,
            on_epoch: None,
            history: None,
        }
    }

    /// How often to pass over the data. With 0, `fit` checks the data and the settings and does
    /// nothing.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.settings.epochs = epochs;
        self
    }

    /// Examples in one batch, at least 1. The last step of an epoch takes what is left.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.settings.batch_size = batch_size;
        self
    }

    /// Batches in one step, at least 1: their gradients are added up, and the update is that of the mean loss over all
    /// their examples. It takes the memory of one batch, and a second buffer of gradients. Batch normalization looks at
    /// each batch by itself. The last step of an epoch takes what is left.
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.settings.accumulate = batches;
        self
    }

    /// The update rule, the learning rate, weight decay and clipping. With its first step its state begins anew if the
    /// model was trained before with another kind of rule, or with one of other [`slots`](crate::optimizer::slots).
    ///
    /// All numbers must be in the ranges that the language reference names, also when rounded to `f32`: learning rates
    /// and `epsilon` above 0 and finite, `momentum`, `rho`, `beta_1` and `beta_2` at least 0 and less than 1.
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.settings.optimizer = Some(optimizer);
        self
    }

    /// The optimizer's learning rate: a number above 0 and finite, also when rounded to `f32`, or a [`Schedule`].
    pub fn learning_rate(mut self, learning_rate: impl Into<Schedule>) -> Self {
        self.settings.learning_rate = Some(learning_rate.into());
        self
    }

    /// How many threads to use, instead of [`threads`](crate::threads()); 0 stands for as many as
    /// the machine offers. More than 16 do not help. The result is the same for any number.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = thread_count::resolve(threads);
        self
    }

    /// Decides the order of the examples and what dropout drops.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Whether each epoch takes the examples in a new random order; it does by default.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.settings.shuffle = shuffle;
        self
    }

    /// Examples to evaluate the model on after each epoch.
    pub fn validation(mut self, data: &'a dyn Dataset) -> Self {
        self.settings.validation = Some(data);
        self
    }

    /// Holds a share of the examples back, to evaluate the model on after each epoch: above 0 and less than 1, instead of
    /// [`validation`](Self::validation). As in Keras it is the last `share` of the dataset, whatever the shuffling: examples that are
    /// sorted, by class for instance, have to be mixed before. Of `n` examples the first `floor(n * (1 - share))` are trained on.
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Sum { input(2); dense(1); train { loss = mse; } }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 1.0]];
    /// # let data = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0, 1.0, 2.0, 3.0])?;
    /// # let mut net = Sum::new(0);
    /// let history = net.trainer().validation_split(0.2).fit(&data)?;
    /// assert_eq!(history.epochs[0].examples, 4);
    /// assert!(history.validation().is_some());
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn validation_split(mut self, share: f64) -> Self {
        self.settings.validation_split = Some(share);
        self
    }

    /// Whether to write to the standard error stream how far training has come: a bar where that is a terminal, else
    /// a line for each epoch. It does by default, with the feature `progress`.
    pub fn progress(mut self, progress: bool) -> Self {
        self.settings.progress = progress;
        self
    }

    /// A flag that ends training once it is set. It is looked at before every epoch and after every step, and the
    /// weights stay as the last step left them. An epoch in which that happens is the history's last; it is not
    /// validated, and `on_epoch` does not see it. See [early stopping](Self#early-stopping).
    pub fn stop(mut self, flag: &'a AtomicBool) -> Self {
        self.settings.stop = Some(flag);
        self
    }

    /// Ends training once a score has not become better for some epochs: see [early stopping](Self#early-stopping). It looks at
    /// an epoch after [`on_epoch`](Self::on_epoch), and does not look at one that the [`stop`](Self::stop) flag has cut short.
    pub fn early_stopping(mut self, early_stopping: EarlyStopping) -> Self {
        self.settings.early_stopping = Some(early_stopping);
        self
    }

    /// Reduces the learning rate once a score has not become better for some epochs. The learning rate must be a number then, not a
    /// [`Schedule`], as in Keras. It looks at the same epochs as [`early_stopping`](Self::early_stopping).
    ///
    /// ```
    /// use cnn::callbacks::ReduceOnPlateau;
    /// # cnn::network! {
    /// #     network Sum { input(2); dense(1); train { loss = mse; } }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0]];
    /// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0])?;
    /// # let mut net = Sum::new(0);
    /// let plateau = ReduceOnPlateau::new().factor(0.5).patience(3).min_learning_rate(1e-6);
    /// let history = net.trainer().epochs(20).learning_rate(0.1).reduce_on_plateau(plateau).fit(&train)?;
    /// assert!(history.epochs.last().is_some_and(|epoch| epoch.learning_rate <= 0.1));
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn reduce_on_plateau(mut self, reduce_on_plateau: ReduceOnPlateau) -> Self {
        self.settings.reduce_on_plateau = Some(reduce_on_plateau);
        self
    }

    /// Writes a line for each epoch into a file: a path, or a [`CsvLog`] to append to one. It looks at the same epochs as
    /// [`early_stopping`](Self::early_stopping). A file that cannot be opened is an error before the first step; a full disk is one
    /// after the epoch, which leaves the model and the [`history`](Self::history) as the epoch left them.
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Sum { input(2); dense(1); train { loss = mse; } }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0]];
    /// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0])?;
    /// # let mut net = Sum::new(0);
    /// # let path = std::env::temp_dir().join(format!("cnn-log-{}.csv", std::process::id()));
    /// net.trainer().epochs(2).csv_log(&path).fit(&train)?;
    /// let log = std::fs::read_to_string(&path).unwrap();
    /// assert!(log.starts_with("epoch,loss,learning_rate,seconds\n1,"));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn csv_log(mut self, log: impl Into<CsvLog>) -> Self {
        self.settings.csv_log = Some(log.into());
        self
    }

    /// Called after each epoch and its validation with the network as it is then: to print something, to predict, to
    /// save or clone it, or to set the [`stop`](Self::stop) flag.
    pub fn on_epoch(mut self, callback: impl FnMut(&Epoch, &N) + 'a) -> Self {
        self.on_epoch = Some(Box::new(callback));
        self
    }

    /// Where to write what was done, epoch by epoch: after an error of [`fit`](Self::fit), too, the epochs until then
    /// are there. The last one is cut short if a step of it failed, and has no scores of the validation if that
    /// failed.
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Sum { input(2); dense(1); train { loss = mse; } }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0]];
    /// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0])?;
    /// # let mut net = Sum::new(0);
    /// let mut history = cnn::History::default();
    /// if let Err(error) = net.trainer().epochs(2).history(&mut history).fit(&train) {
    ///     eprintln!("{error}, after {} epochs", history.epochs.len());
    /// }
    /// # assert_eq!(history.epochs.len(), 2);
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn history(mut self, history: &'a mut History) -> Self {
        self.history = Some(history);
        self
    }

    /// Trains the network on `data`.
    ///
    /// # Errors
    ///
    /// Before the first step: [`Error::NotTrainable`], [`Error::Setting`], [`Error::Monitor`], [`Error::Io`] of the log, and what is wrong with either dataset as a
    /// whole: [`Error::EmptyDataset`], what [`Dataset::check`] and [`Dataset::check_targets`] find. While training:
    /// [`Error::NonFiniteLoss`], [`Error::NonFiniteGradient`], [`Error::NonFiniteUpdate`], and [`Error::TargetValue`]
    /// and [`Error::TargetSum`] of targets that are first looked at when they are read. The model is then as the step
    /// before left it: parameters, optimizer and counters, so that training can go on with other data as if the step
    /// that failed had never been tried. [`history`](Self::history) tells what was trained until then.
    ///
    /// All errors of data say whose they are: they come in an [`Error::Training`] or an [`Error::Validation`].
    pub fn fit(mut self, data: &dyn Dataset) -> Result<History, Error> {
        let mut subject = Observed {
            network: self.network,
            on_epoch: &mut self.on_epoch,
        };
        let mut own = History::default();
        let history = self.history.unwrap_or(&mut own);
        *history = History::default();
        self.settings.fit(&mut subject, data, history)?;
        Ok(history.clone())
    }
}

impl Settings<'_> {
    /// Trains `subject` on `data`. What was done is in `history`, also after an error.
    fn fit(
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

    /// How many of so many examples to train on: all but those that [`Trainer::validation_split`] holds back.
    fn split(&self, examples: usize) -> Result<usize, Error> {
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

    /// What takes part at the end of each epoch, where epochs have these `scores`.
    fn callbacks(
        &self,
        scores: &[Score],
        learning_rate: Schedule,
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
            callbacks.push(csv_log.begin(scores)?);
        }
        Ok(callbacks)
    }

    fn stopped(&self) -> bool {
        self.stop.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Checks the settings and returns the optimizer to use.
    fn check(&self, training: &Training) -> Result<Optimizer, Error> {
        for (name, count) in [
            ("batch_size", self.batch_size),
            ("accumulate", self.accumulate),
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

/// The learning rate, if it is the same in all steps.
fn constant(schedule: Schedule) -> Option<f64> {
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
    } = optimizer;
    check_settings(learning_rate.word().parameters, &learning_rate.settings())?;
    check_settings(rule.word().parameters, &rule.settings())?;
    check_number("weight_decay", Range::NonNegative, *weight_decay)?;
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
fn check_settings(parameters: &[Parameter], settings: &[Setting]) -> Result<(), Error> {
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

impl<N: fmt::Debug> fmt::Debug for Trainer<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        f.debug_struct("Trainer")
            .field("network", &self.network)
            .field("epochs", &settings.epochs)
            .field("batch_size", &settings.batch_size)
            .field("accumulate", &settings.accumulate)
            .field("optimizer", &settings.optimizer)
            .field("learning_rate", &settings.learning_rate)
            .field("threads", &settings.threads)
            .field("seed", &settings.seed)
            .field("shuffle", &settings.shuffle)
            .finish_non_exhaustive()
    }
}
