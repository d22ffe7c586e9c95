//! `separable_conv2d`: a convolution of each channel by itself, then one of 1x1 across channels.

use super::conv2d::read_window;
use super::depthwise_conv2d::DEPTHWISE_INITIALIZER;
use super::{ACTIVATION, Activation, Layer, LayerKind, Op, Part, TRAINABLE, Takes, Tensor};
use super::{BIAS_INITIALIZER, Initializers, Parameter};
use super::{USE_BIAS, Window, activation_flops, argument, window};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::graph::Shape;
use cnn_ir::operation::{self, image};
use cnn_ir::{Initializer, Operation};

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
    /// How the kernel of 1x1 and the bias start.
    pub initializers: Initializers,
    /// How the kernel of each channel starts.
    pub depthwise_initializer: Initializer,
    /// Applied to the result.
    pub activation: Activation,
}

const POINTWISE_INITIALIZER: Parameter = argument(
    "pointwise_initializer",
    Some("glorot_uniform"),
    &["How the kernel of 1x1 starts."],
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
        POINTWISE_INITIALIZER,
        BIAS_INITIALIZER,
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
    let initializers = Initializers::read(reader, POINTWISE_INITIALIZER.name);
    let depthwise_initializer = reader.initializer(DEPTHWISE_INITIALIZER.name, 2);
    Ok(Op::SeparableConv2d(SeparableConv2d {
        filters: filters?,
        window: window?,
        multiplier: multiplier?.unwrap_or(1),
        use_bias,
        trainable,
        initializers,
        depthwise_initializer,
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
        let [height, width] = self.window.size;
        let between = channels.saturating_mul(self.multiplier);
        let depthwise = Tensor {
            name: "depthwise_kernel",
            ..Tensor::kernel(
                vec![height, width, channels, self.multiplier],
                self.depthwise_initializer,
            )
        };
        let pointwise = Tensor {
            name: "pointwise_kernel",
            ..Tensor::kernel(vec![1, 1, between, self.filters], self.initializers.kernel)
        };
        let bias = self
            .use_bias
            .then(|| Tensor::bias(self.filters, self.initializers.bias));
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
