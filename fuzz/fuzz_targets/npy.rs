#![no_main]

#[path = "../entries/npy.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod npy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| npy::run(bytes));
