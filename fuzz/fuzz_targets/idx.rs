#![no_main]

#[path = "../entries/idx.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod idx;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| idx::run(bytes));
