//! Fully connected layers. The gradients of their tensors are products over the whole batch, which the
//! training step makes; see [`kernels::dense`](crate::kernels::dense).

use super::stripes::{self, Striped};
use super::{
    Backward, BatchGradient, BatchSizes, Execute, Forward, Infer, Sizes, activation,
    kernel_and_bias,
};
use crate::kernels::{Isa, dense};
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::choice::dense as choice;
use cnn_ir::choice::stripes::Cut;
use cnn_ir::operation::{Dense, Pass};
use core::ops::Range;

pub(super) const fn sizes(layer: &Dense, _micro_batch: usize) -> Sizes {
    Sizes {
        packed_inference: dense::packed_inference(layer),
        packed_forward: 0,
        packed_backward: 0,
        inference: [
            dense::inference_scratch(layer, 1),
            dense::inference_scratch(layer, usize::MAX),
        ],
        training: dense::training_scratch(layer),
    }
}

/// The place of the kernel among the tensors.
const KERNEL: usize = 0;

impl Execute for Dense {
    fn infer(&self, call: Infer<'_>) {
        if self.activation.properties().is_elementwise {
            return stripes::infer(self, call);
        }
        // It is applied to the units of all stripes.
        let linear = Self {
            activation: Activation::Linear,
            ..*self
        };
        let isa = call.run.isa;
        stripes::infer(
            &linear,
            Infer {
                output: &mut *call.output,
                ..call
            },
        );
        activation::forward(self.activation, isa, self.units, call.output);
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
        dense::forward(
            &Self {
                activation,
                ..*self
            },
            isa,
            call.run.examples,
            call.inputs[0],
            kernel,
            bias,
            call.output,
            call.scratch,
        );
        if is_apart {
            call.saved.copy_from_slice(call.output);
            activation::forward(self.activation, isa, self.units, call.output);
        }
    }

    fn backward(&self, call: Backward<'_>) {
        let isa = call.run.isa;
        let saved = match self.activation.properties().saves {
            Saved::Output => call.output,
            Saved::PreActivation => call.saved,
        };
        if self.activation != Activation::Linear {
            activation::backward(self.activation, isa, self.units, saved, call.gradient);
        }
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            let [kernel, _] = kernel_and_bias(call.tensors);
            dense::backward_input(
                self,
                isa,
                call.run.examples,
                call.gradient,
                kernel,
                dx,
                call.scratch,
            );
        }
    }

    fn pack(&self, pass: Pass, isa: Isa, tensors: &[&[f32]], packed: &mut [f32]) {
        let [kernel, _] = kernel_and_bias(tensors);
        match pass {
            Pass::Inference => dense::pack_inference(self, isa, kernel, packed),
            Pass::Forward | Pass::Backward => {}
        }
    }

    fn batch_sizes(&self, tensor: usize, examples: usize) -> BatchSizes {
        let kernel = tensor == KERNEL;
        BatchSizes {
            input: self.inputs,
            output: self.units,
            grain: if kernel { self.units } else { 0 },
            packed: if kernel {
                dense::packed_gradient(self, examples)
            } else {
                0
            },
            scratch: if kernel {
                dense::gradient_scratch(examples)
            } else {
                0
            },
        }
    }

    fn pack_gradient(&self, isa: Isa, examples: usize, gradient: &[f32], packed: &mut [f32]) {
        dense::pack_gradient(self, isa, examples, gradient, packed);
    }

    fn batch_gradient(&self, call: BatchGradient<'_>) {
        let (isa, n, dy) = (call.isa, call.examples, call.output_gradient);
        if call.tensor != KERNEL {
            return dense::backward_bias(self, isa, n, dy, call.gradient);
        }
        let first = call.start / self.units;
        let rows = first..first + call.gradient.len() / self.units;
        dense::backward_parameters(
            self,
            isa,
            n,
            call.input,
            dy,
            call.packed,
            rows,
            call.gradient,
            call.scratch,
        );
    }
}

impl Striped for Dense {
    fn cut(&self, isa: Isa, packed: usize, [most, threads]: [usize; 2]) -> Cut {
        choice::cut(self, packed > 0, isa.vectors(), most.min(threads))
    }

    fn channels(&self) -> usize {
        self.units
    }

    fn scratch(&self) -> usize {
        dense::inference_scratch(self, 1)
    }

    fn infer_whole(&self, call: Infer<'_>) {
        let [kernel, bias] = kernel_and_bias(call.tensors);
        dense::infer(
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

    fn infer_stripe(&self, units: Range<usize>, call: Infer<'_>) -> bool {
        let [_, bias] = kernel_and_bias(call.tensors);
        let (isa, x) = (call.run.isa, call.inputs[0]);
        dense::infer_units(self, isa, x, bias, call.packed, units, call.output);
        true
    }
}
