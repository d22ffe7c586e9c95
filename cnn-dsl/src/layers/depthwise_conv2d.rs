//! `depthwise_conv2d`: a convolution of each channel by itself.

use super::conv2d::read_window;
use super::{ACTIVATION, Activation, Layer, LayerKind, Op, TRAINABLE, Takes, Tensor, USE_BIAS};
use super::{BIAS_CONSTRAINT, BIAS_INITIALIZER, BIAS_REGULARIZER, Parameter, TensorSettings};
use super::{Window, activation_flops, argument, window};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::graph::Shape;
use cnn_ir::Operation;
use cnn_ir::operation::{self, image};

/// A convolution of each channel of an `[H, W, C]` image by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseConv2d {
    /// The kernel, which moves over the image and its padding of zeros.
    pub window: Window,
    /// Output channels for each of the input's.
    pub multiplier: usize,
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

pub(super) const DEPTHWISE_INITIALIZER: Parameter = argument(
    "depthwise_initializer",
    Some("glorot_uniform"),
    &["How the kernel starts."],
);

pub(super) const DEPTHWISE_REGULARIZER: Parameter = argument(
    "depthwise_regularizer",
    Some("none"),
    &["A penalty on the kernel, which is added to the loss."],
);

pub(super) const DEPTHWISE_CONSTRAINT: Parameter = argument(
    "depthwise_constraint",
    Some("none"),
    &["What the kernel is kept to."],
);

pub(super) const DEPTHWISE_CONV2D: LayerKind = LayerKind {
    name: "depthwise_conv2d",
    other_names: &["depthwiseconv", "depthwise"],
    docs: "A convolution of each channel by itself, without a sum over channels.",
    example: None,
    takes: Takes::Image,
    view: Some("DepthwiseConv2dView"),
    parameters: &[
        window::KERNEL,
        window::STRIDES,
        window::PADDING,
        argument(
            "depth_multiplier",
            Some("1"),
            &["How many channels come out for each one that goes in."],
        ),
        window::DILATION,
        ACTIVATION,
        USE_BIAS,
        TRAINABLE,
        DEPTHWISE_INITIALIZER,
        DEPTHWISE_REGULARIZER,
        DEPTHWISE_CONSTRAINT,
        BIAS_INITIALIZER,
        BIAS_REGULARIZER,
        BIAS_CONSTRAINT,
    ],
    read,
};

fn read(reader: &mut Reader<'_, '_>) -> Result<Op, Reported> {
    let window = read_window(reader);
    let multiplier = reader.get("depth_multiplier");
    let multiplier = reader.context.count("depth_multiplier", multiplier);
    let activation = reader.activation();
    let use_bias = reader.switch("use_bias");
    let trainable = reader.switch("trainable");
    let kernel = TensorSettings::read(reader, "depthwise", 2);
    let bias = TensorSettings::read(reader, "bias", 1);
    Ok(Op::DepthwiseConv2d(DepthwiseConv2d {
        window: window?,
        multiplier: multiplier?.unwrap_or(1),
        use_bias,
        trainable,
        kernel,
        bias,
        activation,
    }))
}

impl Layer for DepthwiseConv2d {
    fn shape(&self, input: &Shape, site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [height, width, channels] = image(&input.0);
        let placed = window::place(&self.window, "kernel", "kernel", [height, width], site)?;
        window::excess_padding(&self.window, site);
        window::unread_input(&self.window, [height, width], placed.output, site);
        let [height, width] = placed.output;
        Ok(Shape(vec![
            height,
            width,
            channels.saturating_mul(self.multiplier),
        ]))
    }

    fn tensors(&self, inputs: &[Shape]) -> Vec<Tensor> {
        let Some(input) = inputs.first() else {
            return Vec::new();
        };
        let [_, _, channels] = image(&input.0);
        let kernel =
            Tensor::depthwise_kernel(self.window.size, channels, self.multiplier, self.kernel);
        let filters = channels.saturating_mul(self.multiplier);
        let bias = self.use_bias.then(|| Tensor::bias(filters, self.bias));
        [kernel].into_iter().chain(bias).collect()
    }

    fn is_trainable(&self) -> bool {
        self.trainable
    }

    fn window(&self) -> Option<&Window> {
        Some(&self.window)
    }

    fn flops(&self, _inputs: &[Shape]) -> u64 {
        let [height, width] = self.window.size;
        let patch = (height * width) as u64;
        2 * patch + u64::from(self.use_bias) + activation_flops(self.activation)
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn with_activation(&self, name: &str, activation: &str) -> String {
        format!("give `{name}` an `activation = {activation}`")
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let input = image(&inputs.first()?.0);
        let conv = operation::DepthwiseConv2d {
            input,
            output: image(&output.0),
            kernel: self.window.size,
            strides: self.window.strides,
            padding: self.window.place([input[0], input[1]])?.before(),
            dilation: self.window.dilation,
            activation: self.activation,
        };
        Some(conv.into())
    }
}
