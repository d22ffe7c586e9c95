//! A checked network as values, steps and parameters, in source order and as it was written: one
//! step for each layer that computes something. What becomes of the steps is for later passes.

use super::{Conv2dAlgorithm, Memory, Parameter, Plan, Step, StepKind, Value, ValueId};
use crate::graph::{Activation, Network, Op, Shape};

pub(super) fn lower(network: &Network) -> Plan {
    let mut values: Vec<Value> = Vec::with_capacity(network.nodes.len());
    let mut steps = Vec::with_capacity(network.nodes.len());
    let mut value_of: Vec<ValueId> = Vec::with_capacity(network.nodes.len());
    for (id, node) in network.nodes.iter().enumerate() {
        let Some(&source) = node.inputs.first() else {
            value_of.push(values.len());
            values.push(Value::new(&node.name, &node.shape, None));
            continue;
        };
        let input = value_of[source];
        let (kernel, activation) = match &node.op {
            // Flatten leaves the values in their order, so it needs no step.
            Op::Input | Op::Flatten => {
                value_of.push(input);
                continue;
            }
            Op::Conv2d(conv) => (StepKind::Conv2d(Conv2dAlgorithm::Direct), conv.activation),
            Op::Pool2d(_) => (StepKind::Pool2d, Activation::Linear),
            Op::Dense(dense) => (StepKind::Dense, dense.activation),
            Op::Dropout { .. } => (StepKind::Dropout, Activation::Linear),
            Op::Activation(activation) => (StepKind::Activation, *activation),
        };
        let output = values.len();
        value_of.push(output);
        values.push(Value::new(&node.name, &node.shape, Some(steps.len())));
        steps.push(Step {
            node: id,
            pool: None,
            kernel,
            activation,
            conv_output: match node.op {
                Op::Conv2d(_) => node.shape.image(),
                _ => None,
            },
            kernel_gradient: None,
            input_gradient: None,
            input,
            output,
        });
    }
    Plan {
        input: value_of[network.inputs[0]],
        output: value_of[network.outputs[0]],
        values,
        front: steps.len(),
        steps,
        micro_batch: 1,
        output_activation: Activation::Linear,
        parameters: parameters(network),
        inference: Memory::default(),
        training: Memory::default(),
    }
}

fn parameters(network: &Network) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    let mut offset = 0;
    for (id, node) in network.nodes.iter().enumerate() {
        for tensor in node.parameters() {
            let len = tensor.len();
            parameters.push(Parameter {
                node: id,
                role: tensor.name,
                shape: tensor.shape,
                range: offset..offset + len,
                fans: (tensor.fan_in > 0).then_some((tensor.fan_in, tensor.fan_out)),
                trainable: node.trainable,
            });
            offset += len;
        }
    }
    parameters
}

impl Value {
    fn new(name: &str, shape: &Shape, producer: Option<usize>) -> Self {
        Self {
            name: name.to_owned(),
            shape: shape.clone(),
            producer,
            wants_gradient: false,
        }
    }
}
