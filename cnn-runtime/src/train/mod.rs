//! Training: the loop over epochs, one step, and the sums over a batch.
//!
//! ```text
//! Trainer ──▶ fit: epochs ──▶ step ──▶ 1 batch ──▶ 2 gradients, clipping ──▶ 3 update ──▶ parameters and state
//!                 ╰──▶ progress, history, callbacks     ╰── reduction
//! ```
//!
//! `trainer` is the interface, `settings` holds what it collects, `fit` runs the epochs. `step` runs the three phases
//! of a step, one file each; `running` keeps up running statistics; `reduction` adds up what threads have computed
//! apart; `origin` finds what made a step fail. `augment` changes the examples that a batch reads. `state` is what
//! outlives a call of `fit`; `frozen` says which tensors it leaves alone. `history` and `progress` report; `callbacks` act at the end of each
//! epoch.
//!
//! Training knows the model by its parameters, its specification and its evaluation; the model knows nothing of how
//! it is trained.

#[cfg(feature = "std")]
mod augment;
#[cfg(feature = "std")]
mod average;
#[cfg(feature = "std")]
mod batch;
#[cfg(feature = "std")]
pub mod callbacks;
#[cfg(feature = "std")]
mod checkpoint;
#[cfg(feature = "std")]
mod clipping;
#[cfg(feature = "std")]
mod constraints;
#[cfg(feature = "std")]
mod fit;
#[cfg(feature = "std")]
pub(crate) mod frozen;
#[cfg(feature = "std")]
mod gradients;
#[cfg(feature = "std")]
mod history;
#[cfg(feature = "std")]
mod multipliers;
#[cfg(feature = "std")]
mod origin;
#[cfg(feature = "std")]
pub(crate) mod penalties;
#[cfg(feature = "std")]
mod progress;
pub(crate) mod reduction;
#[cfg(feature = "std")]
mod run;
#[cfg(feature = "std")]
mod running;
#[cfg(feature = "std")]
mod settings;
#[cfg(feature = "std")]
mod slow_build;
#[cfg(feature = "std")]
pub(crate) mod state;
#[cfg(feature = "std")]
mod step;
#[cfg(test)]
mod test_spec;
#[cfg(feature = "std")]
mod trainer;
#[cfg(feature = "std")]
mod update;

#[cfg(feature = "std")]
pub use {
    history::{Epoch, History, Step},
    trainer::Trainer,
};
