//! Convolutions in groups.

use super::stripes::{self, Striped};
use super::{Backward, Execute, Forward, Infer, Sizes, activation, kernel_and_bias};
use crate::kernels::{Isa, conv2d, grouped_conv2d as kernels};
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::choice::conv2d::cut;
use cnn_ir::choice::stripes::Cut;
use cnn_ir::operation::{GroupedConv2d, Pass};
use core::ops::Range;

pub(super) const fn sizes(grouped: &GroupedConv2d, micro_batch: usize) -> Sizes {
    let inference = kernels::forward_scratch(grouped, micro_batch);
    Sizes {
        packed_inference: kernels::packed(grouped, Pass::Inference),
        packed_forward: kernels::packed(grouped, Pass::Forward),
        packed_backward: kernels::packed(grouped, Pass::Backward),
        inference: [inference, inference],
        training: kernels::training_scratch(grouped, micro_batch),
    }
}

impl Execute for GroupedConv2d {
    fn infer(&self, call: Infer<'_>) {
        stripes::infer(self, call);
    }

    fn forward(&self, call: Forward<'_>) {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        let isa = call.run.isa;
        kernels::forward(
            self,
            kernels::Extent::Images(Pass::Forward),
            isa,
            call.run.examples,
            call.inputs[0],
            kernel,
            bias,
            call.packed,
            call.output,
            call.scratch,
        );
        if !call.saved.is_empty() {
            call.saved.copy_from_slice(call.output);
        }
        activation::forward(self.activation, isa, self.filters(), call.output);
    }

    fn backward(&self, call: Backward<'_>) {
        let (isa, n) = (call.run.isa, call.run.examples);
        let saved = match self.activation.properties().saves {
            Saved::Output => call.output,
            Saved::PreActivation => call.saved,
        };
        if self.activation != Activation::Linear {
            activation::backward(self.activation, isa, self.filters(), saved, call.gradient);
        }
        let dy = &*call.gradient;
        if let [kernel, bias @ ..] = call.tensor_gradients {
            let bias = bias.first_mut().map_or(&mut [][..], |bias| &mut **bias);
            let (x, scratch) = (call.inputs[0], &mut *call.scratch);
            kernels::backward_parameters(self, isa, n, x, dy, kernel, bias, scratch);
        }
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            kernels::backward_input(self, isa, n, dy, call.packed, dx, call.scratch);
        }
    }

    fn pack(&self, pass: Pass, isa: Isa, tensors: &[&[f32]], packed: &mut [f32]) {
        kernels::pack(self, pass, isa, tensors[0], packed);
    }

    fn is_rearranged(&self, tensor: usize) -> bool {
        tensor == 0
    }

    fn finish_gradient(&self, _isa: Isa, sums: &[f32], gradient: &mut [f32]) {
        kernels::finish_kernel_gradient(self, sums, gradient);
    }
}

/// Writes the result. Returns whether the values stand, see [`Striped::infer_stripe`].
fn infer(grouped: &GroupedConv2d, extent: kernels::Extent, call: Infer<'_>) -> bool {
    let [kernel, bias] = kernel_and_bias(call.tensors);
    let isa = call.run.isa;
    let stands = kernels::forward(
        grouped,
        extent,
        isa,
        call.run.examples,
        call.inputs[0],
        kernel,
        bias,
        call.packed,
        call.output,
        call.scratch,
    );
    activation::forward(grouped.activation, isa, grouped.filters(), call.output);
    stands
}

impl Striped for GroupedConv2d {
    fn cut(&self, isa: Isa, packed: usize, [most, _]: [usize; 2]) -> Cut {
        let of_group = kernels::packed_convolution(self, packed);
        let weights = conv2d::weights(of_group);
        cut::cut_rows(&self.conv, weights, isa.vectors(), most)
    }

    fn channels(&self) -> usize {
        self.filters()
    }

    fn scratch(&self) -> usize {
        kernels::forward_scratch(self, 1)
    }

    fn infer_whole(&self, call: Infer<'_>) {
        infer(self, kernels::Extent::Images(Pass::Inference), call);
    }

    fn infer_stripe(&self, _channels: Range<usize>, call: Infer<'_>) -> bool {
        infer(self, kernels::Extent::Stripe, call)
    }
}
