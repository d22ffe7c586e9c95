//! Arrays of numpy: `.npy` files and `.npz` archives.
//!
//! ```text
//! .npy: header (element type, order, shape), then the elements
//! .npz: a ZIP archive of .npy files, stored (`np.savez`) or deflated (`np.savez_compressed`)
//! ```
//!
//! Elements are `bool`, integers of 1 to 8 bytes, and floats of 4 and 8, of either byte order, in C or in Fortran order.
//! As inputs or values they become `f32`, except for bytes, which [`Examples`](super::Examples) keeps as they are; as
//! labels they have to be integers. Pickled objects are refused: reading them runs what the file says.
//!
//! Nothing in a header is believed: memory is reserved for at most what the file is likely to hold, and a compressed
//! array is not unpacked beyond what its header announces.

mod archive;
mod error;
mod header;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use self::header::Header;
use super::bounded::{self, WrongLength};
use super::inputs::{Elements, Inputs, IntoInputs};
use crate::error::Error;

pub use archive::Npz;
pub use error::NpyError;

/// Writes [`Dtype`] and what depends on the type of the elements.
macro_rules! dtypes {
    ($($name:ident $code:literal $size:literal $text:literal,)+) => {
        /// What the elements of an array are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Dtype {
            $(#[doc = concat!("`", $text, "`.")] $name,)+
        }

        impl Dtype {
            /// The type of numpy's code without the byte order.
            fn of_code(code: &[u8]) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The bytes of an element.
            pub fn size(self) -> usize {
                match self {
                    $(Self::$name => $size,)+
                }
            }
        }

        impl fmt::Display for Dtype {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

dtypes! {
    Bool b"b1" 1 "bool",
    I8 b"i1" 1 "int8",
    U8 b"u1" 1 "uint8",
    I16 b"i2" 2 "int16",
    U16 b"u2" 2 "uint16",
    I32 b"i4" 4 "int32",
    U32 b"u4" 4 "uint32",
    I64 b"i8" 8 "int64",
    U64 b"u8" 8 "uint64",
    F32 b"f4" 4 "float32",
    F64 b"f8" 8 "float64",
}

/// An array as it lies in a file.
///
/// [`Examples`](super::Examples) take it as inputs or values; [`to_floats`](Self::to_floats) and
/// [`to_integers`](Self::to_integers) make arrays of `ndarray`.
#[derive(Clone, PartialEq)]
pub struct NpyArray {
    header: Header,
    bytes: Vec<u8>,
}

/// Reads an `.npy` file.
///
/// ```no_run
/// use cnn::Examples;
/// use cnn::data::npy;
///
/// let images = npy::read("images.npy")?;                      // uint8, [N, 28, 28]
/// let labels = npy::read("labels.npy")?.to_integers()?;       // int64, [N]
/// let examples = Examples::labelled(images.expand_dims(), labels)?.scaled(1.0 / 255.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Io`] when the file cannot be opened, else [`Error::Npy`]; both name the file.
pub fn read(path: impl AsRef<Path>) -> Result<NpyArray, Error> {
    let path = path.as_ref();
    let io_error = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = File::open(path).map_err(io_error)?;
    let length = bounded::length(&file).map_err(io_error)?;
    NpyArray::decode(BufReader::new(file), length).map_err(|source| source.in_file(path))
}

/// Reads an array from the bytes of an `.npy` file.
///
/// # Errors
///
/// See [`NpyError`].
pub fn from_bytes(bytes: &[u8]) -> Result<NpyArray, NpyError> {
    NpyArray::decode(bytes, bytes.len() as u64)
}

impl NpyError {
    /// This error, found in a file.
    fn in_file(self, path: &Path) -> Error {
        Error::Npy {
            path: path.to_path_buf(),
            source: self,
        }
    }
}

/// The elements as numbers `$number` that `$convert` changes, of an array with the bytes `$array`.
macro_rules! numbers {
    ($array:expr, $number:ty, $convert:expr) => {{
        let (bytes, _) = $array.bytes.as_chunks();
        let convert = $convert;
        match $array.header.is_big_endian {
            true => bytes
                .iter()
                .map(|bytes| convert(<$number>::from_be_bytes(*bytes)))
                .collect(),
            false => bytes
                .iter()
                .map(|bytes| convert(<$number>::from_le_bytes(*bytes)))
                .collect(),
        }
    }};
}

impl NpyArray {
    /// Reads an array from `reader`, which holds `likely` bytes or not many more.
    fn decode(mut reader: impl Read, likely: u64) -> Result<Self, NpyError> {
        let header = Header::read(&mut reader)?;
        let (shape, size) = (&header.shape, header.dtype.size());
        let too_large = || NpyError::TooLarge {
            shape: shape.clone(),
        };
        let expected = bounded::elements(shape, size).ok_or_else(too_large)? * size;
        let bytes = bounded::read(reader, expected, likely).map_err(|wrong| match wrong {
            WrongLength::TooLarge => too_large(),
            WrongLength::Truncated(found) => NpyError::Truncated { expected, found },
            WrongLength::TrailingBytes => NpyError::TrailingBytes { expected },
            WrongLength::Io(source) => source.into(),
        })?;
        Ok(Self { header, bytes })
    }

    /// The length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// What the elements are.
    pub fn dtype(&self) -> Dtype {
        self.header.dtype
    }

    /// The same array with a last axis of 1, as `numpy.expand_dims(array, -1)`: grey images `[N, H, W]` become
    /// `[N, H, W, 1]`.
    #[must_use]
    pub fn expand_dims(mut self) -> Self {
        self.header.shape.push(1);
        self
    }

    /// The elements as `f32`, rounded where they are `f64` or large integers; `bool` becomes 0 and 1.
    pub fn to_floats(&self) -> ArrayD<f32> {
        let values: Vec<f32> = match self.header.dtype {
            Dtype::Bool => numbers!(self, u8, |value| f32::from(u8::from(value != 0))),
            Dtype::I8 => numbers!(self, i8, f32::from),
            Dtype::U8 => numbers!(self, u8, f32::from),
            Dtype::I16 => numbers!(self, i16, f32::from),
            Dtype::U16 => numbers!(self, u16, f32::from),
            Dtype::I32 => numbers!(self, i32, |value| value as f32),
            Dtype::U32 => numbers!(self, u32, |value| value as f32),
            Dtype::I64 => numbers!(self, i64, |value| value as f32),
            Dtype::U64 => numbers!(self, u64, |value| value as f32),
            Dtype::F32 => numbers!(self, f32, |value| value),
            Dtype::F64 => numbers!(self, f64, |value| value as f32),
        };
        self.in_c_order(values)
    }

    /// The elements as integers: class labels, or maps of them. `bool` becomes 0 and 1.
    ///
    /// # Errors
    ///
    /// [`NpyError::NotIntegers`] of floats, and [`NpyError::IntegerRange`].
    pub fn to_integers(&self) -> Result<ArrayD<i64>, NpyError> {
        let values: Vec<i64> = match self.header.dtype {
            Dtype::Bool => numbers!(self, u8, |value| i64::from(value != 0)),
            Dtype::I8 => numbers!(self, i8, i64::from),
            Dtype::U8 => numbers!(self, u8, i64::from),
            Dtype::I16 => numbers!(self, i16, i64::from),
            Dtype::U16 => numbers!(self, u16, i64::from),
            Dtype::I32 => numbers!(self, i32, i64::from),
            Dtype::U32 => numbers!(self, u32, i64::from),
            Dtype::I64 => numbers!(self, i64, |value| value),
            Dtype::U64 => {
                let values: Result<Vec<i64>, NpyError> = numbers!(self, u64, |found| {
                    i64::try_from(found).map_err(|_| NpyError::IntegerRange { found })
                });
                values?
            }
            found @ (Dtype::F32 | Dtype::F64) => return Err(NpyError::NotIntegers { found }),
        };
        Ok(self.in_c_order(values))
    }

    /// The array of elements in the order of the file, in standard layout.
    fn in_c_order<T: Clone>(&self, values: Vec<T>) -> ArrayD<T> {
        let shape = IxDyn(&self.header.shape).set_f(self.header.is_fortran);
        let array = ArrayD::from_shape_vec(shape, values);
        let array = array.expect("as many elements as the shape holds were read");
        match array.is_standard_layout() {
            true => array,
            false => array.as_standard_layout().into_owned(),
        }
    }

    /// Whether the bytes are the elements of `uint8` in C order.
    fn is_bytes_in_order(&self) -> bool {
        self.header.dtype == Dtype::U8 && !(self.header.is_fortran && self.header.shape.len() > 1)
    }
}

#[diagnostic::do_not_recommend]
impl<'a> IntoInputs<'a> for NpyArray {
    fn into_inputs(self) -> Inputs<'a> {
        match self.is_bytes_in_order() {
            true => Inputs {
                shape: self.header.shape,
                elements: Elements::Bytes(Cow::Owned(self.bytes)),
            },
            false => self.to_floats().into_inputs(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<'a> IntoInputs<'a> for &'a NpyArray {
    fn into_inputs(self) -> Inputs<'a> {
        match self.is_bytes_in_order() {
            true => Inputs {
                shape: self.header.shape.clone(),
                elements: Elements::Bytes(Cow::Borrowed(&self.bytes)),
            },
            false => self.to_floats().into_inputs(),
        }
    }
}

/// Says the type and the shape, not the megabytes.
impl fmt::Debug for NpyArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NpyArray")
            .field("dtype", &self.header.dtype)
            .field("shape", &self.header.shape)
            .finish_non_exhaustive()
    }
}
