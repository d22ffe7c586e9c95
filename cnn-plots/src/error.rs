//! [`PlotError`]: why there is no picture.

use std::fmt;
use std::path::PathBuf;

/// Why a picture could not be drawn or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlotError {
    /// A value has more or fewer numbers than its shape says.
    Length {
        /// Whose value it is.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many numbers there are.
        found: usize,
    },
    /// An example is no image of one or three channels, `[H, W]`, `[H, W, 1]` or `[H, W, 3]`.
    NotAnImage {
        /// Its shape.
        shape: Vec<usize>,
    },
    /// There are scores for more or fewer examples than the dataset has.
    Scores {
        /// The examples.
        expected: usize,
        /// The rows of scores.
        found: usize,
    },
    /// There are more or fewer names than classes.
    Names {
        /// The classes.
        expected: usize,
        /// The names.
        found: usize,
    },
    /// A node reads a node that does not stand in front of it.
    Reads {
        /// The node.
        name: String,
        /// The place of what it reads.
        place: usize,
    },
    /// A picture is written to files that end in `.svg` or, where it consists of images, in `.png`.
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be written. If there was one, it is as it was.
    File(Box<cnn_runtime::Error>),
}

impl fmt::Display for PlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { name, shape, found } => write!(
                f,
                "`{name}` is {}, but has {found} values",
                Shape(shape, "x")
            ),
            Self::NotAnImage { shape } => write!(
                f,
                "an example is {}, but must be an image of one or three channels",
                Shape(shape, "x")
            ),
            Self::Scores { expected, found } => {
                write!(f, "there are {expected} examples, but scores for {found}")
            }
            Self::Names { expected, found } => {
                write!(f, "there are {expected} classes, but {found} names")
            }
            Self::Reads { name, place } => write!(
                f,
                "`{name}` reads node {place}, which does not stand in front of it"
            ),
            Self::Extension { path } => write!(
                f,
                "`{}` must end in `.svg`, or in `.png` where a picture consists of images",
                path.display()
            ),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PlotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Length { .. }
            | Self::NotAnImage { .. }
            | Self::Scores { .. }
            | Self::Names { .. }
            | Self::Reads { .. }
            | Self::Extension { .. } => None,
        }
    }
}

/// Axes with a sign between them: `28x28x1`; a single number is `a scalar`.
pub(crate) struct Shape<'a>(pub(crate) &'a [usize], pub(crate) &'a str);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(axes, sign) = self;
        match axes {
            [] => write!(f, "a scalar"),
            [first, rest @ ..] => {
                write!(f, "{first}")?;
                rest.iter().try_for_each(|axis| write!(f, "{sign}{axis}"))
            }
        }
    }
}

/// Refuses values that are not as many as their shape says.
pub(crate) fn check_length(name: &str, shape: &[usize], found: usize) -> Result<(), PlotError> {
    // A product that does not fit is no number of values in memory.
    let values = (shape.iter()).try_fold(1, |product: usize, axis| product.checked_mul(*axis));
    if values == Some(found) {
        return Ok(());
    }
    Err(PlotError::Length {
        name: name.to_owned(),
        shape: shape.to_vec(),
        found,
    })
}
