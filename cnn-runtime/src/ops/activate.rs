//! An activation over a value of its own; `Linear` copies.

use super::stripes::{self, Striped};
use super::{Backward, Execute, Forward, Infer, Sizes, activation, crop};
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::operation::Activate;

pub(super) const fn sizes(_: &Activate, _micro_batch: usize) -> Sizes {
    Sizes::NONE
}

impl Execute for Activate {
    fn infer(&self, call: Infer<'_>) {
        stripes::infer(self, call);
    }

    fn forward(&self, call: Forward<'_>) {
        crop::copy(self.input, self.output, call.inputs[0], call.output);
        activation::forward(self.activation, call.run.isa, self.output[2], call.output);
    }

    fn backward(&self, call: Backward<'_>) {
        let (isa, units) = (call.run.isa, self.output[2]);
        let dy = call.gradient;
        match self.activation.properties().saves {
            Saved::Output if self.activation == Activation::Linear => {}
            Saved::Output => activation::backward(self.activation, isa, units, call.output, dy),
            // The pre-activation is a part of the input, row by row.
            Saved::PreActivation => {
                let rows = crop::rows(self.input, self.output, call.inputs[0]);
                for (x, dy) in rows.zip(dy.chunks_exact_mut(self.output[1] * units)) {
                    activation::backward(self.activation, isa, units, x, dy);
                }
            }
        }
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            crop::scatter(self.input, self.output, dy, dx);
        }
    }
}

impl Striped for Activate {
    fn channels(&self) -> usize {
        self.output[2]
    }

    fn infer_whole(&self, call: Infer<'_>) {
        crop::copy(self.input, self.output, call.inputs[0], call.output);
        activation::forward(self.activation, call.run.isa, self.output[2], call.output);
    }
}
