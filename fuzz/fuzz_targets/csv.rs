#![no_main]

#[path = "../entries/csv.rs"]
mod csv;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| csv::run(bytes));
