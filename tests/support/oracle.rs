//! A whole network computed by the naive twins of the kernels, in `f64`, layer by layer from the checked
//! graph.
//!
//! It shares the layers' geometry with the plan, but neither its passes nor the code generator nor the
//! kernels.

use cnn_dsl::graph::{Network, NodeId, Op};
use cnn_runtime::ir::{Activation, Loss};
use cnn_runtime::reference;
use cnn_runtime::reference::network::{LayerValues, forward};
pub use cnn_runtime::reference::operation::Mode;

/// The mean loss of `n` examples without dropout: of several outputs, the weighted sum.
pub fn loss(network: &Network, n: usize, parameters: &[f64], input: &[f64], target: &[f64]) -> f64 {
    let objectives = &network.train.as_ref().expect("a train block").objectives;
    let values = forward(network, Mode::Training, n, parameters, input);
    let row = network.nodes[network.output].shape.len();
    let mut offset = 0;
    let mut sum = 0.0;
    for (objective, port) in objectives.iter().zip(&network.outputs) {
        let shape = &network.nodes[port.node].shape;
        let rows = target.chunks_exact(row);
        let target: Vec<f64> = rows
            .flat_map(|row| row[offset..offset + shape.len()].to_vec())
            .collect();
        let before = before_loss(network, &values, port.node, objective.loss);
        let (loss, _) = reference::loss::forward(objective.loss, &shape.0, before, &target);
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
    let mut values = forward(network, mode, n, parameters, input);
    values.swap_remove(network.output).output
}

/// What the loss of an output takes: its values before the activation, if that belongs to the loss.
fn before_loss<'a>(
    network: &Network,
    values: &'a [LayerValues<f64>],
    output: NodeId,
    loss: Loss,
) -> &'a [f64] {
    let node = &network.nodes[output];
    if loss.properties().activation == Activation::Linear {
        &values[output].output
    } else if let Op::Activation(_) = node.op {
        // An activation that is a layer reads what is before it.
        &values[node.inputs[0]].output
    } else {
        let before = values[output].pre_activation.as_ref();
        before.expect("the activation of the loss")
    }
}
