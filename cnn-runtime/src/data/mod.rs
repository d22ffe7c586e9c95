//! Examples to train on and to evaluate.
//!
//! A [`Dataset`] hands out one example at a time, into buffers that the trainer owns; several
//! threads read at once. [`Examples`] is the dataset over arrays in memory, [`idx`] reads the files
//! of the MNIST family, and [`mnist`] finds the four files of MNIST in a folder. With the features of the same names,
//! `npy` reads arrays of numpy, `csv` tables of text, and `images` PNG and JPEG files.
//!
//! ```text
//! files ──idx, npy, csv, images──▶ Examples ──split, select──▶ Subset ──map_input, normalize──▶ MapInput ──▶ fit
//! ```
//!
//! A dataset around another one hands on what it does not change, by the macro in `forward`.

mod batch;
mod bounded;
mod columns;
#[cfg(feature = "csv")]
pub mod csv;
mod examples;
mod forward;
pub mod idx;
#[cfg(feature = "images")]
pub mod images;
mod inputs;
mod label;
mod map;
mod mnist;
mod normalization;
#[cfg(feature = "npy")]
pub mod npy;
mod pass;
mod read_ahead;
mod subset;
pub(crate) mod targets;

pub use batch::IntoBatch;
pub use examples::{Examples, Target};
pub use inputs::{Inputs, IntoInputs};
pub use label::Label;
pub use map::{ChangeInput, MapInput, MapTarget};
pub use mnist::mnist;
pub use normalization::Normalization;
pub use pass::Pass;
pub use read_ahead::ReadAhead;
pub use subset::Subset;

use self::targets::Checked;
use crate::error::Error;
use crate::spec::Port;
use cnn_ir::Loss;

/// Numbered examples, each an input and its target.
///
/// `read_input` and `read_target` are called from several threads at once, with every index
/// below [`len`](Dataset::len) once an epoch; they fill the whole of `out`.
///
/// Each target is checked as it is read, whatever the dataset:
///
/// | the loss | takes targets |
/// |---|---|
/// | of classes, at each position of an image: `categorical_crossentropy`, `kl_divergence`, `categorical_hinge` | from 0 to 1, which sum to at most 1 along the last axis. One-hot and soft labels sum to 1 (or up to 1.01, for rounding); zeros belong to an example without a label, which adds nothing to the loss and counts as wrong in the accuracy |
/// | of yes and no: `binary_crossentropy` | from 0 to 1 |
/// | of signs: `hinge`, `squared_hinge` | -1 or 0 for no, 1 for yes |
/// | of numbers that are not negative: `msle`, `poisson` | that are zero or more, and finite |
/// | of numbers: `mse` | that are finite |
///
/// Others are [`Error::TargetValue`] or [`Error::TargetSum`] before they change any weight.
///
/// [`Examples`] holds arrays in memory. Anything else says how many examples there are, and writes one:
///
/// ```
/// use cnn::Dataset;
///
/// /// Points of a grid, and how far from its middle they lie.
/// struct Distances {
///     side: usize,
/// }
///
/// impl Dataset for Distances {
///     fn len(&self) -> usize {
///         self.side * self.side
///     }
///
///     fn input_shape(&self) -> &[usize] {
///         &[2]
///     }
///
///     fn read_input(&self, index: usize, out: &mut [f32]) {
///         let half = self.side as f32 / 2.0;
///         out[0] = (index / self.side) as f32 / half - 1.0;
///         out[1] = (index % self.side) as f32 / half - 1.0;
///     }
///
///     fn read_target(&self, index: usize, out: &mut [f32]) {
///         let mut point = [0.0; 2];
///         self.read_input(index, &mut point);
///         out[0] = point[0].hypot(point[1]);
///     }
/// }
///
/// cnn::network! {
///     network Distance {
///         input(2);
///         dense(16, activation = tanh);
///         dense(1);
///         train { loss = mse; optimizer = adam(learning_rate = 0.01); epochs = 20; }
///     }
/// }
///
/// let data = Distances { side: 20 };
/// let mut net = Distance::new(0);
/// let before = net.evaluate(&data)?.loss;
/// net.fit(&data)?;
/// assert!(net.evaluate(&data)?.loss < 0.1 * before);
/// # Ok::<(), cnn::Error>(())
/// ```
pub trait Dataset: Sync {
    /// The number of examples.
    fn len(&self) -> usize;

    /// Whether there are no examples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of one input, without the batch axis: `[28, 28, 1]`.
    fn input_shape(&self) -> &[usize];

    /// Writes input `index` into `out`, last axis fastest.
    fn read_input(&self, index: usize, out: &mut [f32]);

    /// Writes the target of example `index` into `out`, which is as long as the network's output;
    /// a class is one-hot there.
    fn read_target(&self, index: usize, out: &mut [f32]);

    /// How many inputs an example has. A network of several inputs reads all of them, in its order, by the three
    /// methods below; the others are those of the first one.
    fn inputs(&self) -> usize {
        1
    }

    /// How many targets an example has: one for each output of the network.
    fn targets(&self) -> usize {
        1
    }

    /// The shape of input number `input`, without the batch axis.
    fn shape_of_input(&self, input: usize) -> &[usize] {
        let _ = input;
        self.input_shape()
    }

    /// Writes input number `input` of example `index` into `out`.
    fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
        let _ = input;
        self.read_input(index, out);
    }

    /// Writes target number `target` of example `index` into `out`, which is as long as that output of the network.
    fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
        let _ = target;
        self.read_target(index, out);
    }

    /// How much example `index` counts in the loss of output number `target`, beside the other examples: zero or more.
    /// See [`Examples::with_sample_weights`].
    fn weight_of(&self, target: usize, index: usize) -> f32 {
        let _ = (target, index);
        1.0
    }

    /// A pass over the examples begins, an epoch of training or an evaluation: what is read from now on is read for it.
    /// Nothing is done unless an implementation does it.
    ///
    /// A dataset that changes its examples at random can draw the changes from the seed, the epoch and the number of the
    /// example. Then a training that is resumed within an epoch, which begins that epoch again, reads the same examples.
    ///
    /// ```
    /// use cnn::Dataset;
    /// use cnn::data::Pass;
    /// use std::sync::Mutex;
    ///
    /// /// Numbers, to which another one is added in every epoch.
    /// struct Moving {
    ///     pass: Mutex<Pass>,
    /// }
    ///
    /// impl Dataset for Moving {
    ///     fn len(&self) -> usize {
    ///         100
    ///     }
    ///
    ///     fn input_shape(&self) -> &[usize] {
    ///         &[1]
    ///     }
    ///
    ///     fn begin(&self, pass: Pass) {
    ///         *self.pass.lock().unwrap() = pass;
    ///     }
    ///
    ///     fn read_input(&self, index: usize, out: &mut [f32]) {
    ///         out[0] = index as f32;
    ///         if let Pass::Training { epoch, .. } = *self.pass.lock().unwrap() {
    ///             out[0] += epoch as f32;
    ///         }
    ///     }
    ///
    ///     fn read_target(&self, index: usize, out: &mut [f32]) {
    ///         out[0] = index as f32;
    ///     }
    /// }
    ///
    /// let data = Moving { pass: Mutex::new(Pass::Evaluation) };
    /// let mut input = [0.0];
    /// data.begin(Pass::Training { seed: 0, epoch: 2 });
    /// data.read_input(7, &mut input);
    /// assert_eq!(input, [9.0]);
    /// ```
    fn begin(&self, pass: Pass) {
        let _ = pass;
    }

    /// Says whether the examples fit a network with these inputs and outputs. The default asks
    /// [`check`](Self::check) where there is one of each, and else compares how many there are, and the shapes of the
    /// inputs.
    ///
    /// # Errors
    ///
    /// [`Error::Parts`], [`Error::InputShape`], and what [`check`](Self::check) finds.
    fn check_all(&self, inputs: &[&[usize]], outputs: &[&[usize]]) -> Result<(), Error> {
        for (what, expected, found) in [
            ("inputs", inputs.len(), self.inputs()),
            ("targets", outputs.len(), self.targets()),
        ] {
            if expected != found {
                return Err(Error::Parts {
                    what,
                    expected,
                    found,
                });
            }
        }
        if let ([input], [output]) = (inputs, outputs) {
            return self.check(input, output);
        }
        let mut shapes = inputs.iter().enumerate();
        shapes.try_for_each(|(input, shape)| check_input(self.shape_of_input(input), shape))
    }

    /// [`check_targets`](Self::check_targets) of target number `target`.
    ///
    /// # Errors
    ///
    /// [`Error::TargetValue`] and [`Error::TargetSum`].
    fn check_target(&self, target: usize, loss: Loss, output: &[usize]) -> Result<(), Error> {
        match target {
            0 => self.check_targets(loss, output),
            _ => Ok(()),
        }
    }

    /// Says whether the examples fit a network with this `input` and `output` shape. Asked
    /// once, before anything is read. A dataset around another one asks that.
    ///
    /// # Errors
    ///
    /// [`Error::InputShape`]. Implementations that know more about their targets check those too.
    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        let _ = output;
        check_input(self.input_shape(), input)
    }

    /// Says whether all targets are such as `loss` takes, see above, for a network with this `output` shape.
    /// `fit` asks once before the first step, so that a wrong target does not end it within an epoch.
    ///
    /// Targets are checked as they are read in any case: where it takes long to look at all of them, as it
    /// does in files, there is nothing to do here, and nothing is done unless an implementation does it.
    ///
    /// # Errors
    ///
    /// [`Error::TargetValue`] and [`Error::TargetSum`].
    fn check_targets(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        let _ = (loss, output);
        Ok(())
    }

    /// Writes input number `input` of example `index` into `out`, where reading may fail, as it may in files. The default
    /// cannot, and calls [`read_input_of`](Self::read_input_of). Training, evaluation and prediction read by this method,
    /// and return the error before anything is done with the example.
    ///
    /// # Errors
    ///
    /// As an implementation says. What `out` holds then does not matter.
    fn try_read_input_of(&self, input: usize, index: usize, out: &mut [f32]) -> Result<(), Error> {
        self.read_input_of(input, index, out);
        Ok(())
    }

    /// Writes target number `target` of example `index` into `out`, where reading may fail, as
    /// [`try_read_input_of`](Self::try_read_input_of) does with an input.
    ///
    /// # Errors
    ///
    /// As an implementation says. What `out` holds then does not matter.
    fn try_read_target_of(
        &self,
        target: usize,
        index: usize,
        out: &mut [f32],
    ) -> Result<(), Error> {
        self.read_target_of(target, index, out);
        Ok(())
    }

    /// The class of example `index`, counted from 0, where its first target is a class label.
    /// [`split_stratified`](Self::split_stratified) asks for it.
    fn label_of(&self, index: usize) -> Option<usize> {
        let _ = index;
        None
    }

    /// The number by which errors name example `index`: of a subset, the number in the dataset that it is taken from.
    fn original_index(&self, index: usize) -> usize {
        index
    }

    /// Says in which order examples are going to be read, one after the other or by several threads from several places
    /// on. It is called before each pass over the data, and replaces what was said before. A dataset that reads ahead
    /// begins to do so; nothing depends on it otherwise.
    fn will_read(&self, examples: &mut dyn Iterator<Item = usize>) {
        let _ = examples;
    }

    /// The examples of these numbers, in this order. A number may come several times.
    ///
    /// This method and those below take the dataset itself or a reference to it: `(&data).select(…)` leaves `data` where it
    /// is.
    ///
    /// ```
    /// use cnn_runtime::data::{Dataset, Examples};
    /// use cnn_runtime::ndarray::array;
    ///
    /// let examples = Examples::labelled(array![[0.0], [1.0], [2.0]], [0, 1, 2])?;
    /// let without_ones = (&examples).select([0, 2])?;
    /// assert_eq!(without_ones.label_of(1), Some(2));
    /// # Ok::<(), cnn_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::ExampleIndex`] of a number that is not below [`len`](Self::len).
    fn select(self, indices: impl IntoIterator<Item = usize>) -> Result<Subset<Self>, Error>
    where
        Self: Sized,
    {
        Subset::select(self, indices)
    }

    /// All examples in a random order, which `seed` determines. Training shuffles by itself in each epoch.
    fn shuffled(self, seed: u64) -> Subset<Self>
    where
        Self: Sized,
    {
        Subset::shuffled(self, seed)
    }

    /// Two parts of the examples, chosen at random as `seed` says: `round(fraction * N)` of them, and the others.
    ///
    /// ```
    /// use cnn_runtime::data::{Dataset, Examples};
    /// use cnn_runtime::ndarray::Array2;
    ///
    /// let examples = Examples::labelled(Array2::<f32>::zeros((10, 4)), (0..10).map(|n| n % 2))?;
    /// let (training, validation) = examples.split(0.8, 42)?;
    /// assert_eq!((training.len(), validation.len()), (8, 2));
    /// # Ok::<(), cnn_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] of a fraction that is not from 0 to 1.
    fn split(&self, fraction: f64, seed: u64) -> Result<(Subset<&Self>, Subset<&Self>), Error>
    where
        Self: Sized,
    {
        let [first, second] = subset::split(self.len(), fraction, seed)?;
        Ok((Subset::list(self, first), Subset::list(self, second)))
    }

    /// [`split`](Self::split) such that each class has the same fraction of its examples in the first part: up to one
    /// example, and of all classes together as many as `split` takes.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] of a fraction that is not from 0 to 1, [`Error::Unlabelled`] where targets are no class labels.
    fn split_stratified(
        &self,
        fraction: f64,
        seed: u64,
    ) -> Result<(Subset<&Self>, Subset<&Self>), Error>
    where
        Self: Sized,
    {
        let [first, second] = subset::split_stratified(self, fraction, seed)?;
        Ok((Subset::list(self, first), Subset::list(self, second)))
    }

    /// The dataset with its first input changed by `function` each time it is read: the values of one input, last axis
    /// fastest, in place. Inputs and targets are changed apart, because they are read apart: a prediction reads no
    /// targets.
    ///
    /// ```
    /// use cnn_runtime::data::{Dataset, Examples};
    /// use cnn_runtime::ndarray::array;
    ///
    /// let examples = Examples::with_values(array![[1.0], [4.0]], array![[10.0], [1000.0]])?;
    /// let data = examples
    ///     .map_input(|input| input.iter_mut().for_each(|x| *x = x.sqrt()))
    ///     .map_target(|target| target.iter_mut().for_each(|y| *y = y.log10()));
    /// let (mut input, mut target) = ([0.0], [0.0]);
    /// data.read_input(1, &mut input);
    /// data.read_target(1, &mut target);
    /// assert_eq!((input, target), ([2.0], [3.0]));
    /// # Ok::<(), cnn_runtime::Error>(())
    /// ```
    fn map_input<F: Fn(&mut [f32]) + Sync>(self, function: F) -> MapInput<Self, F>
    where
        Self: Sized,
    {
        self.map_input_of(0, function)
    }

    /// [`map_input`](Self::map_input) of input number `input`, of several.
    fn map_input_of<F: Fn(&mut [f32]) + Sync>(self, input: usize, function: F) -> MapInput<Self, F>
    where
        Self: Sized,
    {
        MapInput::new(self, input, function)
    }

    /// The dataset with its first target changed by `function` each time it is read, in place, as the network's output
    /// has it: a class is one-hot there. Whether the loss takes the result is checked as it is read.
    fn map_target<F: Fn(&mut [f32]) + Sync>(self, function: F) -> MapTarget<Self, F>
    where
        Self: Sized,
    {
        self.map_target_of(0, function)
    }

    /// [`map_target`](Self::map_target) of target number `target`, of several.
    fn map_target_of<F: Fn(&mut [f32]) + Sync>(
        self,
        target: usize,
        function: F,
    ) -> MapTarget<Self, F>
    where
        Self: Sized,
    {
        MapTarget::new(self, target, function)
    }

    /// The dataset with its inputs read on a thread of their own, up to `examples` of them before they are needed: for
    /// datasets that take long to read one, such as files. Two or three batches are enough. The values are the same, and so
    /// is what a network learns; an input that cannot be read is an error when it is its turn.
    ///
    /// Targets are read when they are needed.
    ///
    /// ```
    /// use cnn_runtime::data::{Dataset, Examples};
    /// use cnn_runtime::ndarray::Array2;
    ///
    /// let examples = Examples::labelled(Array2::<f32>::zeros((10, 4)), (0..10).map(|n| n % 2))?;
    /// let data = examples.read_ahead(64); // in earnest: a dataset of files
    /// let (training, validation) = data.split(0.8, 42)?;
    /// # let _ = (training, validation);
    /// # Ok::<(), cnn_runtime::Error>(())
    /// ```
    fn read_ahead(self, examples: usize) -> ReadAhead<Self>
    where
        Self: Sized + Send + 'static,
    {
        ReadAhead::new(self, examples)
    }
}

/// Reads all inputs of an example into a row.
pub(crate) fn read_inputs(data: &Checked<'_>, inputs: &[Port], index: usize, row: &mut [f32]) {
    for (input, port) in inputs.iter().enumerate() {
        data.read_input_of(input, index, &mut row[port.range()]);
    }
}

/// Reads how much an example counts in the loss of each output. Whether that is 1 in all.
pub(crate) fn read_weights(data: &Checked<'_>, index: usize, weights: &mut [f32]) -> bool {
    let mut all = true;
    for (target, weight) in weights.iter_mut().enumerate() {
        *weight = data.weight_of(target, index);
        all &= *weight == 1.0;
    }
    all
}

/// Reads all targets of an example into a row.
pub(crate) fn read_targets(data: &Checked<'_>, outputs: &[Port], index: usize, row: &mut [f32]) {
    for (target, port) in outputs.iter().enumerate() {
        data.read_target_of(target, index, &mut row[port.range()]);
    }
}

/// Compares the shape of an example, `found`, with the network's input.
pub(crate) fn check_input(found: &[usize], expected: &[usize]) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::InputShape {
        expected: expected.to_vec(),
        found: found.to_vec(),
    })
}
