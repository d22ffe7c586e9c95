//! Parameters in files of the safetensors format.
//!
//! ```text
//! length of the header     u64, little endian
//! header                   JSON: metadata, and type, shape and place of each tensor
//! tensors                  f32, little endian, in the order of the network
//! ```
//!
//! The header is written here, because the crate's own writer holds a second copy of all tensors
//! and orders the metadata by chance; so the same parameters give the same file. Files are read and
//! validated by the crate, and then compared with the network, tensor by tensor, before a model
//! comes to be.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::error::{Error, Shape};
use crate::file;
use crate::model::parameters::Buffer;
use crate::spec::{FILE_VERSION, Spec};

/// Bytes that a header may take beside what the network's own needs.
const HEADER_ALLOWANCE: u64 = 1 << 20;

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
    /// The network has a tensor that the file lacks.
    Missing {
        /// The tensor.
        name: &'static str,
    },
    /// The file has a tensor that the network lacks.
    Unexpected {
        /// The tensor.
        name: String,
    },
    /// A tensor's elements are not `F32`.
    ElementType {
        /// The tensor.
        name: &'static str,
        /// The type that was found, as safetensors calls it.
        found: String,
    },
    /// A tensor has another shape than the network's.
    TensorShape {
        /// The tensor.
        name: &'static str,
        /// The network's shape.
        expected: Vec<usize>,
        /// The file's.
        found: Vec<usize>,
    },
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

/// Writes `parameters` to the file `path`.
pub(crate) fn save(spec: &Spec, parameters: &[f32], path: &Path) -> Result<(), Error> {
    file::replace(path, |writer| encode(spec, parameters, writer))
}

/// Writes the file's bytes.
fn encode(spec: &Spec, parameters: &[f32], writer: &mut dyn Write) -> io::Result<()> {
    let header = header(spec);
    writer.write_all(&(header.len() as u64).to_le_bytes())?;
    writer.write_all(header.as_bytes())?;
    for value in parameters {
        writer.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}

/// The header: a pure function of the network.
///
/// Names are identifiers and dots, which JSON takes as they are; `{:?}` quotes them.
fn header(spec: &Spec) -> String {
    let mut json = format!(
        r#"{{"__metadata__":{{"format":"cnn","network":{:?},"cnn_version":"{FILE_VERSION}"}}"#,
        spec.name
    );
    for parameter in spec.parameters {
        let range = parameter.range();
        let bytes = [range.start, range.end].map(|place| place * size_of::<f32>());
        write!(
            json,
            r#",{:?}:{{"dtype":"F32","shape":{:?},"data_offsets":{bytes:?}}}"#,
            parameter.name, parameter.shape
        )
        .expect("writing to a string does not fail");
    }
    json.push('}');
    // The tensors shall begin at a multiple of 8 bytes.
    let padded = json.len().next_multiple_of(8);
    json.extend(std::iter::repeat_n(' ', padded - json.len()));
    json
}

/// Reads the parameters of a network from the file `path`.
pub(crate) fn load(spec: &Spec, path: &Path) -> Result<Buffer, Error> {
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    // Also room for one of twice the width, so that a wrong type is called by its name.
    let limit =
        (spec.parameter_count * size_of::<f64>() + header(spec).len()) as u64 + HEADER_ALLOWANCE;
    let file = File::open(path).map_err(io_error)?;
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    let checked = if read.map_err(io_error)? as u64 > limit {
        Err(CheckpointError::TooLarge { limit })
    } else {
        decode(spec, &bytes)
    };
    checked.map_err(|source| Error::Checkpoint {
        path: Some(path.to_path_buf()),
        source,
    })
}

/// Reads the parameters of a network from the bytes of a file.
pub(crate) fn decode(spec: &Spec, bytes: &[u8]) -> Result<Buffer, CheckpointError> {
    let file = SafeTensors::deserialize(bytes).map_err(CheckpointError::Format)?;
    check_version(bytes)?;
    let mut parameters = Buffer::zeros(spec.parameter_count);
    for parameter in spec.parameters {
        let name = parameter.name;
        let tensor = file
            .tensor(name)
            .map_err(|_| CheckpointError::Missing { name })?;
        if tensor.dtype() != Dtype::F32 {
            return Err(CheckpointError::ElementType {
                name,
                found: tensor.dtype().to_string(),
            });
        }
        if tensor.shape() != parameter.shape {
            return Err(CheckpointError::TensorShape {
                name,
                expected: parameter.shape.to_vec(),
                found: tensor.shape().to_vec(),
            });
        }
        copy_tensor(tensor.data(), &mut parameters[parameter.range()]);
    }
    let known = |name: &&str| spec.parameters.iter().any(|p| p.name == *name);
    // The least one, because the crate lists names by chance.
    match file.names().into_iter().filter(|name| !known(name)).min() {
        None => Ok(parameters),
        Some(name) => Err(CheckpointError::Unexpected { name: name.into() }),
    }
}

/// Copies the bytes of a tensor of `F32` into as many floats.
pub(crate) fn copy_tensor(bytes: &[u8], floats: &mut [f32]) {
    let (words, _) = bytes.as_chunks::<{ size_of::<f32>() }>();
    for (value, word) in floats.iter_mut().zip(words) {
        *value = f32::from_le_bytes(*word);
    }
}

/// Files of other programs say nothing of a version; their tensors are compared all the same.
pub(crate) fn check_version(bytes: &[u8]) -> Result<(), CheckpointError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(CheckpointError::Format)?;
    let metadata = metadata.metadata().as_ref();
    match metadata.and_then(|entries| entries.get("cnn_version")) {
        Some(found) if found != FILE_VERSION => Err(CheckpointError::Version {
            expected: FILE_VERSION,
            found: found.clone(),
        }),
        _ => Ok(()),
    }
}
