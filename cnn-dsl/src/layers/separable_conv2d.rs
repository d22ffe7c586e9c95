//! `separable_conv2d`: a convolution of each channel by itself, then one of 1x1 across channels.

use super::conv2d::read_window;
use super::depthwise_conv2d::{DEPTHWISE_CONSTRAINT, DEPTHWISE_INITIALIZER, DEPTHWISE_REGULARIZER};
use super::{ACTIVATION, Activation, Layer, LayerKind, Op, Part, TRAINABLE, Takes, Tensor};
use super::{BIAS_CONSTRAINT, BIAS_INITIALIZER, BIAS_REGULARIZER, Parameter, TensorSettings};
use super::{USE_BIAS, Window, activation_flops, argument, window};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::graph::Shape;
use cnn_ir::Operation;
use cnn_ir::operation::{self, image};

/// A convolution of each channel of an `[H, W, C]` image by itself, and one of 1x1 of what comes out.
#[derive(Clone, Debug, PartialEq)]
pub struct SeparableConv2d {
    /// Output channels.
    pub filters: usize,
    /// The kernel of each channel, which moves over the image and its padding of zeros.
    pub window: Window,
    /// Channels between the two convolutions for each of the input's.
    pub multiplier: usize,
    /// Whether a bias is added, at the end.
    pub use_bias: bool,
    /// Whether training changes its parameters.
    pub trainable: bool,
    /// Of the kernel of each channel.
    pub depthwise: TensorSettings,
    /// Of the kernel of 1x1.
    pub pointwise: TensorSettings,
    /// Of the bias.
    pub bias: TensorSettings,
    /// Applied to the result.
    pub activation: Activation,
}

const POINTWISE_INITIALIZER: Parameter = argument(
    "pointwise_initializer",
    Some("glorot_uniform"),
    &["How the kernel of 1x1 starts."],
);

const POINTWISE_REGULARIZER: Parameter = argument(
    "pointwise_regularizer",
    Some("none"),
    &["A penalty on the kernel of 1x1, which is added to the loss."],
);

const POINTWISE_CONSTRAINT: Parameter = argument(
    "pointwise_constraint",
    Some("none"),
    &["What the kernel of 1x1 is kept to."],
);

pub(super) const SEPARABLE_CONV2D: LayerKind = LayerKind {
    name: "separable_conv2d",
    other_names: &["separableconv", "separableconvolution2d"],
    docs: "A convolution of each channel by itself, then one of 1x1 across channels.",
    example: None,
    takes: Takes::Image,
    view: Some("SeparableConv2dView"),
    parameters: &[
        window::FILTERS,
        argument(
            "kernel",
            None,
            &["Height and width of each channel's kernel, or one number for both."],
        ),
        window::STRIDES,
        window::PADDING,
        window::DILATION,
        argument(
            "depth_multiplier",
            Some("1"),
            &["How many channels lie between the two convolutions for each one that goes in."],
        ),
        ACTIVATION,
        USE_BIAS,
        TRAINABLE,
        DEPTHWISE_INITIALIZER,
        DEPTHWISE_REGULARIZER,
        DEPTHWISE_CONSTRAINT,
        POINTWISE_INITIALIZER,
        POINTWISE_REGULARIZER,
        POINTWISE_CONSTRAINT,
        BIAS_INITIALIZER,
        BIAS_REGULARIZER,
        BIAS_CONSTRAINT,
    ],
    read,
};

fn read(reader: &mut Reader<'_, '_>) -> Result<Op, Reported> {
    let filters = reader.count("filters");
    let window = read_window(reader);
    let multiplier = reader.get("depth_multiplier");
    let multiplier = reader.context.count("depth_multiplier", multiplier);
    let activation = reader.activation();
    let use_bias = reader.switch("use_bias");
    let trainable = reader.switch("trainable");
    let depthwise = TensorSettings::read(reader, "depthwise", 2);
    let pointwise = TensorSettings::read(reader, "pointwise", 2);
    let bias = TensorSettings::read(reader, "bias", 1);
    Ok(Op::SeparableConv2d(SeparableConv2d {
        filters: filters?,
        window: window?,
        multiplier: multiplier?.unwrap_or(1),
        use_bias,
        trainable,
        depthwise,
        pointwise,
        bias,
        activation,
    }))
}

impl SeparableConv2d {
    /// The image between the two convolutions.
    fn between(&self, inputs: &[Shape], output: &Shape) -> Option<[usize; 3]> {
        let [_, _, channels] = image(&inputs.first()?.0);
        let [height, width, _] = image(&output.0);
        Some([height, width, channels.saturating_mul(self.multiplier)])
    }
}

impl Layer for SeparableConv2d {
    fn shape(&self, input: &Shape, site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [height, width, _] = image(&input.0);
        let placed = window::place(&self.window, "kernel", "kernel", [height, width], site)?;
        window::excess_padding(&self.window, site);
        window::unread_input(&self.window, [height, width], placed.output, site);
        let [height, width] = placed.output;
        Ok(Shape(vec![height, width, self.filters]))
    }

    fn tensors(&self, inputs: &[Shape]) -> Vec<Tensor> {
        let Some(input) = inputs.first() else {
            return Vec::new();
        };
        let [_, _, channels] = image(&input.0);
        let between = channels.saturating_mul(self.multiplier);
        let (size, multiplier) = (self.window.size, self.multiplier);
        let depthwise = Tensor {
            name: "depthwise_kernel",
            ..Tensor::depthwise_kernel(size, channels, multiplier, self.depthwise)
        };
        let pointwise = Tensor {
            name: "pointwise_kernel",
            ..Tensor::kernel(vec![1, 1, between, self.filters], self.pointwise)
        };
        let bias = self.use_bias.then(|| Tensor::bias(self.filters, self.bias));
        [depthwise, pointwise].into_iter().chain(bias).collect()
    }

    fn is_trainable(&self) -> bool {
        self.trainable
    }

    fn window(&self) -> Option<&Window> {
        Some(&self.window)
    }

    fn flops_of_all(&self, inputs: &[Shape], output: &Shape) -> u64 {
        let [height, width, channels] = self.between(inputs, output).unwrap_or_default();
        let between = (height * width).saturating_mul(channels) as u64;
        let patch = self.window.size.iter().product::<usize>() as u64;
        let of_bias = u64::from(self.use_bias) + activation_flops(self.activation);
        let each = (2 * channels as u64).saturating_add(of_bias);
        let outputs = output.len() as u64;
        (2 * patch)
            .saturating_mul(between)
            .saturating_add(outputs.saturating_mul(each))
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn with_activation(&self, name: &str, activation: &str) -> String {
        format!("give `{name}` an `activation = {activation}`")
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let between = self.between(inputs, output)?;
        let pointwise = operation::Conv2d {
            activation: self.activation,
            ..operation::Conv2d::new(between, [1, 1], image(&output.0))
        };
        Some(pointwise.into())
    }

    fn operations(&self, inputs: &[Shape], output: &Shape) -> Vec<Part> {
        let parts = || {
            let input = image(&inputs.first()?.0);
            let between = self.between(inputs, output)?;
            let depthwise = operation::DepthwiseConv2d {
                input,
                output: between,
                kernel: self.window.size,
                strides: self.window.strides,
                padding: self.window.place([input[0], input[1]])?.before(),
                dilation: self.window.dilation,
                activation: Activation::Linear,
            };
            Some(vec![
                Part {
                    name: Some("depthwise"),
                    operation: depthwise.into(),
                    output: Shape(between.to_vec()),
                    tensors: 0..1,
                },
                Part {
                    name: None,
                    operation: self.operation(inputs, output)?,
                    output: output.clone(),
                    tensors: 1..self.tensors(inputs).len(),
                },
            ])
        };
        parts().unwrap_or_default()
    }
}
