//! What is wrong with a file of numpy.

use std::error::Error as StdError;
use std::{fmt, io};

use super::Dtype;
use crate::error::Shape;

/// What is wrong with an `.npy` file or an `.npz` archive.
#[derive(Debug)]
#[non_exhaustive]
pub enum NpyError {
    /// Reading failed.
    Io(io::Error),
    /// The file does not begin with `\x93NUMPY`.
    Magic {
        /// The bytes that are there, six at most.
        found: Vec<u8>,
    },
    /// The format is of a version that is not known.
    Version {
        /// Major and minor.
        found: [u8; 2],
    },
    /// The header is longer than numpy itself reads.
    HeaderLength {
        /// The most bytes.
        limit: usize,
        /// How many are announced.
        found: usize,
    },
    /// The header is no dictionary of `descr`, `fortran_order` and `shape`.
    Header {
        /// What is expected.
        expected: &'static str,
        /// At which byte of the header, from 0.
        at: usize,
    },
    /// The elements are Python objects, which are programs and not read.
    Objects,
    /// The elements are of a type that cannot be read.
    Dtype {
        /// The type, as numpy writes it.
        found: String,
    },
    /// Integers are asked for, of an array of other numbers.
    NotIntegers {
        /// What the elements are.
        found: Dtype,
    },
    /// An integer is above [`i64::MAX`].
    IntegerRange {
        /// The integer.
        found: u64,
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
        /// How many bytes the elements have, as the header says.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The file goes on after its last element.
    TrailingBytes {
        /// How many bytes the elements have, as the header says.
        expected: usize,
    },
    /// The archive is damaged, or a checksum or a size in it is wrong.
    Archive(Box<dyn StdError + Send + Sync>),
    /// A name in the archive that is none of an array: absolute, with `..`, not UTF-8, or the same as another one.
    Name {
        /// The name.
        found: String,
    },
    /// The archive has no array of this name.
    Missing {
        /// The name.
        name: String,
        /// The names that there are.
        names: Vec<String>,
    },
    /// An array of the archive is compressed in a way that numpy does not write, or encrypted.
    Compression,
    /// An array of the archive is not as it should be.
    Entry {
        /// Its name.
        name: String,
        /// The cause.
        source: Box<NpyError>,
    },
}

impl From<io::Error> for NpyError {
    fn from(source: io::Error) -> Self {
        // What the archive's reader finds comes in an error of reading.
        if source
            .get_ref()
            .is_some_and(|inner| inner.is::<rawzip::Error>())
        {
            return match source.into_inner() {
                Some(inner) => NpyError::Archive(inner),
                None => NpyError::Compression,
            };
        }
        match source.kind() {
            io::ErrorKind::UnexpectedEof => NpyError::TruncatedHeader,
            _ => NpyError::Io(source),
        }
    }
}

impl fmt::Display for NpyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NpyError::Io(source) => write!(f, "{source}"),
            NpyError::Magic { found } => write!(
                f,
                "not an .npy file: it begins with {found:02x?} instead of `\\x93NUMPY`"
            ),
            NpyError::Version {
                found: [major, minor],
            } => write!(
                f,
                "version {major}.{minor} of the format, but only 1.0, 2.0 and 3.0 can be read"
            ),
            NpyError::HeaderLength { limit, found } => {
                write!(
                    f,
                    "the header has {found} bytes, but at most {limit} are read"
                )
            }
            NpyError::Header { expected, at } => {
                write!(f, "expected {expected} at byte {at} of the header")
            }
            NpyError::Objects => {
                f.write_str("the elements are pickled Python objects, which are not read")
            }
            NpyError::Dtype { found } => write!(
                f,
                "elements of type `{found}`, but only bool, integers of 1 to 8 bytes, and floats of 4 and 8 can be read"
            ),
            NpyError::NotIntegers { found } => {
                write!(f, "the elements are {found}, but integers are asked for")
            }
            NpyError::IntegerRange { found } => {
                write!(f, "{found} is above {}", i64::MAX)
            }
            NpyError::TooLarge { shape } => write!(
                f,
                "the header announces {} elements, more than memory can hold",
                Shape(shape)
            ),
            NpyError::TruncatedHeader => f.write_str("the file ends within its header"),
            NpyError::Truncated { expected, found } => write!(
                f,
                "the header announces {expected} bytes of elements, but the file ends after {found}"
            ),
            NpyError::TrailingBytes { expected } => write!(
                f,
                "the header announces {expected} bytes of elements, but the file goes on after them"
            ),
            NpyError::Archive(source) => write!(f, "{source}"),
            NpyError::Name { found } => write!(
                f,
                "`{found}` is no name of an array: names are relative, without `..`, and there once"
            ),
            NpyError::Missing { name, names } => {
                write!(
                    f,
                    "there is no array `{name}`, but there is `{}`",
                    names.join("`, `")
                )
            }
            NpyError::Compression => {
                f.write_str("neither stored nor compressed with deflate, or encrypted")
            }
            NpyError::Entry { name, source } => write!(f, "`{name}`: {source}"),
        }
    }
}

impl StdError for NpyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            NpyError::Io(source) => Some(source),
            NpyError::Archive(source) => Some(&**source),
            NpyError::Entry { source, .. } => Some(source),
            _ => None,
        }
    }
}
