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

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::error::{Error, Shape};
use crate::model::parameters::Buffer;
use crate::spec::Spec;

/// Written to the metadata as `cnn_version`: what the tensors' names and layouts mean.
const VERSION: u32 = 1;

/// Bytes that a header may take beside what the network's own needs.
const HEADER_ALLOWANCE: u64 = 1 << 20;

/// How many temporary names a call of [`save`] tries.
const ATTEMPTS: u32 = 1024;

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
        expected: u32,
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

/// Writes `parameters` to `path`, as a whole or not at all.
///
/// The bytes go to a temporary file in the same folder, which takes the name `path` once they are
/// on the disk. That is the last step that can fail.
pub(crate) fn save(spec: &Spec, parameters: &[f32], path: &Path) -> Result<(), Error> {
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let write = || -> io::Result<()> {
        let (temporary, file) = create_first_free(temporary_names(path)?)?;
        let written = encode(spec, parameters, &file)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // The first error tells more than one of cleaning up.
            let _ = fs::remove_file(&temporary);
        }
        written
    };
    write().map_err(io_error)?;
    sync_folder(path);
    Ok(())
}

/// Names beside `path` that no other call of this process uses. A process of the same number that
/// was killed may have left files under some of them: in a container that is the usual case.
fn temporary_names(path: &Path) -> io::Result<impl Iterator<Item = PathBuf>> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path names no file",
        ));
    };
    let prefix = [OsStr::new("."), name].into_iter().collect::<OsString>();
    Ok((0..ATTEMPTS).map(move |_| {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut temporary = prefix.clone();
        temporary.push(format!(".{}-{number}.tmp", std::process::id()));
        path.with_file_name(temporary)
    }))
}

/// Creates a file under the first of `names` that is free.
fn create_first_free(names: impl Iterator<Item = PathBuf>) -> io::Result<(PathBuf, File)> {
    let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
    for name in names {
        // `create_new`: neither follows a link nor overwrites what somebody else left.
        match OpenOptions::new().write(true).create_new(true).open(&name) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// Makes the new name last: on Unix a folder is a file that can be synced.
///
/// The file is in place already, and some folders may be written to but not opened, and some file
/// systems do not sync folders; so a failure is none of [`save`].
fn sync_folder(path: &Path) {
    if cfg!(unix) {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

/// Writes the file's bytes.
fn encode(spec: &Spec, parameters: &[f32], file: impl Write) -> io::Result<()> {
    let header = header(spec);
    let mut file = BufWriter::with_capacity(1 << 16, file);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for value in parameters {
        file.write_all(&value.to_le_bytes())?;
    }
    file.flush()
}

/// The header: a pure function of the network.
///
/// Names are identifiers and dots, which JSON takes as they are; `{:?}` quotes them.
fn header(spec: &Spec) -> String {
    let mut json = format!(
        r#"{{"__metadata__":{{"format":"cnn","network":{:?},"cnn_version":"{VERSION}"}}"#,
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
        let (words, _) = tensor.data().as_chunks::<{ size_of::<f32>() }>();
        for (value, word) in parameters[parameter.range()].iter_mut().zip(words) {
            *value = f32::from_le_bytes(*word);
        }
    }
    let known = |name: &&str| spec.parameters.iter().any(|p| p.name == *name);
    // The least one, because the crate lists names by chance.
    match file.names().into_iter().filter(|name| !known(name)).min() {
        None => Ok(parameters),
        Some(name) => Err(CheckpointError::Unexpected { name: name.into() }),
    }
}

/// Files of other programs say nothing of a version; their tensors are compared all the same.
fn check_version(bytes: &[u8]) -> Result<(), CheckpointError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(CheckpointError::Format)?;
    let metadata = metadata.metadata().as_ref();
    match metadata.and_then(|entries| entries.get("cnn_version")) {
        Some(found) if *found != VERSION.to_string() => Err(CheckpointError::Version {
            expected: VERSION,
            found: found.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_name_is_taken() {
        let folder = std::env::temp_dir().join(format!("cnn-free-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let names = |count: usize| (0..count).map(|number| folder.join(number.to_string()));
        names(3).for_each(|name| fs::write(name, "kept").unwrap());

        let kind = create_first_free(names(3)).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::AlreadyExists);
        let (name, _) = create_first_free(names(9)).unwrap();
        assert_eq!(name, folder.join("3"));
        for name in names(3) {
            assert_eq!(fs::read(name).unwrap(), b"kept");
        }

        // Another error would be the same for every name.
        let nowhere = [folder.join("missing/0"), folder.join("4")];
        let kind = create_first_free(nowhere.into_iter()).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::NotFound);
        fs::remove_dir_all(&folder).unwrap();
    }
}
