//! The header of a safetensors file.
//!
//! ```text
//! length of the header     u64, little endian
//! header                   JSON: metadata, and type, shape and place of each tensor
//! tensors
//! ```
//!
//! It is read here, and not by the crate of that name, so that programs without `std` need not build the crate and its
//! JSON reader. What the crate refuses is refused here: names twice, tensors that overlap or leave gaps, a file that is
//! longer or shorter than its tensors.

mod json;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use json::{Json, Unexpected};

/// What a file holds.
#[derive(Debug)]
pub struct Header {
    /// The entry `cnn_version` of the metadata.
    pub version: Option<String>,
    /// The tensors in the order of their bytes.
    pub tensors: Vec<Tensor>,
    /// Where the tensors begin in the file, in bytes.
    pub data: usize,
}

/// A tensor of a file.
#[derive(Debug, Default)]
pub struct Tensor {
    pub name: String,
    /// `F32`.
    pub element_type: String,
    pub shape: Vec<usize>,
    /// Where its bytes begin, counted from the first tensor's.
    pub start: usize,
    /// Where they end.
    pub end: usize,
}

/// Why a file is not in the format.
#[derive(Debug)]
pub enum Damage {
    /// It ends before its header does.
    Short { expected: u64, found: u64 },
    /// The header is longer than any header is.
    Long { limit: u64, found: u64 },
    /// The header is not the JSON that it should be.
    Json(Unexpected),
    /// Two tensors have one name.
    Twice { name: String },
    /// A tensor does not begin where the one before ends.
    Start {
        name: String,
        expected: usize,
        found: usize,
    },
    /// A tensor of floats does not take the bytes of its shape.
    Length { name: String, found: usize },
    /// The tensors end before or behind the end of the file.
    End { expected: u64, found: u64 },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Short { expected, found } => {
                write!(
                    f,
                    "its header ends at byte {expected}, but the file at {found}"
                )
            }
            Damage::Long { limit, found } => write!(
                f,
                "its header is {found} bytes long, but headers have at most {limit}"
            ),
            Damage::Json(unexpected) => write!(f, "{unexpected}"),
            Damage::Twice { name } => write!(f, "the tensor `{name}` is there twice"),
            Damage::Start {
                name,
                expected,
                found,
            } => write!(
                f,
                "the tensor `{name}` begins at byte {found}, but the one before it ends at {expected}"
            ),
            Damage::Length { name, found } => write!(
                f,
                "the tensor `{name}` has {found} bytes, which is not what its shape takes"
            ),
            Damage::End { expected, found } => {
                write!(
                    f,
                    "its tensors end at byte {expected}, but the file at {found}"
                )
            }
        }
    }
}

/// The most bytes of a header, as in the crate.
const LIMIT: u64 = 100_000_000;

/// The bytes in front of the header.
const PREFIX: u64 = 8;

impl Header {
    /// Reads the header of a file; an error of the system comes first.
    pub fn read(path: &str) -> io::Result<Result<Self, Damage>> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        Self::of(&mut file, size)
    }

    /// Reads the header of a file of `size` bytes.
    fn of(file: &mut dyn Read, size: u64) -> io::Result<Result<Self, Damage>> {
        let short = |expected| Damage::Short {
            expected,
            found: size,
        };
        if size < PREFIX {
            return Ok(Err(short(PREFIX)));
        }
        let mut length = [0; PREFIX as usize];
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LIMIT {
            let (limit, found) = (LIMIT, length);
            return Ok(Err(Damage::Long { limit, found }));
        }
        let data = PREFIX + length;
        if size < data {
            return Ok(Err(short(data)));
        }
        let mut text = vec![0; length as usize];
        file.read_exact(&mut text)?;
        Ok(Self::parse(&text, data, size))
    }

    fn parse(text: &[u8], data: u64, size: u64) -> Result<Self, Damage> {
        let mut header = parse(text).map_err(Damage::Json)?;
        header.data = data as usize;
        header.check(size)?;
        Ok(header)
    }

    /// Whether the tensors fill the file, one after the other.
    fn check(&mut self, size: u64) -> Result<(), Damage> {
        self.tensors
            .sort_by_key(|tensor| (tensor.start, tensor.end));
        let mut end = 0;
        for tensor in &self.tensors {
            let name = || tensor.name.clone();
            let found = tensor.start;
            if found != end || tensor.end < found {
                let (name, expected) = (name(), end);
                return Err(Damage::Start {
                    name,
                    expected,
                    found,
                });
            }
            let mut axes = tensor.shape.iter();
            let bytes = axes.try_fold(size_of::<f32>(), |bytes, &axis| bytes.checked_mul(axis));
            let found = tensor.end - found;
            if tensor.element_type == "F32" && bytes != Some(found) {
                let name = name();
                return Err(Damage::Length { name, found });
            }
            end = tensor.end;
        }
        let expected = (self.data as u64).saturating_add(end as u64);
        match expected == size {
            true => Ok(()),
            false => Err(Damage::End {
                expected,
                found: size,
            }),
        }
        .and_then(|()| self.check_names())
    }

    fn check_names(&self) -> Result<(), Damage> {
        let mut names: Vec<_> = self.tensors.iter().map(|tensor| &tensor.name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => Err(Damage::Twice {
                name: pair[0].clone(),
            }),
        }
    }
}

/// The header's JSON.
fn parse(text: &[u8]) -> Result<Header, Unexpected> {
    let mut json = Json::new(text);
    let mut header = Header {
        version: None,
        tensors: Vec::new(),
        data: 0,
    };
    json.object(|json, name| {
        if name == "__metadata__" {
            return json.object(|json, key| {
                let value = json.string()?;
                if key == "cnn_version" {
                    header.version = Some(value);
                }
                Ok(())
            });
        }
        header.tensors.push(tensor(json, name)?);
        Ok(())
    })?;
    json.end()?;
    Ok(header)
}

fn tensor(json: &mut Json<'_>, name: String) -> Result<Tensor, Unexpected> {
    let mut element_type = None;
    let mut shape = None;
    let mut place = None;
    json.object(|json, key| {
        match key.as_str() {
            "dtype" => element_type = Some(json.string()?),
            "shape" => shape = Some(json.numbers()?),
            "data_offsets" => place = Some(json.numbers()?),
            _ => return Err(json.unexpected("`dtype`, `shape` or `data_offsets`")),
        }
        Ok(())
    })?;
    match (element_type, shape, place.as_deref()) {
        (Some(element_type), Some(shape), Some(&[start, end])) => Ok(Tensor {
            name,
            element_type,
            shape,
            start,
            end,
        }),
        _ => Err(json.unexpected("`dtype`, `shape` and two `data_offsets` of a tensor")),
    }
}
