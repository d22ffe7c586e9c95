//! Arrays of numpy.

use cnn::Examples;
use cnn::data::npy::{self, NpyArray};

/// Files to begin with.
pub const SEEDS: &[&[u8]] = &[
    include_bytes!("../../tests/fixtures/files/u1.npy"),
    include_bytes!("../../tests/fixtures/files/big_f8.npy"),
    include_bytes!("../../tests/fixtures/files/u8.npy"),
    include_bytes!("../../tests/fixtures/files/fortran.npy"),
    include_bytes!("../../tests/fixtures/files/version_2.npy"),
    include_bytes!("../../tests/fixtures/files/scalar.npy"),
    include_bytes!("../../tests/fixtures/files/empty.npy"),
    include_bytes!("../../tests/fixtures/files/objects.npy"),
];

/// Reads `bytes`, and checks what comes out.
pub fn run(bytes: &[u8]) {
    if let Ok(array) = npy::from_bytes(bytes) {
        check(array);
    }
}

/// Whether an array holds what its shape says, however it is used.
pub fn check(array: NpyArray) {
    assert_eq!(array.to_floats().shape(), array.shape());
    if let Ok(integers) = array.to_integers() {
        assert_eq!(integers.shape(), array.shape());
        let _ = Examples::labelled(&array, integers);
    }
    if let Ok(examples) = Examples::with_values(&array, array.clone().expand_dims()) {
        // Bit by bit: NaN is not equal to itself.
        let (inputs, floats) = (examples.inputs(), array.to_floats());
        let mut pairs = inputs.iter().zip(&floats);
        assert!(pairs.all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}
