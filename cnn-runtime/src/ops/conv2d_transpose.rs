//! Transposed convolutions: each pass is one of the convolution from the output to the input.
//!
//! ```text
//! forward          input gradient of the convolution, then bias and activation
//! backward         kernel gradient, with the output's gradient as the input and the input as the output's gradient;
//!                  input gradient: the forward pass of the output's gradient
//! ```

#[cfg(any(test, feature = "reference"))]
pub mod reference;

use super::{Backward, Execute, Forward, Infer, Run, Sizes, activation, kernel_and_bias};
use crate::kernels::{Isa, bias as bias_gradient, conv2d};
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::operation::{Conv2dTranspose, Pass};

pub(super) const fn sizes(transpose: &Conv2dTranspose, micro_batch: usize) -> Sizes {
    let conv = &transpose.conv;
    let packed = conv2d::packed_backward(conv);
    // A call without packed weights packs them first.
    let inference = packed + conv2d::input_gradient_scratch(conv, micro_batch);
    let training = conv2d::training_scratch(conv, micro_batch);
    Sizes {
        packed_inference: packed,
        packed_forward: packed,
        packed_backward: conv2d::packed_forward(conv),
        inference: [inference, inference],
        training: if training > inference {
            training
        } else {
            inference
        },
    }
}

/// Writes the result without bias and activation: the gradient of the convolution's input.
fn linear(
    transpose: &Conv2dTranspose,
    run: Run,
    [x, kernel, packed]: [&[f32]; 3],
    y: &mut [f32],
    scratch: &mut [f32],
) {
    let conv = &transpose.conv;
    let length = conv2d::packed_backward(conv);
    let (packed, scratch) = match packed.is_empty() {
        true => {
            let (own, scratch) = scratch.split_at_mut(length);
            conv2d::pack_backward(conv, run.isa, kernel, own);
            (&*own, scratch)
        }
        false => (packed, scratch),
    };
    conv2d::backward_input(conv, run.isa, run.examples, x, &[], packed, y, scratch);
}

impl Execute for Conv2dTranspose {
    fn infer(&self, call: Infer<'_>) {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        let operands = [call.inputs[0], kernel, call.packed];
        linear(self, call.run, operands, call.output, call.scratch);
        let (isa, filters) = (call.run.isa, self.conv.input[2]);
        activation::forward_with_bias(self.activation, isa, filters, bias, call.output);
    }

    fn forward(&self, call: Forward<'_>) {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        let operands = [call.inputs[0], kernel, call.packed];
        linear(self, call.run, operands, call.output, call.scratch);
        let (isa, filters) = (call.run.isa, self.conv.input[2]);
        if call.saved.is_empty() {
            activation::forward_with_bias(self.activation, isa, filters, bias, call.output);
            return;
        }
        activation::forward_with_bias(Activation::Linear, isa, filters, bias, call.output);
        call.saved.copy_from_slice(call.output);
        activation::forward(self.activation, isa, filters, call.output);
    }

    fn backward(&self, call: Backward<'_>) {
        let (isa, n, filters) = (call.run.isa, call.run.examples, self.conv.input[2]);
        let saved = match self.activation.properties().saves {
            Saved::Output => call.output,
            Saved::PreActivation => call.saved,
        };
        if self.activation != Activation::Linear {
            activation::backward(self.activation, isa, filters, saved, call.gradient);
        }
        let dz = &*call.gradient;
        if let [kernel, bias @ ..] = call.tensor_gradients {
            let (x, scratch) = (call.inputs[0], &mut *call.scratch);
            conv2d::backward_parameters(&self.conv, isa, n, dz, x, &[], kernel, &mut [], scratch);
            if let [bias] = bias {
                bias_gradient::add_rows(isa, filters, dz, bias);
            }
        }
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            let [kernel, _] = kernel_and_bias(call.tensors);
            let (packed, scratch) = (call.packed, call.scratch);
            conv2d::forward(
                &self.conv,
                isa,
                n,
                dz,
                kernel,
                &[],
                packed,
                dx,
                &mut [],
                scratch,
            );
        }
    }

    fn pack(&self, pass: Pass, isa: Isa, tensors: &[&[f32]], packed: &mut [f32]) {
        let kernel = tensors[0];
        match pass {
            Pass::Inference | Pass::Forward => {
                conv2d::pack_backward(&self.conv, isa, kernel, packed);
            }
            Pass::Backward => conv2d::pack_forward(&self.conv, isa, kernel, packed),
        }
    }
}
