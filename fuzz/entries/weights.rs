//! Weights of a network.

use cnn::{Model, Network as _};

use super::network::{CHECKPOINT, SORTED, WEIGHTS, Xor, bits, file};

/// Files to begin with.
pub const SEEDS: &[&[u8]] = &[
    WEIGHTS,
    SORTED,
    CHECKPOINT,
    b"\x08\0\0\0\0\0\0\0{}      ",
    b"\x39\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}\0\0\0\0\0\0\0\0",
];

/// Reads `bytes`, and checks what comes out.
pub fn run(bytes: &[u8]) {
    let model = Model::from_bytes(Xor::spec(), bytes);
    let loaded = Model::load(Xor::spec(), file(bytes));
    assert_eq!(
        model.as_ref().ok().map(bits),
        loaded.as_ref().ok().map(bits)
    );
    if let Ok(model) = model {
        let mut output = [0.0];
        model.predict(&[0.0, 1.0], &mut output);
        let is_finite = model.parameters().iter().all(|value| value.is_finite());
        assert!(!is_finite || (0.0..=1.0).contains(&output[0]));
    }
}
