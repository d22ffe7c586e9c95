//! A network with its parameters: prediction, evaluation, and access to the tensors.
//!
//! Generated structs are typed shells around a [`Model`]. What is computed comes from the [`Spec`];
//! the model adds the parameters, the state of the optimizer, and buffers that are kept from one
//! call to the next. Batches are cut into chunks that the threads share; what is computed for an example does not
//! depend on the others, and sums are made in their order, so results do not depend on how many threads there are.
//!
//! A call that finds a kept buffer large enough allocates nothing.

pub(crate) mod checkpoint;
mod network;
pub(crate) mod packed;
pub(crate) mod parameters;
pub mod view;

pub use network::Network;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ndarray::{
    Array, ArrayD, ArrayView, ArrayView1, ArrayView2, ArrayView4, ArrayViewD, ArrayViewMutD,
    Dimension, IxDyn,
};

use self::parameters::Buffer;
use crate::data::{Dataset, check_input};
use crate::error::Error;
use crate::kernels::Isa;
use crate::kernels::thread_pool::for_each;
use crate::spec::{Predict, Spec, Training, aligned, split_workspace};
use crate::thread_count::{threads, worthwhile};
use crate::train::Trainer;
use crate::train::history::{History, Scores};
use crate::train::step::Step;
use crate::{loss, metric, ops};
use cnn_ir::Optimizer;

/// The most examples that one thread takes at once in `predict_batch`: enough for the products of
/// dense layers, few enough that what flows through stays in its cache. Each chunk reads all kernels of
/// dense layers: those of 784 → 512 → 512 → 10 took a tenth longer for twice 32 examples than for 64.
const CHUNK: usize = 64;

/// A network with its parameters.
///
/// A model can be used for prediction by any number of threads at once. A clone has
/// parameters and an optimizer state of its own.
pub struct Model {
    spec: &'static Spec,
    pub(crate) parameters: Buffer,
    pub(crate) state: TrainingState,
    /// Derived from the parameters; see [`Model::packed`].
    pub(crate) packed: OnceLock<Buffer>,
    scratch: BufferPool<Buffer>,
}

/// How far a model has been trained: what outlives one call of `fit`.
#[derive(Clone, Default)]
pub(crate) struct TrainingState {
    /// Epochs begun so far; the order of the examples depends on it.
    pub(crate) epochs: u64,
    /// Steps so far; what dropout drops depends on it.
    pub(crate) steps: u64,
    /// The optimizer as the last call left it.
    pub(crate) optimizer: Option<OptimizerState>,
}

/// An optimizer between two updates.
#[derive(Clone)]
pub(crate) struct OptimizerState {
    pub(crate) optimizer: Optimizer,
    /// Updates so far.
    pub(crate) iteration: u64,
    /// What the optimizer remembers, each slot laid out as the parameters.
    pub(crate) slots: Vec<Buffer>,
}

impl Model {
    /// An untrained model; `seed` decides its initial parameters.
    pub fn new(spec: &'static Spec, seed: u64) -> Self {
        Self::from_parameters(spec, parameters::initialize(spec, seed))
    }

    /// Reads a model from a file that [`save`](Self::save) wrote.
    ///
    /// The file must hold exactly the network's tensors, of type `F32` and the right shapes. Values
    /// that are infinite or not a number are read as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Checkpoint`].
    pub fn load(spec: &'static Spec, path: impl AsRef<Path>) -> Result<Self, Error> {
        let parameters = checkpoint::load(spec, path.as_ref())?;
        Ok(Self::from_parameters(spec, parameters))
    }

    /// Reads a model from the bytes of a file that [`save`](Self::save) wrote, as `include_bytes!`
    /// gives them.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`].
    pub fn from_bytes(spec: &'static Spec, bytes: &[u8]) -> Result<Self, Error> {
        match checkpoint::decode(spec, bytes) {
            Ok(parameters) => Ok(Self::from_parameters(spec, parameters)),
            Err(source) => Err(Error::Checkpoint { path: None, source }),
        }
    }

    fn from_parameters(spec: &'static Spec, parameters: Buffer) -> Self {
        Self {
            spec,
            parameters,
            state: TrainingState::default(),
            packed: OnceLock::new(),
            scratch: BufferPool::default(),
        }
    }

    /// Writes the parameters to `path` in the safetensors format, under the tensors' names.
    ///
    /// The file appears whole or not at all, even if the process or the machine stops: until then a
    /// file that was there before stays as it was. The state of the optimizer is not saved.
    ///
    /// On success the file's bytes are on the disk, and `path` names them. Where the folder cannot
    /// be synced, a machine that stops soon after may forget the new name; `path` is then the file
    /// of before.
    ///
    /// A new file takes the place of the old one:
    ///
    /// - If `path` is a symbolic link, the file that it leads to is replaced. If `path` is one of
    ///   several hard links, the others keep the old contents.
    /// - The file keeps its permissions, and its owner and group where the system allows it.
    ///   Otherwise fewer users have access than before, never others. Extended attributes are not
    ///   kept, and of an access control list only its mask, as the permissions of the group.
    /// - Threads and processes may save to one file at the same time: the last one to finish wins.
    /// - While it works, a call has a temporary file `.cnn-….tmp` in the file's folder. If the
    ///   process is killed, the next call for the same file removes what it left; on Unix only.
    ///
    /// Two kinds of files are *overwritten in place* instead, because they cannot be replaced: one
    /// in a folder that this user may not write to, and one that is a mount point of its own or
    /// belongs to another user in a folder like `/tmp`. Then the file is not whole while it is
    /// written, nor after an error. Calls that overwrite the same file wait for each other.
    ///
    /// # Errors
    ///
    /// [`Error::NotAFile`] for a folder, a device, a pipe or a socket; [`Error::ReadOnly`] for a file
    /// that is read-only, whoever asks; [`Error::Io`] for everything else. A file that was there
    /// before is then untouched, unless it is one of those that are overwritten in place.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        checkpoint::save(self.spec, &self.parameters, path.as_ref())
    }

    /// The network.
    pub fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// All parameters, in the order of the network's tensors.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// All parameters, in the order of the network's tensors.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        self.changed()
    }

    /// Every tensor of parameters with its name, in order.
    pub fn tensors(&self) -> impl Iterator<Item = (&'static str, ArrayViewD<'_, f32>)> {
        self.spec
            .parameters
            .iter()
            .enumerate()
            .map(|(index, parameter)| {
                let values = self.tensor_slice(index);
                let view = ArrayViewD::from_shape(parameter.shape, values);
                (
                    parameter.name,
                    view.expect("the slice has the shape's size"),
                )
            })
    }

    /// Every tensor of parameters with its name, in order, to be written to.
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = (&'static str, ArrayViewMutD<'_, f32>)> {
        let spec = self.spec;
        let mut rest = self.changed();
        spec.parameters.iter().map(move |parameter| {
            let (values, behind) = std::mem::take(&mut rest).split_at_mut(parameter.len());
            rest = behind;
            let view = ArrayViewMutD::from_shape(parameter.shape, values);
            (
                parameter.name,
                view.expect("the slice has the shape's size"),
            )
        })
    }

    /// The tensor called `name`, as `conv2d_1.kernel`.
    pub fn tensor(&self, name: &str) -> Option<ArrayViewD<'_, f32>> {
        let mut tensors = self.tensors();
        tensors
            .find(|(other, _)| *other == name)
            .map(|(_, view)| view)
    }

    /// The tensor called `name`, to be written to.
    pub fn tensor_mut(&mut self, name: &str) -> Option<ArrayViewMutD<'_, f32>> {
        let mut tensors = self.tensors_mut();
        tensors
            .find(|(other, _)| *other == name)
            .map(|(_, view)| view)
    }

    /// Tensor `index` of the specification, which has one axis: a bias.
    ///
    /// # Panics
    ///
    /// When there is no such tensor, or it has another number of axes.
    #[doc(hidden)]
    pub fn array1(&self, index: usize) -> ArrayView1<'_, f32> {
        self.array(index)
    }

    /// Tensor `index` of the specification, which has two axes: the kernel of a dense layer, inputs
    /// x units.
    ///
    /// # Panics
    ///
    /// When there is no such tensor, or it has another number of axes.
    #[doc(hidden)]
    pub fn array2(&self, index: usize) -> ArrayView2<'_, f32> {
        self.array(index)
    }

    /// Tensor `index` of the specification, which has four axes: the kernel of a convolution, HWIO.
    ///
    /// # Panics
    ///
    /// When there is no such tensor, or it has another number of axes.
    #[doc(hidden)]
    pub fn array4(&self, index: usize) -> ArrayView4<'_, f32> {
        self.array(index)
    }

    fn array<D: Dimension>(&self, index: usize) -> ndarray::ArrayView<'_, f32, D> {
        let shape = self.spec.parameters[index].shape;
        ArrayViewD::from_shape(shape, self.tensor_slice(index))
            .expect("the slice has the shape's size")
            .into_dimensionality()
            .expect("the caller knows the number of axes")
    }

    fn tensor_slice(&self, index: usize) -> &[f32] {
        &self.parameters[self.spec.parameters[index].range()]
    }

    /// The network's output for one example. The workspace is kept for the next call.
    ///
    /// # Panics
    ///
    /// When `input` or `output` is not as long as the network's.
    pub fn predict(&self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), size(self.spec.input), "floats of one input");
        assert_eq!(output.len(), size(self.spec.output), "floats of one output");
        self.forward_chunk(1, input, output);
    }

    /// The network's outputs for a batch of examples, `[N, …]` to `[N, …]`; `N` may be 0.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`] and [`Error::InputShape`].
    ///
    /// # Panics
    ///
    /// When `O` has another number of axes than the network's output and the batch axis.
    pub fn predict_batch<I: Dimension, O: Dimension>(
        &self,
        inputs: ArrayView<'_, f32, I>,
    ) -> Result<Array<f32, O>, Error> {
        let outputs = self.predict_dyn(inputs.into_dyn())?;
        Ok(outputs
            .into_dimensionality()
            .expect("the caller knows the number of axes"))
    }

    fn predict_dyn(&self, inputs: ArrayViewD<'_, f32>) -> Result<ArrayD<f32>, Error> {
        let [count, shape @ ..] = inputs.shape() else {
            return Err(Error::Scalar);
        };
        check_input(shape, self.spec.input)?;
        let count = *count;
        let inputs = inputs.as_standard_layout();
        let inputs = inputs.as_slice().expect("standard layout is contiguous");

        let shape: Vec<usize> = [&[count], self.spec.output].concat();
        let mut outputs = ArrayD::zeros(IxDyn(&shape));
        let flat = outputs.as_slice_mut().expect("new arrays are contiguous");

        let flops: u64 = self.spec.layers.iter().map(|layer| layer.flops).sum();
        let threads = worthwhile(threads(), count as u64 * flops);
        let chunk = count.div_ceil(threads).clamp(1, CHUNK);
        let mut chunks: Vec<_> = inputs
            .chunks(chunk * size(self.spec.input))
            .zip(flat.chunks_mut(chunk * size(self.spec.output)))
            .collect();
        for_each(threads, &mut chunks, |_, (input, output)| {
            self.forward_chunk(input.len() / size(self.spec.input), input, output);
        });
        Ok(outputs)
    }

    /// The mean loss and metrics over `data`.
    ///
    /// # Errors
    ///
    /// [`Error::NotTrainable`] without a `train` block, [`Error::EmptyDataset`], and what
    /// [`Dataset::check`] finds.
    pub fn evaluate(&self, data: &dyn Dataset) -> Result<Scores, Error> {
        let network = self.spec.name;
        let training = self.spec.training.as_ref();
        let training = training.ok_or(Error::NotTrainable { network })?;
        check_data(self.spec, data)?;
        Ok(self.evaluate_checked(training, data, threads()))
    }

    /// [`evaluate`](Self::evaluate) of data that [`check_data`] has accepted.
    pub(crate) fn evaluate_checked(
        &self,
        training: &Training,
        data: &dyn Dataset,
        threads: usize,
    ) -> Scores {
        let (inputs, units) = (size(self.spec.input), size(self.spec.output));
        let columns = 1 + training.metrics.len();
        let isa = Isa::detect();
        let mut sums = vec![0.0; data.len().div_ceil(CHUNK) * columns];
        let mut chunks: Vec<&mut [f64]> = sums.chunks_mut(columns).collect();
        for_each(threads, &mut chunks, |index, sums| {
            let first = index * CHUNK;
            let examples = CHUNK.min(data.len() - first);
            let lengths = [
                examples * inputs,
                examples * units,
                examples * units,
                examples,
            ];
            let slots: usize = lengths.iter().map(|&length| aligned(length)).sum();
            let mut buffer = self.scratch.take();
            buffer.reserve(slots + self.spec.workspace.floats(examples));
            let ([input, target, output, losses], workspace) =
                split_workspace(&mut buffer, lengths);
            for (offset, input) in input.chunks_exact_mut(inputs).enumerate() {
                data.read_input(first + offset, input);
            }
            for (offset, target) in target.chunks_exact_mut(units).enumerate() {
                data.read_target(first + offset, target);
            }
            self.forward(examples, input, output, workspace);
            loss::forward(training.loss, isa, units, output, target, losses);
            sums[0] = losses.iter().map(|loss| f64::from(*loss)).sum();
            for (sum, metric) in sums[1..].iter_mut().zip(training.metrics) {
                *sum = metric::sum(*metric, training.loss, units, output, target);
            }
            self.scratch.give_back(buffer);
        });

        let mut totals = vec![0.0; columns];
        for chunk in chunks {
            for (total, sum) in totals.iter_mut().zip(chunk) {
                *total += *sum;
            }
        }
        Scores::mean(training.metrics, &totals, data.len())
    }

    /// The mean loss over `data` as one batch, and its gradients in the order of the parameters. Dropout
    /// drops what `seed` says.
    ///
    /// # Errors
    ///
    /// [`Error::NotTrainable`] without a `train` block, [`Error::EmptyDataset`], and what
    /// [`Dataset::check`] finds.
    pub fn gradients(&self, data: &dyn Dataset, seed: u64) -> Result<(f64, Vec<f32>), Error> {
        let network = self.spec.name;
        let training = self.spec.training.as_ref();
        let training = training.ok_or(Error::NotTrainable { network })?;
        check_data(self.spec, data)?;
        let batch: Vec<usize> = (0..data.len()).collect();
        let mut step = Step::new(
            self.spec,
            training,
            &self.parameters,
            batch.len(),
            threads(),
        );
        let sums = step.forward_backward(&self.parameters, data, &batch, seed);
        let loss = sums[0] / batch.len() as f64;
        Ok((loss, step.gradients(batch.len())))
    }

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

    /// The weights in the forms that inference wants, made when they are first asked for after
    /// a change.
    fn packed(&self) -> &[f32] {
        self.packed.get_or_init(|| {
            packed::prepare(self.spec, self.spec.packed, Isa::detect(), &self.parameters)
        })
    }

    /// All parameters, for those who change them: what was derived from them is forgotten.
    fn changed(&mut self) -> &mut [f32] {
        self.packed = OnceLock::new();
        &mut self.parameters
    }

    fn forward(&self, examples: usize, input: &[f32], output: &mut [f32], workspace: &mut [f32]) {
        (self.spec.forward)(Predict {
            isa: Isa::detect(),
            examples,
            parameters: &self.parameters,
            packed: self.packed(),
            input,
            output,
            workspace,
        });
    }

    /// The network's outputs for a few examples, in a workspace that is kept for the next call.
    fn forward_chunk(&self, examples: usize, input: &[f32], output: &mut [f32]) {
        let floats = self.spec.workspace.floats(examples);
        let mut workspace = self.scratch.take();
        workspace.reserve(floats);
        self.forward(examples, input, output, &mut workspace[..floats]);
        let units = self.spec.output.last().copied().unwrap_or(1);
        let activation = self.spec.output_activation;
        ops::activation::forward(activation, Isa::detect(), units, output);
        self.scratch.give_back(workspace);
    }
}

/// The number of values of a shape.
pub(crate) fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Whether `data` holds examples that fit the network.
pub(crate) fn check_data(spec: &Spec, data: &dyn Dataset) -> Result<(), Error> {
    if data.is_empty() {
        return Err(Error::EmptyDataset);
    }
    data.check(spec.input, spec.output)
}

impl Clone for Model {
    fn clone(&self) -> Self {
        Self {
            spec: self.spec,
            parameters: self.parameters.clone(),
            state: self.state.clone(),
            packed: OnceLock::new(),
            scratch: BufferPool::default(),
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("network", &self.spec.name)
            .field("parameters", &self.parameters.len())
            .finish_non_exhaustive()
    }
}

/// What calls work with, while none is using it: so a call seldom has to allocate.
#[derive(Default)]
pub(crate) struct BufferPool<T>(Mutex<Vec<T>>);

impl<T: Default> BufferPool<T> {
    /// One that was given back, or a new one.
    pub(crate) fn take(&self) -> T {
        self.lock().pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, value: T) {
        self.lock().push(value);
    }

    /// All that have been given back.
    pub(crate) fn idle(&mut self) -> &mut [T] {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// No user code runs while the lock is held, so the list is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
