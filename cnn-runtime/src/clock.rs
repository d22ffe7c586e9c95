//! How long something takes.
//!
//! `wasm32-unknown-unknown` has no clock: asked for one, its standard library panics. There, everything takes 0 s.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
use std::time::Instant;

/// Measures the time since its start.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch {
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    started: Instant,
}

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
            started: Instant::now(),
        }
    }

    /// Seconds since the start; 0 where there is no clock.
    pub(crate) fn seconds(self) -> f64 {
        #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
        let seconds = self.started.elapsed().as_secs_f64();
        #[cfg(all(target_family = "wasm", target_os = "unknown"))]
        let seconds = 0.0;
        seconds
    }
}
