//! Which targets a loss takes, and a dataset whose examples are checked as they are read.
//!
//! What a [`Dataset`] reads may be larger than memory and made on the way, so nothing is read for the sake of
//! the check alone: [`Checked`] stands between the dataset and the threads that read it, looks at each target
//! while it is in the cache, and notes the first wrong one. Who reads a batch asks for it afterwards, before
//! anything is done with the results.

use std::sync::{Mutex, PoisonError};

use cnn_ir::Loss;
use cnn_ir::loss::Targets;

use super::forward::forward;
use super::{Dataset, Pass};
use crate::error::Error;
use crate::objective::Objective;
use crate::spec::Port;

/// How far the targets of a row may exceed 1 together: soft labels are often rounded.
const ROUNDING: f32 = 0.01;

/// Whether `loss` takes `target`, which belongs to example `index` and has the shape `output`.
///
/// See [`Targets`]: one-hot and soft labels of classes sum to 1; a row of zeros belongs to an example without a label and
/// adds nothing to the loss.
pub(super) fn check(
    loss: Loss,
    output: &[usize],
    index: usize,
    target: &[f32],
) -> Result<(), Error> {
    let taken = loss.properties().targets;
    // Without a branch, so that LLVM may use vectors.
    let all_taken = target.iter().fold(true, |all, t| all & taken.contains(*t));
    if !all_taken {
        let wrong = target.iter().position(|value| !taken.contains(*value));
        let place = wrong.unwrap_or(0);
        return Err(Error::TargetValue {
            index,
            position: match output {
                [_] => Vec::new(),
                _ => position(output, place),
            },
            value: target[place],
            loss,
            expected: taken.describe(),
        });
    }
    if taken == Targets::Distribution {
        let (&classes, positions) = output.split_last().unwrap_or((&1, &[]));
        let sums = target.chunks(classes.max(1)).map(|row| row.iter().sum());
        let mut large = sums.enumerate().filter(|(_, sum)| *sum > 1.0 + ROUNDING);
        if let Some((place, sum)) = large.next() {
            return Err(Error::TargetSum {
                index,
                position: position(positions, place),
                sum,
                loss,
            });
        }
    }
    Ok(())
}

/// Whether an example can count so much in the loss.
pub(super) fn check_weight(index: usize, weight: f32) -> Result<(), Error> {
    match weight.is_finite() && weight >= 0.0 {
        true => Ok(()),
        false => Err(Error::SampleWeight { index, weight }),
    }
}

/// The coordinates of place `index` in an array of this shape, in order of its axes.
pub(super) fn position(shape: &[usize], index: usize) -> Vec<usize> {
    let mut rest = index;
    let axes = shape.iter().rev().map(|&length| {
        let coordinate = rest % length.max(1);
        rest /= length.max(1);
        coordinate
    });
    let mut position: Vec<usize> = axes.collect();
    position.reverse();
    position
}

/// A dataset that notes inputs and targets which cannot be read, targets which the losses do not take, and weights of
/// examples that make no sense.
pub(crate) struct Checked<'a> {
    data: &'a dyn Dataset,
    objectives: &'a [Objective],
    outputs: &'a [Port],
    /// Of the wrong examples that have been read, the first in the dataset's order.
    wrong: Mutex<Option<(usize, Error)>>,
}

impl<'a> Checked<'a> {
    /// The inputs of `data`, for a prediction.
    pub(crate) fn inputs_of(data: &'a dyn Dataset) -> Self {
        Self::new(data, &[], &[])
    }

    /// `data` for a network with these outputs.
    pub(crate) fn new(
        data: &'a dyn Dataset,
        objectives: &'a [Objective],
        outputs: &'a [Port],
    ) -> Self {
        Self {
            data,
            objectives,
            outputs,
            wrong: Mutex::default(),
        }
    }

    /// Notes that an example is wrong.
    fn note(&self, index: usize, error: Error) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.as_ref().is_none_or(|(first, _)| index < *first) {
            *wrong = Some((index, error));
        }
    }

    /// Whether all examples that have been read since the last call could be read, whether all targets are such as the loss
    /// takes, and all weights.
    ///
    /// # Errors
    ///
    /// [`Error::TargetValue`], [`Error::TargetSum`] and [`Error::SampleWeight`], and what reading finds.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.take().map_or(Ok(()), |(_, error)| Err(error))
    }
}

impl Dataset for Checked<'_> {
    forward!(this => this.data; len, input_shape, inputs, targets, shape_of_input, label_of, original_index, will_read);

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.read_input_of(0, index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.read_target_of(0, index, out);
    }

    fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
        if let Err(error) = self.data.try_read_input_of(input, index, out) {
            out.fill(f32::NAN);
            self.note(index, error);
        }
    }

    fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
        let (loss, shape) = (self.objectives[target].loss, self.outputs[target].shape);
        let read = self.data.try_read_target_of(target, index, out);
        let checked = read.and_then(|()| check(loss, shape, self.original_index(index), out));
        if let Err(error) = checked {
            self.note(index, error);
        }
    }

    fn begin(&self, pass: Pass) {
        self.data.begin(pass);
    }

    fn weight_of(&self, target: usize, index: usize) -> f32 {
        let weight = self.data.weight_of(target, index);
        if let Err(error) = check_weight(self.original_index(index), weight) {
            self.note(index, error);
        }
        weight
    }
}
