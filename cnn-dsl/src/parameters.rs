//! The parameter tensors of a layer: their shapes, their fans, how many values they hold.

use crate::graph::{Network, Node, Op};

/// One parameter tensor of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `kernel` or `bias`.
    pub name: &'static str,
    /// Kernels of convolutions are `[height, width, input channels, filters]`, those of dense
    /// layers `[inputs, units]`, biases `[filters]` or `[units]`.
    pub shape: Vec<usize>,
    /// Input values that one output value sums over: Keras' `fan_in`, 0 for a bias.
    pub fan_in: usize,
    /// Output values that one input value is summed into: Keras' `fan_out`, 0 for a bias.
    pub fan_out: usize,
}

impl Parameter {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values; never so in a checked network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Node {
    /// The parameter tensors, the kernel first.
    pub fn parameters(&self) -> Vec<Parameter> {
        let Some(input) = self.input_shapes.first() else {
            return Vec::new();
        };
        let channels = input.0.last().copied().unwrap_or_default();
        let (shape, fan_in, units, fan_out, use_bias) = match &self.op {
            Op::Conv2d(conv) => {
                let [height, width] = conv.kernel;
                let area = height * width;
                let shape = vec![height, width, channels, conv.filters];
                (
                    shape,
                    area * channels,
                    conv.filters,
                    area.saturating_mul(conv.filters),
                    conv.use_bias,
                )
            }
            Op::Dense(dense) => {
                let shape = vec![channels, dense.units];
                (shape, channels, dense.units, dense.units, dense.use_bias)
            }
            _ => return Vec::new(),
        };
        let kernel = Parameter {
            name: "kernel",
            shape,
            fan_in,
            fan_out,
        };
        let bias = Parameter {
            name: "bias",
            shape: vec![units],
            fan_in: 0,
            fan_out: 0,
        };
        if use_bias {
            vec![kernel, bias]
        } else {
            vec![kernel]
        }
    }

    /// The number of values of all parameter tensors.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(Parameter::len).sum()
    }
}

impl Network {
    /// The number of values of all parameter tensors.
    pub fn parameter_count(&self) -> usize {
        self.nodes.iter().map(Node::parameter_count).sum()
    }

    /// The number of those that training changes.
    pub fn trainable_count(&self) -> usize {
        let trainable = self.nodes.iter().filter(|node| node.trainable);
        trainable.map(Node::parameter_count).sum()
    }
}
