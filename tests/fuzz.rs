//! Files that were good and are changed at random: whatever the bytes, reading ends with a value or an error, soon, and
//! with memory in proportion.
//!
//! `CNN_FUZZ_ROUNDS` is how often each seed is changed; `fuzz/README.md` has libFuzzer's way.

#[path = "../fuzz/entries/mod.rs"]
mod entries;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use entries::{ENTRIES, Entry};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is above 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Changes some bytes of a file.
fn mutate(bytes: &mut Vec<u8>, others: &[&[u8]], random: &mut Random) {
    const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
    for _ in 0..1 + random.below(4) {
        if bytes.is_empty() {
            bytes.push(random.next() as u8);
        }
        let at = random.below(bytes.len());
        // Headers are short, and decide most.
        let at = if random.below(2) == 0 { at } else { at % 200 };
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 => {
                let number = NUMBERS[random.below(NUMBERS.len())];
                let number = match random.below(2) {
                    0 => number.to_le_bytes().to_vec(),
                    _ => number.to_be_bytes()[4..].to_vec(),
                };
                let number = &number[..1 + random.below(number.len())];
                let end = bytes.len().min(at + number.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            4 => bytes.truncate(at),
            5 => {
                let end = at + random.below((bytes.len() - at).min(64) + 1);
                bytes.drain(at..end);
            }
            6 => {
                let end = at + random.below((bytes.len() - at).min(64) + 1);
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let other = others[random.below(others.len())];
                let from = random.below(other.len());
                let piece = &other[from..(from + random.below(64)).min(other.len())];
                let end = bytes.len().min(at + piece.len());
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
}

/// Runs an entry with a file, which must not panic.
fn run(entry: &Entry, bytes: &[u8]) -> Result<(), String> {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (entry.run)(bytes)));
    let hex = || -> String {
        bytes
            .iter()
            .take(4096)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    match result {
        Err(_) => Err(format!("{} panics: {}", entry.name, hex())),
        Ok(()) if start.elapsed() > Duration::from_secs(20) => Err(format!(
            "{} takes {:?}: {}",
            entry.name,
            start.elapsed(),
            hex()
        )),
        Ok(()) => Ok(()),
    }
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let rounds = std::env::var("CNN_FUZZ_ROUNDS")
        .map_or(200, |rounds| rounds.parse().expect("a number of rounds"));
    let mut failures = Vec::new();
    for (number, entry) in ENTRIES.iter().enumerate() {
        let mut random = Random(number as u64);
        for &seed in entry.seeds {
            failures.extend(run(entry, seed).err());
            for _ in 0..rounds {
                let mut bytes = seed.to_vec();
                mutate(&mut bytes, entry.seeds, &mut random);
                failures.extend(run(entry, &bytes).err());
            }
        }
        // And bytes that never were a file.
        for length in 0..rounds.min(300) {
            let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            failures.extend(run(entry, &bytes).err());
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_entry_has_a_target_and_seeds() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for entry in ENTRIES {
        let target = format!("name = \"{}\"", entry.name);
        assert!(manifest.contains(&target), "no target {}", entry.name);
        assert!(!entry.seeds.is_empty(), "no seeds of {}", entry.name);
    }
    assert_eq!(manifest.matches("[[bin]]").count(), ENTRIES.len());
}
