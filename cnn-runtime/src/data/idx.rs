//! The IDX format of the MNIST family: a magic number, the length of each axis, the elements.
//!
//! ```text
//! 0, 0, element type, number of axes n      4 bytes; unsigned bytes are type 8
//! length of axis 1, …, n                    n big-endian u32
//! elements, last axis fastest               and then the file ends
//! ```
//!
//! Files compressed with gzip are recognised by their first bytes and read with the feature
//! `gzip`. Nothing in a header is believed: memory is reserved for at most what the file is likely to
//! hold, and a compressed file is not unpacked beyond what its header announces.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use ndarray::{Array, ArrayD, Dimension, IxDyn};

use super::bounded::{self, WrongLength};
use crate::error::{Error, Shape};

/// Unsigned bytes.
const U8: u8 = 0x08;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is wrong with an IDX file.
#[derive(Debug)]
#[non_exhaustive]
pub enum IdxError {
    /// Reading failed; with compressed files also because what is compressed is damaged.
    Io(io::Error),
    /// The file does not begin with two zero bytes.
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The elements are not unsigned bytes.
    ElementType {
        /// The code of the type that was found.
        found: u8,
    },
    /// The array has another number of axes.
    Rank {
        /// How many axes the array must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// The array has another number of entries on its first axis than the one it belongs to.
    Count {
        /// How many entries there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The array that the header announces does not fit in memory.
    TooLarge {
        /// The announced shape.
        shape: Vec<usize>,
    },
    /// The file ends within its header.
    TruncatedHeader,
    /// The file ends before its last element.
    Truncated {
        /// How many elements the header announces.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The file goes on after its last element.
    TrailingBytes {
        /// How many elements the header announces.
        expected: usize,
    },
    /// The file is compressed, and the feature `gzip` is off.
    GzipDisabled,
}

impl fmt::Display for IdxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdxError::Io(source) => write!(f, "{source}"),
            IdxError::Magic { found } => write!(
                f,
                "not an IDX file: it begins with {found:02x?} instead of two zero bytes"
            ),
            IdxError::ElementType { found } => {
                let name = match found {
                    0x09 => " (i8)",
                    0x0b => " (i16)",
                    0x0c => " (i32)",
                    0x0d => " (f32)",
                    0x0e => " (f64)",
                    _ => "",
                };
                write!(
                    f,
                    "elements of type 0x{found:02x}{name}, but only 0x08 (u8) can be read"
                )
            }
            IdxError::Rank { expected, found } => {
                write!(f, "expected an array of {expected} axes, found {found}")
            }
            IdxError::Count { expected, found } => {
                write!(f, "expected {expected} entries, found {found}")
            }
            IdxError::TooLarge { shape } => write!(
                f,
                "the header announces {} elements, more than memory can hold",
                Shape(shape)
            ),
            IdxError::TruncatedHeader => f.write_str("the file ends within its header"),
            IdxError::Truncated { expected, found } => write!(
                f,
                "the header announces {expected} elements, but the file ends after {found}"
            ),
            IdxError::TrailingBytes { expected } => write!(
                f,
                "the header announces {expected} elements, but the file goes on after them"
            ),
            IdxError::GzipDisabled => {
                f.write_str("the file is compressed with gzip, which needs the feature `gzip`")
            }
        }
    }
}

impl std::error::Error for IdxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            IdxError::Io(source) => Some(source),
            _ => None,
        }
    }
}

impl From<io::Error> for IdxError {
    fn from(source: io::Error) -> Self {
        IdxError::Io(source)
    }
}

/// Reads the file `path`, plain or compressed with gzip.
///
/// # Errors
///
/// [`Error::Io`] when the file cannot be opened, else [`Error::Idx`]; both name the file.
pub fn read<D: Dimension>(path: impl AsRef<Path>) -> Result<Array<u8, D>, Error> {
    let path = path.as_ref();
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = File::open(path).map_err(io_error)?;
    let length = bounded::length(&file).map_err(io_error)?;
    decode(BufReader::new(file), length).map_err(|source| Error::Idx {
        path: path.to_path_buf(),
        source,
    })
}

/// Reads an array from the bytes of an IDX file, plain or compressed with gzip.
///
/// # Errors
///
/// See [`IdxError`].
pub fn from_bytes<D: Dimension>(bytes: &[u8]) -> Result<Array<u8, D>, IdxError> {
    decode(bytes, bytes.len() as u64)
}

/// Reads an array from `reader`, of which `length` bytes are known to exist.
fn decode<D: Dimension>(mut reader: impl BufRead, length: u64) -> Result<Array<u8, D>, IdxError> {
    if !reader.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return decode_plain(reader, length);
    }
    #[cfg(feature = "gzip")]
    {
        let reader = flate2::bufread::MultiGzDecoder::new(reader);
        decode_plain(reader, length.saturating_mul(bounded::LIKELY_RATIO))
    }
    #[cfg(not(feature = "gzip"))]
    Err(IdxError::GzipDisabled)
}

/// Reads an array from `reader`, which holds `likely` bytes or not many more if it is a file's.
fn decode_plain<D: Dimension>(
    mut reader: impl Read,
    likely: u64,
) -> Result<Array<u8, D>, IdxError> {
    let shape = read_header(&mut reader)?;
    if let Some(expected) = D::NDIM
        && shape.len() != expected
    {
        return Err(IdxError::Rank {
            expected,
            found: shape.len(),
        });
    }

    let Some(size) = bounded::elements(&shape, 1) else {
        return Err(IdxError::TooLarge { shape });
    };
    let elements = match bounded::read(reader, size, likely) {
        Ok(elements) => elements,
        Err(wrong) => {
            return Err(match wrong {
                WrongLength::TooLarge => IdxError::TooLarge { shape },
                WrongLength::Truncated(found) => IdxError::Truncated {
                    expected: size,
                    found,
                },
                WrongLength::TrailingBytes => IdxError::TrailingBytes { expected: size },
                WrongLength::Io(source) => IdxError::Io(source),
            });
        }
    };

    let array = ArrayD::from_shape_vec(IxDyn(&shape), elements)
        .expect("as many elements as the shape holds were read");
    Ok(array
        .into_dimensionality()
        .expect("the number of axes was checked"))
}

/// Reads the magic number and the shape.
fn read_header(reader: &mut impl Read) -> Result<Vec<usize>, IdxError> {
    let magic: [u8; 4] = read_word(reader)?;
    let [0, 0, element, rank] = magic else {
        return Err(IdxError::Magic { found: magic });
    };
    if element != U8 {
        return Err(IdxError::ElementType { found: element });
    }
    (0..rank)
        .map(|_| Ok(u32::from_be_bytes(read_word(reader)?) as usize))
        .collect()
}

fn read_word(reader: &mut impl Read) -> Result<[u8; 4], IdxError> {
    let mut word = [0; 4];
    match reader.read_exact(&mut word) {
        Ok(()) => Ok(word),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(IdxError::TruncatedHeader)
        }
        Err(error) => Err(error.into()),
    }
}
