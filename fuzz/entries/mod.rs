//! What is fuzzed: each entry takes any bytes and must not panic, and has files to begin with.
//!
//! `fuzz_targets` calls an entry from libFuzzer; `tests/fuzz.rs` calls all of them with a stable compiler. A new entry is a
//! file here, a line in this one, and a target.

pub mod checkpoint;
pub mod csv;
pub mod idx;
pub mod images;
pub mod language;
pub mod matching;
pub mod network;
pub mod npy;
pub mod npz;
pub mod weights;

/// Something that reads bytes from outside.
pub struct Entry {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub seeds: &'static [&'static [u8]],
}

macro_rules! entries {
    ($($name:ident),+ $(,)?) => {
        /// All of them.
        pub const ENTRIES: &[Entry] = &[
            $(Entry { name: stringify!($name), run: $name::run, seeds: $name::SEEDS },)+
        ];
    };
}

entries! {
    csv,
    idx,
    images,
    npy,
    npz,
    weights,
    matching,
    checkpoint,
    language,
}
