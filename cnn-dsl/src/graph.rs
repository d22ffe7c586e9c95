//! The checked network: a graph in which every shape is known.
//!
//! This is what `check` returns and what the plan and the code
//! generator read. Nodes stand in an order in which every node comes after its inputs (the
//! order of the source), and each node names the nodes it reads, so that several readers of
//! one node and several inputs need no other structure.

use core::ops::Range;

use crate::layers;
pub use crate::layers::{
    Conv2d, Conv2dTranspose, Dense, Dropout, Flatten, Input, InputPart, Merge, Op, Padding, Part,
    Placed, Pool2d, SeparableConv2d, Tensor, TensorSettings, Window,
};
pub use crate::syntax::Name;
use crate::syntax::Span;
pub use cnn_ir::operation::PoolKind;
pub use cnn_ir::{
    Activation, Augment, Constraint, Initializer, Loss, Metric, Optimizer, Regularizer, Role,
};

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
    /// The inputs, in source order.
    pub inputs: Vec<Port>,
    /// The outputs, in the order in which they are listed.
    pub outputs: Vec<Port>,
    /// Values inside that prediction hands out, in the order in which they are listed.
    pub exposed: Vec<Port>,
    /// What flows in: the input, or the row of all.
    pub input: NodeId,
    /// What flows out: the output, or the row of all.
    pub output: NodeId,
    /// The calls of blocks and the rounds of repeats, each before those within it.
    pub groups: Vec<Group>,
    /// The `train` block.
    pub train: Option<Train>,
}

/// A value that flows in or out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its label; the name of the layer where it has none.
    pub name: String,
    /// Where it is named.
    pub span: Span,
    /// Whose value it is.
    pub node: NodeId,
}

/// The layers of one call of a block, or of one round of a repeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The label, or the name of the block with a number, behind those around: `stage2.conv_bn_1`.
    pub name: String,
    /// Where the label stands, if one was written.
    pub label: Option<Span>,
    /// The name of the block, or `repeat`, and where it stands.
    pub keyword: Name,
    /// The documentation above the call and above the block.
    pub docs: Vec<String>,
    /// The nodes that flow in.
    pub inputs: Vec<NodeId>,
    /// Its nodes; the last is its value.
    pub nodes: Range<NodeId>,
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
}

/// What is asked of an output.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// What is minimised: the sum of the losses of all outputs, each times its weight.
    pub loss: Loss,
    /// The weight of the loss; 1 where nothing is written.
    pub weight: f64,
    /// The weight of each class; empty where all count the same.
    pub class_weights: Vec<f32>,
    /// What is reported beside the loss.
    pub metrics: Vec<Metric>,
}

/// How the network is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// What is asked of each output, in their order.
    pub objectives: Vec<Objective>,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Passes over the data; Keras' default is 1.
    pub epochs: usize,
    /// Examples in one batch; Keras' default is 32.
    pub batch_size: usize,
    /// Batches in one step; 1 by default.
    pub accumulate: usize,
    /// Of shuffling, dropout and augmentation; 0 by default.
    pub seed: u64,
    /// How training examples are changed, in the order as written.
    pub augment: Vec<Augment>,
}

impl Node {
    /// The activation that the node's values went through last, if it has one.
    pub fn output_activation(&self) -> Option<Activation> {
        self.op.layer().activation()
    }

    /// Its tensors, the kernel first.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.op.layer().tensors(&self.input_shapes)
    }

    /// The runtime's type of a view of its tensors; none without tensors.
    pub fn view(&self) -> Option<&'static str> {
        layers::kind(&self.keyword.text)?.view
    }

    /// Whether training changes its tensors, if it has some.
    pub fn is_trainable(&self) -> bool {
        self.op.layer().is_trainable()
    }

    /// The rows and columns at the end of its image that it never reads.
    pub(crate) fn unread(&self) -> [usize; 2] {
        let image = self.input_shapes.first().and_then(Shape::image);
        match (self.op.layer().window(), image) {
            (Some(window), Some([height, width, _])) => window.unread([height, width]),
            (None, _) | (_, None) => [0, 0],
        }
    }

    /// The number of values of all tensors.
    pub fn parameter_count(&self) -> usize {
        self.tensors().iter().map(Tensor::len).sum()
    }

    /// The number of those that training changes by their gradients.
    pub fn trainable_count(&self) -> usize {
        let trained = |tensor: &Tensor| tensor.role.is_trained() && self.is_trainable();
        let tensors = self.tensors().into_iter().filter(trained);
        tensors.map(|tensor| tensor.len()).sum()
    }

    /// Floating-point operations of one forward pass over one example: a multiplication and
    /// an addition for each weight that an output value reads (those that meet padding
    /// included), one for each bias, one comparison or addition for each cell of a pooling
    /// window, and one for each value that an activation changes.
    pub fn flops(&self) -> u64 {
        let layer = self.op.layer();
        layer.flops_of_all(&self.input_shapes, &self.shape)
    }
}

impl Network {
    /// The network that computes an exposed value and nothing behind it, for prediction alone. Its tensors are those of
    /// the whole network.
    pub fn up_to(&self, exposed: &Port) -> Self {
        Self {
            outputs: vec![exposed.clone()],
            output: exposed.node,
            exposed: Vec::new(),
            train: None,
            ..self.clone()
        }
    }

    /// Whether a node is there only to hold several inputs, or several outputs, in a row.
    pub fn is_joint(&self, id: NodeId) -> bool {
        (id == self.input && self.inputs.len() > 1) || (id == self.output && self.outputs.len() > 1)
    }

    /// A name for a node that nobody wrote: no layer has it, as labels are the user's.
    pub(crate) fn free_name(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.nodes.iter().any(|node| node.name == name) {
            name.push('_');
        }
        name
    }

    /// The number of values of all tensors.
    pub fn parameter_count(&self) -> usize {
        self.nodes.iter().map(Node::parameter_count).sum()
    }

    /// The number of those that training changes by their gradients.
    pub fn trainable_count(&self) -> usize {
        self.nodes.iter().map(Node::trainable_count).sum()
    }

    /// Floating-point operations of one forward pass over one example; see [`Node::flops`].
    pub fn flops(&self) -> u64 {
        self.nodes
            .iter()
            .map(Node::flops)
            .fold(0, u64::saturating_add)
    }
}
