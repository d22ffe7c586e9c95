//! Where the plan's front ends, and how many images it takes at a time.
//!
//! Everything before the first dense layer works on one image without looking at the others, so
//! it goes through all of the front while what flows is in the cache. Dense layers read a large
//! kernel for few values, so from there on all examples share each reading of it. The front takes
//! several images at once only where a Winograd layer has too few tiles, or a sparse gradient few winners (see
//! `algorithm`).

use super::{Plan, StepKind, algorithm};
use crate::graph::Network;

/// Splits the steps and sizes the groups.
pub(super) fn split(plan: &mut Plan, network: &Network) {
    let first = plan.steps.iter().position(|s| s.kernel == StepKind::Dense);
    plan.front = first.unwrap_or(plan.steps.len());
    plan.micro_batch = plan.steps[..plan.front]
        .iter()
        .map(|step| algorithm::images(step, plan, network))
        .max()
        .unwrap_or(1);
}
