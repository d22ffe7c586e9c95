#![no_main]

#[path = "../entries/idx.rs"]
mod idx;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| idx::run(bytes));
