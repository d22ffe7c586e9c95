//! Which targets a loss takes, and a dataset whose targets are checked as they are read.
//!
//! What a [`Dataset`] reads may be larger than memory and made on the way, so nothing is read for the sake of
//! the check alone: [`Checked`] stands between the dataset and the threads that read it, looks at each target
//! while it is in the cache, and notes the first wrong one. Who reads a batch asks for it afterwards, before
//! anything is done with the results.

use std::sync::{Mutex, PoisonError};

use cnn_ir::Loss;
use cnn_ir::loss::Output;

use super::Dataset;
use crate::error::Error;

/// How far the targets of a row may exceed 1 together: soft labels are often rounded.
const ROUNDING: f32 = 0.01;

/// Whether `loss` takes `target`, which belongs to example `index` and is made of rows of `classes` values.
///
/// - Classes: probabilities, each from 0 to 1, which sum to at most 1 in a row. One-hot and soft labels sum to 1;
///   a row of zeros belongs to an example without a label and adds nothing to the loss.
/// - Yes or no: probabilities, each from 0 to 1.
/// - Numbers: any that are finite.
pub(super) fn check(loss: Loss, classes: usize, index: usize, target: &[f32]) -> Result<(), Error> {
    let output = loss.properties().output;
    let is_taken = |value: f32| match output {
        Output::Classes | Output::Binary => (0.0..=1.0).contains(&value),
        Output::Values => value.is_finite(),
    };
    // Without a branch, so that LLVM may use vectors.
    let all_taken = target.iter().fold(true, |all, t| all & is_taken(*t));
    if !all_taken {
        let wrong = target.iter().find(|value| !is_taken(**value));
        return Err(Error::TargetValue {
            index,
            value: wrong.copied().unwrap_or(f32::NAN),
            loss,
            expected: match output {
                Output::Classes | Output::Binary => "from 0 to 1",
                Output::Values => "finite",
            },
        });
    }
    if output == Output::Classes {
        let mut sums = target.chunks(classes.max(1)).map(|row| row.iter().sum());
        if let Some(sum) = sums.find(|sum: &f32| *sum > 1.0 + ROUNDING) {
            return Err(Error::TargetSum { index, sum, loss });
        }
    }
    Ok(())
}

/// The length of the rows that targets of this shape are made of.
pub(super) fn classes(output: &[usize]) -> usize {
    output.last().copied().unwrap_or(1)
}

/// A dataset that notes targets which the loss does not take.
pub(crate) struct Checked<'a> {
    data: &'a dyn Dataset,
    loss: Loss,
    classes: usize,
    /// Of the examples with a wrong target that have been read, the first in the dataset's order.
    wrong: Mutex<Option<(usize, Error)>>,
}

impl<'a> Checked<'a> {
    /// `data` for a network with this loss and this output.
    pub(crate) fn new(data: &'a dyn Dataset, loss: Loss, output: &[usize]) -> Self {
        Self {
            data,
            loss,
            classes: classes(output),
            wrong: Mutex::default(),
        }
    }

    /// Whether all targets that have been read since the last call are such as the loss takes.
    ///
    /// # Errors
    ///
    /// [`Error::TargetValue`] and [`Error::TargetSum`].
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.take().map_or(Ok(()), |(_, error)| Err(error))
    }
}

impl Dataset for Checked<'_> {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.data.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.data.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.data.read_target(index, out);
        if let Err(error) = check(self.loss, self.classes, index, out) {
            let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            if wrong.as_ref().is_none_or(|(first, _)| index < *first) {
                *wrong = Some((index, error));
            }
        }
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        self.data.check(input, output)
    }

    fn check_targets(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.data.check_targets(loss, output)
    }
}
