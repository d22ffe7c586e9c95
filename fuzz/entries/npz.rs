//! Archives of numpy.

use cnn::data::npy::Npz;

/// Files to begin with.
pub const SEEDS: &[&[u8]] = &[
    include_bytes!("../../tests/fixtures/files/stored.npz"),
    include_bytes!("../../tests/fixtures/files/compressed.npz"),
];

/// Reads `bytes`, and checks what comes out.
pub fn run(bytes: &[u8]) {
    let Ok(archive) = Npz::from_bytes(bytes.to_vec()) else {
        return;
    };
    for name in archive.names() {
        if let Ok(array) = archive.array(name) {
            assert_eq!(array.to_floats().shape(), array.shape());
        }
    }
    assert!(archive.array("no such array").is_err());
}
