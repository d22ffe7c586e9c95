//! The header of a safetensors file, and what it says of the tensors behind it.
//!
//! ```text
//! length ──▶ at most a limit, and within the file? ──▶ JSON ──▶ names once each ──▶ tensors that fill the file
//! ```
//!
//! Whether tensors fill the file without gaps, and each has the bytes of its shape, the safetensors crate checks. The
//! JSON is read here, because the crate takes the last of several tensors of one name, and builds a tree of the
//! whole header that takes some 50 times its length.

use std::fmt;

use safetensors::SafeTensorError;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::{CheckpointError, RECORD};
use crate::spec::FILE_VERSION;

/// The bytes in front of the header, which hold its length.
pub(crate) const PREFIX: usize = size_of::<u64>();

/// The entry of a header that is no tensor.
const METADATA: &str = "__metadata__";

/// The entry of the metadata that holds the version of the format.
const VERSION: &str = "cnn_version";

/// What a file says of its tensors.
pub(crate) struct Header {
    tensors: Metadata,
    /// The record of a training, if the file has one.
    pub(crate) record: Option<String>,
}

impl Header {
    /// The length of the header of a file of `size` bytes that begins with `beginning`: at most `limit`.
    pub(crate) fn length(
        beginning: &[u8],
        size: u64,
        limit: u64,
    ) -> Result<usize, CheckpointError> {
        let Some(prefix) = beginning.first_chunk::<PREFIX>() else {
            return Err(CheckpointError::Format(SafeTensorError::HeaderTooSmall));
        };
        let length = u64::from_le_bytes(*prefix);
        let error = match length {
            _ if length > limit => SafeTensorError::HeaderTooLarge,
            _ if PREFIX as u64 + length > size => SafeTensorError::InvalidHeaderLength,
            // Less than the file, which is in memory or on a disk.
            _ => return Ok(length as usize),
        };
        Err(CheckpointError::Format(error))
    }

    /// The header that is written as `json`, of a file that has `data` bytes behind it.
    ///
    /// Files of other programs say nothing of a version; their tensors are compared all the same.
    pub(crate) fn parse(json: &[u8], data: u64) -> Result<Self, CheckpointError> {
        let format = CheckpointError::Format;
        let json =
            str::from_utf8(json).map_err(|error| format(SafeTensorError::InvalidHeader(error)))?;
        let entries: Entries = serde_json::from_str(json)
            .map_err(|error| format(SafeTensorError::InvalidHeaderDeserialization(error)))?;
        let Entries { said, mut tensors } = entries;
        let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let name = pair[0].to_owned();
            return Err(CheckpointError::Duplicate { name });
        }
        tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
        let tensors = Metadata::new(None, tensors).map_err(format)?;
        if tensors.data_len() as u64 != data {
            return Err(format(SafeTensorError::MetadataIncompleteBuffer));
        }
        let Said { version, record } = said.unwrap_or_default();
        match version {
            Some(found) if found != FILE_VERSION => Err(CheckpointError::Version {
                expected: FILE_VERSION,
                found,
            }),
            _ => Ok(Self { tensors, record }),
        }
    }

    /// What the header says of a tensor. Its offsets are counted from the end of the header.
    pub(crate) fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.info(name)
    }

    /// The names of all tensors, in the order of their bytes.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tensors.offset_keys()
    }
}

/// The JSON of a header.
struct Entries {
    said: Option<Said>,
    tensors: Vec<(String, TensorInfo)>,
}

/// What is read of the metadata.
#[derive(Default)]
struct Said {
    version: Option<String>,
    record: Option<String>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let (mut said, mut tensors) = (None, Vec::new());
                while let Some(name) = map.next_key::<String>()? {
                    if name != METADATA {
                        tensors.push((name, map.next_value()?));
                    } else if said.is_some() {
                        return Err(A::Error::duplicate_field(METADATA));
                    } else {
                        said = Some(map.next_value::<Option<Said>>()?.unwrap_or_default());
                    }
                }
                Ok(Entries { said, tensors })
            }
        }
        from.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Said;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
                let mut said = Said::default();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    let (name, place) = match name.as_str() {
                        VERSION => (VERSION, &mut said.version),
                        RECORD => (RECORD, &mut said.record),
                        _ => continue,
                    };
                    if place.replace(value).is_some() {
                        return Err(A::Error::duplicate_field(name));
                    }
                }
                Ok(said)
            }
        }
        from.deserialize_map(Object)
    }
}
