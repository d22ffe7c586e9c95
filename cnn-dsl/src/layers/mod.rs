//! The layers, each family in one file: how it is written, what it computes, what shape comes out.
//!
//! A [`LayerKind`] is a row for each keyword: what it takes, its arguments with their defaults and
//! documentation, and how to read them. `check` reads a line by its row, which gives an [`Op`]; the
//! `Layer` behind it tells everything else. "Did you mean", the messages and the reference page of
//! the language come from the same rows.
//!
//! A new layer is a file here, a row in [`LAYERS`] for each keyword and a line in [`Op`].

mod activation;
mod batch_normalization;
mod conv2d;
mod conv2d_transpose;
mod dense;
mod depthwise_conv2d;
mod dropout;
mod flatten;
mod global_pool2d;
mod input;
mod input_part;
mod merge;
mod pad2d;
mod pool2d;
mod reshape;
mod separable_conv2d;
mod upsampling2d;
mod window;

pub use batch_normalization::BatchNormalization;
pub use conv2d::Conv2d;
pub use conv2d_transpose::Conv2dTranspose;
pub use dense::Dense;
pub use depthwise_conv2d::DepthwiseConv2d;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use global_pool2d::GlobalPool2d;
pub use input::Input;
pub(crate) use input::channels_last;
pub use input_part::InputPart;
pub use merge::Merge;
pub use pad2d::Pad2d;
pub use pool2d::Pool2d;
pub use reshape::Reshape;
pub use separable_conv2d::SeparableConv2d;
pub(crate) use upsampling2d::INTERPOLATIONS;
pub use upsampling2d::UpSampling2d;
pub(crate) use window::{PADDING, PADDINGS};
pub use window::{Padding, Placed, Window};

pub use cnn_ir::Activation;
pub(crate) use cnn_ir::vocabulary::{Kind, Parameter};
use cnn_ir::{Constraint, Initializer, Operation, Regularizer, Role};

use crate::check::arguments::{Reader, Reported};
use crate::check::shape::Site;
use crate::graph::{Node, Shape};
use std::ops::Range;

/// How a layer is written. One row for each keyword.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerKind {
    pub(crate) name: &'static str,
    /// What other libraries call it, in small letters and digits alone.
    pub(crate) other_names: &'static [&'static str],
    /// What it is, for the reference page.
    pub(crate) docs: &'static str,
    /// How it is written, where its arguments' names would not show that.
    pub(crate) example: Option<&'static str>,
    pub(crate) takes: Takes,
    /// The runtime's type of a view of its tensors; none without tensors.
    pub(crate) view: Option<&'static str>,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) read: fn(&mut Reader<'_, '_>) -> Result<Op, Reported>,
}

/// What may flow into a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing: an input of the network.
    Nothing,
    /// A value of any shape.
    Anything,
    /// Height, width and channels.
    Image,
    /// A single axis.
    Flat,
    /// Several values, by their labels; what goes together is for the layer to say.
    Several,
}

/// Every keyword, but for the activations, whose names are layers too.
const LAYERS: &[LayerKind] = &[
    input::INPUT,
    conv2d::CONV2D,
    depthwise_conv2d::DEPTHWISE_CONV2D,
    separable_conv2d::SEPARABLE_CONV2D,
    conv2d_transpose::CONV2D_TRANSPOSE,
    pool2d::MAX_POOL2D,
    pool2d::AVG_POOL2D,
    global_pool2d::GLOBAL_MAX_POOL2D,
    global_pool2d::GLOBAL_AVG_POOL2D,
    pad2d::ZERO_PADDING2D,
    pad2d::CROPPING2D,
    upsampling2d::UPSAMPLING2D,
    flatten::FLATTEN,
    reshape::RESHAPE,
    dense::DENSE,
    dropout::DROPOUT,
    batch_normalization::BATCH_NORMALIZATION,
    merge::ADD,
    merge::SUBTRACT,
    merge::MULTIPLY,
    merge::AVERAGE,
    merge::MAXIMUM,
    merge::MINIMUM,
    merge::CONCAT,
    activation::ACTIVATION,
];

/// Every keyword, in the order of the reference page.
pub(crate) fn kinds() -> impl Iterator<Item = LayerKind> {
    LAYERS.iter().copied().chain(activation::kinds())
}

/// The row of a keyword.
pub(crate) fn kind(keyword: &str) -> Option<LayerKind> {
    kinds().find(|kind| kind.name == keyword)
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A network input.
    Input(Input),
    /// A two-dimensional convolution.
    Conv2d(Conv2d),
    /// A convolution of each channel by itself.
    DepthwiseConv2d(DepthwiseConv2d),
    /// A convolution of each channel by itself, then one across channels.
    SeparableConv2d(SeparableConv2d),
    /// The input gradient of a convolution as a layer.
    Conv2dTranspose(Conv2dTranspose),
    /// Max or average pooling.
    Pool2d(Pool2d),
    /// Pooling over whole images.
    GlobalPool2d(GlobalPool2d),
    /// Zeros around images, or images without their edges.
    Pad2d(Pad2d),
    /// Images with more rows and columns.
    UpSampling2d(UpSampling2d),
    /// All axes into one.
    Flatten(Flatten),
    /// Other axes.
    Reshape(Reshape),
    /// A fully connected layer.
    Dense(Dense),
    /// Zeroes values at random while training.
    Dropout(Dropout),
    /// Each channel with mean 0 and variance 1 over the batch.
    BatchNormalization(BatchNormalization),
    /// Several values that become one.
    Merge(Merge),
    /// One input of several.
    InputPart(InputPart),
    /// An activation as a layer of its own.
    Activation(Activation),
}

impl Op {
    pub(crate) fn layer(&self) -> &dyn Layer {
        match self {
            Self::Input(layer) => layer,
            Self::Conv2d(layer) => layer,
            Self::DepthwiseConv2d(layer) => layer,
            Self::SeparableConv2d(layer) => layer,
            Self::Conv2dTranspose(layer) => layer,
            Self::Pool2d(layer) => layer,
            Self::GlobalPool2d(layer) => layer,
            Self::Pad2d(layer) => layer,
            Self::UpSampling2d(layer) => layer,
            Self::Flatten(layer) => layer,
            Self::Reshape(layer) => layer,
            Self::Dense(layer) => layer,
            Self::Dropout(layer) => layer,
            Self::BatchNormalization(layer) => layer,
            Self::Merge(layer) => layer,
            Self::InputPart(layer) => layer,
            Self::Activation(layer) => layer,
        }
    }

    /// The operations that compute it from whole inputs, each layer by itself: the first reads the inputs, each
    /// other what the one before it wrote. None where the output is what lies in the input already.
    pub fn operations(&self, inputs: &[Shape], output: &Shape) -> Vec<Part> {
        self.layer().operations(inputs, output)
    }
}

/// One of the operations that compute a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is called beside the name of the layer, where it is not the last.
    pub name: Option<&'static str>,
    /// What runs.
    pub operation: Operation,
    /// The shape of what it writes.
    pub output: Shape,
    /// Its tensors, among those of the layer.
    pub tensors: Range<usize>,
}

/// What the compiler asks of a layer. The defaults are those of a layer without tensors that changes
/// no shape.
pub(crate) trait Layer {
    /// The shape of its output, from an input that is what [`Takes`] asks for.
    fn shape(&self, input: &Shape, site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        let _ = site;
        Ok(input.clone())
    }

    /// The shape of its output, from all its inputs.
    fn join(&self, inputs: &[Shape], site: &mut Site<'_, '_>) -> Result<Shape, Reported> {
        self.shape(inputs.first().ok_or(Reported)?, site)
    }

    /// The shape of its output where nothing is known of its input, if that is possible.
    fn shape_of_itself(&self) -> Option<Shape> {
        None
    }

    /// Its tensors, for inputs of these shapes.
    fn tensors(&self, inputs: &[Shape]) -> Vec<Tensor> {
        let _ = inputs;
        Vec::new()
    }

    /// Whether training changes its tensors.
    fn is_trainable(&self) -> bool {
        true
    }

    /// The window that it moves over its image, if it has one.
    fn window(&self) -> Option<&Window> {
        None
    }

    /// Floating-point operations for each value of its output.
    fn flops(&self, inputs: &[Shape]) -> u64 {
        let _ = inputs;
        0
    }

    /// Floating-point operations of the whole output, where they are not as many for each value.
    fn flops_of_all(&self, inputs: &[Shape], output: &Shape) -> u64 {
        (output.len() as u64).saturating_mul(self.flops(inputs))
    }

    /// The activation that its values went through last, if it has one.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// How to write it with another activation, if it takes one.
    fn with_activation(&self, name: &str, activation: &str) -> String {
        let _ = name;
        format!("write `{activation};` as the last layer")
    }

    /// Whether its output has the values of its input, at least in inference.
    fn keeps_values(&self) -> bool {
        false
    }

    /// Why it passes its input on unchanged, if it does.
    fn no_effect(&self, previous: &Node) -> Option<String> {
        let _ = previous;
        None
    }

    /// The operation that computes it from whole inputs, or the last one of several; none where the output is
    /// what lies in the input already.
    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation>;

    /// The operations that compute it one after the other.
    fn operations(&self, inputs: &[Shape], output: &Shape) -> Vec<Part> {
        let operation = self.operation(inputs, output);
        let part = operation.map(|operation| Part {
            name: None,
            operation,
            output: output.clone(),
            tensors: 0..self.tensors(inputs).len(),
        });
        part.into_iter().collect()
    }
}

/// What a description says of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorSettings {
    /// How it starts.
    pub initializer: Initializer,
    /// A penalty on it, which is added to the loss.
    pub regularizer: Option<Regularizer>,
    /// What it is kept to.
    pub constraint: Option<Constraint>,
}

impl TensorSettings {
    /// From the arguments of the tensor `name`, which has so many axes: `kernel_initializer` and so on.
    fn read(reader: &mut Reader<'_, '_>, name: &str, axes: usize) -> Self {
        Self {
            initializer: reader.initializer(&format!("{name}_initializer"), axes),
            regularizer: reader.regularizer(&format!("{name}_regularizer")),
            constraint: reader.constraint(&format!("{name}_constraint")),
        }
    }

    /// Of a tensor that no argument tells of.
    const fn initialized(initializer: Initializer) -> Self {
        Self {
            initializer,
            regularizer: None,
            constraint: None,
        }
    }
}

/// A tensor of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// `kernel` or `bias`.
    pub name: &'static str,
    /// Kernels of convolutions are `[height, width, input channels, filters]`, those of dense
    /// layers `[inputs, units]`, biases `[filters]` or `[units]`.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// What the description says of it.
    pub settings: TensorSettings,
    /// How many outputs have weights of their own in it: the axes that come last, of which constraints take the norms
    /// apart.
    pub outputs: usize,
}

impl Tensor {
    /// A kernel.
    pub(crate) fn kernel(shape: Vec<usize>, settings: TensorSettings) -> Self {
        Self {
            name: "kernel",
            outputs: shape.last().copied().unwrap_or(1),
            shape,
            role: Role::Weight,
            settings,
        }
    }

    /// The kernel of a convolution of each channel by itself.
    pub(crate) fn depthwise_kernel(
        [height, width]: [usize; 2],
        channels: usize,
        multiplier: usize,
        settings: TensorSettings,
    ) -> Self {
        Self {
            outputs: channels.saturating_mul(multiplier),
            ..Self::kernel(vec![height, width, channels, multiplier], settings)
        }
    }

    /// A list of values for as many channels, which is added or multiplied.
    pub(crate) fn list(name: &'static str, channels: usize, settings: TensorSettings) -> Self {
        Self {
            name,
            shape: vec![channels],
            role: Role::Bias,
            settings,
            outputs: 1,
        }
    }

    /// A bias.
    pub(crate) fn bias(units: usize, settings: TensorSettings) -> Self {
        Self::list("bias", units, settings)
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values; never so in a checked network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One operation for each value that an activation changes.
fn activation_flops(activation: Activation) -> u64 {
    u64::from(activation != Activation::Linear)
}

/// An argument that the layer reads itself; `default` as it is written, none where it is needed.
const fn argument(
    name: &'static str,
    default: Option<&'static str>,
    docs: &'static [&'static str],
) -> Parameter {
    Parameter {
        name,
        docs,
        kind: Kind::Other(default),
    }
}

/// A switch.
const fn switch(name: &'static str, default: bool, docs: &'static [&'static str]) -> Parameter {
    Parameter {
        name,
        docs,
        kind: Kind::Switch { default },
    }
}

/// `activation = …` of a layer that has one.
const ACTIVATION: Parameter = argument("activation", Some("linear"), &["Applied to the result."]);

const USE_BIAS: Parameter = switch("use_bias", true, &["Whether a bias is added."]);

const KERNEL_INITIALIZER: Parameter = argument(
    "kernel_initializer",
    Some("glorot_uniform"),
    &["How the kernel starts."],
);

const KERNEL_REGULARIZER: Parameter = argument(
    "kernel_regularizer",
    Some("none"),
    &["A penalty on the kernel, which is added to the loss."],
);

const KERNEL_CONSTRAINT: Parameter = argument(
    "kernel_constraint",
    Some("none"),
    &["What the kernel is kept to."],
);

const BIAS_INITIALIZER: Parameter =
    argument("bias_initializer", Some("zeros"), &["How the bias starts."]);

const BIAS_REGULARIZER: Parameter = argument(
    "bias_regularizer",
    Some("none"),
    &["A penalty on the bias, which is added to the loss."],
);

const BIAS_CONSTRAINT: Parameter = argument(
    "bias_constraint",
    Some("none"),
    &["What the bias is kept to."],
);

const TRAINABLE: Parameter = switch(
    "trainable",
    true,
    &["Whether training changes its parameters."],
);
