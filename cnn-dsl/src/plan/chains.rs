//! Which steps of a prediction the threads compute row by row before they meet.
//!
//! ```text
//! depthwise convolution ──▶ 1x1 convolution ──▶ relu       rows 0 to 6: one thread, rows 7 to 13: another one
//! ```
//!
//! A chain begins with any step whose rows can be computed apart. A step joins the one before it if it makes each row
//! of the same row of what that one writes and nobody else reads, and if the one before is so short that a meeting
//! between the two would count. A chain that is too short for two threads is none. What a chain reads stays in its
//! place until all of it has run, because threads run it at different speeds; see `memory`.

use super::Plan;
use cnn_ir::choice::stripes::{MAX_CHAIN, Work};
use std::ops::Range;

/// Finds the chains of a prediction, in order; each has at least two steps.
pub(super) fn find(plan: &mut Plan) {
    let readers = plan.readers();
    let mut chains: Vec<Range<usize>> = Vec::new();
    for stage in &plan.inference.stages {
        for index in stage.steps.clone().skip(1) {
            if !joins(plan, &readers, index) {
                continue;
            }
            match chains.last_mut() {
                Some(chain) if chain.end == index && chain.len() < MAX_CHAIN => chain.end += 1,
                Some(chain) if chain.end == index => {}
                Some(_) | None => chains.push(index - 1..index + 1),
            }
        }
    }
    // What no two threads share would only take memory.
    chains.retain(|chain| {
        let steps = plan.steps[chain.clone()].iter();
        let work = steps.filter_map(|step| step.operation.facts().work_of_rows());
        work.fold(Work::default(), Work::and).stripes(2, 1) > 1
    });
    plan.inference.chains = chains;
}

/// Whether a step joins the one before it.
fn joins(plan: &Plan, readers: &[Vec<usize>], index: usize) -> bool {
    let (before, step) = (&plan.steps[index - 1], &plan.steps[index]);
    let [before_facts, facts] = [before, step].map(|step| step.operation.facts());
    let value = before.output;
    before_facts.work_of_rows().is_some_and(Work::is_short)
        && facts.is_row_by_row()
        && facts.work_of_rows().is_some()
        && readers[value] == [index]
        && value != plan.output
        && step.inputs[0] == value
        && step.input_shapes[0] == plan.values[value].shape
}
