#![no_main]

#[path = "../entries/npy.rs"]
mod npy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| npy::run(bytes));
