//! The gradients of a whole network by the backward passes of the naive twins, layer by layer from the checked graph.
//!
//! In `f64` they are what the kernels are compared with; in `f32` they show how much plain loops round on the same data.
//! Finite differences of the forward pass show that they are right.

use cnn_dsl::graph::{Network, Node, Op};
use cnn_runtime::ir::operation::BatchNormalization;
use cnn_runtime::ir::{Activation, Operation};
use cnn_runtime::reference::network::{LayerValues, forward};
use cnn_runtime::reference::operation::Mode;
use cnn_runtime::reference::{
    self, Real, activation, batch_normalization, conv2d, conv2d_transpose, dense, depthwise_conv2d,
    grouped_conv2d, merge, pad2d, pool2d, upsampling2d,
};

/// The mean loss of `n` examples without dropout, and its gradients in the order of the parameters; those of tensors that
/// are not trained are zero.
pub fn gradients<T: Real>(
    network: &Network,
    n: usize,
    parameters: &[T],
    input: &[T],
    target: &[T],
) -> (T, Vec<T>) {
    let values = forward(network, Mode::Training, n, parameters, input);
    let mut flow = Flow::new(network);
    let loss = flow.take_losses(network, n, &values, target);
    let mut gradients = vec![T::from_f64(0.0); parameters.len()];
    let mut end = parameters.len();
    for (id, node) in network.nodes.iter().enumerate().rev() {
        let start = end - node.parameter_count();
        let of_layer = &mut gradients[start..end];
        let tensors = &parameters[start..end];
        end = start;
        let inputs: Vec<&[T]> = match node.inputs[..] {
            [] => continue,
            _ => node
                .inputs
                .iter()
                .map(|&id| &values[id].output[..])
                .collect(),
        };
        let Some(gradient) = flow.before_activation(node, id, &values[id]) else {
            continue;
        };
        let of_inputs = layer(node, n, &inputs, &values[id], tensors, gradient, of_layer);
        for (&input, gradient) in node.inputs.iter().zip(of_inputs) {
            add(&mut flow.outputs[input], gradient);
        }
        let mut rest = of_layer;
        for tensor in node.tensors() {
            let (values, behind) = rest.split_at_mut(tensor.len());
            if !(node.is_trainable() && tensor.role.is_trained()) {
                values.fill(T::from_f64(0.0));
            }
            rest = behind;
        }
    }
    (loss, gradients)
}

/// The gradients with respect to the values of each layer, as far as they are known.
struct Flow<T> {
    outputs: Vec<Option<Vec<T>>>,
    pre_activations: Vec<Option<Vec<T>>>,
}

impl<T: Real> Flow<T> {
    fn new(network: &Network) -> Self {
        let none = || network.nodes.iter().map(|_| None).collect();
        Self {
            outputs: none(),
            pre_activations: none(),
        }
    }

    /// Takes in the gradients of the losses of all outputs, and returns their sum.
    fn take_losses(
        &mut self,
        network: &Network,
        n: usize,
        values: &[LayerValues<T>],
        target: &[T],
    ) -> T {
        let objectives = &network.train.as_ref().expect("a train block").objectives;
        let row = network.nodes[network.output].shape.len();
        let (mut offset, mut sum) = (0, T::from_f64(0.0));
        for (objective, port) in objectives.iter().zip(&network.outputs) {
            let node = &network.nodes[port.node];
            let len = node.shape.len();
            let rows = target.chunks_exact(row);
            let target: Vec<T> = rows
                .flat_map(|row| row[offset..offset + len].to_vec())
                .collect();
            offset += len;
            let is_fused = objective.loss.properties().activation != Activation::Linear;
            let of_layer = &values[port.node];
            let (before, place) = if !is_fused {
                (&of_layer.output, &mut self.outputs[port.node])
            } else if let Op::Activation(_) = node.op {
                (
                    &values[node.inputs[0]].output,
                    &mut self.outputs[node.inputs[0]],
                )
            } else {
                let before = of_layer.pre_activation.as_ref();
                (
                    before.expect("the activation of the loss"),
                    &mut self.pre_activations[port.node],
                )
            };
            let weight = f64::from(objective.weight as f32) / n as f64;
            let scale = T::from_f64(weight);
            let (loss, _) =
                reference::loss::forward(objective.loss, &node.shape.0, before, &target);
            sum += scale * loss;
            add(
                place,
                reference::loss::backward(objective.loss, &node.shape.0, before, &target, scale),
            );
        }
        sum
    }

    /// The gradient before the activation of a layer, if anything depends on its value.
    fn before_activation(
        &mut self,
        node: &Node,
        id: usize,
        values: &LayerValues<T>,
    ) -> Option<Vec<T>> {
        let mut gradient = self.pre_activations[id].take();
        if let Some(dy) = self.outputs[id].take() {
            let through = match (&values.pre_activation, node.output_activation()) {
                (Some(z), Some(applied)) => {
                    let units = node.shape.0.last().copied().unwrap_or(1);
                    activation::backward(applied, units, z, &dy)
                }
                (Some(_), None) | (None, _) => dy,
            };
            add(&mut gradient, through);
        }
        gradient
    }
}

/// Adds to a gradient that may not be known yet.
fn add<T: Real>(sum: &mut Option<Vec<T>>, gradient: Vec<T>) {
    match sum {
        Some(sum) => sum
            .iter_mut()
            .zip(gradient)
            .for_each(|(sum, value)| *sum += value),
        None => *sum = Some(gradient),
    }
}

/// The gradients of a layer's inputs, from that before its activation; those of its tensors go to `of_tensors`.
fn layer<T: Real>(
    node: &Node,
    n: usize,
    inputs: &[&[T]],
    values: &LayerValues<T>,
    tensors: &[T],
    gradient: Vec<T>,
    of_tensors: &mut [T],
) -> Vec<Vec<T>> {
    let places: Vec<usize> = (node.tensors().iter())
        .scan(0, |end, tensor| {
            *end += tensor.len();
            Some(*end)
        })
        .collect();
    let place = |tensor: usize| match tensor {
        0 => 0,
        tensor => places[tensor - 1],
    };
    let mut gradients = vec![gradient];
    let parts = node.op.operations(&node.input_shapes, &node.shape);
    for (index, part) in parts.iter().enumerate().rev() {
        let before = index
            .checked_sub(1)
            .map(|index| [&values.inner[index].values[..]]);
        let inputs = before.as_ref().map_or(inputs, |before| &before[..]);
        let of_part: Vec<&[T]> = (part.tensors.clone())
            .map(|tensor| &tensors[place(tensor)..places[tensor]])
            .collect();
        let (of_inputs, sums) = operation(&part.operation, n, inputs, &of_part, &gradients[0]);
        for (tensor, sum) in part.tensors.clone().zip(sums) {
            of_tensors[place(tensor)..places[tensor]].copy_from_slice(&sum);
        }
        gradients = of_inputs;
    }
    gradients
}

/// The gradients of the inputs of an operation and of its tensors, from that of its result before the activation.
fn operation<T: Real>(
    operation: &Operation,
    n: usize,
    inputs: &[&[T]],
    tensors: &[&[T]],
    dz: &[T],
) -> (Vec<Vec<T>>, Vec<Vec<T>>) {
    let x = inputs[0];
    // The kernel and, if there is one, the bias, a value for each channel.
    let with_bias = |kernel: Vec<T>, channels: usize| {
        let bias = tensors.get(1).map(|_| sum_of_channels(dz, channels));
        [kernel].into_iter().chain(bias).collect()
    };
    match operation {
        Operation::Conv2d(conv) => {
            let (kernel, _) = conv2d::backward_parameters(conv, n, x, dz);
            let dx = conv2d::backward_input(conv, n, dz, tensors[0]);
            (vec![dx], with_bias(kernel, conv.output[2]))
        }
        Operation::Dense(layer) => {
            let (kernel, _) = dense::backward_parameters(layer, n, x, dz);
            let dx = dense::backward_input(layer, n, dz, tensors[0]);
            (vec![dx], with_bias(kernel, layer.units))
        }
        Operation::DepthwiseConv2d(conv) => {
            let [kernel, dx] = depthwise_conv2d::backward(conv, n, x, tensors[0], dz);
            (vec![dx], with_bias(kernel, conv.output[2]))
        }
        Operation::GroupedConv2d(grouped) => {
            let [kernel, dx] = grouped_conv2d::backward(grouped, n, x, tensors[0], dz);
            (vec![dx], with_bias(kernel, grouped.filters()))
        }
        Operation::Conv2dTranspose(transpose) => {
            let [kernel, dx] = conv2d_transpose::backward(transpose, n, x, tensors[0], dz);
            (vec![dx], with_bias(kernel, transpose.conv.input[2]))
        }
        Operation::Pool2d(pool) => (vec![pool2d::backward(pool, n, x, dz)], Vec::new()),
        Operation::Pad2d(pad) => (vec![pad2d::backward(pad, n, dz)], Vec::new()),
        Operation::UpSampling2d(layer) => (vec![upsampling2d::backward(layer, n, dz)], Vec::new()),
        // Nothing is dropped.
        Operation::Dropout(_) => (vec![dz.to_vec()], Vec::new()),
        // What flows in needs no gradient.
        Operation::Part(_) => (Vec::new(), Vec::new()),
        Operation::Activate(layer) => {
            let dx = activation::backward(layer.activation, layer.output[2], x, dz);
            (vec![dx], Vec::new())
        }
        Operation::Merge(layer) => (merge::backward(layer, n, inputs, dz), Vec::new()),
        Operation::BatchNormalization(layer) => normalization(layer, x, tensors, dz),
    }
}

/// The sum of each channel.
fn sum_of_channels<T: Real>(values: &[T], channels: usize) -> Vec<T> {
    let sum = |channel: usize| values.iter().skip(channel).step_by(channels).copied().sum();
    (0..channels).map(sum).collect()
}

/// The gradients of a normalization (Ioffe & Szegedy 2015, section 3).
fn normalization<T: Real>(
    layer: &BatchNormalization,
    x: &[T],
    tensors: &[&[T]],
    dz: &[T],
) -> (Vec<Vec<T>>, Vec<Vec<T>>) {
    let channels = layer.channels();
    let of_batch = (!layer.frozen).then(|| batch_normalization::moments(channels, x));
    let place = layer.running_mean();
    let [mean, variance] = match &of_batch {
        Some(moments) => moments.each_ref().map(|values| &values[..]),
        None => [tensors[place], tensors[place + 1]],
    };
    let epsilon = T::from_f64(layer.epsilon.into());
    let deviation = |channel: usize| (variance[channel] + epsilon).sqrt();
    let normalized: Vec<T> = (x.iter().enumerate())
        .map(|(place, x)| (*x - mean[place % channels]) / deviation(place % channels))
        .collect();
    let products: Vec<T> = dz.iter().zip(&normalized).map(|(dz, x)| *dz * *x).collect();
    let [sums, sums_of_products] = [dz, &products].map(|values| sum_of_channels(values, channels));
    let rows = T::from_f64((x.len() / channels) as f64);
    let dx = (dz.iter().zip(&normalized).enumerate()).map(|(place, (dz, x))| {
        let channel = place % channels;
        let gamma = if layer.scale {
            tensors[0][channel]
        } else {
            T::from_f64(1.0)
        };
        let centred = match layer.frozen {
            true => *dz,
            false => *dz - sums[channel] / rows - *x * (sums_of_products[channel] / rows),
        };
        gamma * centred / deviation(channel)
    });
    let dx = dx.collect();
    let gamma = layer.scale.then_some(sums_of_products);
    let beta = layer.center.then_some(sums);
    (vec![dx], gamma.into_iter().chain(beta).collect())
}
