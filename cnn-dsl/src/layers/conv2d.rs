//! `conv2d`: a two-dimensional convolution.

use super::{ACTIVATION, Activation, Layer, LayerKind, Op, TRAINABLE, Takes, Tensor, USE_BIAS};
use super::{
    BIAS_CONSTRAINT, BIAS_INITIALIZER, BIAS_REGULARIZER, KERNEL_CONSTRAINT, KERNEL_INITIALIZER,
    KERNEL_REGULARIZER, TensorSettings,
};
use super::{Window, activation_flops, argument, window};
use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Shape;
use cnn_ir::Operation;
use cnn_ir::operation::{self, image};

/// A two-dimensional convolution over an `[H, W, C]` image.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Output channels.
    pub filters: usize,
    /// The kernel, which moves over the image and its padding of zeros.
    pub window: Window,
    /// How many groups channels and filters fall into: each filter sees the channels of its group alone.
    pub groups: usize,
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

pub(super) const CONV2D: LayerKind = LayerKind {
    name: "conv2d",
    other_names: &["convolution2d", "conv", "convolution"],
    docs: "A two-dimensional convolution.",
    example: None,
    takes: Takes::Image,
    view: Some("Conv2dView"),
    parameters: &[
        window::FILTERS,
        window::KERNEL,
        window::STRIDES,
        window::PADDING,
        window::DILATION,
        argument(
            "groups",
            Some("1"),
            &[
                "How many groups channels and filters fall into. Each filter sees the channels of its group alone.",
            ],
        ),
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
    let filters = reader.count("filters");
    let window = read_window(reader);
    let groups = reader.get("groups");
    let groups = reader.context.count("groups", groups);
    let activation = reader.activation();
    let use_bias = reader.switch("use_bias");
    let trainable = reader.switch("trainable");
    let kernel = TensorSettings::read(reader, "kernel", 2);
    let bias = TensorSettings::read(reader, "bias", 1);
    Ok(Op::Conv2d(Conv2d {
        filters: filters?,
        window: window?,
        groups: groups?.unwrap_or(1),
        use_bias,
        trainable,
        kernel,
        bias,
        activation,
    }))
}

/// What moves over the image.
pub(super) fn read_window(reader: &mut Reader<'_, '_>) -> Result<Window, Reported> {
    let size = reader.pair("kernel");
    let strides = reader.pair("strides");
    let padding = window::padding(reader);
    let dilation = reader.pair("dilation");
    let window = Window {
        size: size?.ok_or(Reported)?,
        strides: strides?.unwrap_or([1, 1]),
        padding: padding?,
        dilation: dilation?.unwrap_or([1, 1]),
    };
    let moves = |steps: [usize; 2]| steps.iter().any(|&step| step > 1);
    if moves(window.strides) && moves(window.dilation) {
        let (dilation, strides) = (reader.span("dilation"), reader.span("strides"));
        let message = "strides and dilation cannot both be larger than 1";
        let diagnostic = Diagnostic::new(Code::DilatedStrides, dilation, message)
            .secondary(strides, "the strides")
            .help("use one of the two, as in Keras");
        return Err(reader.context.report(diagnostic));
    }
    Ok(window)
}

impl Layer for Conv2d {
    fn shape(&self, input: &Shape, site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let [height, width, channels] = image(&input.0);
        self.check_groups(channels, site)?;
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
        let channels = channels / self.groups;
        let kernel = Tensor::kernel(vec![height, width, channels, self.filters], self.kernel);
        let bias = self.use_bias.then(|| Tensor::bias(self.filters, self.bias));
        [kernel].into_iter().chain(bias).collect()
    }

    fn is_trainable(&self) -> bool {
        self.trainable
    }

    fn window(&self) -> Option<&Window> {
        Some(&self.window)
    }

    /// A multiplication and an addition for each weight that an output value reads, those that meet
    /// padding included.
    fn flops(&self, inputs: &[Shape]) -> u64 {
        let [_, _, channels] = inputs.first().map_or([0; 3], |input| image(&input.0));
        let [height, width] = self.window.size;
        let patch = (height * width * channels / self.groups) as u64;
        2 * patch + u64::from(self.use_bias) + activation_flops(self.activation)
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn with_activation(&self, name: &str, activation: &str) -> String {
        format!("give `{name}` an `activation = {activation}`")
    }

    /// A group of one channel is what a depthwise convolution computes, with a kernel that lies as its own.
    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let input = image(&inputs.first()?.0);
        let output = image(&output.0);
        let padding = self.window.place([input[0], input[1]])?.before();
        if self.groups > 1 && self.groups == input[2] {
            return Some(
                operation::DepthwiseConv2d {
                    input,
                    output,
                    kernel: self.window.size,
                    strides: self.window.strides,
                    padding,
                    dilation: self.window.dilation,
                    activation: self.activation,
                }
                .into(),
            );
        }
        let of_group =
            |[height, width, channels]: [usize; 3]| [height, width, channels / self.groups];
        let conv = operation::Conv2d {
            strides: self.window.strides,
            padding,
            dilation: self.window.dilation,
            ..operation::Conv2d::new(of_group(input), self.window.size, of_group(output))
        };
        let activation = self.activation;
        Some(match self.groups {
            1 => operation::Conv2d { activation, ..conv }.into(),
            groups => operation::GroupedConv2d {
                groups,
                conv,
                activation,
            }
            .into(),
        })
    }
}

impl Conv2d {
    /// Channels and filters fall into equal groups.
    fn check_groups(&self, channels: usize, site: &mut Site<'_, '_>) -> Result<(), Reported> {
        let Self {
            groups, filters, ..
        } = *self;
        let what = if !channels.is_multiple_of(groups) {
            format!("{channels} channels from `{}`", site.previous())
        } else if !filters.is_multiple_of(groups) {
            format!("{filters} filters of `{}`", site.name())
        } else {
            return Ok(());
        };
        let message = format!("the {what} do not fall into {groups} equal groups");
        let fits =
            |groups: &usize| channels.is_multiple_of(*groups) && filters.is_multiple_of(*groups);
        let below = (1..groups).rev().find(fits);
        let above = (groups + 1..=channels.min(filters)).find(fits);
        let nearest: Vec<_> = below
            .into_iter()
            .chain(above)
            .map(|groups| format!("`groups = {groups}`"))
            .collect();
        let diagnostic = Diagnostic::new(Code::UnequalGroups, site.argument("groups"), message)
            .note(format!(
                "there are {channels} channels and {filters} filters"
            ))
            .help(format!("write {}", nearest.join(" or ")));
        Err(site.report(diagnostic))
    }
}
