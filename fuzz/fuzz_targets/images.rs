#![no_main]

#[path = "../entries/images.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod images;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| images::run(bytes));
