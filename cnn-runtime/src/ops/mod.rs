//! The operations of a plan, as generated code calls them: a file each, and one table.
//!
//! Every operation is a [`cnn_ir::Operation`], a constant of plain numbers, and implements [`Execute`]:
//! one uniform call for each step of a pass, whatever its number of inputs and tensors.
//!
//! ```text
//! prediction          infer      inputs, tensors, packed tensors ─▶ output
//! training            forward    the same ─▶ output, what is saved for the backward pass
//!                     backward   gradient of the output, what was saved ─▶ gradients of tensors and inputs
//!                     statistics, gradient_statistics, merge: what an operation has to know of the whole batch
//! after an update     pack       tensors ─▶ the forms that the passes want them in
//! ```
//!
//! A prediction may have a batch normalization folded into a step: [`folded`] wraps the operation. Threads may share a step
//! of a prediction of one example: `stripes` cuts it, and [`chain`] some steps together.
//!
//! The heavy work is that of [`kernels`](crate::kernels). Slices of a wrong length are a bug of the caller
//! and panic. What is computed for an example does not depend on how many examples a call has.

mod activate;
pub mod activation;
mod batch_normalization;
pub mod chain;
mod conv2d;
pub mod conv2d_transpose;
mod crop;
mod dense;
mod depthwise_conv2d;
pub mod dropout;
pub mod folded;
mod grouped_conv2d;
pub mod merge;
mod pad2d;
mod part;
mod pool2d;
mod stripes;
#[cfg(test)]
mod tests;
mod upsampling2d;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;
use cnn_ir::Operation;
use cnn_ir::operation::Pass;

/// What every call of a step is told.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The instruction set.
    pub isa: Isa,
    /// How many examples the call has.
    pub examples: usize,
    /// The place of the first of them in the batch.
    pub first: usize,
    /// Of what is random, for this step of training.
    pub seed: u64,
    /// How many threads may share a prediction of one example; 1 while training, where they share the batch.
    pub threads: usize,
}

/// The operands of [`Execute::infer`].
#[derive(Debug)]
pub struct Infer<'a> {
    /// What every call is told.
    pub run: Run,
    /// What the step reads, each `[examples, ..]`.
    pub inputs: &'a [&'a [f32]],
    /// Its tensors, in their order.
    pub tensors: &'a [&'a [f32]],
    /// What [`Execute::pack`] wrote for [`Pass::Inference`]; empty: the call does without.
    pub packed: &'a [f32],
    /// `[examples, ..]`, overwritten.
    pub output: &'a mut [f32],
    /// At least [`Sizes::inference`] floats; their content does not matter.
    pub scratch: &'a mut [f32],
}

/// The operands of [`Execute::forward`].
#[derive(Debug)]
pub struct Forward<'a> {
    /// What every call is told.
    pub run: Run,
    /// What the step reads, each `[examples, ..]`.
    pub inputs: &'a [&'a [f32]],
    /// Its tensors, in their order, then the total of its statistics, if it has some.
    pub tensors: &'a [&'a [f32]],
    /// What [`Execute::pack`] wrote for [`Pass::Forward`]; empty: the call does without.
    pub packed: &'a [f32],
    /// `[examples, ..]`, overwritten.
    pub output: &'a mut [f32],
    /// The floats that [`Saves`](cnn_ir::operation::Saves) speaks of, overwritten.
    pub saved: &'a mut [f32],
    /// The argmax of a pool, overwritten; empty where no backward pass follows.
    pub argmax: &'a mut [u8],
    /// At least [`Sizes::training`] floats; their content does not matter.
    pub scratch: &'a mut [f32],
}

/// The operands of [`Execute::backward`]. Values that [`Saves`](cnn_ir::operation::Saves) does not ask for
/// may be missing: their slices are empty then.
#[derive(Debug)]
pub struct Backward<'a> {
    /// What every call is told.
    pub run: Run,
    /// What the step read, each `[examples, ..]`.
    pub inputs: &'a [&'a [f32]],
    /// Its tensors, in their order, then the totals of its statistics of both passes, if it has some.
    pub tensors: &'a [&'a [f32]],
    /// What [`Execute::pack`] wrote for [`Pass::Backward`].
    pub packed: &'a [f32],
    /// What the step wrote.
    pub output: &'a [f32],
    /// The floats that its forward pass saved.
    pub saved: &'a [f32],
    /// The argmax that its forward pass saved.
    pub argmax: &'a [u8],
    /// The gradient with respect to the output. Becomes the one before the activation, and that of each input of which
    /// [`Facts`](cnn_ir::operation::Facts) say that it passes the gradient on.
    pub gradient: &'a mut [f32],
    /// To which the gradients of the tensors are added, in their order; empty where they are not wanted,
    /// or are made by a product over the whole batch.
    pub tensor_gradients: &'a mut [&'a mut [f32]],
    /// The gradients with respect to the inputs, overwritten; an empty one is not wanted, or is `gradient`.
    pub input_gradients: &'a mut [&'a mut [f32]],
    /// At least [`Sizes::training`] floats; their content does not matter.
    pub scratch: &'a mut [f32],
}

/// Of a pass of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the input to the loss.
    Forward,
    /// From the loss to the input.
    Backward,
}

/// The operands of [`Execute::statistics`].
#[derive(Debug)]
pub struct Statistics<'a> {
    /// What every call is told.
    pub run: Run,
    /// What the step reads, `[examples, ..]`.
    pub input: &'a [f32],
    /// Those of the examples of this partial so far, zeros at first.
    pub statistics: &'a mut [f32],
}

/// The operands of [`Execute::gradient_statistics`].
#[derive(Debug)]
pub struct GradientStatistics<'a> {
    /// What every call is told.
    pub run: Run,
    /// What the step read, `[examples, ..]`.
    pub input: &'a [f32],
    /// The total of the statistics of the forward pass.
    pub total: &'a [f32],
    /// What the step wrote; empty where [`Saves`](cnn_ir::operation::Saves) does not ask for it.
    pub output: &'a [f32],
    /// The floats that its forward pass saved.
    pub saved: &'a [f32],
    /// The argmax that its forward pass saved.
    pub argmax: &'a [u8],
    /// The gradient with respect to the output. Becomes the one before the activation.
    pub gradient: &'a mut [f32],
    /// The sums of the examples of this partial so far, zeros at first.
    pub statistics: &'a mut [f32],
}

/// How generated code runs an operation.
pub trait Execute {
    /// Prediction, which keeps nothing for a backward pass.
    fn infer(&self, call: Infer<'_>);

    /// The forward pass of training.
    fn forward(&self, call: Forward<'_>);

    /// The backward pass of training.
    fn backward(&self, call: Backward<'_>);

    /// Adds what the input of some examples brings to the statistics of their partial.
    fn statistics(&self, call: Statistics<'_>) {
        let _ = call;
    }

    /// Adds what the gradient of the output of some examples brings to the statistics of their partial.
    fn gradient_statistics(&self, call: GradientStatistics<'_>) {
        let _ = call;
    }

    /// Makes the total of the statistics of all partials of a batch of so many examples. Those of a backward pass are
    /// sums, the first of which may have been added up before, in `f32`: so the rest is added in the same way.
    fn merge(&self, direction: Direction, examples: usize, partials: &[&[f32]], total: &mut [f32]) {
        let _ = (direction, examples, partials, total);
    }

    /// Brings a tensor up to date that is kept without a gradient, by the total of the forward pass.
    fn update_state(&self, tensor: usize, total: &[f32], values: &mut [f32]) {
        let _ = (tensor, total, values);
    }

    /// Writes what a tensor that is kept without a gradient brings to the total of the forward pass where the operation
    /// is frozen: in place of [`merge`](Self::merge), once for each such tensor.
    fn take_state(&self, tensor: usize, values: &[f32], total: &mut [f32]) {
        let _ = (tensor, values, total);
    }

    /// Writes the tensors in the form that a pass wants them in, as many floats as [`Sizes`] says.
    fn pack(&self, pass: Pass, isa: Isa, tensors: &[&[f32]], packed: &mut [f32]) {
        let _ = (pass, isa, tensors, packed);
    }

    /// Whether the sums that [`backward`](Self::backward) makes of a tensor's gradient are laid out
    /// otherwise than the tensor, so that [`finish_gradient`](Self::finish_gradient) is needed.
    fn is_rearranged(&self, tensor: usize) -> bool {
        let _ = tensor;
        false
    }

    /// Writes the gradient of a tensor, laid out as the tensor, from sums that are laid out otherwise.
    fn finish_gradient(&self, isa: Isa, sums: &[f32], gradient: &mut [f32]) {
        let _ = isa;
        gradient.copy_from_slice(sums);
    }

    /// What the gradient of a tensor takes that is a product over the whole batch.
    fn batch_sizes(&self, tensor: usize, examples: usize) -> BatchSizes {
        let _ = (tensor, examples);
        BatchSizes::default()
    }

    /// Writes the gradient of the output of a whole batch as [`batch_gradient`](Self::batch_gradient) wants
    /// it, [`BatchSizes::packed`] floats: once for all parts of a tensor.
    fn pack_gradient(&self, isa: Isa, examples: usize, gradient: &[f32], packed: &mut [f32]) {
        let _ = (isa, examples, gradient, packed);
    }

    /// A part of the gradient of a tensor over a whole batch.
    fn batch_gradient(&self, call: BatchGradient<'_>) {
        let _ = call;
    }
}

/// What a gradient takes that is a product over the whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchSizes {
    /// Values of the input of one example.
    pub input: usize,
    /// Values of the output of one example.
    pub output: usize,
    /// Values of the tensor that are computed together: parts are multiples. 0: the whole tensor.
    pub grain: usize,
    /// Floats of the packed gradient of the output.
    pub packed: usize,
    /// Floats of scratch.
    pub scratch: usize,
}

/// The operands of [`Execute::batch_gradient`].
#[derive(Debug)]
pub struct BatchGradient<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The examples of the batch.
    pub examples: usize,
    /// Which tensor.
    pub tensor: usize,
    /// Where the part starts in the tensor, in values.
    pub start: usize,
    /// What the operation read, `[examples, ..]`.
    pub input: &'a [f32],
    /// The gradient with respect to its output before the activation, `[examples, ..]`.
    pub output_gradient: &'a [f32],
    /// What [`Execute::pack_gradient`] made of it.
    pub packed: &'a [f32],
    /// The part of the tensor's gradient, overwritten. Examples are summed in their order.
    pub gradient: &'a mut [f32],
    /// At least [`BatchSizes::scratch`] floats; their content does not matter.
    pub scratch: &'a mut [f32],
}

/// Memory that an operation takes beside its operands, in floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The tensors as inference wants them; 0 if it takes them as they are.
    pub packed_inference: usize,
    /// The same for the forward pass of training.
    pub packed_forward: usize,
    /// The same for the backward pass.
    pub packed_backward: usize,
    /// Scratch of inference, of one example and of any number.
    pub inference: [usize; 2],
    /// Scratch of any pass of training.
    pub training: usize,
}

impl Sizes {
    /// Of an operation that takes no memory.
    const NONE: Self = Self {
        packed_inference: 0,
        packed_forward: 0,
        packed_backward: 0,
        inference: [0, 0],
        training: 0,
    };

    /// The tensors in the form that a pass wants them in.
    pub const fn packed(&self, pass: Pass) -> usize {
        match pass {
            Pass::Inference => self.packed_inference,
            Pass::Forward => self.packed_forward,
            Pass::Backward => self.packed_backward,
        }
    }
}

/// The tensors of an operation with weights: the kernel, and the bias, which is empty where there is none.
fn kernel_and_bias<'a>(tensors: &[&'a [f32]]) -> [&'a [f32]; 2] {
    match *tensors {
        [kernel, bias] => [kernel, bias],
        [kernel] => [kernel, &[]],
        _ => unreachable!("a kernel and maybe a bias"),
    }
}

/// The table of the operations: each with the module that implements it.
macro_rules! operations {
    ($($Kind:ident => $module:ident,)+) => {
        /// What an operation takes, in micro-batches of up to so many images.
        pub const fn sizes(operation: &Operation, micro_batch: usize) -> Sizes {
            match operation {
                $(Operation::$Kind(operation) => $module::sizes(operation, micro_batch),)+
            }
        }

        /// An operation whose kind is not known while compiling.
        pub fn execute(operation: &Operation) -> &dyn Execute {
            match operation {
                $(Operation::$Kind(operation) => operation,)+
            }
        }
    };
}

operations! {
    Conv2d => conv2d,
    Pool2d => pool2d,
    Dense => dense,
    Dropout => dropout,
    Part => part,
    Activate => activate,
    BatchNormalization => batch_normalization,
    Merge => merge,
    DepthwiseConv2d => depthwise_conv2d,
    Pad2d => pad2d,
    UpSampling2d => upsampling2d,
    GroupedConv2d => grouped_conv2d,
    Conv2dTranspose => conv2d_transpose,
}

/// `y += x`: the gradient of a value that several steps read is the sum of what they leave.
///
/// # Panics
/// If the two differ in length.
pub fn add(isa: Isa, y: &mut [f32], x: &[f32]) {
    assert_eq!(y.len(), x.len(), "values of two gradients");
    isa.run_loop(Sum { y, x });
}

struct Sum<'a> {
    y: &'a mut [f32],
    x: &'a [f32],
}

impl Loop for Sum<'_> {
    #[inline(always)]
    fn run(self) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y += x;
        }
    }
}
