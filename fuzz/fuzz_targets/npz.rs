#![no_main]

#[path = "../entries/npz.rs"]
mod npz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| npz::run(bytes));
