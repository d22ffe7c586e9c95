//! What a dataset is read for.

/// A pass over the examples of a dataset: what [`Dataset::begin`](super::Dataset::begin) is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// An epoch of training, or the rest of one that was interrupted.
    Training {
        /// The seed of the training.
        seed: u64,
        /// The number of epochs that the model had been trained before this one, so that the first has the number 0.
        epoch: u64,
    },
    /// An evaluation, a validation or a prediction: the examples as they are.
    Evaluation,
}
