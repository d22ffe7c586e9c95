//! A network with its parameters: prediction, evaluation, files, and access to the tensors.
//!
//! Generated structs are typed shells around a [`Model`]. What is computed comes from the [`Spec`]; the model adds the
//! parameters, and buffers that are kept from one call to the next.
//!
//! ```text
//! parameters ──▶ tensors, views
//!      │    ╰──▶ checkpoint
//!      ▼
//!   packed ──▶ prediction, evaluation ──▶ scores, confusion
//! ```
//!
//! A model carries the state of its training, but what is in there only [`train`](crate::train) knows. Training reads
//! [`Model::parameters`] and [`Model::training`], and changes them together through [`Model::trained`].

pub(crate) mod buffer_pool;
pub(crate) mod checkpoint;
mod confusion;
pub(crate) mod evaluation;
mod initialize;
mod matching;
pub(crate) mod names;
mod network;
pub(crate) mod packed;
pub(crate) mod parameters;
mod parts;
mod prediction;
pub(crate) mod scores;
mod tensors;
pub mod view;

pub use confusion::ConfusionMatrix;
pub use matching::{OtherShape, Report};
pub use network::{AsModel, Network, Trainable};
pub use scores::Scores;

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use self::buffer_pool::BufferPool;
use self::parameters::Buffer;
use crate::error::Error;
use crate::spec::Spec;
use crate::train::state::TrainingState;

/// A network with its parameters.
///
/// A model can be used for prediction by any number of threads at once. A clone has
/// parameters and a state of training of its own.
///
/// The structs of `network!` are shells around a model, whose methods know the shapes. Code for any network takes
/// the model, or is generic over [`Network`]:
///
/// ```
/// use cnn::{Model, Network};
///
/// /// How large the parameters of a network are, by tensor.
/// fn norms(model: &Model) -> Vec<(&'static str, f32)> {
///     let norm = |values: cnn::ndarray::ArrayViewD<'_, f32>| values.iter().map(|w| w * w).sum::<f32>().sqrt();
///     model.tensors().map(|(name, values)| (name, norm(values))).collect()
/// }
///
/// cnn::network! {
///     network Sum { input(3); dense(1); train { loss = mse; } }
/// }
///
/// let net = Sum::new(0);
/// let norms = norms(net.model());
/// assert_eq!(norms[1], ("dense_1.bias", 0.0));
///
/// // The same without the struct: shapes are checked when it runs.
/// let model = Model::new(Sum::spec(), 0);
/// let mut output = [0.0];
/// model.predict(&[1.0, 2.0, 3.0], &mut output);
/// assert_eq!(output, net.predict(&[1.0, 2.0, 3.0]));
/// ```
pub struct Model {
    spec: &'static Spec,
    parameters: Buffer,
    training: TrainingState,
    /// The weights in the forms that inference wants, once they have been asked for: of the network, then of each
    /// exposed value.
    packed: Box<[OnceLock<Buffer>]>,
    /// Workspaces of predictions.
    buffers: BufferPool<Buffer>,
}

impl Model {
    /// An untrained model; `seed` decides its initial parameters.
    pub fn new(spec: &'static Spec, seed: u64) -> Self {
        Self::from_parameters(spec, initialize::initialize(spec, seed))
    }

    /// Reads a model from a file that [`save`](Self::save) wrote.
    ///
    /// The file must hold exactly the network's tensors, of type `F32` and the right shapes. Values
    /// that are infinite or not a number are read as they are, as Keras does it: predictions become NaN, and a step of
    /// training whose loss does is refused with an error that names the tensor.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::NotAFile`] or [`Error::Checkpoint`].
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

    /// A model with a copy of these parameters, in the order of the network's tensors. For generated code.
    ///
    /// # Panics
    ///
    /// When there are more or fewer.
    #[doc(hidden)]
    pub fn from_slice(spec: &'static Spec, parameters: &[f32]) -> Self {
        let mut copy = Buffer::zeros(spec.parameter_count);
        copy.copy_from_slice(parameters);
        Self::from_parameters(spec, copy)
    }

    fn from_parameters(spec: &'static Spec, parameters: Buffer) -> Self {
        Self {
            spec,
            parameters,
            training: TrainingState::default(),
            packed: unpacked(spec),
            buffers: BufferPool::default(),
        }
    }

    /// Writes the parameters to `path` in the safetensors format, under the tensors' names.
    ///
    /// The file appears whole or not at all, even if the machine stops: until then a file that was
    /// there before stays as it was. The state of the optimizer is not saved.
    ///
    /// On success the file's bytes are on the disk, and `path` names them. Where the folder cannot
    /// be synced, a machine that stops soon after may forget the new name; `path` is then the file
    /// of before.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; a file that was there before is then untouched.
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
    ///
    /// If they are a moving average of the weights ([`Optimizer::ema_momentum`](cnn_ir::Optimizer::ema_momentum)),
    /// training goes on from what they are then, and a new average begins.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        self.forget_average();
        self.trained().0
    }

    /// Whatever the parameters are, training goes on from them.
    pub(crate) fn forget_average(&mut self) {
        self.training.average = None;
    }

    /// How far the model has been trained.
    pub(crate) fn training(&self) -> &TrainingState {
        &self.training
    }

    /// The parameters and the state of training, to be changed. What was derived from the parameters is forgotten.
    pub(crate) fn trained(&mut self) -> (&mut Buffer, &mut TrainingState) {
        for packed in &mut self.packed {
            packed.take();
        }
        (&mut self.parameters, &mut self.training)
    }
}

/// Places for the weights of a network and of its exposed values.
fn unpacked(spec: &Spec) -> Box<[OnceLock<Buffer>]> {
    (0..=spec.exposed.len()).map(|_| OnceLock::new()).collect()
}

/// The number of values of a shape.
pub(crate) fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

impl Clone for Model {
    fn clone(&self) -> Self {
        Self {
            spec: self.spec,
            parameters: self.parameters.clone(),
            training: self.training.clone(),
            packed: unpacked(self.spec),
            buffers: BufferPool::default(),
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
