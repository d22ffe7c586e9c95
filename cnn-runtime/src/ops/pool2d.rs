//! Max and average pooling.

use super::stripes::{self, Striped};
use super::{Backward, Execute, Forward, Infer, Sizes};
use crate::kernels::pool2d;
use cnn_ir::operation::Pool2d;

pub(super) const fn sizes(_: &Pool2d, _micro_batch: usize) -> Sizes {
    Sizes::NONE
}

impl Execute for Pool2d {
    fn infer(&self, call: Infer<'_>) {
        stripes::infer(self, call);
    }

    fn forward(&self, call: Forward<'_>) {
        pool2d::forward(
            self,
            call.run.isa,
            call.run.examples,
            call.inputs[0],
            call.output,
        );
    }

    fn backward(&self, call: Backward<'_>) {
        let (isa, n) = (call.run.isa, call.run.examples);
        if let [dx] = call.input_gradients
            && !dx.is_empty()
        {
            pool2d::backward(self, isa, n, call.inputs[0], call.output, call.gradient, dx);
        }
    }
}

impl Striped for Pool2d {
    fn channels(&self) -> usize {
        self.output[2]
    }

    fn infer_whole(&self, call: Infer<'_>) {
        pool2d::forward(
            self,
            call.run.isa,
            call.run.examples,
            call.inputs[0],
            call.output,
        );
    }
}
