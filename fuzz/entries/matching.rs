//! Weights of another network, of which those that match are copied.

use super::network::{CHECKPOINT, SORTED, WEIGHTS, bits, file, model};

/// Files to begin with.
pub const SEEDS: &[&[u8]] = &[
    WEIGHTS,
    SORTED,
    CHECKPOINT,
    b"\x39\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}\0\0\0\0\0\0\0\0",
];

/// Reads `bytes`, and checks what comes out.
pub fn run(bytes: &[u8]) {
    let (before, mut changed) = (model(), model());
    let Ok(report) = changed.load_matching(file(bytes)) else {
        return assert_eq!(bits(&changed), bits(&before));
    };
    let others = report.only_in_network.len() + report.other_shape.len() + report.other_type.len();
    assert_eq!(report.matched.len() + others, before.tensors().count());
    for (name, tensor) in before.tensors() {
        if !report.matched.contains(&name) {
            assert_eq!(changed.tensor(name), Some(tensor));
        }
    }
}
