#![no_main]

#[path = "../entries/images.rs"]
mod images;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| images::run(bytes));
