//! Images that become larger by a whole factor.

use super::{Backward, Execute, Forward, Infer, Sizes};
use crate::kernels::upsampling2d;
use cnn_ir::operation::UpSampling2d;

pub(super) const fn sizes(layer: &UpSampling2d, _micro_batch: usize) -> Sizes {
    let scratch = upsampling2d::scratch_len(layer);
    Sizes {
        inference: [scratch, scratch],
        training: scratch,
        ..Sizes::NONE
    }
}

impl Execute for UpSampling2d {
    fn infer(&self, call: Infer<'_>) {
        let isa = call.run.isa;
        upsampling2d::forward(self, isa, call.inputs[0], call.output, call.scratch);
    }

    fn forward(&self, call: Forward<'_>) {
        let isa = call.run.isa;
        upsampling2d::forward(self, isa, call.inputs[0], call.output, call.scratch);
    }

    fn backward(&self, call: Backward<'_>) {
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            upsampling2d::backward(self, call.run.isa, call.gradient, dx, call.scratch);
        }
    }
}
