//! Reading as many elements as a header announces, without believing it.

use std::fs::File;
use std::io::{self, Read};

/// How many times as large as a compressed file its content may be, for memory to be reserved for it at once. Deflate
/// can make it 1032 times as large; what is really more gets its memory while it is read.
#[cfg(any(feature = "gzip", feature = "npy"))]
pub(super) const LIKELY_RATIO: u64 = 16;

/// What is wrong with the length of a file.
pub(super) enum WrongLength {
    /// Memory cannot hold what is announced.
    TooLarge,
    /// The file ends after so many bytes.
    Truncated(usize),
    /// The file goes on.
    TrailingBytes,
    Io(io::Error),
}

impl From<io::Error> for WrongLength {
    fn from(source: io::Error) -> Self {
        WrongLength::Io(source)
    }
}

/// The number of elements of this shape, if `size` bytes each are less than memory can have.
pub(super) fn elements(shape: &[usize], size: usize) -> Option<usize> {
    // `ndarray` wants the product of the axes that are not empty to fit an `isize`.
    let elements = shape
        .iter()
        .filter(|&&axis| axis != 0)
        .try_fold(1_usize, |product, &axis| product.checked_mul(axis))?;
    let bytes = elements.checked_mul(size)?;
    isize::try_from(bytes).ok()?;
    Some(if shape.contains(&0) { 0 } else { elements })
}

/// Reads `size` bytes, after which the reader must end. Memory for `likely` bytes is reserved at once.
pub(super) fn read(
    mut reader: impl Read,
    size: usize,
    likely: u64,
) -> Result<Vec<u8>, WrongLength> {
    let mut bytes = Vec::new();
    let reserve = usize::try_from(likely).map_or(size, |likely| size.min(likely));
    if bytes.try_reserve_exact(reserve).is_err() {
        return Err(WrongLength::TooLarge);
    }
    (&mut reader).take(size as u64).read_to_end(&mut bytes)?;
    if bytes.len() < size {
        return Err(WrongLength::Truncated(bytes.len()));
    }
    // Also makes a decompressor check its checksum.
    match reader.take(1).read_to_end(&mut Vec::new())? {
        0 => Ok(bytes),
        _ => Err(WrongLength::TrailingBytes),
    }
}

/// How many bytes of a file are known to exist: only regular files have a length that means something.
pub(super) fn length(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    Ok(if metadata.is_file() {
        metadata.len()
    } else {
        0
    })
}
