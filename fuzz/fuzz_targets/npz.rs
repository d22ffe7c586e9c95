#![no_main]

#[path = "../entries/npz.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod npz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| npz::run(bytes));
