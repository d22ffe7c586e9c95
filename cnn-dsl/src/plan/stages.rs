//! Which steps run a micro-batch at a time, and how many images that is.
//!
//! A step says in what [`Scope`] it works: convolutions look at one image alone and go through a whole
//! stage while what flows is in the cache; dense layers read a large kernel for few values, so all
//! examples of a thread share each reading of it. Steps that do not care go with the one before them.
//! A stage takes several images at once only where a Winograd layer has too few tiles, or a sparse
//! gradient few windows (see `algorithm`).

use super::{Plan, algorithm};
use cnn_ir::operation;
use std::ops::Range;

/// Neighbouring steps that take as many examples at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Their places in [`Plan::steps`].
    pub steps: Range<usize>,
    /// How many examples they take.
    pub scope: Scope,
}

/// How many examples the steps of a stage take at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A micro-batch of images; the next one overwrites what only its steps read.
    Images,
    /// All examples of a thread's share.
    Share,
}

/// Groups the steps and sizes the micro-batch.
pub(super) fn split(plan: &mut Plan) {
    let mut stages: Vec<Stage> = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let before = stages.last().map(|stage| stage.scope);
        let scope = match step.operation.facts().scope() {
            operation::Scope::Images => Scope::Images,
            operation::Scope::Share => Scope::Share,
            operation::Scope::Inherited => before.unwrap_or(Scope::Images),
        };
        match stages.last_mut() {
            Some(stage) if stage.scope == scope => stage.steps.end = index + 1,
            Some(_) | None => stages.push(Stage {
                steps: index..index + 1,
                scope,
            }),
        }
    }
    let images = stages.iter().filter(|stage| stage.scope == Scope::Images);
    let steps = images.flat_map(|stage| &plan.steps[stage.steps.clone()]);
    plan.micro_batch = steps.map(algorithm::images).max().unwrap_or(1);
    plan.stages = stages;
}

impl Plan {
    /// The stage of a step.
    pub fn stage_of(&self, step: usize) -> &Stage {
        let place = self.stages.partition_point(|stage| stage.steps.end <= step);
        &self.stages[place]
    }
}
