//! Whose gradients are wanted: those of the kernels that are trained, and of every value that
//! something trained lies at or before. The first layer's input has none, and frozen layers pass
//! the gradient on only where something before them is trained.
//!
//! Each wanted gradient gets the way that always works; later passes know better ones for some
//! convolutions.

use super::{InputGradient, KernelGradient, Plan, StepKind};
use crate::graph::Network;

/// Marks what is wanted; nothing is without a `train` block.
pub(super) fn find(plan: &mut Plan, network: &Network) {
    if network.train.is_none() {
        return;
    }
    for step in &mut plan.steps {
        let node = &network.nodes[step.node];
        let through = plan.values[step.input].wants_gradient;
        let trained = node.trainable && node.parameter_count() > 0;
        let (of_kernel, of_input) = match step.kernel {
            StepKind::Conv2d(_) => (Some(KernelGradient::Direct), InputGradient::Direct),
            StepKind::Dense => (Some(KernelGradient::Rows), InputGradient::Rows),
            StepKind::Pool2d => (None, InputGradient::Pool),
            StepKind::Dropout => (None, InputGradient::Dropout),
            StepKind::Activation => (None, InputGradient::Activation),
        };
        step.kernel_gradient = of_kernel.filter(|_| trained);
        step.input_gradient = through.then_some(of_input);
        plan.values[step.output].wants_gradient = step.runs_backward();
    }
}
