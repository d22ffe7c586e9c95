//! Predictions with a batch normalization folded into the weights before it.
//!
//! ```text
//! factor  = gamma / sqrt(running variance + epsilon)
//! kernel' = kernel factor                  of each channel of the output
//! bias'   = (bias - running mean) factor + beta
//! ```
//!
//! With packed weights the operation is given `kernel'`, `bias'` and what it packs of them, which lie side by side:
//!
//! ```text
//! packed  = bias' │ kernel' │ the packed form of kernel'       each at a whole number of cache lines
//! ```
//!
//! Without (`infer` under `no_std`) a copy of the kernel would be the largest array in the memory of a small device. So
//! the operation computes what it has without bias and activation, and its results are multiplied and added to.
//! Behind a max pool that is too late, because a negative factor turns the order of the cells round: then the scratch
//! memory does hold `kernel'`.

#[cfg(test)]
mod tests;

use super::chain::Linked;
use super::stripes::Striped;
use super::{
    Execute, Infer, Run, Sizes, activation, batch_normalization, execute, kernel_and_bias, sizes,
};
use crate::kernels::{Isa, batch_normalization as kernels};
use crate::spec::aligned;
use cnn_ir::choice::stripes::{Cut, Work};
use cnn_ir::operation::{
    BatchNormalization, ChannelAxis, Conv2d, Conv2dTranspose, Dense, DepthwiseConv2d,
    GroupedConv2d, Pass,
};
use cnn_ir::{Activation, Operation};
use core::ops::Range;

/// An operation, and the batch normalization that is folded into its kernel and its bias. The activation and the pool
/// of the operation stand behind the normalization.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Folded<O> {
    /// What has the kernel.
    pub operation: O,
    /// What is folded into it; its activation does not matter.
    pub normalization: BatchNormalization,
}

/// An operation into which a normalization can be folded.
pub trait Folds: Execute + Sized {
    /// The activation behind the normalization.
    fn activation(&self) -> Activation;

    /// Whether there is a pool before the activation.
    fn has_pool(&self) -> bool;

    /// The same without activation.
    fn linear(&self) -> Self;
}

impl Folds for Conv2d {
    fn activation(&self) -> Activation {
        self.activation
    }

    fn has_pool(&self) -> bool {
        self.pool.is_some()
    }

    fn linear(&self) -> Self {
        Self {
            activation: Activation::Linear,
            ..*self
        }
    }
}

/// Of operations that take no pool along.
macro_rules! without_pool {
    ($($Kind:ident),+) => {
        $(impl Folds for $Kind {
            fn activation(&self) -> Activation {
                self.activation
            }

            fn has_pool(&self) -> bool {
                false
            }

            fn linear(&self) -> Self {
                Self {
                    activation: Activation::Linear,
                    ..*self
                }
            }
        })+
    };
}

without_pool!(Dense, DepthwiseConv2d, GroupedConv2d, Conv2dTranspose);

impl<O: Folds> Folded<O> {
    /// The folded tensors, and what the operation packs of them, in what `pack` wrote; none if that is empty.
    fn folded<'a>(
        &self,
        tensors: &[&[f32]],
        packed: &'a [f32],
    ) -> Option<([&'a [f32]; 2], &'a [f32])> {
        if packed.is_empty() {
            return None;
        }
        let (channels, kernel) = (self.normalization.channels(), tensors[0].len());
        let (bias, packed) = packed.split_at(aligned(channels));
        let (folded, packed) = packed.split_at(aligned(kernel));
        Some(([&folded[..kernel], &bias[..channels]], packed))
    }

    /// [`Execute::infer`] of the operation, then the normalization. The tensors are those of the operation, then those
    /// of the normalization; `packed` is what `pack` wrote, or empty.
    pub fn infer(&self, call: Infer<'_>) {
        let Self {
            operation,
            normalization,
        } = self;
        let channels = normalization.channels();
        let (tensors, statistics) = split_tensors(normalization, call.tensors);
        let [kernel, bias] = kernel_and_bias(tensors);
        if let Some((tensors, packed)) = self.folded(call.tensors, call.packed) {
            return operation.infer(Infer {
                tensors: &tensors,
                packed,
                ..call
            });
        }
        let isa = call.run.isa;
        let (factor, rest) = call.scratch.split_at_mut(channels);
        let (summand, rest) = rest.split_at_mut(channels);
        batch_normalization::fold(normalization, statistics, bias, factor, summand);
        if operation.has_pool() {
            let (folded, scratch) = rest.split_at_mut(kernel.len());
            folded.copy_from_slice(kernel);
            kernels::scale(isa, factor, folded);
            return operation.infer(Infer {
                tensors: &[folded, summand],
                scratch,
                ..call
            });
        }
        operation.linear().infer(Infer {
            tensors: &[kernel],
            scratch: rest,
            output: &mut *call.output,
            ..call
        });
        kernels::scale(isa, factor, call.output);
        activation::forward_with_bias(operation.activation(), isa, channels, summand, call.output);
    }
}

/// With packed weights.
impl<O: Folds + Striped> Linked for Folded<O> {
    fn infer(&self, call: Infer<'_>) {
        self.infer(call);
    }

    fn work(&self) -> Work {
        Linked::work(&self.operation)
    }

    fn cut(&self, run: Run, tensors: &[&[f32]], packed: &[f32], most: usize) -> Cut {
        match self.folded(tensors, packed) {
            Some((tensors, packed)) => Linked::cut(&self.operation, run, &tensors, packed, most),
            None => Cut::Whole,
        }
    }

    fn output_row(&self) -> usize {
        Linked::output_row(&self.operation)
    }

    fn scratch(&self, rows: Range<usize>) -> Option<usize> {
        Linked::scratch(&self.operation, rows)
    }

    fn infer_rows(&self, rows: Range<usize>, input: Option<&[f32]>, call: Infer<'_>) -> bool {
        let Some((tensors, packed)) = self.folded(call.tensors, call.packed) else {
            return false;
        };
        let call = Infer {
            tensors: &tensors,
            packed,
            ..call
        };
        self.operation.infer_rows(rows, input, call)
    }
}

/// Writes the folded tensors, and what the operation packs of them for [`Pass::Inference`], from the tensors of both.
pub(crate) fn pack(
    operation: &Operation,
    normalization: &BatchNormalization,
    isa: Isa,
    tensors: &[&[f32]],
    packed: &mut [f32],
) {
    let channels = normalization.channels();
    let (tensors, statistics) = split_tensors(normalization, tensors);
    let [kernel, bias] = kernel_and_bias(tensors);
    let (summand, packed) = packed.split_at_mut(aligned(channels));
    let (folded, packed) = packed.split_at_mut(aligned(kernel.len()));
    let (summand, folded) = (&mut summand[..channels], &mut folded[..kernel.len()]);
    // The factors stand in front of the kernel until they are multiplied by it.
    batch_normalization::fold(
        normalization,
        statistics,
        bias,
        &mut folded[..channels],
        summand,
    );
    let axis = operation.facts().kernel_channels();
    multiply(
        isa,
        axis.unwrap_or(ChannelAxis::last(channels)),
        kernel,
        folded,
    );
    if !packed.is_empty() {
        execute(operation).pack(Pass::Inference, isa, &[folded, summand], packed);
    }
}

/// Writes a kernel with each channel multiplied by its factor. The factors stand in front of `folded`.
fn multiply(isa: Isa, axis: ChannelAxis, kernel: &[f32], folded: &mut [f32]) {
    let ChannelAxis { channels, stride } = axis;
    let (first, rest) = folded.split_at_mut(channels * stride);
    let (first_kernel, rest_kernel) = kernel.split_at(channels * stride);
    if stride == 1 {
        rest.copy_from_slice(rest_kernel);
        kernels::scale(isa, first, rest);
    } else {
        for (rows, kernel) in rest
            .chunks_mut(first.len())
            .zip(rest_kernel.chunks(first.len()))
        {
            let channels = rows.chunks_mut(stride).zip(kernel.chunks(stride));
            for ((row, kernel), factor) in channels.zip(&*first) {
                multiply_row(*factor, kernel, row);
            }
        }
    }
    // From the back: a channel lies where factors of later channels are, if any.
    for channel in (0..channels).rev() {
        let (factor, values) = (first[channel], channel * stride..(channel + 1) * stride);
        multiply_row(factor, &first_kernel[values.clone()], &mut first[values]);
    }
}

fn multiply_row(factor: f32, kernel: &[f32], row: &mut [f32]) {
    for (value, kernel) in row.iter_mut().zip(kernel) {
        *value = kernel * factor;
    }
}

/// Those of the operation, and those of the normalization behind them.
fn split_tensors<'a, 'b>(
    normalization: &BatchNormalization,
    tensors: &'a [&'b [f32]],
) -> (&'a [&'b [f32]], &'a [&'b [f32]]) {
    tensors.split_at(tensors.len() - normalization.tensors())
}

/// What an operation takes that has a normalization folded into it.
pub(crate) const fn folded_sizes(
    operation: &Operation,
    normalization: &BatchNormalization,
    micro_batch: usize,
) -> Sizes {
    let channels = normalization.channels();
    let (kernel, has_pool) = match operation {
        Operation::Conv2d(conv) => (conv.patch() * conv.output[2], conv.pool.is_some()),
        Operation::Dense(dense) => (dense.inputs * dense.units, false),
        Operation::DepthwiseConv2d(conv) => (conv.kernel_len(), false),
        Operation::GroupedConv2d(conv) => (conv.kernel_len(), false),
        Operation::Conv2dTranspose(Conv2dTranspose { conv, .. }) => {
            (conv.patch() * conv.output[2], false)
        }
        // Nothing is folded into these.
        Operation::Pool2d(_)
        | Operation::Dropout(_)
        | Operation::Activate(_)
        | Operation::BatchNormalization(_)
        | Operation::Merge(_)
        | Operation::Pad2d(_)
        | Operation::Part(_)
        | Operation::UpSampling2d(_) => (0, false),
    };
    let sizes = sizes(operation, micro_batch);
    let copy = if has_pool { kernel } else { 0 };
    let [single, batch] = sizes.inference;
    Sizes {
        packed_inference: aligned(channels) + aligned(kernel) + sizes.packed_inference,
        inference: [single + 2 * channels + copy, batch + 2 * channels + copy],
        ..sizes
    }
}
