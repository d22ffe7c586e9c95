#![no_main]

#[path = "../entries/weights.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod weights;
#[path = "../entries/network.rs"]
#[allow(dead_code, reason = "each target uses its share")]
mod network;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weights::run(bytes));
