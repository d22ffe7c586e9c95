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
//! and orders the metadata by chance; so the same parameters give the same file. What is read is no larger than a file
//! of the network can be; its [`header`] is validated, and then compared with the network, tensor by tensor, before a
//! model comes to be.

mod error;
pub(crate) mod header;

pub use error::CheckpointError;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use crate::error::Error;
use crate::file;
use crate::model::parameters::Buffer;
use crate::optimizer::MAX_SLOTS;
use crate::spec::{FILE_VERSION, Parameter, Spec};
use cnn_ir::tensor::TRAINING;
use header::{Header, PREFIX};

/// Bytes that a header may take beside what the network's own needs.
pub(crate) const HEADER_ALLOWANCE: u64 = 1 << 20;

/// Bytes that the record of a training may take: each epoch has a few hundred.
pub(crate) const RECORD_ALLOWANCE: u64 = 1 << 24;

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

/// The sets of tensors of the network's shapes that a training may have: the parameters, the weights whose average they
/// are, the best ones, and what the optimizer remembers.
const MOST_SETS: u64 = 3 + MAX_SLOTS as u64;

/// The largest header of a file with so many sets of tensors.
fn header_limit(spec: &Spec, sets: u64) -> u64 {
    /// What a header says of a tensor beside its name, at most.
    const ROW: usize = 256;
    let rows: usize = spec.parameters.iter().map(|p| p.name.len() + ROW).sum();
    let record = if sets > 1 { RECORD_ALLOWANCE } else { 0 };
    sets * rows as u64 + HEADER_ALLOWANCE + record
}

/// The largest file with so many sets of tensors: with room for twice the width of a parameter, so that a wrong type is
/// called by its name.
fn limit(spec: &Spec, sets: u64) -> u64 {
    let values = (spec.parameter_count * size_of::<f64>()) as u64;
    sets * values + header_limit(spec, sets)
}

/// How many sets of tensors a file may have that begins with `beginning`.
fn most_sets(beginning: &[u8]) -> u64 {
    match has_record(beginning) {
        true => MOST_SETS,
        false => 1,
    }
}

/// Reads the bytes of the file `path`, unless it is larger than one of the network can be. One that says to hold the
/// state of a training may be larger than one of weights alone.
pub(crate) fn read(spec: &Spec, path: &Path) -> Result<Vec<u8>, Error> {
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut limit = limit(spec, 1);
    let (mut file, _) = file::open(path)?;
    let mut bytes = Vec::new();
    let mut read_to = |limit: u64, bytes: &mut Vec<u8>| {
        let rest = limit + 1 - bytes.len() as u64;
        (&mut file).take(rest).read_to_end(bytes).map_err(io_error)
    };
    read_to(limit, &mut bytes)?;
    if bytes.len() as u64 > limit && has_record(&bytes) {
        limit = self::limit(spec, MOST_SETS);
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
    File::parse(spec, bytes)?.parameters(spec)
}

/// A file in memory whose header has been validated.
pub(crate) struct File<'b> {
    pub(crate) header: Header,
    /// What stands behind the header.
    data: &'b [u8],
}

impl<'b> File<'b> {
    /// The file of a network that has these bytes.
    pub(crate) fn parse(spec: &Spec, bytes: &'b [u8]) -> Result<Self, CheckpointError> {
        let limit = header_limit(spec, most_sets(bytes));
        let length = Header::length(bytes, bytes.len() as u64, limit)?;
        let (json, data) = bytes[PREFIX..].split_at(length);
        let header = Header::parse(json, data.len() as u64)?;
        Ok(Self { header, data })
    }

    /// The parameters of the network. Beside them, a file has nothing but the state of training.
    pub(crate) fn parameters(&self, spec: &Spec) -> Result<Buffer, CheckpointError> {
        let parameters = self.tensors(spec, "")?;
        match others(spec, &self.header).into_iter().next() {
            None => Ok(parameters),
            Some(name) => Err(CheckpointError::Unexpected { name }),
        }
    }

    /// The tensors of the network that the file has under their names with `prefix` before them.
    pub(crate) fn tensors(&self, spec: &Spec, prefix: &str) -> Result<Buffer, CheckpointError> {
        let mut values = Buffer::zeros(spec.parameter_count);
        for parameter in spec.parameters {
            let name = format!("{prefix}{}", parameter.name);
            let tensor = match self.header.tensor(&name) {
                None => return Err(CheckpointError::Missing { name }),
                Some(tensor) => fitting(name, tensor, parameter)?,
            };
            let (start, end) = tensor.data_offsets;
            copy_tensor(&self.data[start..end], &mut values[parameter.range()]);
        }
        Ok(values)
    }
}

/// A tensor of a file if it has the type and the shape of `parameter`.
fn fitting<'t>(
    name: String,
    tensor: &'t TensorInfo,
    parameter: &Parameter,
) -> Result<&'t TensorInfo, CheckpointError> {
    if tensor.dtype != Dtype::F32 {
        let found = tensor.dtype.to_string();
        return Err(CheckpointError::ElementType { name, found });
    }
    if tensor.shape != parameter.shape {
        return Err(CheckpointError::TensorShape {
            name,
            expected: parameter.shape.to_vec(),
            found: tensor.shape.clone(),
        });
    }
    Ok(tensor)
}

/// The names of tensors that are neither the network's nor a training's, in their order.
pub(crate) fn others(spec: &Spec, header: &Header) -> Vec<String> {
    let known: HashSet<&str> = spec.parameters.iter().map(|p| p.name).collect();
    let mut names = header.names();
    names.retain(|name| !name.starts_with(TRAINING) && !known.contains(name.as_str()));
    names.sort_unstable();
    names
}

/// Copies the bytes of a tensor of `F32` into as many floats.
pub(crate) fn copy_tensor(bytes: &[u8], floats: &mut [f32]) {
    let (words, _) = bytes.as_chunks::<{ size_of::<f32>() }>();
    for (value, word) in floats.iter_mut().zip(words) {
        *value = f32::from_le_bytes(*word);
    }
}
