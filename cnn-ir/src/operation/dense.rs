//! Fully connected layers.

use super::{Facts, Pass, Reduction, Saves, Scope, Wanted};
use crate::activation::{Activation, Saved};

/// The geometry of a fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    /// Values that flow in.
    pub inputs: usize,
    /// Values that flow out.
    pub units: usize,
    /// Applied to the result.
    pub activation: Activation,
}

impl Facts for Dense {
    /// Its kernel is large and read for few values.
    fn scope(&self) -> Scope {
        Scope::Share
    }

    fn store(&mut self, inputs: &[&[usize]], _output: &[usize]) {
        self.inputs = inputs[0].iter().product();
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        Saves {
            input: wanted.tensors,
            output: derives && saved == Saved::Output,
            floats: if derives && saved == Saved::PreActivation {
                self.units
            } else {
                0
            },
            bytes: 0,
        }
    }

    fn reduction(&self) -> Reduction {
        Reduction::Batch
    }

    fn packs(&self, pass: Pass, _wanted: Wanted) -> bool {
        pass == Pass::Inference
    }

    fn forward_name(&self) -> &'static str {
        "product"
    }

    fn kernel_gradient_name(&self) -> &'static str {
        "product"
    }

    fn input_gradient_name(&self) -> &'static str {
        "product"
    }
}
