#![no_main]

#[path = "../entries/csv.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod csv;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| csv::run(bytes));
