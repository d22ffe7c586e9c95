//! Parameters in files of the safetensors format.
//!
//! ```text
//! length of the header     u64, little endian
//! header                   JSON: metadata, and type, shape and place of each tensor
//! tensors                  f32, little endian, in the order of the network
//! ```
//!
//! A file that training writes to be resumed has more tensors, whose names begin with [`TRAINING`], and a record in its
//! metadata; `train::checkpoint` makes and reads them.
//!
//! The header is written here, because the crate's own writer holds a second copy of all tensors
//! and orders the metadata by chance; so the same parameters give the same file. Files are read and
//! validated by the crate, and then compared with the network, tensor by tensor, before a model
//! comes to be.

mod error;

pub use error::CheckpointError;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::error::Error;
use crate::file;
use crate::model::parameters::Buffer;
use crate::optimizer::MAX_SLOTS;
use crate::spec::{FILE_VERSION, Spec};
use cnn_ir::tensor::TRAINING;

/// Bytes that a header may take beside what the network's own needs.
const HEADER_ALLOWANCE: u64 = 1 << 20;

/// Bytes that the record of a training may take: each epoch has a few hundred.
const RECORD_ALLOWANCE: u64 = 1 << 24;

/// The entry of the metadata that holds the record of a training.
pub(crate) const RECORD: &str = "cnn_training";

/// The record stands this close to the beginning of a file that has one: behind the other metadata.
const BEFORE_RECORD: usize = 1 << 16;

/// Writes `parameters` to the file `path`.
pub(crate) fn save(spec: &Spec, parameters: &[f32], path: &Path) -> Result<(), Error> {
    let tensors = Named::all(spec, "", parameters);
    file::replace(path, |writer| encode(spec, &[], &tensors, writer))
}

/// A tensor to be written.
pub(crate) struct Named<'a> {
    name: String,
    shape: &'static [usize],
    values: &'a [f32],
}

impl<'a> Named<'a> {
    /// The tensors of a network that `values` holds in the order of its parameters, with `prefix` before their names.
    pub(crate) fn all(spec: &Spec, prefix: &str, values: &'a [f32]) -> Vec<Self> {
        let tensors = spec.parameters.iter().map(|parameter| Self {
            name: format!("{prefix}{}", parameter.name),
            shape: parameter.shape,
            values: &values[parameter.range()],
        });
        tensors.collect()
    }
}

/// Writes the bytes of a file with these tensors; `metadata` is what it says beside its format.
pub(crate) fn encode(
    spec: &Spec,
    metadata: &[(&str, &str)],
    tensors: &[Named<'_>],
    writer: &mut dyn Write,
) -> io::Result<()> {
    let header = header(spec, metadata, tensors);
    writer.write_all(&(header.len() as u64).to_le_bytes())?;
    writer.write_all(header.as_bytes())?;
    for value in tensors.iter().flat_map(|tensor| tensor.values) {
        writer.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}

/// The header: a pure function of the network and the metadata.
///
/// Names of tensors are identifiers, dots and slashes, which JSON takes as they are; `{:?}` quotes them.
fn header(spec: &Spec, metadata: &[(&str, &str)], tensors: &[Named<'_>]) -> String {
    let mut json = format!(
        r#"{{"__metadata__":{{"format":"cnn","network":{:?},"cnn_version":"{FILE_VERSION}""#,
        spec.name
    );
    for (name, value) in metadata {
        let value = serde_json::Value::from(*value);
        write!(json, ",{name:?}:{value}").expect(TO_A_STRING);
    }
    json.push('}');
    let mut end = 0;
    for Named {
        name,
        shape,
        values,
    } in tensors
    {
        let start = end;
        end += size_of_val(*values);
        write!(
            json,
            r#",{name:?}:{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start}, {end}]}}"#
        )
        .expect(TO_A_STRING);
    }
    json.push('}');
    // The tensors shall begin at a multiple of 8 bytes.
    let padded = json.len().next_multiple_of(8);
    json.extend(std::iter::repeat_n(' ', padded - json.len()));
    json
}

const TO_A_STRING: &str = "writing to a string does not fail";

/// The largest file with so many values for each parameter: with room for twice their width, so that a wrong type is
/// called by its name.
fn limit(spec: &Spec, values: usize) -> u64 {
    /// What a header says of a tensor beside its name, at most.
    const ROW: usize = 256;
    let rows: usize = spec.parameters.iter().map(|p| p.name.len() + ROW).sum();
    (values * (spec.parameter_count * size_of::<f64>() + rows)) as u64 + HEADER_ALLOWANCE
}

/// Reads the bytes of the file `path`, unless it is larger than one of the network can be. One that says to hold the
/// state of a training may be larger than one of weights alone.
pub(crate) fn read(spec: &Spec, path: &Path) -> Result<Vec<u8>, Error> {
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    // The parameters, the weights whose average they are, the best ones, and what the optimizer remembers.
    const MOST_VALUES: usize = 3 + MAX_SLOTS;
    let mut limit = limit(spec, 1);
    let mut file = File::open(path).map_err(io_error)?;
    let mut bytes = Vec::new();
    let mut read_to = |limit: u64, bytes: &mut Vec<u8>| {
        let rest = limit + 1 - bytes.len() as u64;
        (&mut file).take(rest).read_to_end(bytes).map_err(io_error)
    };
    read_to(limit, &mut bytes)?;
    if bytes.len() as u64 > limit && has_record(&bytes) {
        limit = self::limit(spec, MOST_VALUES) + RECORD_ALLOWANCE;
        read_to(limit, &mut bytes)?;
    }
    match bytes.len() as u64 > limit {
        true => Err(CheckpointError::TooLarge { limit }.in_file(path)),
        false => Ok(bytes),
    }
}

/// Whether the beginning of a file says that it holds the state of a training.
fn has_record(bytes: &[u8]) -> bool {
    let name = RECORD.as_bytes();
    let beginning = &bytes[..bytes.len().min(BEFORE_RECORD)];
    beginning.windows(name.len()).any(|window| window == name)
}

/// Reads the parameters of a network from the file `path`.
pub(crate) fn load(spec: &Spec, path: &Path) -> Result<Buffer, Error> {
    decode(spec, &read(spec, path)?).map_err(|source| source.in_file(path))
}

/// Reads the parameters of a network from the bytes of a file, also of one that holds the state of training.
pub(crate) fn decode(spec: &Spec, bytes: &[u8]) -> Result<Buffer, CheckpointError> {
    let file = SafeTensors::deserialize(bytes).map_err(CheckpointError::Format)?;
    check_version(bytes)?;
    let parameters = tensors(spec, &file, "")?;
    let known =
        |name: &&str| name.starts_with(TRAINING) || spec.parameters.iter().any(|p| p.name == *name);
    // The least one, because the crate lists names by chance.
    match file.names().into_iter().filter(|name| !known(name)).min() {
        None => Ok(parameters),
        Some(name) => Err(CheckpointError::Unexpected { name: name.into() }),
    }
}

/// The tensors of a network that a file has under their names with `prefix` before them.
pub(crate) fn tensors(
    spec: &Spec,
    file: &SafeTensors<'_>,
    prefix: &str,
) -> Result<Buffer, CheckpointError> {
    let mut values = Buffer::zeros(spec.parameter_count);
    for parameter in spec.parameters {
        let name = format!("{prefix}{}", parameter.name);
        let Ok(tensor) = file.tensor(&name) else {
            return Err(CheckpointError::Missing { name });
        };
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
        copy_tensor(tensor.data(), &mut values[parameter.range()]);
    }
    Ok(values)
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
