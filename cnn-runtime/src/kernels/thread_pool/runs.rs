//! Which thread takes which item of a job: each begins with a run of its own.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most runs. More threads than that share them.
const MOST: usize = 16;

/// The items of a job that nobody has claimed, in runs of neighbours.
pub(super) struct Runs {
    runs: [Run; MOST],
    count: usize,
}

impl Runs {
    /// So many items for so many threads, of which there is at least one.
    ///
    /// # Panics
    /// If a `u32` cannot count the items.
    pub(super) fn new(items: usize, threads: usize) -> Self {
        let items = u32::try_from(items).expect("as many items as a `u32` counts");
        let count = threads.clamp(1, MOST);
        let start = |run: usize| (run as u64 * u64::from(items) / count as u64) as u32;
        Self {
            runs: std::array::from_fn(|run| {
                Run::new(start(run.min(count))..start((run + 1).min(count)))
            }),
            count,
        }
    }

    /// An item for a thread that nobody else gets: the first one that is left of its own run, or the last one that is
    /// left of another.
    pub(super) fn claim(&self, thread: usize) -> Option<usize> {
        let own = thread % self.count;
        let first = self.runs[own].claim(|left| (left.start, left.start + 1..left.end));
        first.or_else(|| {
            let others = (1..self.count).map(|distance| (own + distance) % self.count);
            others.into_iter().find_map(|other| {
                self.runs[other].claim(|left| (left.end - 1, left.start..left.end - 1))
            })
        })
    }

    /// Takes away all that is left.
    pub(super) fn clear(&self) {
        for run in &self.runs {
            run.left.store(pack(0..0), Ordering::Relaxed);
        }
    }
}

/// Neighbouring items, on a cache line of their own: most claims are those of one thread.
#[repr(align(64))]
struct Run {
    /// The items that are left, the first one and the one behind the last, as a word.
    left: AtomicU64,
}

impl Run {
    fn new(items: Range<u32>) -> Self {
        Self {
            left: AtomicU64::new(pack(items)),
        }
    }

    /// Takes an item of those that are left, if there are any: `take` returns it and the others. What the items hold is
    /// published when the job is and when its threads leave, so the order of claims alone matters here.
    fn claim(&self, take: impl Fn(Range<u32>) -> (u32, Range<u32>)) -> Option<usize> {
        let claimed = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                let left = unpack(left);
                (!left.is_empty()).then(|| pack(take(left).1))
            });
        claimed.ok().map(|left| take(unpack(left)).0 as usize)
    }
}

fn pack(items: Range<u32>) -> u64 {
    u64::from(items.start) << 32 | u64::from(items.end)
}

fn unpack(word: u64) -> Range<u32> {
    (word >> 32) as u32..word as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(runs: &Runs, thread: usize) -> Vec<usize> {
        std::iter::from_fn(|| runs.claim(thread)).collect()
    }

    #[test]
    fn a_thread_begins_with_its_own_run_and_takes_others_from_the_back() {
        let runs = Runs::new(10, 3);
        assert_eq!(runs.claim(2), Some(6));
        assert_eq!(runs.claim(1), Some(3));
        assert_eq!(claims(&runs, 0), [0, 1, 2, 5, 4, 9, 8, 7]);
        assert!(claims(&runs, 1).is_empty());
    }

    #[test]
    fn each_item_is_claimed_once() {
        for items in 0..40 {
            for threads in [1, 2, 3, 15, 16, 17, 64] {
                let runs = Runs::new(items, threads);
                let mut turn = 0;
                let mut claimed: Vec<_> = std::iter::from_fn(|| {
                    turn += 7;
                    runs.claim(turn % threads)
                })
                .collect();
                claimed.sort_unstable();
                assert!(
                    claimed.into_iter().eq(0..items),
                    "{items} items, {threads} threads"
                );
            }
        }
    }

    #[test]
    fn nothing_is_left_of_what_was_cleared() {
        let runs = Runs::new(100, 4);
        runs.clear();
        assert!(claims(&runs, 3).is_empty());
    }
}
