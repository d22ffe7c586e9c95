//! Examples to train on and to evaluate.
//!
//! A [`Dataset`] hands out one example at a time, into buffers that the trainer owns; several
//! threads read at once. [`Examples`] is the dataset over arrays in memory, [`idx`] reads the files
//! of the MNIST family, and [`mnist`] finds the four files of MNIST in a folder.

mod examples;
pub mod idx;
mod mnist;

pub use examples::{Examples, Inputs};
pub use mnist::mnist;

use crate::error::Error;

/// Numbered examples, each an input and its target.
///
/// `read_input` and `read_target` are called from several threads at once, with every index
/// below [`len`](Dataset::len) once an epoch; they fill the whole of `out`.
pub trait Dataset: Sync {
    /// The number of examples.
    fn len(&self) -> usize;

    /// Whether there are no examples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of one input, without the batch axis: `[28, 28, 1]`.
    fn input_shape(&self) -> &[usize];

    /// Writes input `index` into `out`, last axis fastest.
    fn read_input(&self, index: usize, out: &mut [f32]);

    /// Writes the target of example `index` into `out`, which is as long as the network's output;
    /// a class is one-hot there.
    fn read_target(&self, index: usize, out: &mut [f32]);

    /// Says whether the examples fit a network with this `input` and `output` shape. Asked
    /// once, before anything is read.
    ///
    /// # Errors
    ///
    /// [`Error::InputShape`]. Implementations that know more about their targets check those too.
    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        let _ = output;
        check_input(self.input_shape(), input)
    }
}

/// Compares the shape of an example, `found`, with the network's input.
pub(crate) fn check_input(found: &[usize], expected: &[usize]) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::InputShape {
        expected: expected.to_vec(),
        found: found.to_vec(),
    })
}
