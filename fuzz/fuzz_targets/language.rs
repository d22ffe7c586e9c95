#![no_main]

#[path = "../entries/language.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod language;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| language::run(bytes));
