//! A part of a dataset, from one example to another.

use std::ops::Range;

use super::Dataset;
use crate::error::Error;
use cnn_ir::Loss;

/// The examples of `data` in `range`, counted from 0. Checks ask the whole of `data`, so what they find has the numbers
/// of that.
pub(crate) struct Share<'a> {
    pub(crate) data: &'a dyn Dataset,
    pub(crate) range: Range<usize>,
}

impl Share<'_> {
    fn index(&self, index: usize) -> usize {
        self.range.start + index
    }
}

impl Dataset for Share<'_> {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.data.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.data.read_input(self.index(index), out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.data.read_target(self.index(index), out);
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
        self.data.read_input_of(input, self.index(index), out);
    }

    fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
        self.data.read_target_of(target, self.index(index), out);
    }

    fn weight_of(&self, target: usize, index: usize) -> f32 {
        self.data.weight_of(target, self.index(index))
    }

    fn check_all(&self, inputs: &[&[usize]], outputs: &[&[usize]]) -> Result<(), Error> {
        self.data.check_all(inputs, outputs)
    }

    fn check_target(&self, target: usize, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.data.check_target(target, loss, output)
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        self.data.check(input, output)
    }

    fn check_targets(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.data.check_targets(loss, output)
    }
}
