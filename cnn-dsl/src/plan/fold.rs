//! Batch normalizations that prediction folds into the weights before them.
//!
//! With its running statistics a normalization multiplies each channel by a factor and adds a summand. Behind a
//! convolution or a dense layer both can be made part of the kernel and of the bias, once for all predictions:
//!
//! ```text
//! factor = gamma / sqrt(variance + epsilon)      kernel' = kernel factor      bias' = (bias - mean) factor + beta
//! ```
//!
//! The parameters stay as they are: the runtime makes the folded ones where it packs weights. What stands behind the
//! normalization then stands behind the convolution, so that `fuse` finds its activation and its pool. A normalization
//! stays a step where others read what it reads, or where something is applied before it. While training it has
//! the statistics of each batch, so the plan of training folds nothing.

use super::{Folded, Plan, Step, fuse};
use crate::graph::{Activation, Network, NodeId};
use cnn_ir::Operation;

/// Lets normalizations join the steps before them.
pub(super) fn normalizations(plan: &mut Plan) {
    fuse::join(plan, |before, step, _| before.takes_normalization(step));
}

impl Step {
    /// The layer of the normalization that is folded into its tensors.
    pub(super) fn folded_node(&self) -> Option<NodeId> {
        self.folded.as_ref().map(|folded| folded.node)
    }

    /// Takes a batch normalization along, if that can be.
    fn takes_normalization(&mut self, step: &Step) -> bool {
        let Operation::BatchNormalization(normalization) = step.operation else {
            return false;
        };
        let facts = self.operation.facts();
        let is_linear = facts.activation() == Activation::Linear && self.pool.is_none();
        // A flattened image has a channel for each of its values.
        let has_its_channels =
            (facts.kernel_channels()).is_some_and(|axis| axis.channels == normalization.channels());
        if self.folded.is_some() || !is_linear || !has_its_channels {
            return false;
        }
        self.folded = Some(Folded {
            node: step.node,
            normalization,
            tensors: step.tensors.clone(),
        });
        true
    }
}

/// That a normalization is folded into a step; what becomes of a step of training in prediction, where that joins it to
/// another one.
pub(super) fn why(step: &Step, plan: &Plan, network: &Network) -> Option<String> {
    let name = |node: NodeId| &network.nodes[node].name;
    if let Some(folded) = step.folded_node() {
        return Some(format!("{} folded into {}", name(folded), name(step.node)));
    }
    let steps = &plan.prediction.as_ref()?.steps;
    let joins = |what: &str, joined: fn(&Step) -> Option<NodeId>| {
        let into = steps
            .iter()
            .find(|other| joined(other) == Some(step.node))?;
        Some(format!("prediction: {what} {}", name(into.node)))
    };
    joins("folded into", Step::folded_node).or_else(|| joins("fused with", |other| other.pool))
}
