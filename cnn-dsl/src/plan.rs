//! The plan: which kernel runs each layer, what is fused, and where every value lives.
//!
//! Data flows `Network` → values (flatten shares its input's value) → steps (one kernel call
//! each; an activation layer behind a linear convolution or dense layer joins that step, and the
//! last softmax or sigmoid joins the loss) → memory (values whose lifetimes do not overlap
//! share a slot). The code generator prints the plan as Rust, one call a step.

use crate::graph::{Activation, Loss, Network, NodeId, Op, Shape};
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
    /// Where values live during training.
    pub training: Memory,
}

/// Something that a step reads or writes.
#[derive(Clone, Debug)]
pub struct Value {
    /// The name of the layer that produces it.
    pub name: String,
    /// The shape of one example.
    pub shape: Shape,
    /// The step that writes it; none for the network's input.
    pub producer: Option<usize>,
    /// Whether the backward pass needs its gradient: some parameter lies at or before its producer.
    pub wants_gradient: bool,
}

/// One kernel call.
#[derive(Clone, Debug)]
pub struct Step {
    /// The layer whose geometry and parameters the step uses.
    pub node: NodeId,
    /// What runs.
    pub kernel: Kernel,
    /// Applied to the result in the same call.
    pub activation: Activation,
    /// What it reads.
    pub input: ValueId,
    /// What it writes.
    pub output: ValueId,
}

/// What runs a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
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
    /// Each image's windows as the rows of a matrix, then one product.
    Im2col,
    /// A 1x1 kernel, stride 1, no padding: the image is the matrix already.
    Pointwise,
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
}

/// Where each value lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The size of each slot, in floats for one example.
    pub slots: Vec<usize>,
    /// The value whose storage each value is: its own but where a step passes its input on.
    pub storage: Vec<ValueId>,
    /// The place of each value.
    pub values: Vec<Place>,
    /// The slot of each value's gradient.
    pub gradients: Vec<Option<usize>>,
    /// The slot of each dropout step's mask, by step.
    pub masks: Vec<Option<usize>>,
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
        let mut plan = Self::steps_of(network);
        debug_assert!(
            (0..plan.values.len()).all(|v| plan.steps.iter().filter(|s| s.input == v).count() <= 1),
            "a second reader would overwrite the gradient that the first one left"
        );
        plan.fuse_output_activation(network);
        plan.find_gradients(network);
        plan.place_for_inference();
        plan.place_for_training();
        plan
    }

    /// The tensors of one layer.
    pub fn parameters_of(&self, node: NodeId) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(move |p| p.node == node)
    }

    /// Values, steps and parameters in source order; activation layers join the step before them.
    fn steps_of(network: &Network) -> Self {
        let mut values: Vec<Value> = Vec::new();
        let mut steps: Vec<Step> = Vec::new();
        let mut parameters = Vec::new();
        let mut value_of: Vec<ValueId> = Vec::with_capacity(network.nodes.len());
        let mut offset = 0;
        // Flatten shares its input's value, so who reads behind it reads that value too.
        let mut origin: Vec<NodeId> = Vec::with_capacity(network.nodes.len());
        for (id, node) in network.nodes.iter().enumerate() {
            let shares = node.inputs.first().filter(|_| node.op == Op::Flatten);
            origin.push(shares.map_or(id, |&source| origin[source]));
        }
        let readers = |id: NodeId| {
            let nodes = network.nodes.iter().filter(|n| n.op != Op::Flatten);
            nodes
                .flat_map(|n| &n.inputs)
                .filter(|&&input| origin[input] == origin[id])
                .count()
        };
        for (id, node) in network.nodes.iter().enumerate() {
            for tensor in node.parameters() {
                let len = tensor.len();
                parameters.push(Parameter {
                    node: id,
                    role: tensor.name,
                    shape: tensor.shape,
                    range: offset..offset + len,
                    fans: (tensor.fan_in > 0).then_some((tensor.fan_in, tensor.fan_out)),
                });
                offset += len;
            }
            let Some(&source) = node.inputs.first() else {
                value_of.push(values.len());
                values.push(Value::new(&node.name, &node.shape, None));
                continue;
            };
            let input = value_of[source];
            let (kernel, activation) = match &node.op {
                Op::Input | Op::Flatten => {
                    value_of.push(input);
                    continue;
                }
                Op::Conv2d(conv) => (Kernel::Conv2d(Conv2dAlgorithm::of(conv)), conv.activation),
                Op::Pool2d(_) => (Kernel::Pool2d, Activation::Linear),
                Op::Dense(dense) => (Kernel::Dense, dense.activation),
                Op::Dropout { .. } => (Kernel::Dropout, Activation::Linear),
                Op::Activation(activation) => {
                    // Softmax works along the last axis, which flatten changes.
                    let joins = values[input].shape == node.shape && readers(source) == 1;
                    match values[input].producer {
                        Some(step) if joins && steps[step].takes_activation() => {
                            steps[step].activation = *activation;
                            value_of.push(input);
                            continue;
                        }
                        _ => (Kernel::Activation, *activation),
                    }
                }
            };
            let output = values.len();
            values.push(Value::new(&node.name, &node.shape, Some(steps.len())));
            steps.push(Step {
                node: id,
                kernel,
                activation,
                input,
                output,
            });
            value_of.push(output);
        }
        Self {
            input: value_of[network.inputs[0]],
            output: value_of[network.outputs[0]],
            values,
            steps,
            output_activation: Activation::Linear,
            parameters,
            inference: Memory::default(),
            training: Memory::default(),
        }
    }

    /// Softmax before categorical cross-entropy and sigmoid before binary cross-entropy are
    /// computed by the loss, from the logits.
    fn fuse_output_activation(&mut self, network: &Network) {
        let fused = match network.train.as_ref().map(|train| train.loss) {
            Some(Loss::CategoricalCrossentropy) => Activation::Softmax,
            Some(Loss::BinaryCrossentropy) => Activation::Sigmoid,
            Some(Loss::MeanSquaredError) | None => return,
        };
        let Some(last) = self.values[self.output].producer else {
            return;
        };
        if self.steps[last].activation != fused {
            return;
        }
        self.output_activation = fused;
        self.steps[last].activation = Activation::Linear;
        if self.steps[last].kernel != Kernel::Activation {
            return;
        }
        // The loss turns the logits into probabilities in place. If the step before computes its
        // gradient from its own output, the logits are a copy: the step stays, without activation.
        let logits = self.steps[last].input;
        let reads_its_output = self.values[logits].producer.is_some_and(|step| {
            let step = &self.steps[step];
            step.activation != Activation::Linear || step.kernel == Kernel::Pool2d
        });
        if !reads_its_output {
            self.output = logits;
            self.steps.pop();
            self.values.pop();
        }
    }

    fn find_gradients(&mut self, network: &Network) {
        for step in &self.steps {
            let has_parameters = network.nodes[step.node].parameter_count() > 0;
            let wanted = has_parameters || self.values[step.input].wants_gradient;
            self.values[step.output].wants_gradient = wanted;
        }
    }

    /// During inference a value lives from its step to its last reader.
    fn place_for_inference(&mut self) {
        // Dropout passes its input on: its output is the same storage.
        let mut root: Vec<ValueId> = (0..self.values.len()).collect();
        for step in self.steps.iter().filter(|s| s.kernel == Kernel::Dropout) {
            root[step.output] = root[step.input];
        }
        let mut slots = Slots::default();
        let mut places: Vec<Option<Place>> = vec![None; self.values.len()];
        places[root[self.output]] = Some(Place::Output);
        places[self.input] = Some(Place::Input);
        for (time, step) in self.steps.iter().enumerate() {
            let value = root[step.output];
            let last_reader = self.steps.iter().rposition(|s| root[s.input] == value);
            places[value].get_or_insert_with(|| {
                let until = last_reader.unwrap_or(time);
                Place::Slot(slots.take(self.values[value].shape.len(), time, until))
            });
        }
        self.inference = Memory {
            slots: slots.sizes(),
            values: root
                .iter()
                .map(|&r| places[r].unwrap_or(Place::Input))
                .collect(),
            storage: root,
            gradients: vec![None; self.values.len()],
            masks: vec![None; self.steps.len()],
        };
    }

    /// Time runs 0, 1, … forward through the steps, then the loss, then back through the steps.
    /// A value lives until its own step's backward pass, which comes after its readers'; a
    /// gradient from its reader's backward pass to its own step's.
    fn place_for_training(&mut self) {
        let loss = self.steps.len();
        let backward = |step: usize| 2 * loss - step;
        let mut slots = Slots::default();
        let mut values = vec![Place::Input; self.values.len()];
        let mut masks = vec![None; self.steps.len()];
        for (time, step) in self.steps.iter().enumerate() {
            let len = self.values[step.output].shape.len();
            values[step.output] = if step.output == self.output {
                Place::Output
            } else {
                Place::Slot(slots.take(len, time, backward(time)))
            };
            if step.kernel == Kernel::Dropout {
                masks[time] = Some(slots.take(len, time, backward(time)));
            }
        }
        let mut gradients = vec![None; self.values.len()];
        for (time, step) in self.steps.iter().enumerate().rev() {
            let value = &self.values[step.output];
            if value.wants_gradient {
                let reader = self.steps.iter().rposition(|s| s.input == step.output);
                let from = reader.map_or(loss, backward);
                gradients[step.output] = Some(slots.take(value.shape.len(), from, backward(time)));
            }
        }
        self.training = Memory {
            slots: slots.sizes(),
            storage: (0..values.len()).collect(),
            values,
            gradients,
            masks,
        };
    }
}

impl Value {
    fn new(name: &str, shape: &Shape, producer: Option<usize>) -> Self {
        Self {
            name: name.to_owned(),
            shape: shape.clone(),
            producer,
            wants_gradient: false,
        }
    }
}

impl Step {
    fn takes_activation(&self) -> bool {
        self.activation == Activation::Linear
            && matches!(self.kernel, Kernel::Conv2d(_) | Kernel::Dense)
    }
}

impl Conv2dAlgorithm {
    fn of(conv: &crate::graph::Conv2d) -> Self {
        let pointwise =
            conv.kernel == [1, 1] && conv.strides == [1, 1] && conv.padding == [[0, 0], [0, 0]];
        if pointwise {
            Self::Pointwise
        } else {
            Self::Im2col
        }
    }
}

impl Memory {
    /// Floats of all slots for one example.
    pub fn per_example(&self) -> usize {
        self.slots.iter().sum()
    }
}

/// Hands out slots: the smallest free one that fits, else the largest free one grown, else a new one.
/// Requests come in the order of their start.
#[derive(Default)]
struct Slots {
    /// Size and the last moment at which the slot is taken.
    taken: Vec<(usize, usize)>,
}

impl Slots {
    fn take(&mut self, len: usize, from: usize, until: usize) -> usize {
        let free = |&(_, &(_, last)): &(usize, &(usize, usize))| last < from;
        let fits = |&(_, &(size, _)): &(usize, &(usize, usize))| size >= len;
        let best = self
            .taken
            .iter()
            .enumerate()
            .filter(free)
            .filter(fits)
            .min_by_key(|s| s.1.0);
        let grown = || {
            self.taken
                .iter()
                .enumerate()
                .filter(free)
                .max_by_key(|s| s.1.0)
        };
        let slot = match best.or_else(grown) {
            Some((slot, _)) => slot,
            None => {
                self.taken.push((0, 0));
                self.taken.len() - 1
            }
        };
        self.taken[slot] = (self.taken[slot].0.max(len), until);
        slot
    }

    fn sizes(self) -> Vec<usize> {
        self.taken.into_iter().map(|(size, _)| size).collect()
    }
}
