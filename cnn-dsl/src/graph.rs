//! The checked network: a graph in which every shape is known.
//!
//! This is what `check` returns and what the plan and the code
//! generator read. Nodes stand in an order in which every node comes after its inputs (the
//! order of the source), and each node names the nodes it reads, so that several readers of
//! one node and several inputs need no other structure.

pub use crate::syntax::Name;
use crate::syntax::Span;

/// The shape of one example, without the batch axis: `28x28x1` (`[H, W, C]`) or `1600`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape(pub Vec<usize>);

impl Shape {
    /// The number of values of one example. Checked networks never overflow here.
    pub fn len(&self) -> usize {
        self.0.iter().product()
    }

    /// Whether the shape holds no value; never so in a checked network.
    pub fn is_empty(&self) -> bool {
        self.0.contains(&0)
    }

    /// Whether there is a single axis.
    pub fn is_flat(&self) -> bool {
        self.0.len() == 1
    }

    /// Height, width and channels of an image.
    pub fn image(&self) -> Option<[usize; 3]> {
        <[usize; 3]>::try_from(self.0.as_slice()).ok()
    }
}

impl core::fmt::Display for Shape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (axis, size) in self.0.iter().enumerate() {
            if axis > 0 {
                f.write_str("x")?;
            }
            write!(f, "{size}")?;
        }
        Ok(())
    }
}

/// The place of a node in [`Network::nodes`].
pub type NodeId = usize;

/// A checked network.
#[derive(Clone, Debug)]
pub struct Network {
    /// The name of the generated struct.
    pub name: Name,
    /// The visibility as written (`pub`, `pub(crate)`, …); empty when private.
    pub visibility: String,
    /// The lines of the documentation above `network`, without their markers.
    pub docs: Vec<String>,
    /// Every layer, inputs included, each after the nodes that it reads.
    pub nodes: Vec<Node>,
    /// The input nodes, in source order.
    pub inputs: Vec<NodeId>,
    /// The output nodes, in source order.
    pub outputs: Vec<NodeId>,
    /// The `train` block.
    pub train: Option<Train>,
}

/// One layer of a checked network.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The label, or the Keras name: `conv2d_1`, `dense_2`.
    pub name: String,
    /// Where the label stands, if one was written.
    pub label: Option<Span>,
    /// The keyword as written (`conv2d`) and where it stands.
    pub keyword: Name,
    /// The documentation above the layer.
    pub docs: Vec<String>,
    /// What the node computes.
    pub op: Op,
    /// The nodes that it reads.
    pub inputs: Vec<NodeId>,
    /// The shapes of the nodes that it reads.
    pub input_shapes: Vec<Shape>,
    /// The shape of its output.
    pub shape: Shape,
    /// Whether training changes its parameters, if it has any.
    pub trainable: bool,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A network input.
    Input,
    /// A two-dimensional convolution.
    Conv2d(Conv2d),
    /// Max or average pooling.
    Pool2d(Pool2d),
    /// All axes into one.
    Flatten,
    /// A fully connected layer.
    Dense(Dense),
    /// Zeroes values at random while training.
    Dropout {
        /// The share of values that become zero, in `0.0..1.0`.
        rate: f64,
    },
    /// An activation as a layer of its own.
    Activation(Activation),
}

/// A two-dimensional convolution over an `[H, W, C]` image.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Output channels.
    pub filters: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub strides: [usize; 2],
    /// Zeros around the image: `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// Distance of neighbouring kernel rows and columns.
    pub dilation: [usize; 2],
    /// Whether a bias is added.
    pub use_bias: bool,
    /// Applied to the result.
    pub activation: Activation,
}

/// Pooling over an `[H, W, C]` image.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool2d {
    /// Max or average.
    pub kind: PoolKind,
    /// Window height and width.
    pub size: [usize; 2],
    /// Vertical and horizontal step.
    pub strides: [usize; 2],
    /// Cells around the image that no window counts: `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
}

/// The two kinds of pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest value of the window.
    Max,
    /// The mean of the window's cells inside the image.
    Average,
}

/// A fully connected layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Output values.
    pub units: usize,
    /// Whether a bias is added.
    pub use_bias: bool,
    /// Applied to the result.
    pub activation: Activation,
}

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The identity.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `x` where positive, `negative_slope * x` elsewhere.
    LeakyRelu {
        /// The slope below zero. The defaults are Keras', which has two: 0.3 for the layer
        /// (`leaky_relu;`, `keras.layers.LeakyReLU`) and 0.2 for the function
        /// (`activation = leaky_relu`, `keras.activations.leaky_relu`).
        negative_slope: f64,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `exp(x) / sum(exp(x))` over the last axis.
    Softmax,
}

/// How the network is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// What is minimised.
    pub loss: Loss,
    /// The update rule.
    pub optimizer: Optimizer,
    /// What is reported beside the loss.
    pub metrics: Vec<Metric>,
    /// Passes over the data; Keras' default is 1.
    pub epochs: usize,
    /// Examples in one step; Keras' default is 32.
    pub batch_size: usize,
    /// Of shuffling and dropout; 0 by default.
    pub seed: u64,
}

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy over classes, after a softmax.
    CategoricalCrossentropy,
    /// Cross-entropy of independent yes/no outputs, after a sigmoid.
    BinaryCrossentropy,
    /// The mean squared error.
    MeanSquaredError,
}

/// The update rule, with Keras' defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// Default 0.01.
        learning_rate: f64,
        /// Default 0.
        momentum: f64,
        /// Default false.
        nesterov: bool,
    },
    /// RMSprop.
    RmsProp {
        /// Default 0.001.
        learning_rate: f64,
        /// Default 0.9.
        rho: f64,
        /// Default 0.
        momentum: f64,
        /// Default 1e-7.
        epsilon: f64,
    },
    /// Adam.
    Adam {
        /// Default 0.001.
        learning_rate: f64,
        /// Default 0.9.
        beta_1: f64,
        /// Default 0.999.
        beta_2: f64,
        /// Default 1e-7.
        epsilon: f64,
    },
}

/// What is reported beside the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The share of examples classified rightly.
    Accuracy,
    /// `mae`.
    MeanAbsoluteError,
    /// `mse`.
    MeanSquaredError,
}

impl Activation {
    /// The name in a description: `leaky_relu`.
    pub const fn name(self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
            Activation::Softmax => "softmax",
        }
    }
}

impl Node {
    /// The activation that the node's values went through last, if it has one.
    pub fn output_activation(&self) -> Option<Activation> {
        match &self.op {
            Op::Conv2d(conv) => Some(conv.activation),
            Op::Dense(dense) => Some(dense.activation),
            Op::Activation(activation) => Some(*activation),
            Op::Input | Op::Pool2d(_) | Op::Flatten | Op::Dropout { .. } => None,
        }
    }
}
