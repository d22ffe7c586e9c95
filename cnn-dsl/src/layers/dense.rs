//! `dense`: a fully connected layer.

use super::{
    ACTIVATION, Activation, BIAS_CONSTRAINT, BIAS_INITIALIZER, BIAS_REGULARIZER, KERNEL_CONSTRAINT,
    KERNEL_INITIALIZER, KERNEL_REGULARIZER, Layer, LayerKind, Op, TRAINABLE, Takes, Tensor,
    TensorSettings, USE_BIAS, activation_flops, argument,
};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::graph::Shape;
use cnn_ir::{Operation, operation};

/// A fully connected layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Output values.
    pub units: usize,
    /// Whether a bias is added.
    pub use_bias: bool,
    /// Whether training changes its parameters.
    pub trainable: bool,
    /// Of the kernel.
    pub kernel: TensorSettings,
    /// Of the bias.
    pub bias: TensorSettings,
    /// Applied to the result.
    pub activation: Activation,
}

pub(super) const DENSE: LayerKind = LayerKind {
    name: "dense",
    other_names: &["linear", "fc", "fullyconnected"],
    docs: "A fully connected layer: each output is a weighted sum of all inputs.",
    example: None,
    takes: Takes::Flat,
    view: Some("DenseView"),
    parameters: &[
        argument("units", None, &["How many values come out."]),
        ACTIVATION,
        USE_BIAS,
        TRAINABLE,
        KERNEL_INITIALIZER,
        KERNEL_REGULARIZER,
        KERNEL_CONSTRAINT,
        BIAS_INITIALIZER,
        BIAS_REGULARIZER,
        BIAS_CONSTRAINT,
    ],
    read,
};

fn read(reader: &mut Reader<'_, '_>) -> Result<Op, Reported> {
    let units = reader.count("units");
    let activation = reader.activation();
    let use_bias = reader.switch("use_bias");
    let trainable = reader.switch("trainable");
    let kernel = TensorSettings::read(reader, "kernel", 2);
    let bias = TensorSettings::read(reader, "bias", 1);
    Ok(Op::Dense(Dense {
        units: units?,
        use_bias,
        trainable,
        kernel,
        bias,
        activation,
    }))
}

impl Layer for Dense {
    fn shape(&self, _input: &Shape, _site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        Ok(Shape(vec![self.units]))
    }

    fn shape_of_itself(&self) -> Option<Shape> {
        Some(Shape(vec![self.units]))
    }

    fn tensors(&self, inputs: &[Shape]) -> Vec<Tensor> {
        let Some(input) = inputs.first() else {
            return Vec::new();
        };
        let inputs = input.len();
        let kernel = Tensor::kernel(vec![inputs, self.units], self.kernel);
        let bias = self.use_bias.then(|| Tensor::bias(self.units, self.bias));
        [kernel].into_iter().chain(bias).collect()
    }

    fn is_trainable(&self) -> bool {
        self.trainable
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        let inputs = inputs.first().map_or(0, Shape::len) as u64;
        2 * inputs + u64::from(self.use_bias) + activation_flops(self.activation)
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn with_activation(&self, _name: &str, activation: &str) -> String {
        format!("write `dense({}, activation = {activation});`", self.units)
    }

    fn operation(&self, inputs: &[Shape], _output: &Shape) -> Option<Operation> {
        let dense = operation::Dense {
            inputs: inputs.first()?.len(),
            units: self.units,
            activation: self.activation,
        };
        Some(dense.into())
    }
}
