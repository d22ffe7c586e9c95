#![no_main]

#[path = "../entries/matching.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod matching;
#[path = "../entries/network.rs"]
#[allow(dead_code, reason = "each target uses its share")]
mod network;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| matching::run(bytes));
