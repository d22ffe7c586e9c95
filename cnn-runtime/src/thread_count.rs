//! How many threads the process uses where a call does not say.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use crate::kernels::thread_pool::MAX_THREADS;

/// What [`set_threads`] was called with; 0: nothing yet.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The processors that this process may use. Asked once: the answer takes longer than a small network.
pub(crate) static CORES: LazyLock<usize> =
    LazyLock::new(|| available_parallelism().map_or(1, NonZero::get));

/// Sets how many threads `predict`, `predict_batch`, `evaluate` and `fit` use where a call does not
/// say otherwise; 0 stands for as many as the machine offers, which is also the default. More than 65 are never used.
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
    /// Well above what it takes to hand out a job, also on cores without wide vectors.
    const GRAIN: u64 = 1_000_000;
    threads
        .min(usize::try_from(flops / GRAIN).unwrap_or(usize::MAX))
        .max(1)
}

/// The same of a job whose threads fetch what the others have changed of so many values, from cores that are so many
/// nanoseconds apart: one, if fetching all of them would take longer than the job.
pub(crate) fn worthwhile_sharing(
    threads: usize,
    flops: u64,
    values: usize,
    distance: u32,
) -> usize {
    /// Operations of a nanosecond, about, of a whole training step.
    const FLOPS: f64 = 160.0;
    /// Cache lines that a core fetches at the same time.
    const AT_ONCE: f64 = 12.0;
    const VALUES_OF_A_LINE: f64 = 16.0;
    // A share of the job takes its share of the time, and what the others have changed is the rest of the values.
    let lines = values as f64 / VALUES_OF_A_LINE;
    let fetching = lines * f64::from(distance) / AT_ONCE;
    let computing = flops as f64 / FLOPS;
    match computing > fetching {
        true => worthwhile(threads, flops),
        false => 1,
    }
}

/// The number of threads that a setting of `threads` stands for.
pub(crate) fn resolve(threads: usize) -> usize {
    let threads = if threads == 0 { *CORES } else { threads };
    threads.min(MAX_THREADS)
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
