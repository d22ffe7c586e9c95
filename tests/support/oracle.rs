//! A whole network computed by the naive twins of the kernels, in `f64`, layer by layer from the checked
//! graph.
//!
//! It shares the layers' geometry with the plan, but neither its passes nor the code generator nor the
//! kernels.

use cnn_dsl::graph::{Network, Op, Part, Shape};
use cnn_runtime::ir::{Activation, Loss};
use cnn_runtime::reference;
pub use cnn_runtime::reference::operation::Mode;
use cnn_runtime::reference::operation::forward;

/// The mean loss of `n` examples without dropout: of several outputs, the weighted sum.
pub fn loss(network: &Network, n: usize, parameters: &[f64], input: &[f64], target: &[f64]) -> f64 {
    let objectives = &network.train.as_ref().expect("a train block").objectives;
    let losses: Vec<Loss> = objectives.iter().map(|objective| objective.loss).collect();
    let logits = logits(network, Mode::Training, &losses, n, parameters, input);
    let row = network.nodes[network.output].shape.len();
    let mut offset = 0;
    let mut sum = 0.0;
    for (objective, port) in objectives.iter().zip(&network.outputs) {
        let shape = &network.nodes[port.node].shape;
        let part = |rows: &[f64]| -> Vec<f64> {
            let rows = rows.chunks_exact(row);
            rows.flat_map(|row| row[offset..offset + shape.len()].to_vec())
                .collect()
        };
        let (logits, target) = (part(&logits), part(target));
        let (loss, _) = reference::loss::forward(objective.loss, &shape.0, &logits, &target);
        sum += f64::from(objective.weight as f32) * loss;
        offset += shape.len();
    }
    sum / n as f64
}

/// The output of `n` examples, without dropout.
pub fn output(
    network: &Network,
    mode: Mode,
    n: usize,
    parameters: &[f64],
    input: &[f64],
) -> Vec<f64> {
    logits(network, mode, &[], n, parameters, input)
}

/// The outputs before the activations that belong to their losses.
fn logits(
    network: &Network,
    mode: Mode,
    losses: &[Loss],
    n: usize,
    parameters: &[f64],
    input: &[f64],
) -> Vec<f64> {
    let mut rest = parameters;
    let mut values: Vec<Vec<f64>> = Vec::new();
    for (id, node) in network.nodes.iter().enumerate() {
        let tensors: Vec<&[f64]> = node
            .tensors()
            .into_iter()
            .map(|tensor| {
                let (values, behind) = rest.split_at(tensor.len());
                rest = behind;
                values
            })
            .collect();
        let mut losses = network.outputs.iter().zip(losses);
        let takes_activation = losses.any(|(port, loss)| {
            port.node == id && loss.properties().activation != Activation::Linear
        });
        let op = match takes_activation {
            true => without_activation(&node.op),
            false => node.op.clone(),
        };
        let shapes: &[Shape] = &node.input_shapes;
        let inputs: Vec<&[f64]> = match node.inputs[..] {
            [] => vec![input],
            _ => node.inputs.iter().map(|&id| &values[id][..]).collect(),
        };
        let parts: Vec<Part> = op.operations(shapes, &node.shape);
        // Without an operation the values lie in the input already.
        let mut value: Option<Vec<f64>> = None;
        for part in parts {
            let inputs: Vec<&[f64]> = match &value {
                Some(value) => vec![value],
                None => inputs.clone(),
            };
            let tensors = &tensors[part.tensors];
            value = Some(forward(&part.operation, mode, n, &inputs, tensors));
        }
        values.push(value.unwrap_or_else(|| inputs[0].to_vec()));
    }
    assert!(rest.is_empty(), "every parameter belongs to a layer");
    values.swap_remove(network.output)
}

/// The last layer of a network whose loss takes its activation.
fn without_activation(op: &Op) -> Op {
    let mut op = op.clone();
    match &mut op {
        Op::Conv2d(conv) => conv.activation = Activation::Linear,
        Op::Conv2dTranspose(transpose) => transpose.activation = Activation::Linear,
        Op::SeparableConv2d(separable) => separable.activation = Activation::Linear,
        Op::Dense(dense) => dense.activation = Activation::Linear,
        Op::Activation(activation) => *activation = Activation::Linear,
        other => panic!("{other:?} has no activation"),
    }
    op
}
