//! Whose gradients are wanted: those of the tensors that are trained, and of every value that
//! something trained lies at or before. The first layer's input has none, and frozen layers pass
//! the gradient on only where something before them is trained.
//!
//! The gradient of a value that several steps read is the sum of what they leave, in a fixed order: the
//! backward pass runs the steps in reverse, so the last reader stores and the others add. The loss
//! stores before all of them.

use super::{Plan, Write};
use crate::graph::Network;

/// Marks what is wanted; nothing is without a `train` block.
pub(super) fn find(plan: &mut Plan, network: &Network) {
    if network.train.is_none() {
        return;
    }
    for step in &mut plan.steps {
        let mut tensors = plan.parameters[step.tensors.clone()].iter();
        step.trains_tensors = tensors.any(|tensor| tensor.trainable);
        for (gradient, &input) in step.input_gradients.iter_mut().zip(&step.inputs) {
            *gradient = plan.values[input].wants_gradient.then_some(Write::Store);
        }
        plan.values[step.output].wants_gradient = step.wanted().any();
    }
    let mut is_written = vec![false; plan.values.len()];
    is_written[plan.output] = true;
    for step in plan.steps.iter_mut().rev() {
        for (gradient, &input) in step.input_gradients.iter_mut().zip(&step.inputs) {
            let Some(write) = gradient else { continue };
            if std::mem::replace(&mut is_written[input], true) {
                *write = Write::Add;
            }
        }
    }
}
