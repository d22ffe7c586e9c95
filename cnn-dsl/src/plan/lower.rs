//! A checked network as values, steps and parameters, in source order and as it was written: one
//! step for each layer that computes something and on which the output depends, or several in a row, between
//! which its tensors are shared out. What becomes of the steps is for later passes.

use super::{Output, Parameter, Plan, Schedule, Step, Value, ValueId};
use crate::graph::{Activation, Network, Shape};
use std::ops::Range;

pub(super) fn lower(network: &Network) -> Plan {
    let (parameters, tensors) = parameters(network);
    let mut values: Vec<Value> = Vec::with_capacity(network.nodes.len());
    let mut steps = Vec::with_capacity(network.nodes.len());
    let mut value_of: Vec<ValueId> = Vec::with_capacity(network.nodes.len());
    let is_needed = needed(network);
    for (id, node) in network.nodes.iter().enumerate() {
        if !is_needed[id] {
            // No value of the plan is this one.
            value_of.push(ValueId::MAX);
            continue;
        }
        let Some(&source) = node.inputs.first() else {
            value_of.push(values.len());
            values.push(Value::new(&node.name, &node.shape, None));
            continue;
        };
        let mut inputs: Vec<_> = node.inputs.iter().map(|&input| value_of[input]).collect();
        // Without an operation the values lie in the input in their order.
        let mut output = value_of[source];
        let parts = node.op.operations(&node.input_shapes, &node.shape);
        let mut shapes = node.input_shapes.clone();
        for (part, of_layer) in parts.into_iter().enumerate() {
            let name = match of_layer.name {
                Some(name) => network.free_name(&format!("{}_{name}", node.name)),
                None => node.name.clone(),
            };
            let first = tensors[id].start;
            output = values.len();
            values.push(Value::new(&name, &of_layer.output, Some(steps.len())));
            steps.push(Step {
                node: id,
                part,
                name,
                padding: None,
                addition: None,
                pool: None,
                operation: of_layer.operation,
                input_gradients: vec![None; inputs.len()],
                inputs: std::mem::replace(&mut inputs, vec![output]),
                input_shapes: std::mem::replace(&mut shapes, vec![of_layer.output]),
                output,
                tensors: first + of_layer.tensors.start..first + of_layer.tensors.end,
                folded: None,
                trains_tensors: false,
            });
        }
        value_of.push(output);
    }
    Plan {
        input: value_of[network.input],
        output: value_of[network.output],
        values,
        steps,
        micro_batch: 1,
        outputs: (network.outputs.iter())
            .map(|port| Output {
                value: value_of[port.node],
                activation: Activation::Linear,
            })
            .collect(),
        parameters,
        inference: Schedule::default(),
        training: Schedule::default(),
        prediction: None,
    }
}

/// The nodes on which an output depends, and the inputs.
fn needed(network: &Network) -> Vec<bool> {
    let mut is_needed = vec![false; network.nodes.len()];
    for id in [network.input, network.output] {
        is_needed[id] = true;
    }
    for (id, node) in network.nodes.iter().enumerate().rev() {
        if is_needed[id] {
            for &input in &node.inputs {
                is_needed[input] = true;
            }
        }
    }
    is_needed
}

/// All tensors, and which of them belong to each node.
fn parameters(network: &Network) -> (Vec<Parameter>, Vec<Range<usize>>) {
    let mut parameters = Vec::new();
    let mut of_nodes = Vec::with_capacity(network.nodes.len());
    let mut offset = 0;
    for (id, node) in network.nodes.iter().enumerate() {
        let first = parameters.len();
        for tensor in node.tensors() {
            let len = tensor.len();
            parameters.push(Parameter {
                node: id,
                name: tensor.name,
                shape: tensor.shape,
                range: offset..offset + len,
                role: tensor.role,
                settings: tensor.settings,
                outputs: tensor.outputs,
                trainable: node.is_trainable() && tensor.role.is_trained(),
            });
            offset += len;
        }
        of_nodes.push(first..parameters.len());
    }
    (parameters, of_nodes)
}

impl Value {
    fn new(name: &str, shape: &Shape, producer: Option<usize>) -> Self {
        Self {
            name: name.to_owned(),
            shape: shape.clone(),
            whole: shape.clone(),
            producer,
            wants_gradient: false,
        }
    }
}
