//! Depthwise convolutions.

use super::stripes::{self, Striped};
use super::{Backward, Execute, Forward, Infer, Sizes, activation, kernel_and_bias};
use crate::kernels::depthwise_conv2d as kernels;
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::operation::DepthwiseConv2d;

pub(super) const fn sizes(_: &DepthwiseConv2d, _micro_batch: usize) -> Sizes {
    Sizes::NONE
}

impl Execute for DepthwiseConv2d {
    fn infer(&self, call: Infer<'_>) {
        stripes::infer(self, call);
    }

    fn forward(&self, call: Forward<'_>) {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        let (isa, n) = (call.run.isa, call.run.examples);
        kernels::forward(self, isa, n, call.inputs[0], kernel, bias, call.output);
        if !call.saved.is_empty() {
            call.saved.copy_from_slice(call.output);
        }
        activation::forward(self.activation, isa, self.output[2], call.output);
    }

    fn backward(&self, call: Backward<'_>) {
        let (isa, n, dy) = (call.run.isa, call.run.examples, call.gradient);
        let saved = match self.activation.properties().saves {
            Saved::Output => call.output,
            Saved::PreActivation => call.saved,
        };
        if self.activation != Activation::Linear {
            activation::backward(self.activation, isa, self.output[2], saved, dy);
        }
        if let [kernel, bias @ ..] = call.tensor_gradients {
            kernels::backward_kernel(self, isa, n, call.inputs[0], dy, kernel);
            if let [bias] = bias {
                kernels::backward_bias(isa, dy, bias);
            }
        }
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            let [kernel, _] = kernel_and_bias(call.tensors);
            kernels::backward_input(self, isa, n, dy, kernel, dx);
        }
    }
}

impl Striped for DepthwiseConv2d {
    fn channels(&self) -> usize {
        self.output[2]
    }

    fn infer_whole(&self, call: Infer<'_>) {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        let (isa, n) = (call.run.isa, call.run.examples);
        kernels::forward(self, isa, n, call.inputs[0], kernel, bias, call.output);
        activation::forward(self.activation, isa, self.output[2], call.output);
    }
}
