//! What a generated network says about itself: the contract between the code generator and
//! the runtime.
//!
//! The macro emits one `static` [`Spec`] per network and, with it, the functions
//! [`Spec::forward`] and those of [`Training::passes`], which are unrolled calls of [`ops`].
//! Whatever does not depend on types (allocation, training, checkpoints) reads the `Spec` and calls the
//! functions with plain slices. Everything here is `'static` data or borrowed slices, so it exists
//! without `std` and without an allocator.
//!
//! A training step runs in phases, each shared by all threads. The first one has a pass, or several where an
//! operation has to know the whole batch:
//!
//! ```text
//! a thread's examples ──[TrainingPass]──▶ what is kept of each example, partial sums: gradients of tensors, statistics
//! statistics of all partials ──[Meeting]──▶ totals, which the next pass reads
//! a part of the parameters ──[Gradient]──▶ its gradient over the whole batch ──▶ update ──▶ packed tensors
//! ```

use crate::kernels::Isa;
use crate::objective::{Objective, Weights};
use crate::ops::{self, Direction, Sizes};
pub use crate::train::reduction::Partials;
use cnn_ir::operation::{BatchNormalization, Pass};
use cnn_ir::{
    Activation, Augment, Constraint, Initializer, Operation, Optimizer, Regularizer, Role,
};
use core::ops::Range;

/// A network: its shapes, where its parameters lie, and the functions that run it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name of the generated struct.
    pub name: &'static str,
    /// The shape of one example: `[28, 28, 1]`. Several inputs lie one behind the other in a row.
    pub input: &'static [usize],
    /// The shape of one output: `[10]`. Several lie one behind the other in a row.
    pub output: &'static [usize],
    /// The inputs.
    pub inputs: &'static [Port],
    /// The outputs.
    pub outputs: &'static [Port],
    /// Every layer after the input, in the order of the source.
    pub layers: &'static [Layer],
    /// Every tensor in the order of the flat buffer, contiguous and without gaps.
    pub parameters: &'static [Parameter],
    /// The length of the flat parameter buffer, in floats.
    pub parameter_count: usize,
    /// Runs the network on a batch. Where the activation of an output is fused with its loss, it
    /// writes logits, and [`Port::activation`] is still to be applied.
    pub forward: fn(Predict<'_>),
    /// The scratch memory of [`Spec::forward`].
    pub workspace: Workspace,
    /// The tensors that [`Spec::forward`] wants in another form, in the order of the parameters.
    pub packed: &'static [PackedForm],
    /// How the values inside are computed that the network exposes.
    pub exposed: &'static [&'static Self],
    /// How the network is trained, if its description says so.
    pub training: Option<Training>,
    /// The description as it was written, which `inspect` reads; empty without the feature of that name.
    pub description: &'static str,
}

/// A value that flows in or out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Port {
    /// Its label.
    pub name: &'static str,
    /// The shape of one example.
    pub shape: &'static [usize],
    /// Where it starts in the row of all, in floats.
    pub offset: usize,
    /// What turns what [`Spec::forward`] writes into the output; `Linear` for an input.
    pub activation: Activation,
}

impl Port {
    /// How many floats an example has.
    #[expect(clippy::len_without_is_empty, reason = "no value is empty")]
    pub const fn len(&self) -> usize {
        let mut floats = 1;
        let mut axis = 0;
        while axis < self.shape.len() {
            floats *= self.shape[axis];
            axis += 1;
        }
        floats
    }

    /// Its place in the row of all.
    pub const fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// Applies the activations that [`Spec::forward`] has left to the outputs, `[n, …]`.
pub fn finish(outputs: &[Port], isa: Isa, output: &mut [f32]) {
    let units = |port: &Port| port.shape.last().copied().unwrap_or(1);
    if let [port] = outputs {
        return ops::activation::forward(port.activation, isa, units(port), output);
    }
    let row: usize = outputs.iter().map(Port::len).sum();
    for port in outputs
        .iter()
        .filter(|port| port.activation != Activation::Linear)
    {
        for row in output.chunks_exact_mut(row) {
            let values = &mut row[port.range()];
            ops::activation::forward(port.activation, isa, units(port), values);
        }
    }
}

/// A line of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The label or the Keras name: `conv2d_1`.
    pub name: &'static str,
    /// The keyword: `conv2d`.
    pub kind: &'static str,
    /// The shape of its output for one example.
    pub output: &'static [usize],
    /// How many parameters it has.
    pub parameters: usize,
    /// Floating-point operations of the forward pass for one example.
    pub flops: u64,
}

/// A tensor and its place in the flat buffer.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The checkpoint key: `conv2d_1.kernel`.
    pub name: &'static str,
    /// Its shape: `[height, width, input channels, filters]` of a convolution's kernel,
    /// `[inputs, units]` of a dense one.
    pub shape: &'static [usize],
    /// Where it starts in the flat buffer, in floats.
    pub offset: usize,
    /// What it is for.
    pub role: Role,
    /// How its values start.
    pub initializer: Initializer,
    /// Where its gradient comes from while training.
    pub gradient: Gradient,
}

/// What a file says of its version in the entry `cnn_version` of its metadata: what the tensors' names and layouts mean.
pub(crate) const FILE_VERSION: &str = "1";

/// A tensor as files have it: a part of [`Parameter`] that is also there without `std`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name: `conv2d_1.kernel`.
    pub name: &'static str,
    /// Its shape.
    pub shape: &'static [usize],
}

impl Tensor {
    /// The tensors of a network whose description is wrong. For generated code.
    #[doc(hidden)]
    pub const UNKNOWN: &'static [Self] = &[Self {
        name: "",
        shape: &[],
    }];

    /// How many values it has.
    #[expect(clippy::len_without_is_empty, reason = "no tensor is empty")]
    pub const fn len(&self) -> usize {
        let mut values = 1;
        let mut axis = 0;
        while axis < self.shape.len() {
            values *= self.shape[axis];
            axis += 1;
        }
        values
    }
}

/// Where the gradient of a tensor comes from.
#[derive(Clone, Copy, Debug)]
pub enum Gradient {
    /// Nowhere: the tensor is not trained.
    Frozen,
    /// From the sums that the passes leave in the partials.
    Partials {
        /// The place in [`Training::sums`].
        region: usize,
        /// Where the tensor's sums start in a partial, in floats.
        offset: usize,
        /// Whose tensor it is.
        operation: Operation,
        /// Which of its tensors.
        tensor: usize,
    },
    /// In the totals of the statistics, from this place on.
    Total(usize),
    /// A product over the whole batch.
    Batch {
        /// Whose tensor it is.
        operation: Operation,
        /// Which of its tensors.
        tensor: usize,
        /// Where the inputs of the operation lie.
        input: Source,
        /// The slot of the gradients with respect to its outputs before the activation.
        gradient: usize,
    },
}

/// Where a value of the whole batch lies while training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the input of the network.
    Input,
    /// In a slot of [`Training::slots`].
    Slot(usize),
}

/// A step of prediction that has a batch normalization folded into it, or may have.
#[derive(Clone, Copy, Debug)]
pub struct InferenceStep {
    /// What it computes.
    pub operation: Operation,
    /// What is folded into its tensors.
    pub folded: Option<BatchNormalization>,
}

impl InferenceStep {
    /// An operation alone.
    pub const fn new(operation: Operation) -> Self {
        Self {
            operation,
            folded: None,
        }
    }

    /// An operation with a normalization folded into it.
    pub const fn folded(operation: Operation, normalization: BatchNormalization) -> Self {
        Self {
            operation,
            folded: Some(normalization),
        }
    }

    const fn sizes(&self, micro_batch: usize) -> Sizes {
        match &self.folded {
            Some(normalization) => {
                ops::folded::folded_sizes(&self.operation, normalization, micro_batch)
            }
            None => ops::sizes(&self.operation, micro_batch),
        }
    }
}

/// The tensors of a step in the form that a pass wants them in.
#[derive(Clone, Copy, Debug)]
pub struct PackedForm {
    /// The places of the tensors in [`Spec::parameters`]: those of the operation, then those of the normalization that
    /// is folded into them.
    pub tensors: &'static [usize],
    /// The length of the packed form, in floats; 0 if the pass takes the tensors as they are.
    pub length: usize,
    /// Whose tensors they are.
    pub step: InferenceStep,
    /// The pass.
    pub pass: Pass,
}

/// The most tensors of which a form is made: a kernel and a bias, and the four of a normalization.
const MOST_TENSORS: usize = 6;

impl PackedForm {
    /// The form of tensors that an operation wants for a pass.
    pub const fn new(tensors: &'static [usize], operation: Operation, pass: Pass) -> Self {
        Self {
            tensors,
            length: ops::sizes(&operation, 1).packed(pass),
            step: InferenceStep::new(operation),
            pass,
        }
    }

    /// The form of tensors that a step of prediction wants.
    pub const fn of_inference(tensors: &'static [usize], step: InferenceStep) -> Self {
        Self {
            tensors,
            length: step.sizes(1).packed(Pass::Inference),
            step,
            pass: Pass::Inference,
        }
    }

    /// Writes the form of its tensors, [`PackedForm::length`] floats.
    ///
    /// # Panics
    /// If it has more than six tensors.
    pub fn pack(&self, isa: Isa, all: &[Parameter], values: &[f32], packed: &mut [f32]) {
        let mut tensors: [&[f32]; MOST_TENSORS] = [&[]; MOST_TENSORS];
        for (tensor, place) in tensors.iter_mut().zip(self.tensors) {
            *tensor = &values[all[*place].range()];
        }
        let tensors = &tensors[..self.tensors.len()];
        let operation = &self.step.operation;
        match &self.step.folded {
            Some(normalization) => {
                ops::folded::pack(operation, normalization, isa, tensors, packed);
            }
            None => ops::execute(operation).pack(self.pass, isa, tensors, packed),
        }
    }
}

impl Parameter {
    /// Its name and its shape.
    pub const fn tensor(&self) -> Tensor {
        Tensor {
            name: self.name,
            shape: self.shape,
        }
    }

    /// How many values it has.
    pub const fn len(&self) -> usize {
        self.tensor().len()
    }

    /// Whether it has no value; never so in a checked network.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its place in the flat buffer.
    pub const fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// How much scratch memory the forward pass needs, in floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// For each example of the batch.
    pub per_example: usize,
    /// Once, for a single example.
    pub single: usize,
    /// Once, for more than one.
    pub batch: usize,
}

impl Workspace {
    /// The memory of inference: what the plan knows, and what the hungriest of `steps` needs beside its
    /// operands.
    pub const fn new(
        per_example: usize,
        once: usize,
        micro_batch: usize,
        steps: &[Operation],
    ) -> Self {
        let mut workspace = Self::without_steps(per_example, once);
        let mut index = 0;
        while index < steps.len() {
            workspace = workspace.with(once, ops::sizes(&steps[index], micro_batch));
            index += 1;
        }
        workspace
    }

    /// The same of steps that may have something folded into them.
    pub const fn of_inference(
        per_example: usize,
        once: usize,
        micro_batch: usize,
        steps: &[InferenceStep],
    ) -> Self {
        let mut workspace = Self::without_steps(per_example, once);
        let mut index = 0;
        while index < steps.len() {
            workspace = workspace.with(once, steps[index].sizes(micro_batch));
            index += 1;
        }
        workspace
    }

    const fn without_steps(per_example: usize, once: usize) -> Self {
        Self {
            per_example,
            single: once,
            batch: once,
        }
    }

    /// With scratch memory that is enough for a step, too.
    const fn with(self, once: usize, sizes: Sizes) -> Self {
        let [single, batch] = sizes.inference;
        Self {
            single: max(self.single, once + single),
            batch: max(self.batch, once + batch),
            ..self
        }
    }

    /// The floats that `examples` need.
    pub const fn floats(&self, examples: usize) -> usize {
        let once = if examples == 1 {
            self.single
        } else {
            self.batch
        };
        self.per_example * examples + once
    }
}

/// The arguments of [`Spec::forward`].
#[derive(Debug)]
pub struct Predict<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// How many threads may share the prediction of one example. The result does not depend on it.
    pub threads: usize,
    /// How many examples the batch has.
    pub examples: usize,
    /// The flat parameter buffer.
    pub parameters: &'a [f32],
    /// What [`Spec::packed`] describes, one after the other; empty: the call does without.
    pub packed: &'a [f32],
    /// `[examples, ..input]`.
    pub input: &'a [f32],
    /// `[examples, ..output]`, overwritten.
    pub output: &'a mut [f32],
    /// At least [`Workspace::floats`] of the network's workspace; its content does not matter.
    pub workspace: &'a mut [f32],
}

/// How a network is trained: the `train` block.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// The forward and backward pass over some examples of a batch, in pieces between which all threads meet.
    pub passes: &'static [TrainingPass],
    /// The values and gradients that the whole batch keeps, in floats for one example.
    pub slots: &'static [usize],
    /// The argmax of fused pools that the whole batch keeps, in bytes for one example.
    pub argmax_slots: &'static [usize],
    /// What a thread needs beside, in floats.
    pub workspace: usize,
    /// What is summed up in each partial of a batch, region by region.
    pub sums: &'static [Sums],
    /// The floats of all totals of statistics.
    pub totals: usize,
    /// The tensors that are kept up without a gradient.
    pub states: &'static [State],
    /// The penalties on tensors, which are added to the loss.
    pub penalties: &'static [Penalty],
    /// What tensors are kept to.
    pub constraints: &'static [Constrained],
    /// The weights that the forward pass of training wants in another form, in the order of the parameters.
    pub packed_forward: &'static [PackedForm],
    /// Those that the backward pass wants in another form.
    pub packed_backward: &'static [PackedForm],
    /// What is asked of each output.
    pub objectives: &'static [Objective],
    /// The update rule.
    pub optimizer: Optimizer,
    /// Passes over the data.
    pub epochs: usize,
    /// Examples in one batch.
    pub batch_size: usize,
    /// Batches in one step.
    pub accumulate: usize,
    /// Of shuffling, dropout and augmentation.
    pub seed: u64,
    /// How training examples are changed.
    pub augment: &'static [Augment],
}

/// A penalty on a tensor that is trained.
#[derive(Clone, Copy, Debug)]
pub struct Penalty {
    /// The place of the tensor in [`Spec::parameters`].
    pub tensor: usize,
    /// What is added to the loss.
    pub regularizer: Regularizer,
}

/// What a tensor that is trained is kept to.
#[derive(Clone, Copy, Debug)]
pub struct Constrained {
    /// The place of the tensor in [`Spec::parameters`].
    pub tensor: usize,
    /// The columns of the tensor, `[weights of an output, outputs]`, of which norms are taken.
    pub outputs: usize,
    /// What is done to it after each update.
    pub constraint: Constraint,
}

/// A piece of the forward and backward pass.
#[derive(Clone, Copy, Debug)]
pub struct TrainingPass {
    /// Runs it over some examples of a batch.
    pub run: fn(Train<'_, '_>),
    /// What becomes of the statistics when all threads have run it.
    pub meetings: &'static [Meeting],
}

/// What is summed up in each partial of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// The floats of a partial.
    pub len: usize,
    /// Whether those of two partials can be added. Statistics of a forward pass are merged in another way.
    pub are_added: bool,
}

/// The statistics of the partials become those of the batch.
#[derive(Clone, Copy, Debug)]
pub struct Meeting {
    /// Whose statistics they are.
    pub operation: Operation,
    /// Of which pass.
    pub direction: Direction,
    /// The place in [`Training::sums`].
    pub region: usize,
    /// Where they start in a partial, in floats.
    pub offset: usize,
    /// Where their total starts, in floats.
    pub total: usize,
}

/// A tensor that an operation keeps up while training.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Its place in [`Spec::parameters`].
    pub parameter: usize,
    /// Whose tensor it is.
    pub operation: Operation,
    /// Which of its tensors.
    pub tensor: usize,
    /// Where the total starts that it is made of, in floats.
    pub total: usize,
}

/// The arguments of [`TrainingPass::run`]: a thread's share of a batch.
#[derive(Debug)]
pub struct Train<'a, 'b> {
    /// The instruction set.
    pub isa: Isa,
    /// How many examples this share has.
    pub examples: usize,
    /// The place of its first example in the batch.
    pub first: usize,
    /// The flat parameter buffer.
    pub parameters: &'a [f32],
    /// What [`Training::packed_forward`] describes, one after the other.
    pub packed_forward: &'a [f32],
    /// What [`Training::packed_backward`] describes, one after the other.
    pub packed_backward: &'a [f32],
    /// `[examples, ..input]`.
    pub input: &'a [f32],
    /// `[examples, ..output]`.
    pub target: &'a [f32],
    /// How much each example counts.
    pub weights: Weights<'a>,
    /// `[examples, ..output]`, overwritten with the network's outputs (probabilities where
    /// the last activation is fused with the loss), as the metrics need them.
    pub output: &'a mut [f32],
    /// `[examples, ..]`, overwritten with the losses of each, see [`objective`](crate::objective).
    pub losses: &'a mut [f32],
    /// The share's part of each slot, `[examples, ..]`.
    pub slots: &'a mut [&'b mut [f32]],
    /// The share's part of each slot of argmax, `[examples, ..]`.
    pub argmax: &'a mut [&'b mut [u8]],
    /// [`Training::workspace`] floats; their content does not matter.
    pub workspace: &'a mut [f32],
    /// The partials that the share is made of, in order.
    pub partials: Partials<'a, 'b>,
    /// The statistics of the whole batch that are known so far.
    pub totals: &'a [f32],
    /// One over the size of the whole batch: the gradients are those of its mean loss.
    pub scale: f32,
    /// Of dropout, for this step.
    pub seed: u64,
}

/// `0..n` in micro_batches of `size`, the last one maybe smaller. For generated code.
#[doc(hidden)]
pub fn micro_batches(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range
        .step_by(size)
        .map(move |first| first..end.min(first + size))
}

/// Some slices of an array, at ascending places. For generated code.
///
/// # Panics
/// If a place is none of the array, or does not come after the one before it.
#[doc(hidden)]
pub fn pieces<'a, T, const N: usize>(
    slots: &'a mut [&mut [T]],
    places: [usize; N],
) -> [&'a mut [T]; N] {
    let mut rest = slots.iter_mut();
    let mut next = 0;
    places.map(|place| {
        let slot = rest.nth(place - next).expect("a slot at the place");
        next = place + 1;
        &mut **slot
    })
}

/// The least number of floats, not below `floats`, that fills whole cache lines: vectors that lie across
/// two of them take twice as long to load.
pub(crate) const fn aligned(floats: usize) -> usize {
    floats.next_multiple_of(16)
}

/// Cuts slots of the given lengths off the front of a workspace, each at a whole number of cache lines
/// from the start, and returns them with the rest. For generated code.
///
/// # Panics
/// If the workspace is shorter.
#[doc(hidden)]
pub fn split_workspace<const N: usize>(
    workspace: &mut [f32],
    lengths: [usize; N],
) -> ([&mut [f32]; N], &mut [f32]) {
    let mut rest = workspace;
    let slots = lengths.map(|length| {
        let (slot, tail) = core::mem::take(&mut rest).split_at_mut(aligned(length));
        rest = tail;
        &mut slot[..length]
    });
    (slots, rest)
}

/// What the hungriest of `steps` needs beside its operands while training, in floats.
pub const fn training_scratch(micro_batch: usize, steps: &[Operation]) -> usize {
    let mut most = 0;
    let mut index = 0;
    while index < steps.len() {
        most = max(most, ops::sizes(&steps[index], micro_batch).training);
        index += 1;
    }
    most
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Cuts the tensors of these forms off the front of `packed`, as [`split_workspace`] does; all are
/// empty if it is. For generated code.
///
/// # Panics
/// If the buffer is shorter, but not empty.
#[doc(hidden)]
pub fn split_packed<'a, const N: usize>(
    packed: &'a [f32],
    forms: &[PackedForm; N],
) -> [&'a [f32]; N] {
    let mut rest = packed;
    forms.map(|form| {
        let length = if packed.is_empty() { 0 } else { form.length };
        let (piece, tail) = rest.split_at(aligned(length));
        rest = tail;
        &piece[..length]
    })
}

/// Cuts consecutive pieces of the given lengths off the front of `buffer`. For generated code.
///
/// # Panics
/// If the buffer is shorter than the pieces together.
#[doc(hidden)]
pub fn split_mut<const N: usize>(buffer: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    let mut rest = buffer;
    lengths.map(|length| {
        let (piece, tail) = core::mem::take(&mut rest).split_at_mut(length);
        rest = tail;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_side_by_side() {
        let mut buffer = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let [a, b, c] = split_mut(&mut buffer, [2, 0, 3]);
        assert_eq!(
            (&*a, &*b, &*c),
            (&[0.0, 1.0][..], &[][..], &[2.0, 3.0, 4.0][..])
        );
    }

    #[test]
    fn groups_cover_a_range() {
        let found: Vec<_> = micro_batches(3..10, 3).collect();
        assert_eq!(found, [3..6, 6..9, 9..10]);
        assert_eq!(micro_batches(4..4, 2).count(), 0);
    }

    #[test]
    fn slots_start_at_cache_lines() {
        let mut workspace: [f32; 40] = core::array::from_fn(|i| i as f32);
        let ([a, b], rest) = split_workspace(&mut workspace, [3, 16]);
        assert_eq!(a, [0.0, 1.0, 2.0]);
        assert_eq!((b[0], b.len()), (16.0, 16));
        assert_eq!((rest[0], rest.len()), (32.0, 8));
    }

    #[test]
    fn packed_tensors_may_be_missing() {
        let form = |length| PackedForm {
            length,
            ..PackedForm::new(&[0], dense(1, 1), Pass::Forward)
        };
        let forms = [1, 0, 18].map(form);
        let weights: [f32; 48] = core::array::from_fn(|i| i as f32);
        let expected = [&weights[..1], &[], &weights[16..34]];
        assert_eq!(split_packed(&weights, &forms), expected);
        assert_eq!(split_packed(&[], &forms), [&[0.0; 0][..]; 3]);
    }

    fn dense(inputs: usize, units: usize) -> Operation {
        Operation::Dense(cnn_ir::operation::Dense {
            inputs,
            units,
            activation: Activation::Relu,
        })
    }

    #[test]
    fn the_hungriest_step_decides() {
        let steps = [dense(4, 3), dense(700, 500)];
        let workspace = Workspace::new(5, 7, 1, &steps);
        let sizes = steps.map(|step| ops::sizes(&step, 1));
        let most = |of: fn(&Sizes) -> usize| sizes.iter().map(of).max().unwrap();
        assert_eq!(workspace.per_example, 5);
        assert_eq!(workspace.single, 7 + most(|sizes| sizes.inference[0]));
        assert_eq!(workspace.batch, 7 + most(|sizes| sizes.inference[1]));
        assert_eq!(training_scratch(1, &steps), most(|sizes| sizes.training));
    }

    #[test]
    #[should_panic]
    fn a_short_buffer_is_refused() {
        split_mut(&mut [0.0; 3], [2, 2]);
    }

    #[test]
    fn parameters_know_their_place() {
        let kernel = Parameter {
            name: "dense_1.kernel",
            shape: &[3, 5],
            offset: 7,
            role: Role::Weight,
            initializer: Initializer::Zeros,
            gradient: Gradient::Frozen,
        };
        assert_eq!(kernel.range(), 7..22);
        assert!(!kernel.is_empty());
        let workspace = Workspace {
            per_example: 4,
            single: 9,
            batch: 20,
        };
        assert_eq!([1, 3].map(|n| workspace.floats(n)), [13, 32]);
    }
}
