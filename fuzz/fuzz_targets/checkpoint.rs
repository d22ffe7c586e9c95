#![no_main]

#[path = "../entries/checkpoint.rs"]
#[allow(dead_code, reason = "seeds are for the test with a stable compiler")]
mod checkpoint;
#[path = "../entries/network.rs"]
#[allow(dead_code, reason = "each target uses its share")]
mod network;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checkpoint::run(bytes));
