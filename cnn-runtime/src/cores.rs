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
/// What is taken for the distance where threads wait for other reasons, as for a core that is busy.
const FARTHEST: u32 = 8 * NEAR;

static DISTANCE: AtomicU32 = AtomicU32::new(NEAR);

/// When it was measured, in milliseconds since the first time; 0: not yet.
static MEASURED: AtomicU64 = AtomicU64::new(0);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds for which a measurement holds. It takes some ten microseconds.
const HOLDS: u64 = 100;

/// The time in nanoseconds that a cache line takes from one thread to another one, as it was measured last.
pub fn distance() -> u32 {
    DISTANCE.load(Ordering::Relaxed)
}

/// How many times as far they are as cores that share a cache.
pub(crate) fn remoteness() -> usize {
    ((distance() + NEAR / 2) / NEAR).max(1) as usize
}

/// Measures the distance, if that was a while ago and the threads of the pool are awake: to wake them would take longer
/// than a small network. For a thread that is about to share its work.
pub(crate) fn measure() {
    // Also where there is no clock, and nobody to share with.
    if *CORES < 2 || !thread_pool::is_awake() {
        return;
    }
    let now = 1 + START.elapsed().as_millis() as u64;
    let before = MEASURED.load(Ordering::Relaxed);
    let is_due = before == 0 || now > before + HOLDS;
    let claim = || MEASURED.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed);
    if is_due && claim().is_ok() {
        let turn = AtomicU32::new(0);
        let mut found = [None; 2];
        for_each(2, &mut found, |own, found| *found = play(&turn, own as u32));
        if let Some(nanoseconds) = found[0] {
            DISTANCE.store(nanoseconds.clamp(1, FARTHEST), Ordering::Relaxed);
        }
    }
}

/// Rounds, of which the fastest one counts, and how often the line passes in each.
const ROUNDS: u32 = 4;
const PASSES: u32 = 16;
/// How often a thread looks for its turn before it gives up: the other one does not run.
const PATIENCE: u32 = 2_000;
const GIVEN_UP: u32 = u32::MAX;

/// Counts by turns with another thread: thread 0 makes even numbers odd, thread 1 odd ones even.
fn play(turn: &AtomicU32, own: u32) -> Option<u32> {
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
        // Another test may keep a core busy, so that a thread gives up.
        let played = (0..1000).any(|_| {
            let turn = AtomicU32::new(0);
            let found = std::thread::scope(|scope| {
                let other = scope.spawn(|| play(&turn, 1));
                [play(&turn, 0), other.join().unwrap()]
            });
            assert!(found != [None; 2] || turn.load(Ordering::Relaxed) == GIVEN_UP);
            found.iter().all(Option::is_some) && turn.into_inner() == ROUNDS * PASSES
        });
        assert!(played || *CORES < 2);
    }

    #[test]
    fn a_thread_alone_gives_up() {
        assert_eq!(play(&AtomicU32::new(0), 0), None);
        assert_eq!(play(&AtomicU32::new(GIVEN_UP), 1), None);
    }

    #[test]
    fn a_distance_is_sane() {
        for_each(2, &mut [(); 2], |_, _| ());
        measure();
        assert!((1..=FARTHEST).contains(&distance()));
    }
}
