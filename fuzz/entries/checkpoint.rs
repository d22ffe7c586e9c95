//! The state of a training, from which it is resumed.

use cnn::Error;
use cnn::callbacks::{EarlyStopping, ReduceOnPlateau};

use super::network::{CHECKPOINT, WEIGHTS, bits, examples, file, model};

/// Files to begin with.
pub const SEEDS: &[&[u8]] = &[CHECKPOINT, WEIGHTS];

/// Goes on from `bytes` until an epoch after that of the seed, and checks what comes out.
pub fn run(bytes: &[u8]) {
    const EPOCHS: usize = 21;
    let mut model = model();
    let before = bits(&model);
    let trainer = model.trainer().epochs(EPOCHS).threads(1).progress(false);
    let early_stopping = EarlyStopping::new().patience(9).restore_best_weights(true);
    let trainer = trainer
        .early_stopping(early_stopping)
        .reduce_on_plateau(ReduceOnPlateau::new());
    match trainer.resume_from(file(bytes)).fit(&examples()) {
        Ok(history) => assert!(history.epochs.len() <= 1000),
        // Nothing has been trained.
        Err(Error::Checkpoint { .. }) => assert_eq!(bits(&model), before),
        Err(error) => assert!(matches!(
            error,
            Error::NonFiniteLoss { .. }
                | Error::NonFiniteGradient { .. }
                | Error::NonFiniteUpdate { .. }
        )),
    }
}
