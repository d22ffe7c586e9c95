//! Any operation by its twin, for whole networks that are computed layer by layer.

use super::{
    Real, activation, batch_normalization, conv2d, conv2d_transpose, dense, depthwise_conv2d,
    grouped_conv2d, merge, pad2d, pool2d, upsampling2d,
};
use cnn_ir::Operation;

/// Whether the network is being trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Prediction.
    Inference,
    /// The forward pass of training, in which nothing is dropped.
    Training,
}

/// The output, `[n, ..]`, of inputs `[n, ..]` and tensors.
///
/// # Panics
/// If a slice is of another length than the operation's.
pub fn forward<T: Real>(
    operation: &Operation,
    mode: Mode,
    n: usize,
    inputs: &[&[T]],
    tensors: &[&[T]],
) -> Vec<T> {
    let x = inputs[0];
    let tensor = |index: usize| tensors.get(index).copied().unwrap_or_default();
    match operation {
        Operation::Conv2d(conv) => conv2d::forward(conv, n, x, tensor(0), tensor(1)),
        Operation::Pool2d(pool) => pool2d::forward(pool, n, x),
        Operation::Dense(layer) => dense::forward(layer, n, x, tensor(0), tensor(1)),
        Operation::Dropout(dropout) => corner(dropout.input, dropout.output, n, x),
        Operation::Part(part) => {
            let len: usize = part.input.iter().product();
            let rows = x.chunks_exact(part.row);
            let values = rows.flat_map(|row| &row[part.offset..part.offset + len]);
            corner(
                part.input,
                part.output,
                n,
                &values.copied().collect::<Vec<_>>(),
            )
        }
        Operation::Activate(activate) => {
            let z = corner(activate.input, activate.output, n, x);
            activation::forward(activate.activation, activate.output[2], &z)
        }
        Operation::DepthwiseConv2d(conv) => {
            let z = depthwise_conv2d::forward(conv, n, x, tensor(0), tensor(1));
            activation::forward(conv.activation, conv.output[2], &z)
        }
        Operation::Pad2d(pad) => pad2d::forward(pad, n, x),
        Operation::UpSampling2d(layer) => upsampling2d::forward(layer, n, x),
        Operation::GroupedConv2d(grouped) => {
            let z = grouped_conv2d::forward(grouped, n, x, tensor(0), tensor(1));
            activation::forward(grouped.activation, grouped.filters(), &z)
        }
        Operation::Conv2dTranspose(transpose) => {
            let z = conv2d_transpose::forward(transpose, n, x, tensor(0), tensor(1));
            activation::forward(transpose.activation, transpose.conv.input[2], &z)
        }
        Operation::Merge(layer) => {
            let shapes = layer.inputs.shapes();
            let channels: Vec<usize> = shapes.iter().map(|shape| shape[2]).collect();
            let inputs: Vec<Vec<T>> = (shapes.iter().zip(inputs))
                .map(|(shape, x)| merge::operand(layer, *shape, n, x))
                .collect();
            let z = merge::forward(layer.kind, &inputs, &channels);
            activation::forward(layer.activation, layer.output[2], &z)
        }
        Operation::BatchNormalization(layer) => {
            let x = corner(layer.input, layer.output, n, x);
            let of_batch;
            let [mean, variance] = if mode == Mode::Training && !layer.frozen {
                of_batch = batch_normalization::moments(layer.channels(), &x);
                of_batch.each_ref().map(|values| &values[..])
            } else {
                let place = layer.running_mean();
                [tensors[place], tensors[place + 1]]
            };
            let z = batch_normalization::normalize(layer, mean, variance, tensors, &x);
            activation::forward(layer.activation, layer.channels(), &z)
        }
    }
}

/// The first rows and columns of each image.
fn corner<T: Real>(input: [usize; 3], output: [usize; 3], n: usize, x: &[T]) -> Vec<T> {
    let mut y = Vec::new();
    for i in 0..n {
        for row in 0..output[0] {
            for column in 0..output[1] {
                let first = super::pixel(input, i, row, column, 0);
                y.extend_from_slice(&x[first..first + output[2]]);
            }
        }
    }
    y
}
