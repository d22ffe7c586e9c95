//! Two-dimensional convolution, with its bias, its activation and the max pool that is fused behind it.

use super::stripes::{self, Striped};
use super::{Backward, Execute, Forward, Infer, Sizes, activation, kernel_and_bias};
use crate::kernels::{Isa, conv2d};
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::choice::conv2d::cut;
use cnn_ir::choice::stripes::Cut;
use cnn_ir::operation::{Conv2d, Pass};
use core::ops::Range;

pub(super) const fn sizes(conv: &Conv2d, micro_batch: usize) -> Sizes {
    let inference = conv2d::forward_scratch(conv, micro_batch);
    Sizes {
        packed_inference: conv2d::packed_forward(conv),
        packed_forward: conv2d::packed_forward(conv),
        packed_backward: conv2d::packed_backward(conv),
        inference: [inference, inference],
        training: conv2d::training_scratch(conv, micro_batch),
    }
}

impl Execute for Conv2d {
    fn infer(&self, call: Infer<'_>) {
        stripes::infer(self, call);
    }

    fn forward(&self, call: Forward<'_>) {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        let isa = call.run.isa;
        let is_apart = !call.saved.is_empty();
        let activation = if is_apart {
            Activation::Linear
        } else {
            self.activation
        };
        conv2d::forward(
            &Self {
                activation,
                ..*self
            },
            isa,
            call.run.examples,
            call.inputs[0],
            kernel,
            bias,
            call.packed,
            call.output,
            call.argmax,
            call.scratch,
        );
        if is_apart {
            call.saved.copy_from_slice(call.output);
            activation::forward(self.activation, isa, self.output[2], call.output);
        }
    }

    fn backward(&self, call: Backward<'_>) {
        let (isa, n) = (call.run.isa, call.run.examples);
        let saved = match self.activation.properties().saves {
            Saved::Output => call.output,
            Saved::PreActivation => call.saved,
        };
        if self.activation != Activation::Linear {
            activation::backward(self.activation, isa, self.output[2], saved, call.gradient);
        }
        let dz = &*call.gradient;
        let (kernel, bias) = match call.tensor_gradients {
            [kernel, bias] => (&mut **kernel, &mut **bias),
            [kernel] => (&mut **kernel, &mut [][..]),
            _ => (&mut [][..], &mut [][..]),
        };
        if !kernel.is_empty() {
            conv2d::backward_parameters(
                self,
                isa,
                n,
                call.inputs[0],
                dz,
                call.argmax,
                kernel,
                bias,
                call.scratch,
            );
        }
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            conv2d::backward_input(self, isa, n, dz, call.argmax, call.packed, dx, call.scratch);
        }
    }

    fn pack(&self, pass: Pass, isa: Isa, tensors: &[&[f32]], packed: &mut [f32]) {
        let [kernel, _] = kernel_and_bias(tensors);
        match pass {
            Pass::Inference | Pass::Forward => conv2d::pack_forward(self, isa, kernel, packed),
            Pass::Backward => conv2d::pack_backward(self, isa, kernel, packed),
        }
    }

    fn is_rearranged(&self, tensor: usize) -> bool {
        tensor == 0 && self.gradient_is_transposed()
    }

    fn finish_gradient(&self, isa: Isa, sums: &[f32], gradient: &mut [f32]) {
        conv2d::finish_kernel_gradient(self, isa, sums, gradient);
    }
}

impl Striped for Conv2d {
    fn cut(&self, isa: Isa, packed: usize, most: [usize; 2]) -> Cut {
        cut::cut(self, conv2d::weights(packed), isa.vectors(), most)
    }

    fn channels(&self) -> usize {
        self.output[2]
    }

    fn scratch(&self) -> usize {
        conv2d::forward_scratch(self, 1)
    }

    fn infer_whole(&self, call: Infer<'_>) {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        conv2d::infer(
            self,
            call.run.isa,
            call.run.examples,
            call.inputs[0],
            kernel,
            bias,
            call.packed,
            call.output,
            call.scratch,
        );
    }

    fn infer_stripe(&self, filters: Range<usize>, call: Infer<'_>) -> bool {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        conv2d::infer_stripe(
            self,
            call.run.isa,
            call.inputs[0],
            kernel,
            bias,
            call.packed,
            filters,
            call.output,
            call.scratch,
        )
    }
}
