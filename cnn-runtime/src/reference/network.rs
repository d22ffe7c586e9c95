//! A whole network by the twins of its operations, layer by layer from the checked graph.
//!
//! It shares the layers' geometry with the plan, but neither its passes nor the code generator nor the kernels. Nothing is
//! fused, folded or left out:
//!
//! ```text
//! inputs, tensors ──operation──▶ … ──last operation──▶ pre-activation ──activation──▶ output of the layer
//! ```

use super::operation::{self, Mode};
use super::{Real, activation, batch_normalization};
use cnn_dsl::graph::{Network, Node, Shape};
use cnn_ir::{Activation, Operation};

/// What a layer computes for `n` examples.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerValues<T> {
    /// What the operations before the last one write, if it has several.
    pub inner: Vec<Inner<T>>,
    /// Mean and variance of each channel over the batch, where the layer takes them from there.
    pub statistics: Option<[Vec<T>; 2]>,
    /// The values before the activation of the layer's own, `[n, ..]`; none where it has none.
    pub pre_activation: Option<Vec<T>>,
    /// What the readers of the layer see, `[n, ..]`.
    pub output: Vec<T>,
}

/// A value between the operations of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Inner<T> {
    /// What the operation is called beside the name of the layer: `depthwise`.
    pub name: &'static str,
    /// The shape of one example.
    pub shape: Shape,
    /// `[n, ..]`.
    pub values: Vec<T>,
}

/// What all layers compute for `n` examples; see [`visit`].
///
/// # Panics
/// If a slice is of another length than the network's.
pub fn forward<T: Real>(
    network: &Network,
    mode: Mode,
    n: usize,
    parameters: &[T],
    input: &[T],
) -> Vec<LayerValues<T>> {
    visit(network, mode, n, parameters, input, |_, _, _| true)
}

/// Runs the layers on `n` examples in source order, each after those that it reads, and hands out what each computes
/// until `visit` returns `false`. Nothing is dropped. `parameters` are the tensors of all layers one after the other,
/// `input` is `[n, ..]`, several inputs of an example one behind the other.
///
/// # Panics
/// If a slice is of another length than the network's.
pub fn visit<T: Real>(
    network: &Network,
    mode: Mode,
    n: usize,
    parameters: &[T],
    input: &[T],
    mut visit: impl FnMut(usize, &[&[T]], &LayerValues<T>) -> bool,
) -> Vec<LayerValues<T>> {
    let mut rest = parameters;
    let mut values: Vec<LayerValues<T>> = Vec::with_capacity(network.nodes.len());
    for (id, node) in network.nodes.iter().enumerate() {
        let tensors = node.tensors().into_iter().map(|tensor| {
            let (values, behind) = rest.split_at(tensor.len());
            rest = behind;
            values
        });
        let tensors: Vec<&[T]> = tensors.collect();
        let inputs: Vec<&[T]> = match node.inputs[..] {
            [] => vec![input],
            _ => node
                .inputs
                .iter()
                .map(|&id| &values[id].output[..])
                .collect(),
        };
        let of_layer = layer(node, mode, n, &inputs, &tensors);
        let goes_on = visit(id, &tensors, &of_layer);
        values.push(of_layer);
        if !goes_on {
            return values;
        }
    }
    assert!(rest.is_empty(), "every parameter belongs to a layer");
    values
}

/// The values of one layer.
fn layer<T: Real>(
    node: &Node,
    mode: Mode,
    n: usize,
    inputs: &[&[T]],
    tensors: &[&[T]],
) -> LayerValues<T> {
    let mut inner: Vec<Inner<T>> = Vec::new();
    let mut parts = node.op.operations(&node.input_shapes, &node.shape);
    let Some(last) = parts.pop() else {
        // Without an operation the values lie in the input already.
        return LayerValues {
            inner,
            statistics: None,
            pre_activation: None,
            output: inputs[0].to_vec(),
        };
    };
    for part in parts {
        let tensors = &tensors[part.tensors];
        let inputs = read(&inner, inputs);
        let values = operation::forward(&part.operation, mode, n, &inputs, tensors);
        inner.push(Inner {
            name: part.name.unwrap_or_default(),
            shape: part.output,
            values,
        });
    }
    let mut last_operation = last.operation;
    let applied = match last_operation.facts_mut().activation_mut() {
        Some(activation) => std::mem::replace(activation, Activation::Linear),
        None => Activation::Linear,
    };
    let tensors = &tensors[last.tensors];
    let inputs = read(&inner, inputs);
    let values = operation::forward(&last_operation, mode, n, &inputs, tensors);
    let (pre_activation, output) = match applied {
        Activation::Linear => (None, values),
        applied => {
            let units = node.shape.0.last().copied().unwrap_or(1);
            let output = activation::forward(applied, units, &values);
            (Some(values), output)
        }
    };
    LayerValues {
        statistics: statistics(&last_operation, mode, &inputs),
        inner,
        pre_activation,
        output,
    }
}

/// The statistics of the batch that an operation normalizes by, if it does.
fn statistics<T: Real>(operation: &Operation, mode: Mode, inputs: &[&[T]]) -> Option<[Vec<T>; 2]> {
    let Operation::BatchNormalization(layer) = operation else {
        return None;
    };
    let of_batch = mode == Mode::Training && !layer.frozen;
    of_batch.then(|| batch_normalization::moments(layer.channels(), inputs[0]))
}

/// What the next operation of a layer reads: what the one before it wrote, or the inputs of the layer.
fn read<'a, T>(inner: &'a [Inner<T>], inputs: &[&'a [T]]) -> Vec<&'a [T]> {
    match inner.last() {
        Some(before) => vec![&before.values],
        None => inputs.to_vec(),
    }
}
