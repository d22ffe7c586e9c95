//! IDX files, also gzipped.

use cnn::data::idx;
use cnn::ndarray::{Ix1, Ix3, IxDyn};

/// Files to begin with.
pub const SEEDS: &[&[u8]] = &[
    b"\0\0\x08\x01\0\0\0\x03abc",
    b"\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x01abcd",
    b"\0\0\x08\x00a",
    // The first, compressed by gzip.
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x63\x60\xe0\x60\x64\x60\x60\x60\x4e\x4c\x4a\x06\x00\x54\x24\x25\xc4\x0b\x00\x00\x00",
];

/// Reads `bytes`, and checks what comes out.
pub fn run(bytes: &[u8]) {
    if let Ok(array) = idx::from_bytes::<IxDyn>(bytes) {
        assert_eq!(array.len(), array.shape().iter().product::<usize>());
    }
    let _ = idx::from_bytes::<Ix1>(bytes);
    let _ = idx::from_bytes::<Ix3>(bytes);
}
