//! Pictures: PNG and JPEG files, one by one or in a folder for each class.
//!
//! ```text
//! file ──header: size against the limit──▶ pixels of 8 bits ──▶ channels ──▶ size ──▶ [H, W, C], 0 to 1
//! ```
//!
//! A file is recognised by its first bytes, whatever its name. The size in its header is compared with a limit
//! before memory is reserved for the pixels, so that a small file of a huge picture is an error. Samples of 16 bits are
//! cut to 8, the first picture of an animation is read, and the orientation in the metadata of a camera is not applied.

mod decode;
mod error;
mod folder;
mod lazy;
mod resize;

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;

use crate::error::Error;

use self::decode::Picture;
pub use self::error::ImageError;
pub use self::folder::Folder;
pub use self::lazy::LazyFolder;
pub use self::resize::Resize;

/// The most pixels of a picture, unless [`Folder::max_pixels`] says otherwise: 8192x4096. Decoding takes 1 to 4 bytes for
/// a pixel, and 9 for that of a progressive JPEG file.
pub const MAX_PIXELS: u64 = 1 << 25;

/// A picture as typed networks take it, `[H, W, C]`.
pub type Image<const H: usize, const W: usize, const C: usize> = Box<[[[f32; C]; W]; H]>;

/// What each file becomes.
#[derive(Clone, Copy, Debug)]
struct Form {
    height: usize,
    width: usize,
    channels: usize,
    resize: Resize,
}

/// Reads a picture for a network whose input is `H`x`W`x`C`: values from 0 to 1, one grey channel, three of red, green and
/// blue, or four with alpha. A picture of another size is resized, by [`Resize::Bilinear`].
///
/// ```no_run
/// # mod program {
/// cnn::network! {
///     pub network Digits {
///         input(28x28x1);
///         flatten;
///         dense(10, activation = softmax);
///     }
/// }
///
/// static WEIGHTS: [f32; Digits::PARAMETERS] = [0.0; Digits::PARAMETERS]; // in a program: cnn::weights!
///
/// # pub fn main() -> Result<(), cnn::Error> {
/// let net = Digits::from_parameters(&WEIGHTS);
/// let image = cnn::data::images::read::<28, 28, 1>("seven.png")?;
/// let probabilities = net.predict(&image);
/// # let _ = probabilities;
/// # Ok(())
/// # }
/// # }
/// # fn main() { program::main().unwrap() }
/// ```
///
/// # Errors
///
/// [`Error::Io`] when the file cannot be opened, else [`Error::Image`]; both name the file.
pub fn read<const H: usize, const W: usize, const C: usize>(
    path: impl AsRef<Path>,
) -> Result<Image<H, W, C>, Error> {
    let path = path.as_ref();
    let form = Form {
        height: H,
        width: W,
        channels: C,
        resize: Resize::Bilinear,
    };
    let bytes = read_file(path, MAX_PIXELS, form)?;
    typed(&bytes).map_err(|source| source.in_file(path))
}

/// Reads a picture from the bytes of a file, as [`read`] does.
///
/// # Errors
///
/// See [`ImageError`].
pub fn from_bytes<const H: usize, const W: usize, const C: usize>(
    bytes: &[u8],
) -> Result<Image<H, W, C>, ImageError> {
    let form = Form {
        height: H,
        width: W,
        channels: C,
        resize: Resize::Bilinear,
    };
    let picture = Picture::decode(Cursor::new(bytes), MAX_PIXELS)?;
    typed(&form.of(picture)?)
}

/// Reads a picture in this form.
fn read_file(path: &Path, max_pixels: u64, form: Form) -> Result<Vec<u8>, Error> {
    let picture = open(path, max_pixels)?;
    form.of(picture).map_err(|source| source.in_file(path))
}

/// Reads a picture as it is.
fn open(path: &Path, max_pixels: u64) -> Result<Picture, Error> {
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    Picture::decode(BufReader::new(file), max_pixels).map_err(|source| source.in_file(path))
}

impl Form {
    /// A picture in this form, `[H, W, C]`.
    fn of(self, picture: Picture) -> Result<Vec<u8>, ImageError> {
        let (height, width) = (picture.height, picture.width);
        let pixels = picture.into_channels(self.channels)?;
        if [height, width] == [self.height, self.width] {
            return Ok(pixels);
        }
        Ok(self.resize.run(
            &pixels,
            [height, width, self.channels],
            [self.height, self.width],
        ))
    }
}

/// Bytes `[H, W, C]` as floats from 0 to 1.
fn typed<const H: usize, const W: usize, const C: usize>(
    bytes: &[u8],
) -> Result<Image<H, W, C>, ImageError> {
    let (pixels, _) = bytes.as_chunks::<C>();
    let (rows, _) = pixels.as_chunks::<W>();
    let scale = |row: &[[u8; C]; W]| row.map(|pixel| pixel.map(scaled));
    let rows: Vec<[[f32; C]; W]> = rows.iter().map(scale).collect();
    rows.into_boxed_slice()
        .try_into()
        .map_err(|_| ImageError::Empty)
}

/// A sample from 0 to 1, as [`Examples::scaled`](super::Examples::scaled) makes it.
fn scaled(sample: u8) -> f32 {
    f32::from(sample) * SCALE
}

const SCALE: f32 = 1.0 / 255.0;
