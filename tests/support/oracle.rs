//! A whole network computed by the naive twins of the kernels, in `f64`, from the checked graph.
//!
//! It shares nothing with the plan, the code generator and the kernels.

use cnn_dsl::graph::{self, Network, Op};
use cnn_runtime::kernels::{
    Activation, Conv2d, ConvAlgorithm, Dense, InputGradient, KernelGradient, Loss, Pool2d, PoolKind,
};
use cnn_runtime::reference;

/// The mean loss of `n` examples without dropout.
pub fn loss(network: &Network, n: usize, parameters: &[f64], input: &[f64], target: &[f64]) -> f64 {
    let loss = match network.train.as_ref().expect("a train block").loss {
        graph::Loss::CategoricalCrossentropy => Loss::CategoricalCrossentropy,
        graph::Loss::BinaryCrossentropy => Loss::BinaryCrossentropy,
        graph::Loss::MeanSquaredError => Loss::MeanSquaredError,
    };
    let output = network.outputs[0];
    let units = network.nodes[output].shape.len();
    let logits = logits(network, loss, n, parameters, input);
    reference::loss::forward(loss, units, &logits, target).0 / n as f64
}

/// The output before the activation that belongs to the loss.
fn logits(network: &Network, loss: Loss, n: usize, parameters: &[f64], input: &[f64]) -> Vec<f64> {
    let last = network.outputs[0];
    let mut rest = parameters;
    let mut values: Vec<Vec<f64>> = Vec::new();
    for (id, node) in network.nodes.iter().enumerate() {
        let mut tensors = node.parameters().into_iter().map(|tensor| {
            let (values, behind) = rest.split_at(tensor.len());
            rest = behind;
            values
        });
        let kernel = tensors.next().unwrap_or_default();
        let bias = tensors.next().unwrap_or_default();
        let source = node.inputs.first().copied();
        let x = source.map_or(input, |source| &values[source]);
        let from = source.map(|source| &network.nodes[source].shape);
        let shape = || from.and_then(|s| s.image()).expect("an image");
        let with_loss = id == last && loss != Loss::MeanSquaredError;
        let activation = |of: graph::Activation| {
            if with_loss {
                Activation::Linear
            } else {
                self::activation(of)
            }
        };
        let y = match &node.op {
            Op::Input | Op::Flatten | Op::Dropout { .. } => x.to_vec(),
            Op::Conv2d(conv) => {
                let conv = Conv2d {
                    input: shape(),
                    output: node.shape.image().expect("an image"),
                    kernel: conv.kernel,
                    strides: conv.strides,
                    padding: conv.padding.map(|[before, _]| before),
                    dilation: conv.dilation,
                    activation: activation(conv.activation),
                    pool: None,
                    algorithm: ConvAlgorithm::Direct,
                    kernel_gradient: KernelGradient::Direct,
                    input_gradient: InputGradient::Columns,
                };
                reference::conv2d::forward(&conv, n, x, kernel, bias)
            }
            Op::Pool2d(pool) => {
                let pool = Pool2d {
                    kind: match pool.kind {
                        graph::PoolKind::Max => PoolKind::Max,
                        graph::PoolKind::Average => PoolKind::Average,
                    },
                    input: shape(),
                    output: node.shape.image().expect("an image"),
                    size: pool.size,
                    strides: pool.strides,
                    padding: pool.padding.map(|[before, _]| before),
                };
                reference::pool2d::forward(&pool, n, x)
            }
            Op::Dense(dense) => {
                let dense = Dense {
                    inputs: x.len() / n,
                    units: dense.units,
                    activation: activation(dense.activation),
                };
                reference::dense::forward(&dense, n, x, kernel, bias)
            }
            Op::Activation(of) => {
                let units = *node.shape.0.last().expect("an axis");
                reference::activation::forward(activation(*of), units, x)
            }
        };
        values.push(y);
    }
    assert!(rest.is_empty(), "every parameter belongs to a layer");
    values.swap_remove(last)
}

fn activation(of: graph::Activation) -> Activation {
    match of {
        graph::Activation::Linear => Activation::Linear,
        graph::Activation::Relu => Activation::Relu,
        // As float32 holds it: the network under test has no other.
        graph::Activation::LeakyRelu { negative_slope } => Activation::LeakyRelu {
            negative_slope: negative_slope as f32,
        },
        graph::Activation::Sigmoid => Activation::Sigmoid,
        graph::Activation::Tanh => Activation::Tanh,
        graph::Activation::Softmax => Activation::Softmax,
    }
}
