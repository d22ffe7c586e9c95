//! Inputs or targets that a function changes as they are read.

use cnn_ir::Loss;

use super::Dataset;
use super::forward::forward;
use crate::error::Error;

/// What changes an input in place: a function, or a [`Normalization`](super::Normalization).
pub trait ChangeInput: Sync {
    /// Changes an input, last axis fastest.
    fn change(&self, input: &mut [f32]);

    /// Whether inputs of this shape, without the batch axis, can be changed.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] of a normalization for another number of channels.
    fn check(&self, shape: &[usize]) -> Result<(), Error> {
        let _ = shape;
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<F: Fn(&mut [f32]) + Sync> ChangeInput for F {
    fn change(&self, input: &mut [f32]) {
        self(input);
    }
}

/// The dataset `D` with one of its inputs changed; see [`Dataset::map_input`] and
/// [`Normalization::normalize`](super::Normalization::normalize).
#[derive(Clone, Debug)]
pub struct MapInput<D, F> {
    data: D,
    input: usize,
    function: F,
}

/// The dataset `D` with one of its targets changed by a function; see [`Dataset::map_target`].
#[derive(Clone, Debug)]
pub struct MapTarget<D, F> {
    data: D,
    target: usize,
    function: F,
}

impl<D: Dataset, F: ChangeInput> MapInput<D, F> {
    pub(super) fn new(data: D, input: usize, function: F) -> Self {
        Self {
            data,
            input,
            function,
        }
    }

    fn change(&self, input: usize, out: &mut [f32]) {
        if input == self.input {
            self.function.change(out);
        }
    }
}

impl<D: Dataset, F: ChangeInput> Dataset for MapInput<D, F> {
    forward! {
        this => this.data;
        len, input_shape, inputs, targets, shape_of_input, read_target, read_target_of, try_read_target_of, weight_of,
        label_of, original_index, begin, will_read, check_target, check_targets,
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.data.read_input(index, out);
        self.change(0, out);
    }

    fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
        self.data.read_input_of(input, index, out);
        self.change(input, out);
    }

    fn try_read_input_of(&self, input: usize, index: usize, out: &mut [f32]) -> Result<(), Error> {
        self.data.try_read_input_of(input, index, out)?;
        self.change(input, out);
        Ok(())
    }

    fn check_all(&self, inputs: &[&[usize]], outputs: &[&[usize]]) -> Result<(), Error> {
        self.data.check_all(inputs, outputs)?;
        let shape = inputs.get(self.input).copied();
        shape.map_or(Ok(()), |shape| self.function.check(shape))
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        self.check_all(&[input], &[output])
    }
}

impl<D: Dataset, F: Fn(&mut [f32]) + Sync> MapTarget<D, F> {
    pub(super) fn new(data: D, target: usize, function: F) -> Self {
        Self {
            data,
            target,
            function,
        }
    }

    fn change(&self, target: usize, out: &mut [f32]) {
        if target == self.target {
            (self.function)(out);
        }
    }
}

impl<D: Dataset, F: Fn(&mut [f32]) + Sync> Dataset for MapTarget<D, F> {
    forward! {
        this => this.data;
        len, input_shape, inputs, targets, shape_of_input, read_input, read_input_of, try_read_input_of, weight_of,
        label_of, original_index, begin, will_read, check_all, check,
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.data.read_target(index, out);
        self.change(0, out);
    }

    fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
        self.data.read_target_of(target, index, out);
        self.change(target, out);
    }

    fn try_read_target_of(
        &self,
        target: usize,
        index: usize,
        out: &mut [f32],
    ) -> Result<(), Error> {
        self.data.try_read_target_of(target, index, out)?;
        self.change(target, out);
        Ok(())
    }

    /// What the loss takes is what the function makes, which is checked when it is read.
    fn check_target(&self, target: usize, loss: Loss, output: &[usize]) -> Result<(), Error> {
        match target == self.target {
            true => Ok(()),
            false => self.data.check_target(target, loss, output),
        }
    }

    fn check_targets(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.check_target(0, loss, output)
    }
}
