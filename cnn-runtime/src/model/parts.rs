//! Prediction of networks of several inputs or outputs.
//!
//! ```text
//! a value for each input ──▶ rows that hold all inputs ──▶ prediction ──▶ rows that hold all outputs ──▶ a value for each
//! ```

use std::vec::IntoIter;

use ndarray::{Array, ArrayD, ArrayViewD, Dimension, Ix2, IxDyn};

use super::prediction::Predictor;
use super::size;
use crate::data::{Dataset, check_input};
use crate::error::Error;
use crate::generated::gather;
use crate::spec::Port;

/// The outputs of a batch, one after the other.
#[derive(Debug)]
pub struct Parts(IntoIter<ArrayD<f32>>);

impl Parts {
    /// The next output, `[N, …]`.
    ///
    /// # Panics
    ///
    /// When there is none, or it has another number of axes.
    pub fn next<O: Dimension>(&mut self) -> Array<f32, O> {
        let output = self.0.next().expect("an output of the network");
        let output = output.into_dimensionality();
        output.expect("the caller knows the number of axes")
    }
}

impl Predictor<'_> {
    /// The network's outputs for one example of several inputs.
    ///
    /// # Panics
    ///
    /// When a slice is not as long as the network's.
    pub fn predict_parts(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) {
        let (floats, units) = (size(self.spec.input), size(self.spec.output));
        let mut buffer = self.model.buffers.take();
        buffer.reserve(floats + units);
        let (input, output) = buffer[..floats + units].split_at_mut(floats);
        gather(inputs, input);
        self.predict(input, output);
        for (output_part, port) in outputs.iter_mut().zip(self.spec.outputs) {
            output_part.copy_from_slice(&output[port.range()]);
        }
        self.model.buffers.give_back(buffer);
    }

    /// The network's outputs for a batch of examples of several inputs, `[N, …]` each.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`], [`Error::InputShape`], [`Error::BatchLengths`].
    pub fn predict_batch_parts(&self, inputs: &[ArrayViewD<'_, f32>]) -> Result<Parts, Error> {
        let mut count = None;
        for (input, port) in inputs.iter().zip(self.spec.inputs) {
            let [examples, shape @ ..] = input.shape() else {
                return Err(Error::Scalar);
            };
            check_input(shape, port.shape)?;
            let first = *count.get_or_insert(*examples);
            if first != *examples {
                return Err(Error::BatchLengths {
                    expected: first,
                    found: *examples,
                });
            }
        }
        let count = count.unwrap_or(0);
        // Of a single input the batch is made of rows already.
        let shape = match self.spec.inputs {
            [port] => [&[count], port.shape].concat(),
            _ => vec![count, size(self.spec.input)],
        };
        let mut rows = ArrayD::zeros(shape);
        let flat = rows.as_slice_mut().expect("new arrays are contiguous");
        let row = size(self.spec.input);
        for (input, port) in inputs.iter().zip(self.spec.inputs) {
            let input = input.as_standard_layout();
            let input = input.as_slice().expect("standard layout is contiguous");
            let examples = input.chunks_exact(port.len().max(1));
            for (row, values) in flat.chunks_exact_mut(row).zip(examples) {
                row[port.range()].copy_from_slice(values);
            }
        }
        let outputs: ArrayD<f32> = self.predict_batch(rows.view())?;
        Ok(self.parts(&outputs))
    }

    /// The network's outputs for all inputs of `data`, `[N, …]` each. Targets are not read.
    ///
    /// # Errors
    ///
    /// [`Error::Parts`] and [`Error::InputShape`].
    pub fn predict_dataset_parts(&self, data: &dyn Dataset) -> Result<Parts, Error> {
        let outputs: ArrayD<f32> = self.predict_dataset(data)?;
        Ok(self.parts(&outputs))
    }

    /// Takes rows of outputs apart.
    fn parts(&self, outputs: &ArrayD<f32>) -> Parts {
        let count = outputs.shape().first().copied().unwrap_or(0);
        let units = size(self.spec.output);
        let rows = outputs.view().into_shape_with_order(Ix2(count, units));
        let rows = rows.expect("new arrays are contiguous");
        let part = |port: &Port| {
            let columns = rows.slice(ndarray::s![.., port.range()]);
            let shape = [&[count], port.shape].concat();
            let part = columns.as_standard_layout().into_owned();
            part.into_shape_with_order(IxDyn(&shape))
                .expect("a value for each place of the shape")
        };
        let parts: Vec<_> = self.spec.outputs.iter().map(part).collect();
        Parts(parts.into_iter())
    }
}
