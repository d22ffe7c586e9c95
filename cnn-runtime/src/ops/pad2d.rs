//! Padding and cropping.

use super::{Backward, Execute, Forward, Infer, Sizes};
use crate::kernels::pad2d;
use cnn_ir::operation::Pad2d;

pub(super) const fn sizes(_: &Pad2d, _micro_batch: usize) -> Sizes {
    Sizes::NONE
}

impl Execute for Pad2d {
    fn infer(&self, call: Infer<'_>) {
        pad2d::copy(
            self.input,
            self.output,
            self.before,
            call.inputs[0],
            call.output,
        );
    }

    fn forward(&self, call: Forward<'_>) {
        pad2d::copy(
            self.input,
            self.output,
            self.before,
            call.inputs[0],
            call.output,
        );
    }

    fn backward(&self, call: Backward<'_>) {
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            let before = self.before.map(|before| -before);
            pad2d::copy(self.output, self.input, before, call.gradient, dx);
        }
    }
}
