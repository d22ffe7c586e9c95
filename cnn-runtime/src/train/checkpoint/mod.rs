//! The state of a call of `fit` in one file, from which another process goes on to the same bits.
//!
//! ```text
//! parameters, TrainingState, Progress, callbacks ──▶ Snapshot ──▶ Writer: a thread of its own ──▶ one file
//! one file ──▶ Snapshot: does it fit the network, and the settings? ──▶ parameters, TrainingState, Progress, callbacks
//! ```
//!
//! A file has the network's tensors under their names, so that its weights can be loaded like those of any file; the
//! tensors that only training needs, as `training/mean/dense_1.kernel`; and a [`Record`] of all numbers, in JSON, in
//! the entry `cnn_training` of its metadata. Random numbers come from streams that seeds and counters name, so they
//! have no other state.

pub(super) mod exact;
mod record;
mod snapshot;
mod writer;

pub(super) use record::{Multiplier, Pass, Progress, Record};
pub(super) use snapshot::Snapshot;
pub(super) use writer::Writer;
