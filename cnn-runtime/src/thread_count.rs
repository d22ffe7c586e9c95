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

/// The number of threads that a setting of `threads` stands for.
pub(crate) fn resolve(threads: usize) -> usize {
    if threads == 0 { *CORES } else { threads }
}
