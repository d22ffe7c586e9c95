//! Training: the loop over epochs, one step, and the sums over a batch.
//!
//! `trainer` holds the settings and runs the epochs, `step` computes a step, `reduction` adds up
//! what threads have computed apart, `history` and `progress` report.

#[cfg(feature = "std")]
pub(crate) mod history;
#[cfg(feature = "std")]
mod progress;
pub(crate) mod reduction;
#[cfg(feature = "std")]
pub(crate) mod step;
#[cfg(feature = "std")]
mod trainer;

#[cfg(feature = "std")]
pub use {
    history::{Epoch, History, Scores},
    trainer::Trainer,
};
