//! How many threads the process uses where a call does not say.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// What [`set_threads`] was called with; 0: nothing yet.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The processors that this process may use. Asked once: the answer takes longer than a small network.
pub(crate) static CORES: LazyLock<usize> =
    LazyLock::new(|| available_parallelism().map_or(1, NonZero::get));

/// Sets how many threads `predict`, `predict_batch`, `evaluate` and `fit` use where a call does not
/// say otherwise; 0 stands for as many as the machine offers, which is also the default.
///
/// The number changes how long a call takes, never its result.
pub fn set_threads(threads: usize) {
    THREADS.store(threads, Ordering::Relaxed);
}

/// How many threads `predict`, `predict_batch`, `evaluate` and `fit` use; at least 1.
pub fn threads() -> usize {
    resolve(THREADS.load(Ordering::Relaxed))
}

/// As many of `threads` as a job of that many floating-point operations keeps busy for longer than it
/// takes to wake them.
pub(crate) fn worthwhile(threads: usize, flops: u64) -> usize {
    /// About 20 us of vector arithmetic; the pool hands out a job in one or two.
    const GRAIN: u64 = 1_000_000;
    threads
        .min(usize::try_from(flops / GRAIN).unwrap_or(usize::MAX))
        .max(1)
}

/// The same of a job whose threads fetch what the others have changed of so many values, from cores that are so many
/// nanoseconds apart.
pub(crate) fn worthwhile_sharing(
    threads: usize,
    flops: u64,
    values: usize,
    distance: u32,
) -> usize {
    /// Operations of a nanosecond, about, on a core with AVX-512.
    const FLOPS: f64 = 160.0;
    /// Cache lines that a core fetches at the same time.
    const AT_ONCE: f64 = 12.0;
    const VALUES_OF_A_LINE: f64 = 16.0;
    let lines = values as f64 / VALUES_OF_A_LINE;
    let of_all_lines = lines * f64::from(distance) / AT_ONCE;
    let nanoseconds = |threads: usize| {
        let share = 1.0 / threads as f64;
        share * flops as f64 / FLOPS + (1.0 - share) * of_all_lines
    };
    (1..=worthwhile(threads, flops))
        .min_by(|a, b| nanoseconds(*a).total_cmp(&nanoseconds(*b)))
        .unwrap_or(1)
}

/// The number of threads that a setting of `threads` stands for.
pub(crate) fn resolve(threads: usize) -> usize {
    if threads == 0 { *CORES } else { threads }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_cores_share_what_takes_longer_than_fetching_it() {
        // 784-512-512-10, batches of 8 and 64.
        let parameters = 669_706;
        let flops = |batch: u64| (6 * batch + 32) * parameters as u64;
        let threads = |offered, batch, distance| {
            worthwhile_sharing(offered, flops(batch), parameters, distance)
        };
        assert_eq!([1, 8].map(|batch| threads(2, batch, 25)), [2, 2]);
        assert_eq!([1, 8].map(|batch| threads(2, batch, 175)), [1, 1]);
        assert_eq!(threads(2, 64, 175), 2);
        assert_eq!(threads(1, 64, 25), 1);
        assert_eq!(threads(16, 64, 25), 16);
        // Nothing is shared.
        assert_eq!(worthwhile_sharing(8, flops(64), 0, 1000), 8);
    }
}
