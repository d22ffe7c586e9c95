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
use crate::objective::Objective;
use crate::spec::Port;

/// How far the targets of a row may exceed 1 together: soft labels are often rounded.
const ROUNDING: f32 = 0.01;

/// Whether `loss` takes `target`, which belongs to example `index` and has the shape `output`.
///
/// - Classes: probabilities, each from 0 to 1, which sum to at most 1 in a row. One-hot and soft labels sum to 1;
///   a row of zeros belongs to an example without a label and adds nothing to the loss.
/// - Yes or no: probabilities, each from 0 to 1.
/// - Numbers: any that are finite.
pub(super) fn check(
    loss: Loss,
    output: &[usize],
    index: usize,
    target: &[f32],
) -> Result<(), Error> {
    let meaning = loss.properties().output;
    let is_taken = |value: f32| match meaning {
        Output::Classes | Output::Binary => (0.0..=1.0).contains(&value),
        Output::Values => value.is_finite(),
    };
    // Without a branch, so that LLVM may use vectors.
    let all_taken = target.iter().fold(true, |all, t| all & is_taken(*t));
    if !all_taken {
        let wrong = target.iter().position(|value| !is_taken(*value));
        let place = wrong.unwrap_or(0);
        return Err(Error::TargetValue {
            index,
            position: match output {
                [_] => Vec::new(),
                _ => position(output, place),
            },
            value: target[place],
            loss,
            expected: match meaning {
                Output::Classes | Output::Binary => "from 0 to 1",
                Output::Values => "finite",
            },
        });
    }
    if meaning == Output::Classes {
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

/// A dataset that notes targets which the losses do not take.
pub(crate) struct Checked<'a> {
    data: &'a dyn Dataset,
    objectives: &'a [Objective],
    outputs: &'a [Port],
    /// Of the examples with a wrong target that have been read, the first in the dataset's order.
    wrong: Mutex<Option<(usize, Error)>>,
}

impl<'a> Checked<'a> {
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
        self.read_target_of(0, index, out);
    }

    fn inputs(&self) -> usize {
        self.data.inputs()
    }

    fn targets(&self) -> usize {
        self.data.targets()
    }

    fn shape_of_input(&self, input: usize) -> &[usize] {
        self.data.shape_of_input(input)
    }

    fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
        self.data.read_input_of(input, index, out);
    }

    fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
        self.data.read_target_of(target, index, out);
        let (loss, shape) = (self.objectives[target].loss, self.outputs[target].shape);
        if let Err(error) = check(loss, shape, index, out) {
            let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            if wrong.as_ref().is_none_or(|(first, _)| index < *first) {
                *wrong = Some((index, error));
            }
        }
    }
}
