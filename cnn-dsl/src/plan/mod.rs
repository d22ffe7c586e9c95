//! The plan: which kernel runs each layer, what is fused, and where every value lives.
//!
//! Data flows `Network` → `lower` (one step a layer; flatten shares its input's value) → `fuse`
//! (activations and max pools join the convolution or dense layer before them, the last softmax
//! or sigmoid joins the loss) → `trim` (what nobody reads is not computed) → `gradients` (whose
//! gradients are wanted) → `sparsity` (which of them a pool leaves mostly zero) → `algorithm` (how
//! convolutions are computed) → `front` (what runs image by image) → `memory` (values whose
//! lifetimes do not overlap share a slot). `table` says all of it as text. The code generator
//! prints the plan as Rust, one call a step.
//!
//! A plan runs in two parts. The *front* takes the images in small groups, so that what flows
//! between its steps stays in the cache; the *back*, from the first dense layer on, takes all
//! examples at once, so that its kernels are read once. While training, the front runs forward
//! over all groups, then the back forward, the loss and the back backward, then the front backward
//! over all groups; the kernel gradients of dense layers are one product over the whole batch at
//! the end.

mod algorithm;
mod front;
mod fuse;
mod gradients;
mod lower;
mod memory;
mod sparsity;
mod table;
mod trim;

use crate::graph::{Activation, Network, NodeId, Shape};
use std::ops::Range;

/// The place of a value in [`Plan::values`].
pub type ValueId = usize;

/// How a checked network is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the steps read and write.
    pub values: Vec<Value>,
    /// The kernel calls of the forward pass in order; the backward pass runs them in reverse.
    pub steps: Vec<Step>,
    /// `steps[..front]` run on a group of images at a time, the others on all examples at once.
    pub front: usize,
    /// The images that the front takes at a time.
    pub micro_batch: usize,
    /// The value that flows in.
    pub input: ValueId,
    /// The value that the last step writes while training.
    pub output: ValueId,
    /// Taken out of the last step because the loss computes it stably from the logits.
    pub output_activation: Activation,
    /// Every parameter tensor in buffer order, without gaps.
    pub parameters: Vec<Parameter>,
    /// Where values live during inference.
    pub inference: Memory,
    /// Where values live during training; empty without a `train` block.
    pub training: Memory,
}

/// Something that a step reads or writes.
#[derive(Clone, Debug)]
pub struct Value {
    /// The name of the layer that produces it.
    pub name: String,
    /// The shape of one example as it is stored: without the rows and columns that nobody reads.
    pub shape: Shape,
    /// The step that writes it; none for the network's input.
    pub producer: Option<usize>,
    /// Whether the backward pass needs its gradient: something at or before its producer is trained.
    pub wants_gradient: bool,
}

/// One kernel call.
#[derive(Clone, Debug)]
pub struct Step {
    /// The layer whose geometry and parameters the step uses.
    pub node: NodeId,
    /// A max pool fused behind the convolution: the step writes the pooled value.
    pub pool: Option<NodeId>,
    /// What runs forward.
    pub kernel: StepKind,
    /// Applied to the result in the same call, behind the pool where there is one.
    pub activation: Activation,
    /// What a convolution computes before the pool: `[height, width, filters]`, without what
    /// nobody reads.
    pub conv_output: Option<[usize; 3]>,
    /// How the gradient of the kernel is computed; none without parameters or where they are not
    /// trained.
    pub kernel_gradient: Option<KernelGradient>,
    /// How the gradient of the input is computed; none where nobody wants it.
    pub input_gradient: Option<InputGradient>,
    /// What it reads.
    pub input: ValueId,
    /// What it writes.
    pub output: ValueId,
}

/// What runs a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A convolution.
    Conv2d(Conv2dAlgorithm),
    /// Pooling.
    Pool2d,
    /// A dense layer.
    Dense,
    /// Dropout; during inference its output is its input.
    Dropout,
    /// An activation that no other step could take.
    Activation,
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conv2dAlgorithm {
    /// Register tiles over the outputs, reading the image where it lies.
    Direct,
    /// Winograd's F(2x2, 3x3): tiles of 2x2 outputs from 16 multiplications instead of 36.
    Winograd,
    /// F(4x4, 3x3): tiles of 4x4 outputs from 36 multiplications instead of 144.
    Winograd4,
    /// F(5x5, 3x3): tiles of 5x5 outputs from 49 multiplications instead of 225. It rounds most.
    Winograd5,
    /// A 1x1 kernel, stride 1, no padding, no pool: the image is a matrix already.
    Pointwise,
}

/// How the gradient of a kernel is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelGradient {
    /// Register tiles over all outputs; behind a fused pool once its gradient is scattered.
    Direct,
    /// A 1x1 convolution: a matrix product.
    Pointwise,
    /// Behind a fused pool: over the winners of its windows alone.
    PoolSparse,
    /// Behind a fused pool: over all positions of a window at once.
    Windowed,
    /// A dense layer: a product over the whole batch.
    Rows,
}

/// How the gradient of a step's input is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputGradient {
    /// Strides of 1: register tiles over the inputs; behind a fused pool once its gradient is
    /// scattered.
    Direct,
    /// [`Conv2dAlgorithm::Winograd`] with the kernel turned round.
    Winograd,
    /// [`Conv2dAlgorithm::Winograd4`] with the kernel turned round.
    Winograd4,
    /// A 1x1 convolution: a matrix product.
    Pointwise,
    /// Any convolution: a product, its columns added up where their windows overlap (`col2im`).
    Columns,
    /// Behind a fused pool: over the winners of its windows alone.
    PoolSparse,
    /// A dense layer: a product.
    Rows,
    /// Back to the cells that a pool read.
    Pool,
    /// Through the mask of a dropout.
    Dropout,
    /// The gradient passes on.
    Activation,
}

/// A parameter tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The layer it belongs to.
    pub node: NodeId,
    /// `kernel` or `bias`.
    pub role: &'static str,
    /// Its shape: HWIO for convolutions, in×out for dense layers.
    pub shape: Vec<usize>,
    /// Its range in the flat buffer, in floats.
    pub range: Range<usize>,
    /// Fan in and fan out of Glorot's limit; none for biases, which start at zero.
    pub fans: Option<(usize, usize)>,
    /// Whether training changes it; a frozen one keeps its place in the buffer.
    pub trainable: bool,
}

/// Where each value lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The slots of floats.
    pub slots: Vec<Slot>,
    /// The value whose storage each value is: its own but where a step passes its input on.
    pub storage: Vec<ValueId>,
    /// The place of each value.
    pub values: Vec<Place>,
    /// The slot of each value's gradient.
    pub gradients: Vec<Option<usize>>,
    /// The slot of each dropout step's mask, by step.
    pub masks: Vec<Option<usize>>,
    /// The code slot of each step with a fused pool, by step; none where no backward pass reads it.
    pub argmax: Vec<Option<usize>>,
    /// The size of each code slot, in bytes for one example: one for each pooled value, which cell
    /// of its window won.
    pub argmax_slots: Vec<usize>,
}

/// A piece of the workspace that values share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its size, in floats for one example.
    pub len: usize,
    /// How many examples lie in it.
    pub per: Per,
}

/// How many examples lie in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// All of them, each in a piece of its own.
    Example,
    /// A group of the front's images; the next group overwrites them.
    MicroBatch,
}

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the caller's input.
    Input,
    /// In the caller's output.
    Output,
    /// In a slot of the workspace.
    Slot(usize),
}

impl Place {
    /// The slot, if the value lives in one.
    pub fn slot(self) -> Option<usize> {
        match self {
            Self::Slot(slot) => Some(slot),
            Self::Input | Self::Output => None,
        }
    }
}

impl Plan {
    /// Plans a checked network of one input, one output, and one reader of each value; the
    /// language has no more yet.
    pub fn new(network: &Network) -> Self {
        let mut plan = lower::lower(network);
        fuse::steps(&mut plan, network);
        fuse::output_activation(&mut plan, network);
        trim::unread(&mut plan, network);
        gradients::find(&mut plan, network);
        sparsity::exploit(&mut plan, network);
        algorithm::choose(&mut plan, network);
        front::split(&mut plan, network);
        plan.inference = memory::inference(&plan);
        if network.train.is_some() {
            plan.training = memory::training(&plan);
        }
        plan
    }

    /// The tensors of one layer.
    pub fn parameters_of(&self, node: NodeId) -> impl Iterator<Item = &Parameter> {
        let first = self.parameters.partition_point(|p| p.node < node);
        self.parameters[first..]
            .iter()
            .take_while(move |p| p.node == node)
    }
}

impl Step {
    /// Whether the step's backward pass reads what the step read. (Codes tell who won behind a
    /// fused pool; a pool of its own compares its input with its output.)
    pub fn reads_input(&self) -> bool {
        self.kernel_gradient.is_some() || self.input_gradient == Some(InputGradient::Pool)
    }

    /// Whether the step's backward pass reads what the step wrote: an activation's derivative is
    /// computed from it. Not so behind a linear one, with or without a fused pool: its place may
    /// hold something else by then.
    pub fn reads_output(&self) -> bool {
        let derives = self.activation != Activation::Linear && self.runs_backward();
        derives || self.input_gradient == Some(InputGradient::Pool)
    }

    /// Whether the step has a backward pass.
    pub fn runs_backward(&self) -> bool {
        self.kernel_gradient.is_some() || self.input_gradient.is_some()
    }
}

impl Memory {
    /// Floats for each example.
    pub fn per_example(&self) -> usize {
        self.floats(Per::Example)
    }

    /// Floats for each image of a group, whatever the number of examples.
    pub fn per_micro_batch_image(&self) -> usize {
        self.floats(Per::MicroBatch)
    }

    /// Bytes of argmax for each example.
    pub fn argmax_bytes(&self) -> usize {
        self.argmax_slots.iter().sum()
    }

    fn floats(&self, per: Per) -> usize {
        let slots = self.slots.iter().filter(|slot| slot.per == per);
        slots.map(|slot| slot.len).sum()
    }
}
