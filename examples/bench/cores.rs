//! How far the cores are from each other: what threads that work on the same values have to wait for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Passes of a round, few enough for a round between two interruptions.
const PASSES: u32 = 1_000;
const ROUNDS: usize = 20;
/// Where both threads run on one core, a pass takes as long as the system lets a thread run.
const LONGEST: Duration = Duration::from_millis(500);

/// The time that a cache line takes from one thread to another: the mean of a round, in the fastest one.
pub fn distance() -> Duration {
    let started = Instant::now();
    let rounds = (0..ROUNDS).take_while(|_| started.elapsed() < LONGEST);
    rounds.map(|_| round()).min().unwrap_or_default()
}

/// Two threads count by turns, each when the other has.
fn round() -> Duration {
    let count = AtomicU32::new(0);
    let ready = AtomicU32::new(0);
    let pass_on = |own: u32| {
        ready.fetch_add(1, Ordering::Relaxed);
        while ready.load(Ordering::Relaxed) < 2 {
            std::hint::spin_loop();
        }
        let started = Instant::now();
        loop {
            let passes = count.load(Ordering::Acquire);
            if passes >= PASSES {
                return started.elapsed() / PASSES;
            }
            if passes % 2 == own {
                count.store(passes + 1, Ordering::Release);
            } else {
                std::hint::spin_loop();
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| pass_on(1));
        pass_on(0)
    })
}
