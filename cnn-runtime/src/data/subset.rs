//! Some examples of a dataset, in any order: what `select`, `shuffled` and `split` make, and what
//! `validation_split` holds back.

use std::ops::Range;

use cnn_ir::Loss;

use super::Dataset;
use super::forward::forward;
use crate::error::Error;
use crate::model::parameters::{shuffle, stream};

/// Some examples of the dataset `D`, in any order, any of them several times. Nothing is copied.
///
/// Errors name an example by its number in the dataset that it is taken from.
#[derive(Clone, Debug)]
pub struct Subset<D> {
    data: D,
    indices: Indices,
}

/// The numbers of the examples in the dataset that they are taken from.
#[derive(Clone, Debug)]
enum Indices {
    Range(Range<usize>),
    List(Vec<usize>),
}

impl<D: Dataset> Subset<D> {
    /// The examples in `range`, which lies within the dataset.
    pub(crate) fn range(data: D, range: Range<usize>) -> Self {
        Self {
            data,
            indices: Indices::Range(range),
        }
    }

    /// The examples of a list whose numbers lie within the dataset.
    pub(super) fn list(data: D, indices: Vec<usize>) -> Self {
        Self {
            data,
            indices: Indices::List(indices),
        }
    }

    pub(super) fn select(data: D, indices: impl IntoIterator<Item = usize>) -> Result<Self, Error> {
        let indices: Vec<usize> = indices.into_iter().collect();
        let examples = data.len();
        match indices.iter().find(|&&index| index >= examples) {
            None => Ok(Self::list(data, indices)),
            Some(&index) => Err(Error::ExampleIndex { index, examples }),
        }
    }

    pub(super) fn shuffled(data: D, seed: u64) -> Self {
        let order = order(data.len(), seed);
        Self::list(data, order)
    }

    /// The dataset that the examples are taken from.
    pub fn whole(&self) -> &D {
        &self.data
    }

    /// Gives the dataset back that the examples are taken from.
    pub fn into_whole(self) -> D {
        self.data
    }

    /// The number of example `index` in the dataset that it is taken from.
    fn at(&self, index: usize) -> usize {
        match &self.indices {
            Indices::Range(range) => range.start + index,
            Indices::List(indices) => indices[index],
        }
    }

    /// What a check of the whole dataset has found, if it is about these examples. One that is not says nothing about
    /// them; each target is still checked when it is read.
    fn of_these(&self, found: Result<(), Error>) -> Result<(), Error> {
        let Err(error) = found else {
            return Ok(());
        };
        let is_theirs = error.example().is_none_or(|example| {
            let mut indices = 0..self.len();
            indices.any(|index| self.original_index(index) == example)
        });
        if is_theirs { Err(error) } else { Ok(()) }
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    fn len(&self) -> usize {
        match &self.indices {
            Indices::Range(range) => range.len(),
            Indices::List(indices) => indices.len(),
        }
    }

    forward!(this => this.data; input_shape, inputs, targets, shape_of_input, begin);

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.data.read_input(self.at(index), out);
    }

    fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
        self.data.read_input_of(input, self.at(index), out);
    }

    fn try_read_input_of(&self, input: usize, index: usize, out: &mut [f32]) -> Result<(), Error> {
        self.data.try_read_input_of(input, self.at(index), out)
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.data.read_target(self.at(index), out);
    }

    fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
        self.data.read_target_of(target, self.at(index), out);
    }

    fn try_read_target_of(
        &self,
        target: usize,
        index: usize,
        out: &mut [f32],
    ) -> Result<(), Error> {
        self.data.try_read_target_of(target, self.at(index), out)
    }

    fn weight_of(&self, target: usize, index: usize) -> f32 {
        self.data.weight_of(target, self.at(index))
    }

    fn label_of(&self, index: usize) -> Option<usize> {
        self.data.label_of(self.at(index))
    }

    fn original_index(&self, index: usize) -> usize {
        self.data.original_index(self.at(index))
    }

    fn will_read(&self, examples: &mut dyn Iterator<Item = usize>) {
        self.data
            .will_read(&mut examples.map(|index| self.at(index)));
    }

    fn check_all(&self, inputs: &[&[usize]], outputs: &[&[usize]]) -> Result<(), Error> {
        self.of_these(self.data.check_all(inputs, outputs))
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        self.of_these(self.data.check(input, output))
    }

    fn check_target(&self, target: usize, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.of_these(self.data.check_target(target, loss, output))
    }

    fn check_targets(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.of_these(self.data.check_targets(loss, output))
    }
}

/// The numbers below `len` in a random order.
fn order(len: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    shuffle(&mut order, &mut stream(&[seed]));
    order
}

/// How many of `len` examples are in the first part of a split.
fn first_part(fraction: f64, len: usize) -> Result<usize, Error> {
    if !(0.0..=1.0).contains(&fraction) {
        return Err(Error::Setting {
            name: "fraction",
            value: format!("{fraction:?}"),
            expected: "from 0 to 1",
        });
    }
    Ok((fraction * len as f64).round() as usize)
}

/// The numbers of the examples in both parts of [`Dataset::split`].
pub(super) fn split(len: usize, fraction: f64, seed: u64) -> Result<[Vec<usize>; 2], Error> {
    let first = first_part(fraction, len)?;
    let mut first_part = order(len, seed);
    let second_part = first_part.split_off(first);
    Ok([first_part, second_part])
}

/// The numbers of the examples in both parts of [`Dataset::split_stratified`].
pub(super) fn split_stratified(
    data: &dyn Dataset,
    fraction: f64,
    seed: u64,
) -> Result<[Vec<usize>; 2], Error> {
    let first = first_part(fraction, data.len())?;
    let label = |index| {
        data.label_of(index).ok_or_else(|| Error::Unlabelled {
            index: data.original_index(index),
        })
    };
    let labels: Vec<usize> = (0..data.len()).map(label).collect::<Result<_, _>>()?;
    let mut classes = labels.clone();
    classes.sort_unstable();
    let runs: Vec<(usize, usize)> = (classes.chunk_by(|a, b| a == b))
        .map(|run| (run[0], run.len()))
        .collect();
    let mut quotas: Vec<usize> = (runs.iter())
        .map(|(_, count)| (fraction * *count as f64).floor() as usize)
        .collect();
    // The largest remainders get what is left, of equal ones the lower class.
    let remainder = |place: usize| {
        let share = fraction * runs[place].1 as f64;
        share - share.floor()
    };
    let mut places: Vec<usize> = (0..runs.len()).collect();
    places.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)));
    let left = first.saturating_sub(quotas.iter().sum());
    for &place in places.iter().take(left) {
        quotas[place] += 1;
    }

    let mut parts = [const { Vec::new() }; 2];
    for index in order(data.len(), seed) {
        let class = runs.binary_search_by_key(&labels[index], |run| run.0);
        let quota = class.ok().map(|place| &mut quotas[place]);
        match quota {
            Some(quota) if *quota > 0 => {
                *quota -= 1;
                parts[0].push(index);
            }
            _ => parts[1].push(index),
        }
    }
    Ok(parts)
}
