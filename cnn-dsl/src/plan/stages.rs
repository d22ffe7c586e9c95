//! Which steps run a micro-batch at a time, and how many images that is.
//!
//! A step says in what [`Scope`] it works: convolutions look at one image alone and go through a whole
//! stage while what flows is in the cache; dense layers read a large kernel for few values, so all
//! examples of a thread share each reading of it. Steps that do not care go with the one before them.
//! A stage takes several images at once only where a Winograd layer has too few tiles, or a sparse
//! gradient few windows (see `algorithm`).
//!
//! While training, a step may have to know statistics of the whole batch before it runs. The stage before it
//! ends there: its threads gather the statistics while the input is in the cache, then they meet. The
//! backward pass meets at the same place: the stage of the step ends with the statistics of its gradient, and
//! the stage before it begins with the gradient of the step's input.

use super::{Plan, Step, algorithm};
use cnn_ir::operation;
use std::ops::Range;

/// Neighbouring steps that take as many examples at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Their places in [`Plan::steps`].
    pub steps: Range<usize>,
    /// How many examples they take.
    pub scope: Scope,
    /// The step behind it that has to know the whole batch: the stage ends with its statistics.
    pub meets_for: Option<usize>,
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
pub(super) fn split(plan: &mut Plan, is_trained: bool) {
    let images = |step: &Step| scope(step, None) != Some(Scope::Share);
    let steps = plan.steps.iter().filter(|step| images(step));
    plan.micro_batch = steps.map(algorithm::images).max().unwrap_or(1);
    plan.inference.stages = group(&plan.steps, |_| false);
    if is_trained {
        plan.training.stages = group(&plan.steps, Step::meets);
    }
}

/// How many examples a step takes, where the one before it takes so many.
fn scope(step: &Step, before: Option<Scope>) -> Option<Scope> {
    match step.operation.facts().scope() {
        operation::Scope::Images => Some(Scope::Images),
        operation::Scope::Share => Some(Scope::Share),
        operation::Scope::Inherited => before,
    }
}

/// Stages that end before each step that `meets`.
fn group(steps: &[Step], meets: impl Fn(&Step) -> bool) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let before = stages.last().map(|stage| stage.scope);
        let scope = scope(step, before).unwrap_or(Scope::Images);
        let stage = |steps| Stage {
            steps,
            scope,
            meets_for: None,
        };
        if meets(step) {
            if stages.is_empty() {
                // The statistics are those of the network's input.
                stages.push(stage(0..0));
            }
            if let Some(before) = stages.last_mut() {
                before.meets_for = Some(index);
            }
        }
        match stages.last_mut() {
            Some(last) if last.scope == scope && last.meets_for.is_none() => {
                last.steps.end = index + 1;
            }
            Some(_) | None => stages.push(stage(index..index + 1)),
        }
    }
    stages
}

/// The place of a step's stage.
pub(super) fn place_of(stages: &[Stage], step: usize) -> usize {
    stages.partition_point(|stage| stage.steps.end <= step)
}
