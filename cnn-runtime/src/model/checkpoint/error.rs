//! What may be wrong with a checkpoint.

use std::fmt;
use std::path::Path;

use safetensors::SafeTensorError;

use crate::error::{Error, Shape};

/// What is wrong with a checkpoint.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file is larger than one of this network can be; it was not read.
    TooLarge {
        /// The most bytes that are read.
        limit: u64,
    },
    /// The file is not in the safetensors format, or is damaged.
    Format(SafeTensorError),
    /// The file was written by a later version of this crate.
    Version {
        /// The version that this crate writes.
        expected: &'static str,
        /// The version of the file.
        found: String,
    },
    /// The file has two tensors of one name.
    Duplicate {
        /// The name.
        name: String,
    },
    /// The network has a tensor that the file lacks.
    Missing {
        /// The tensor.
        name: String,
    },
    /// The file has a tensor that the network lacks.
    Unexpected {
        /// The tensor.
        name: String,
    },
    /// A tensor's elements are not `F32`.
    ElementType {
        /// The tensor.
        name: String,
        /// The type that was found, as safetensors calls it.
        found: String,
    },
    /// A tensor has another shape than the network's.
    TensorShape {
        /// The tensor.
        name: String,
        /// The network's shape.
        expected: Vec<usize>,
        /// The file's.
        found: Vec<usize>,
    },
    /// Training shall be resumed from a file that holds only weights.
    NoTraining,
    /// The state of training in the file is damaged.
    Record {
        /// What is wrong, in words.
        reason: String,
    },
    /// Training shall be resumed with a network that has another layer at a place.
    Layer {
        /// The place, from 0 for the layer after the inputs.
        place: usize,
        /// The layer of the network: its name, its keyword, its output.
        expected: String,
        /// The file's.
        found: String,
    },
    /// Training shall be resumed with a setting that does not go together with the state in the file.
    Setting {
        /// The setting of the trainer.
        name: &'static str,
        /// The file's.
        expected: String,
        /// That of the trainer.
        found: String,
    },
}

impl CheckpointError {
    /// The error of a file.
    pub(crate) fn in_file(self, path: &Path) -> Error {
        Error::Checkpoint {
            path: Some(path.to_path_buf()),
            source: self,
        }
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::TooLarge { limit } => write!(
                f,
                "the file is larger than the {limit} bytes that the network's tensors can take"
            ),
            CheckpointError::Format(source) => write!(f, "not a safetensors file: {source}"),
            CheckpointError::Version { expected, found } => write!(
                f,
                "the file has version {found}, but only {expected} can be read"
            ),
            CheckpointError::Duplicate { name } => {
                write!(f, "the file has two tensors `{name}`")
            }
            CheckpointError::Missing { name } => write!(f, "the tensor `{name}` is missing"),
            CheckpointError::Unexpected { name } => {
                write!(f, "the network has no tensor `{name}`")
            }
            CheckpointError::ElementType { name, found } => {
                write!(f, "the tensor `{name}` is {found}, but must be F32")
            }
            CheckpointError::TensorShape {
                name,
                expected,
                found,
            } => write!(
                f,
                "the tensor `{name}` is {}, but must be {}",
                Shape(found),
                Shape(expected)
            ),
            CheckpointError::NoTraining => {
                f.write_str("the file holds weights, but no state of training to resume")
            }
            CheckpointError::Record { reason } => {
                write!(f, "the state of training in the file is damaged: {reason}")
            }
            CheckpointError::Layer {
                place,
                expected,
                found,
            } => write!(
                f,
                "layer {place} of the network that was trained was {found}, but now is {expected}"
            ),
            CheckpointError::Setting {
                name,
                expected,
                found,
            } => write!(
                f,
                "training began with the {name} {expected}, but shall be resumed with {found}"
            ),
        }
    }
}

impl std::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CheckpointError::Format(source) => Some(source),
            _ => None,
        }
    }
}
