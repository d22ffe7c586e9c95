//! What is wrong with a picture or a folder of pictures.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;

use crate::error::Error;

/// What is wrong with a picture or a folder of pictures.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImageError {
    /// Reading failed.
    Io(io::Error),
    /// The file is neither a PNG nor a JPEG file.
    Format {
        /// The bytes that it begins with, eight at most.
        found: Vec<u8>,
    },
    /// The file is damaged, or uses something that its decoder does not know.
    Decode(Box<dyn StdError + Send + Sync>),
    /// The picture has more pixels than the limit.
    TooLarge {
        /// Height and width, as the header says.
        found: [u64; 2],
        /// The most pixels.
        limit: u64,
    },
    /// Pictures have another number of channels than they are asked for in.
    Channels {
        /// The channels asked for.
        asked: usize,
    },
    /// Pictures shall be resized to nothing.
    Empty,
    /// A picture has another size than the first one of its folder, and no size was asked for.
    Size {
        /// Height and width of the first one.
        expected: [usize; 2],
        /// Those of this one.
        found: [usize; 2],
    },
    /// A folder holds no folder of a class, or no picture in them.
    NoPictures,
    /// A symbolic link leads out of the folder.
    Link,
    /// All pictures together do not fit in memory.
    Memory {
        /// How many there are.
        pictures: usize,
    },
}

impl ImageError {
    /// This error, found in a file or folder.
    pub(super) fn in_file(self, path: &Path) -> Error {
        match self {
            Self::Io(source) => Error::Io {
                path: path.to_path_buf(),
                source,
            },
            source => Error::Image {
                path: path.to_path_buf(),
                source,
            },
        }
    }
}

impl From<io::Error> for ImageError {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            // The file ends too early, which is no trouble of the disk.
            io::ErrorKind::UnexpectedEof => Self::Decode(Box::new(source)),
            _ => Self::Io(source),
        }
    }
}

impl From<png::DecodingError> for ImageError {
    fn from(error: png::DecodingError) -> Self {
        match error {
            png::DecodingError::IoError(source) => source.into(),
            error => Self::Decode(Box::new(error)),
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Io(source) => write!(f, "{source}"),
            ImageError::Format { found } => write!(
                f,
                "neither a PNG nor a JPEG file: it begins with {found:02x?}"
            ),
            ImageError::Decode(source) => write!(f, "the picture is damaged: {source}"),
            ImageError::TooLarge {
                found: [height, width],
                limit,
            } => write!(
                f,
                "the picture is {height}x{width}, but may have at most {limit} pixels"
            ),
            ImageError::Channels { asked } => write!(
                f,
                "pictures have 1, 3 or 4 channels, but {asked} are asked for"
            ),
            ImageError::Empty => f.write_str("the size asked for has no pixels"),
            ImageError::Size {
                expected: [height, width],
                found: [found_height, found_width],
            } => write!(
                f,
                "the picture is {found_height}x{found_width}, but those before it are {height}x{width}; `size` makes all the same"
            ),
            ImageError::NoPictures => f.write_str(
                "there are no `.png`, `.jpg` or `.jpeg` files in folders, one for each class",
            ),
            ImageError::Link => f.write_str("the link leads out of the folder"),
            ImageError::Memory { pictures } => {
                write!(f, "{pictures} pictures of this size do not fit in memory")
            }
        }
    }
}

impl StdError for ImageError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            ImageError::Io(source) => Some(source),
            ImageError::Decode(source) => Some(&**source),
            _ => None,
        }
    }
}
