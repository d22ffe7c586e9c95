//! The plan: which operation runs each layer, what is fused, and where every value lives.
//!
//! Data flows `Network` → `lower` (one step a layer, or several in a row; flatten and reshape share their input's
//! value) → `fold` (for prediction: batch normalizations join the weights before them) → `fuse`
//! (zero paddings join the convolution behind them, additions a batch normalization before them, activations and max
//! pools the convolution, dense layer or normalization before them, the last softmax or sigmoid the loss) → `trim`
//! (what nobody reads is not computed) → `gradients` (whose gradients are wanted) → `sparsity` (which of them a pool
//! leaves mostly zero) → `algorithm` (how convolutions are computed) → `stages` (what runs a micro-batch at a time) →
//! `chains` (what threads that share an example compute before they meet) → `memory` (values whose lifetimes do not
//! overlap share a slot; `gradient_storage`: so do gradients that are passed on). `table` says all of it as text, and
//! `kernels` which kernels run on each instruction set. The code generator prints the plan as Rust, one call a step.
//!
//! A step holds its [`Operation`]: the constant that the generated code will have. Passes that are
//! about all operations ask its [`Facts`](cnn_ir::operation::Facts); only those that are about
//! particular ones (`fuse`, `sparsity`, `algorithm`) look at its kind.
//!
//! A plan runs in [`Stage`]s. Some take a micro-batch of images at a time, so that what flows between
//! their steps stays in the cache; others take all examples of a thread, so that large kernels are read
//! once. While training the stages run forward in their order, then the loss, then backward in reverse;
//! the kernel gradients of dense layers are one product over the whole batch at the end. Where a step has to know
//! the whole batch, as a batch normalization does, all threads meet between two stages.
//!
//! Training has steps of its own where prediction folds something: see [`Plan::prediction`].

mod algorithm;
mod chains;
mod fold;
mod fuse;
mod gradient_storage;
mod gradients;
mod kernels;
mod lower;
mod memory;
mod sparsity;
mod stages;
mod table;
mod trim;

pub use memory::{Memory, Per, Place, Slot};
pub use stages::{Scope, Stage};

use crate::graph::{Activation, Network, NodeId, Shape, TensorSettings};
use cnn_ir::operation::{BatchNormalization, Pass, Saves, Wanted};
use cnn_ir::{Operation, Role};
use std::ops::Range;

/// The place of a value in [`Plan::values`].
pub type ValueId = usize;

/// How a checked network is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the steps read and write.
    pub values: Vec<Value>,
    /// The calls of the forward pass in order; the backward pass runs them in reverse.
    pub steps: Vec<Step>,
    /// The images that a stage of images takes at a time.
    pub micro_batch: usize,
    /// The value that flows in.
    pub input: ValueId,
    /// The value that flows out.
    pub output: ValueId,
    /// The outputs of the network, which are parts of that value where there are several.
    pub outputs: Vec<Output>,
    /// Every tensor in buffer order, without gaps.
    pub parameters: Vec<Parameter>,
    /// How these steps run in inference.
    pub inference: Schedule,
    /// How training runs; empty without a `train` block.
    pub training: Schedule,
    /// The plan of prediction, where it runs other steps than training: batch normalizations are folded. Its parameters,
    /// its micro-batch and the activations of its outputs are the same.
    pub prediction: Option<Box<Plan>>,
}

/// An output of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output {
    /// Its value.
    pub value: ValueId,
    /// Taken out of the step that makes it because the loss computes it stably from the logits.
    pub activation: Activation,
}

/// In what groups the steps run, and where their values live meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The steps in groups that take as many examples at once, in order and without gaps.
    pub stages: Vec<Stage>,
    /// Steps of a prediction of one example that threads compute row by row before they meet; see `chains`.
    pub chains: Vec<Range<usize>>,
    /// Where values live.
    pub memory: Memory,
}

/// Something that a step reads or writes.
#[derive(Clone, Debug)]
pub struct Value {
    /// The name of the layer or of the step that produces it.
    pub name: String,
    /// The shape of one example as it is stored: without the rows and columns that nobody reads.
    pub shape: Shape,
    /// The same with them.
    pub whole: Shape,
    /// The step that writes it; none for the network's input.
    pub producer: Option<usize>,
    /// Whether the backward pass needs its gradient: something at or before its producer is trained.
    pub wants_gradient: bool,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Step {
    /// The layer that it computes.
    pub node: NodeId,
    /// A zero padding in front of it: the step reads what the padding reads.
    pub padding: Option<NodeId>,
    /// Its place among the steps that compute the layer.
    pub part: usize,
    /// The name of the layer, or one of its own, where another step finishes the layer.
    pub name: String,
    /// A max pool fused behind it: the step writes the pooled value.
    pub pool: Option<NodeId>,
    /// An addition that a batch normalization takes along: the step writes the sum.
    pub addition: Option<NodeId>,
    /// What runs, on values as they are stored.
    pub operation: Operation,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// The shapes in which it reads them: behind a `flatten` or `reshape` others than those of the values, whose
    /// elements lie in the same order.
    pub input_shapes: Vec<Shape>,
    /// What it writes.
    pub output: ValueId,
    /// Its tensors, among [`Plan::parameters`].
    pub tensors: Range<usize>,
    /// The batch normalization behind it, if it is folded into these tensors: the step writes the normalized value.
    pub folded: Option<Folded>,
    /// Whether the backward pass computes the gradients of its tensors.
    pub trains_tensors: bool,
    /// Which of its inputs' gradients the backward pass computes, and how.
    pub input_gradients: Vec<Option<Write>>,
}

/// A batch normalization that is folded into the tensors of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// The layer.
    pub node: NodeId,
    /// What it computes.
    pub normalization: BatchNormalization,
    /// Its tensors, among [`Plan::parameters`].
    pub tensors: Range<usize>,
}

/// What becomes of a gradient with respect to a step's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It is the first one of its value, or the only one.
    Store,
    /// It is added to what other readers of the value have left.
    Add,
}

/// A tensor of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The layer it belongs to.
    pub node: NodeId,
    /// `kernel` or `bias`.
    pub name: &'static str,
    /// Its shape: HWIO for convolutions, in×out for dense layers.
    pub shape: Vec<usize>,
    /// Its range in the flat buffer, in floats.
    pub range: Range<usize>,
    /// What it is for.
    pub role: Role,
    /// What the description says of it.
    pub settings: TensorSettings,
    /// How many outputs have weights of their own in it.
    pub outputs: usize,
    /// Whether training changes it; a frozen one keeps its place in the buffer.
    pub trainable: bool,
}

impl Plan {
    /// Plans a checked network of one input and one output.
    pub fn new(network: &Network) -> Self {
        if network.train.is_none() {
            return Self::of_prediction(network);
        }
        let mut plan = Self::of_training(network);
        let prediction = Self::of_prediction(network);
        let is_folded = prediction.steps.iter().any(|step| step.folded.is_some());
        // The runtime applies one activation behind both.
        let activations = |plan: &Self| -> Vec<Activation> {
            plan.outputs
                .iter()
                .map(|output| output.activation)
                .collect()
        };
        if is_folded && activations(&prediction) == activations(&plan) {
            plan.prediction = Some(Box::new(prediction));
        }
        let micro_batch = plan.micro_batch.max(plan.for_prediction().micro_batch);
        plan.micro_batch = micro_batch;
        if let Some(prediction) = &mut plan.prediction {
            prediction.micro_batch = micro_batch;
        }
        plan
    }

    /// The same for programs in which no threads share an example, as those without `std`: a prediction takes less memory.
    pub fn without_chains(mut self) -> Self {
        let prediction = self.prediction.take();
        self.prediction = prediction.map(|plan| Box::new(plan.without_chains()));
        self.inference.chains.clear();
        self.inference.memory = memory::inference(&self);
        self
    }

    /// The plan of training, whose steps can infer as well.
    fn of_training(network: &Network) -> Self {
        let mut plan = lower::lower(network);
        fuse::steps(&mut plan);
        fuse::output_activations(&mut plan, network);
        trim::unread(&mut plan);
        gradients::find(&mut plan, network);
        sparsity::exploit(&mut plan);
        algorithm::choose(&mut plan);
        stages::split(&mut plan, true);
        chains::find(&mut plan);
        plan.inference.memory = memory::inference(&plan);
        plan.training.memory = memory::training(&plan);
        plan
    }

    /// The plan of prediction alone.
    fn of_prediction(network: &Network) -> Self {
        let mut plan = lower::lower(network);
        for step in &mut plan.steps {
            step.operation.facts_mut().only_infers();
        }
        fold::normalizations(&mut plan);
        fuse::steps(&mut plan);
        fuse::output_activations(&mut plan, network);
        trim::unread(&mut plan);
        algorithm::choose(&mut plan);
        stages::split(&mut plan, false);
        chains::find(&mut plan);
        plan.inference.memory = memory::inference(&plan);
        plan
    }

    /// The plan by which predictions run: this one, or one with folded steps.
    pub fn for_prediction(&self) -> &Self {
        self.prediction.as_deref().unwrap_or(self)
    }

    /// The tensors of one step, then those of the normalization that is folded into them.
    pub fn tensors(&self, step: &Step) -> impl Iterator<Item = &Parameter> {
        step.tensor_places().map(|place| &self.parameters[place])
    }

    /// The steps that read each value, in order.
    fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.values.len()];
        for (index, step) in self.steps.iter().enumerate() {
            for &input in &step.inputs {
                readers[input].push(index);
            }
        }
        readers
    }
}

impl Step {
    /// The places of its tensors, then of those of the normalization that is folded into them.
    pub fn tensor_places(&self) -> impl Iterator<Item = usize> + use<> {
        let folded = self.folded.as_ref().map(|folded| folded.tensors.clone());
        self.tensors.clone().chain(folded.into_iter().flatten())
    }

    /// Whether a pass wants its tensors in another form: folded ones always are.
    pub fn packs(&self, pass: Pass) -> bool {
        let is_folded = pass == Pass::Inference && self.folded.is_some();
        is_folded || self.operation.facts().packs(pass, self.wanted())
    }

    /// What its backward pass has to compute.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            tensors: self.trains_tensors,
            input: self.input_gradients.iter().any(Option::is_some),
        }
    }

    /// Whether training has to know the whole batch before it runs this step.
    pub fn meets(&self) -> bool {
        self.operation.facts().statistics().is_some()
    }

    /// What its forward pass leaves for the backward pass.
    pub fn saves(&self) -> Saves {
        self.operation.facts().saves(self.wanted())
    }
}
