//! The trainer: it collects the settings of training and begins it.
//!
//! ```text
//! Trainer ──▶ Settings ──▶ fit: epochs ──▶ steps ──▶ History
//! network, on_epoch ──▶ Subject ──╯
//! ```
//!
//! A [`Trainer`] begins with the settings of the `train` block, and [`Trainer::fit`] runs the epochs, which are in `fit`.
//! It knows the type of the network, for `on_epoch`; the loop does not. Losses and metrics of one's own are in `custom`.

mod custom;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::data::Dataset;
use crate::error::Error;
use crate::model::{AsModel, Model, Scores};
use crate::thread_count;
use crate::train::callbacks::{Checkpoint, CsvLog, EarlyStopping, ReduceOnPlateau};
use crate::train::history::{Epoch, History, Step};
use crate::train::run::Subject;
use crate::train::settings::Settings;
use cnn_ir::{Augment, Optimizer, Schedule};

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
/// Training ends once the loss of the validation has not become less for five epochs, and the network gets the
/// parameters of its best epoch back:
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
/// For any other reason to stop, set the flag that [`stop`](Self::stop) takes within [`on_epoch`](Self::on_epoch): it
/// ends training right after that epoch, with the weights that the callback saw.
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
    observers: Observers<'a, N>,
    history: Option<&'a mut History>,
}

type OnStep<'a, N> = Box<dyn FnMut(&Step, &N) + 'a>;
type OnEpoch<'a, N> = Box<dyn FnMut(&Epoch, &N) + 'a>;

/// Closures of the user that see the network.
struct Observers<'a, N> {
    on_step: Option<OnStep<'a, N>>,
    on_epoch: Option<OnEpoch<'a, N>>,
}

/// A network and who sees it.
struct Observed<'t, 'a, N> {
    network: &'t mut N,
    observers: Observers<'a, N>,
}

impl<N: AsModel> Subject for Observed<'_, '_, N> {
    fn model(&mut self) -> &mut Model {
        self.network.as_model_mut()
    }

    fn after_step(&mut self, describe: &dyn Fn() -> Step) {
        if let Some(callback) = &mut self.observers.on_step {
            callback(&describe(), self.network);
        }
    }

    fn after_epoch(&mut self, epoch: &Epoch) {
        if let Some(callback) = &mut self.observers.on_epoch {
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
        Self {
            settings: Settings::of(network.as_model().spec()),
            network,
            observers: Observers {
                on_step: None,
                on_epoch: None,
            },
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

    /// Trains a layer, all layers of a block, or one tensor faster or slower than the rest: its learning rate is that of
    /// the step times `multiplier`, zero or more, in the update and in the weight decay, as with PyTorch's groups of
    /// parameters. Of several calls for a tensor, the last one counts. What [`Step::learning_rate`] and
    /// [`Epoch::learning_rate`] tell is that of the step.
    ///
    /// The last layers of a network whose others have been trained before, for example:
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Sum {
    /// #         input(2);
    /// #         backbone: dense(8, activation = relu);
    /// #         head: dense(1);
    /// #         train { loss = mse; }
    /// #     }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0]];
    /// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0])?;
    /// # let mut net = Sum::new(0);
    /// net.trainer()
    ///     .learning_rate(1e-3)
    ///     .learning_rate_of("backbone", 0.1)?
    ///     .learning_rate_of("head.bias", 2.0)?
    ///     .fit(&train)?;
    /// # Ok::<(), cnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Name`] and [`Error::NoTensors`] if there is no such layer, block or tensor, [`Error::NotTrained`] if it has
    /// no gradients, and [`Error::Setting`] of a multiplier that is negative or not finite.
    pub fn learning_rate_of(mut self, name: &str, multiplier: f64) -> Result<Self, Error> {
        let spec = self.network.as_model().spec();
        let multipliers = &mut self.settings.multipliers;
        multipliers.set(spec, name, multiplier)?;
        Ok(self)
    }

    /// Leaves the kernels of a layer, or of all layers of a block, to AdamW where the optimizer is `muon`: its argument
    /// `exclude_layers` in Keras, whose documentation advises it for the last dense layer. Other optimizers treat all
    /// tensors alike.
    ///
    /// ```
    /// use cnn::Optimizer;
    /// # cnn::network! {
    /// #     network Sum {
    /// #         input(2);
    /// #         dense(8, activation = relu);
    /// #         head: dense(1);
    /// #         train { loss = mse; }
    /// #     }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0]];
    /// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0])?;
    /// # let mut net = Sum::new(0);
    /// net.trainer().optimizer(Optimizer::muon()).exclude_layers("head")?.fit(&train)?;
    /// # Ok::<(), cnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Name`] and [`Error::NoTensors`] if there is no such layer or block.
    pub fn exclude_layers(mut self, layer: &str) -> Result<Self, Error> {
        let spec = self.network.as_model().spec();
        self.settings.multipliers.exclude(spec, layer)?;
        Ok(self)
    }

    /// How many threads to use, instead of [`threads`](crate::threads()); 0 stands for as many as
    /// the machine offers. More than 16 do not help. The result is the same for any number.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = thread_count::resolve(threads);
        self
    }

    /// Decides the order of the examples, what dropout drops and how examples are augmented.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// How much each class counts, Keras' `class_weight`: the loss of an example is multiplied by the weight of its class
    /// while training, and the mean is still over the number of examples. The scores of the validation have no weights, and
    /// metrics never have.
    ///
    /// There is a weight for each class, zero or more, in place of those that the loss has in the `train` block; of a yes or
    /// no, first that of no. The class is that with the largest target. At each position of an image, it is that of the
    /// position. Weights of examples multiply, see [`Examples::with_sample_weights`](crate::Examples::with_sample_weights).
    /// A network with several outputs takes them as arguments of its losses alone.
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Rare {
    /// #         input(2);
    /// #         dense(1, activation = sigmoid);
    /// #         train { loss = binary_crossentropy; metrics = [recall]; }
    /// #     }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 1.0]];
    /// # let train = cnn::Examples::labelled(&inputs, [0, 0, 0, 0, 1])?;
    /// # let mut net = Rare::new(0);
    /// // One of five is a yes.
    /// net.trainer().class_weights([1.0, 4.0]).fit(&train)?;
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn class_weights(mut self, weights: impl IntoIterator<Item = f32>) -> Self {
        self.settings.class_weights = weights.into_iter().collect();
        self
    }

    /// How the examples are changed at random while training, in place of the `augment` of the `train` block; an empty list
    /// for not at all. Each may stand in the list once, in any order. Examples of evaluation and validation stay as they are.
    ///
    /// What is drawn for an example depends on the [`seed`](Self::seed), the number of the epoch and that of the example in
    /// the dataset, so not on the number of threads. `mixup` mixes examples of the same batch.
    ///
    /// ```
    /// use cnn::{Augment, Flip};
    /// # cnn::network! {
    /// #     network Tiny {
    /// #         input(8x8x1);
    /// #         flatten;
    /// #         dense(2, activation = softmax);
    /// #         train { loss = categorical_crossentropy; }
    /// #     }
    /// # }
    /// # let images = cnn::ndarray::Array4::<f32>::zeros((4, 8, 8, 1));
    /// # let train = cnn::Examples::labelled(&images, [0, 1, 1, 0])?;
    /// # let mut net = Tiny::new(0);
    /// net.trainer()
    ///     .augment([Augment::shift(2), Augment::rotate(10.0), Augment::flip(Flip::Horizontal)])
    ///     .fit(&train)?;
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn augment(mut self, augment: impl IntoIterator<Item = Augment>) -> Self {
        self.settings.augment = augment.into_iter().collect();
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

    /// Holds a share of the examples back, to evaluate the model on after each epoch: above 0 and less than 1, instead
    /// of [`validation`](Self::validation). As in Keras it is the last `share` of the dataset, whatever the shuffling:
    /// examples that are sorted, by class for instance, have to be mixed before. Of `n` examples the first `floor(n *
    /// (1 - share))` are trained on.
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
    /// weights stay as the last step left them, unless [early stopping](Self#early-stopping) brings back those of the
    /// best epoch. An epoch in which that happens is the history's last; it is not
    /// validated, and `on_epoch` does not see it. See [early stopping](Self#early-stopping).
    pub fn stop(mut self, flag: &'a AtomicBool) -> Self {
        self.settings.stop = Some(flag);
        self
    }

    /// Ends training once a score has not become better for some epochs: see [early stopping](Self#early-stopping). It
    /// looks at an epoch after [`on_epoch`](Self::on_epoch), and does not look at one that the [`stop`](Self::stop)
    /// flag has cut short.
    pub fn early_stopping(mut self, early_stopping: EarlyStopping) -> Self {
        self.settings.early_stopping = Some(early_stopping);
        self
    }

    /// Reduces the learning rate once a score has not become better for some epochs. The learning rate must be a number
    /// then, not a [`Schedule`], as in Keras. It looks at the same epochs as [`early_stopping`](Self::early_stopping).
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

    /// Writes a line for each epoch into a file: a path, or a [`CsvLog`] to append to one. It looks at the same epochs
    /// as [`early_stopping`](Self::early_stopping). A file that cannot be opened is an error before the first step; a
    /// full disk is one after the epoch, which leaves the model and the [`history`](Self::history) as the epoch left
    /// them.
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
        self.observers.on_epoch = Some(Box::new(callback));
        self
    }

    /// Called after each step with the network as it is then: with the weights themselves, where the optimizer keeps a
    /// moving average of them. The time that it takes is not part of [`Epoch::seconds`].
    pub fn on_step(mut self, callback: impl FnMut(&Step, &N) + 'a) -> Self {
        self.observers.on_step = Some(Box::new(callback));
        self
    }

    /// Writes the state of the training to a file after every epoch, or as a [`Checkpoint`] says. It may be called
    /// several times, with a file each.
    ///
    /// ```
    /// use cnn::callbacks::Checkpoint;
    /// # cnn::network! {
    /// #     network Sum { input(2); dense(1); train { loss = mse; } }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    /// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0, 1.0, 2.0])?;
    /// # let path = std::env::temp_dir().join(format!("cnn-checkpoint-{}", std::process::id()));
    ///
    /// let mut net = Sum::new(0);
    /// net.trainer()
    ///     .epochs(3)
    ///     .checkpoint(Checkpoint::new(&path).every_minutes(5.0))
    ///     .fit(&train)?;
    ///
    /// // In another process, which goes on where the file was written.
    /// let mut resumed = Sum::new(0);
    /// let history = resumed.trainer().epochs(5).resume_from(&path).checkpoint(&path).fit(&train)?;
    /// assert_eq!(history.epochs.len(), 5);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn checkpoint(mut self, checkpoint: impl Into<Checkpoint>) -> Self {
        self.settings.checkpoints.push(checkpoint.into());
        self
    }

    /// Goes on with the training whose state a [`checkpoint`](Self::checkpoint) has written to the file `path`: the
    /// parameters, the optimizer, the place in the epoch, the history and what callbacks have seen are those of the
    /// file. [`epochs`](Self::epochs) counts the epochs that are done, so that the call ends where the first one would
    /// have, with the same bits.
    ///
    /// The network, the kind of optimizer and the data must be those of the first call; of the data, only the number of
    /// examples is compared, and of losses and metrics of one's own, the names. Within an epoch, `batch_size`, `accumulate`, `seed`, `shuffle`, `augment`, `learning_rate_of` and `exclude_layers` must be,
    /// too; between two
    /// epochs they may change. Everything else may change at any time: the learning rate, the number of threads, the
    /// callbacks. The bits are the same where the processor has the same vector instructions.
    pub fn resume_from(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.resume_from = Some(path.into());
        self
    }

    /// The epochs are counted from after this one, up to [`epochs`](Self::epochs), as in Keras: with `initial_epoch(3)`
    /// and `epochs(5)`, epochs 4 and 5 are trained. 0 by default.
    pub fn initial_epoch(mut self, epoch: usize) -> Self {
        self.settings.initial_epoch = epoch;
        self
    }

    /// An epoch ends after so many steps, 1 or more, if the examples do not end before: with a new random order in each
    /// epoch, it takes another part of a large dataset.
    pub fn steps_per_epoch(mut self, steps: usize) -> Self {
        self.settings.steps_per_epoch = Some(steps);
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
    /// Before the first step: [`Error::NotTrainable`], [`Error::Setting`], [`Error::Monitor`], [`Error::Io`] of the
    /// log, [`Error::Io`] and [`Error::Checkpoint`] of the file to resume from, and what is wrong with either dataset as a whole: [`Error::EmptyDataset`], what [`Dataset::check`] and
    /// [`Dataset::check_targets`] find. While training: [`Error::NonFiniteLoss`], [`Error::NonFiniteGradient`],
    /// [`Error::NonFiniteUpdate`], [`Error::Io`] of the log or a checkpoint, and [`Error::TargetValue`] and [`Error::TargetSum`] of
    /// targets that are first looked at when they are read. The model is then as the step
    /// before left it: parameters, optimizer and counters, so that training can go on with other data as if the step
    /// that failed had never been tried. [`history`](Self::history) tells what was trained until then.
    ///
    /// All errors of data say whose they are: they come in an [`Error::Training`] or an [`Error::Validation`].
    pub fn fit(self, data: &dyn Dataset) -> Result<History, Error> {
        let mut subject = Observed {
            network: self.network,
            observers: self.observers,
        };
        let mut own = History::default();
        let history = self.history.unwrap_or(&mut own);
        *history = History::default();
        self.settings.fit(&mut subject, data, history)?;
        Ok(history.clone())
    }

    /// One step with all examples of `data` as its batch, and the mean loss and metrics before it. The optimizer's
    /// state goes on from call to call. For many steps, [`fit`](Self::fit) is faster: its buffers live from step to
    /// step.
    ///
    /// # Errors
    ///
    /// Those of [`fit`](Self::fit).
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Sum { input(2); dense(1); train { loss = mse; } }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0]];
    /// # let batch = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0])?;
    /// # let mut net = Sum::new(0);
    /// let scores = net.trainer().train_on_batch(&batch)?;
    /// println!("{scores}");
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn train_on_batch(self, data: &dyn Dataset) -> Result<Scores, Error> {
        let trainer = self.epochs(1).initial_epoch(0).progress(false);
        let mut trainer = trainer
            .batch_size(data.len().max(1))
            .accumulate(1)
            .shuffle(false);
        // Nothing that keeps the step from being trained.
        trainer.settings.stop = None;
        trainer.settings.resume_from = None;
        let mut history = trainer.fit(data)?;
        Ok(history.epochs.swap_remove(0).scores)
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
