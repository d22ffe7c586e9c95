//! Files that were good and are changed at random: whatever the bytes, reading ends with a value or an error, soon, and
//! with memory in proportion.
//!
//! `CNN_FUZZ_ROUNDS` is how often each seed is changed; with `CNN_FUZZ_SECONDS`, each entry is run for so long instead, or
//! only the one that `CNN_FUZZ_ENTRY` names. `fuzz/README.md` has libFuzzer's way.

#[path = "support/counting.rs"]
mod counting;
#[path = "../fuzz/entries/mod.rs"]
mod entries;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use counting::peak;
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

/// The most memory that an entry may take: a JPEG file that is as large as may be takes 320 MiB.
const MEMORY: usize = 400 << 20;

/// Runs an entry with a file, which must not panic.
fn run(entry: &Entry, bytes: &[u8]) -> Result<(), String> {
    let start = Instant::now();
    let (result, used) = peak(|| catch_unwind(AssertUnwindSafe(|| (entry.run)(bytes))));
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
        Ok(()) if used > MEMORY => Err(format!("{} takes {used} bytes: {}", entry.name, hex())),
        Ok(()) => Ok(()),
    }
}

/// The number that a variable of the environment holds.
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let rounds = variable("CNN_FUZZ_ROUNDS").unwrap_or(200) as usize;
    let seconds = variable("CNN_FUZZ_SECONDS").map(Duration::from_secs);
    let only = std::env::var("CNN_FUZZ_ENTRY").ok();
    let mut failures = Vec::new();
    for (number, entry) in ENTRIES.iter().enumerate() {
        if only.as_ref().is_some_and(|name| name != entry.name) {
            continue;
        }
        let (start, mut files) = (Instant::now(), 0_u64);
        let mut random = Random(number as u64);
        let mut fuzz = |bytes: &[u8]| {
            files += 1;
            failures.extend(run(entry, bytes).err());
        };
        loop {
            for &seed in entry.seeds {
                fuzz(seed);
                for _ in 0..rounds {
                    let mut bytes = seed.to_vec();
                    mutate(&mut bytes, entry.seeds, &mut random);
                    fuzz(&bytes);
                }
            }
            // And bytes that never were a file.
            for length in 0..rounds.min(300) {
                let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
                fuzz(&bytes);
            }
            if seconds.is_none_or(|seconds| start.elapsed() >= seconds) {
                break;
            }
        }
        println!("{}: {files} files in {:?}", entry.name, start.elapsed());
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
