//! How far the processor's cores are from each other: how long a thread waits for what another one has changed.
//!
//! Cores that share a cache are near. Others, of another part of the processor or of another processor, are several
//! times as far, and then many threads may take longer than one. So how many threads share a step is chosen by the
//! distance; its bits are the same on any number of them. A virtual machine may move to other cores at any time, so
//! the distance is measured again now and then.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crate::kernels::thread_pool::{self, for_each};
use crate::thread_count::CORES;

/// That of cores that share a cache, in nanoseconds.
const NEAR: u32 = 32;
/// The largest that is stored: longer waits have other reasons.
const FARTHEST: u32 = 8 * NEAR;

static DISTANCE: AtomicU32 = AtomicU32::new(NEAR);

/// When it was measured, in milliseconds since the first time; 0: not yet.
static MEASURED: AtomicU64 = AtomicU64::new(0);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds for which a measurement holds. It takes some ten microseconds.
const HOLDS: u64 = 100;
/// Milliseconds after which one says nothing any more.
const FORGOTTEN: u64 = 10 * HOLDS;

/// The time in nanoseconds that a cache line takes from one thread to another one, as it was measured last.
pub fn distance() -> u32 {
    DISTANCE.load(Ordering::Relaxed)
}

/// How many times as long it is as that of cores that share a cache.
pub(crate) fn latency_ratio() -> usize {
    ((distance() + NEAR / 2) / NEAR).max(1) as usize
}

/// Measures the distance, if that was a while ago, and returns what was found. For a thread that is about to share its
/// work.
///
/// The threads of the pool are not woken for it: that would take longer than a small network. Where they have slept for
/// long, perhaps because it did not pay to share, the cores are taken to be near again, so that the next step shares its
/// work, and the one behind it measures.
pub(crate) fn measure() -> Option<u32> {
    // A target without threads has no clock either.
    if *CORES < 2 {
        return None;
    }
    let now = 1 + START.elapsed().as_millis() as u64;
    let before = MEASURED.load(Ordering::Relaxed);
    let age = now.saturating_sub(before);
    if (before != 0 && age < HOLDS) || thread_pool::is_taken() {
        return None;
    }
    if !thread_pool::is_awake() {
        if age > FORGOTTEN {
            DISTANCE.store(NEAR, Ordering::Relaxed);
        }
        return None;
    }
    MEASURED
        .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
        .ok()?;
    let turn = AtomicU32::new(0);
    let mut found = [None; 2];
    for_each(2, &mut found, |own, found| {
        *found = ping_pong(&turn, own as u32)
    });
    let nanoseconds = found[0]?.clamp(1, FARTHEST);
    DISTANCE.store(nanoseconds, Ordering::Relaxed);
    Some(nanoseconds)
}

/// Rounds, of which the fastest one counts, and how often the line passes in each.
const ROUNDS: u32 = 4;
const PASSES: u32 = 16;
/// How often a thread looks for its turn before it gives up: the other one does not run.
const PATIENCE: u32 = 2_000;
const GIVEN_UP: u32 = u32::MAX;

/// Counts by turns with another thread: thread 0 makes even numbers odd, thread 1 odd ones even.
fn ping_pong(turn: &AtomicU32, own: u32) -> Option<u32> {
    let mut best = None;
    for round in 0..ROUNDS {
        // The first pass of a round is not timed: the other thread may not be there yet.
        let mut started = None;
        for pass in (own..PASSES).step_by(2) {
            let number = round * PASSES + pass;
            let is_mine = (0..PATIENCE).any(|_| {
                std::hint::spin_loop();
                turn.load(Ordering::Acquire) == number
            });
            if !is_mine {
                turn.store(GIVEN_UP, Ordering::Release);
                return None;
            }
            let started = started.get_or_insert_with(Instant::now);
            if pass + 2 >= PASSES {
                let nanoseconds = started.elapsed().as_nanos() as u32 / (pass - own);
                best = Some(best.map_or(nanoseconds, |best: u32| best.min(nanoseconds)));
            }
            turn.store(number + 1, Ordering::Release);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_count_to_the_end() {
        if *CORES < 2 {
            return;
        }
        // Other tests keep the cores busy, so that a thread gives up, but not for a minute.
        let counted = (0..60_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            let turn = AtomicU32::new(0);
            let found = std::thread::scope(|scope| {
                let other = scope.spawn(|| ping_pong(&turn, 1));
                [ping_pong(&turn, 0), other.join().unwrap()]
            });
            assert!(found != [None; 2] || turn.load(Ordering::Relaxed) == GIVEN_UP);
            found.iter().all(Option::is_some) && turn.into_inner() == ROUNDS * PASSES
        });
        assert!(counted);
    }

    #[test]
    fn a_thread_alone_gives_up() {
        assert_eq!(ping_pong(&AtomicU32::new(0), 0), None);
        assert_eq!(ping_pong(&AtomicU32::new(GIVEN_UP), 1), None);
    }

    #[test]
    fn a_distance_is_found_while_threads_are_awake() {
        if *CORES < 2 {
            return;
        }
        // Other tests take the pool, or keep the cores busy, but not for a minute.
        let found = (0..60_000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            MEASURED.store(0, Ordering::Relaxed);
            for_each(2, &mut [(); 2], |_, _| ());
            measure()
        });
        assert!((1..=FARTHEST).contains(&found.expect("a measurement")));
    }
}
