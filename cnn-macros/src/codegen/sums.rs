//! What a step of training sums up over the examples of a batch, and where.
//!
//! Each stage that sums something up has a region of its own, with a place for each partial of the batch:
//! gradients of tensors, statistics. Where the threads meet, statistics of all partials become totals.

use super::Context;
use cnn_dsl::plan::{Parameter, Step};
use cnn_ir::operation::Reduction;
use std::ops::Range;

/// Of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// What a stage sums up in one direction.
pub struct Sums<'a> {
    /// The place of its stage.
    stage: usize,
    direction: Direction,
    /// What is summed up, in the order in which it lies in the region.
    parts: Vec<Part<'a>>,
}

/// A part of a partial's sums.
struct Part<'a> {
    /// What the code calls it.
    name: String,
    len: usize,
    of: Of<'a>,
}

/// What is summed up.
#[derive(Clone, Copy)]
enum Of<'a> {
    /// The gradient of a tensor.
    Tensor(&'a Parameter),
    /// The statistics of a step.
    Statistics(&'a Step),
}

impl<'a> Sums<'a> {
    /// Those of all stages, each at the place of its region.
    pub fn all(context: &Context<'a>) -> Vec<Self> {
        let plan = context.plan;
        let stages = &plan.training.stages;
        let forward = stages.iter().enumerate().filter_map(|(place, stage)| {
            let step = &plan.steps[stage.meets_for?];
            Some(Self {
                stage: place,
                direction: Direction::Forward,
                parts: vec![Part::statistics(context, step, Direction::Forward)?],
            })
        });
        let backward = stages.iter().enumerate().map(|(place, stage)| {
            let steps = &plan.steps[stage.steps.clone()];
            let tensors = steps
                .iter()
                .flat_map(|step| tensors_in_partials(context, step));
            let before = place
                .checked_sub(1)
                .and_then(|before| stages[before].meets_for);
            let met = before.map(|step| &plan.steps[step]);
            let met = met.filter(|step| step.wanted().any());
            let statistics =
                met.and_then(|step| Part::statistics(context, step, Direction::Backward));
            Self {
                stage: place,
                direction: Direction::Backward,
                parts: tensors.chain(statistics).collect(),
            }
        });
        forward
            .chain(backward)
            .filter(|sums| !sums.parts.is_empty())
            .collect()
    }

    /// The floats of a partial.
    pub fn len(&self) -> usize {
        self.lengths().sum()
    }

    /// Whether those of the first partials may be added up early: statistics of the forward pass are no sums.
    pub fn are_added(&self) -> bool {
        self.direction == Direction::Backward
    }

    /// What the code calls the parts.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.parts.iter().map(|part| part.name.clone())
    }

    /// The lengths of the parts.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|part| part.len)
    }

    /// The place of a part.
    fn offset(&self, is_part: impl Fn(&Of<'a>) -> bool) -> Option<usize> {
        let place = self.parts.iter().position(|part| is_part(&part.of))?;
        Some(self.lengths().take(place).sum())
    }
}

/// The region of a stage's sums in one direction, if it has some.
pub fn region(all: &[Sums<'_>], stage: usize, direction: Direction) -> Option<usize> {
    all.iter()
        .position(|sums| sums.stage == stage && sums.direction == direction)
}

/// The region and the place of the gradient of a tensor.
pub fn place_of_tensor(all: &[Sums<'_>], tensor: &Parameter) -> Option<(usize, usize)> {
    let is_part = |of: &Of<'_>| matches!(of, Of::Tensor(other) if std::ptr::eq(*other, tensor));
    let mut regions = all.iter().enumerate();
    regions.find_map(|(region, sums)| Some((region, sums.offset(is_part)?)))
}

/// The region and the place of a step's statistics.
pub fn place_of_statistics(
    all: &[Sums<'_>],
    step: &Step,
    direction: Direction,
) -> Option<(usize, usize)> {
    let is_part = |of: &Of<'_>| matches!(of, Of::Statistics(other) if std::ptr::eq(*other, step));
    let regions = all.iter().enumerate();
    let mut regions = regions.filter(|(_, sums)| sums.direction == direction);
    regions.find_map(|(region, sums)| Some((region, sums.offset(is_part)?)))
}

/// The totals of all statistics, in the order in which they lie in their buffer: the step, of which pass, and how
/// many floats.
pub fn totals<'a>(context: &Context<'a>) -> Vec<(&'a Step, Direction, usize)> {
    let steps = context.plan.steps.iter();
    let totals = steps.flat_map(|step| {
        let sizes = step.operation.facts().statistics();
        let forward = sizes.map(|sizes| (step, Direction::Forward, sizes.forward.total));
        let sizes = sizes.filter(|_| step.wanted().any());
        let backward = sizes.map(|sizes| (step, Direction::Backward, sizes.backward.total));
        forward.into_iter().chain(backward)
    });
    totals.collect()
}

/// The place of a total in their buffer.
pub fn total_range(context: &Context<'_>, step: &Step, direction: Direction) -> Range<usize> {
    let mut start = 0;
    for (other, of, len) in totals(context) {
        if std::ptr::eq(other, step) && of == direction {
            return start..start + len;
        }
        start += len;
    }
    start..start
}

/// The tensors of a step whose gradients are summed partial by partial.
fn tensors_in_partials<'a>(
    context: &Context<'a>,
    step: &'a Step,
) -> impl Iterator<Item = Part<'a>> {
    let in_partials = step.operation.facts().reduction() == Reduction::Partials;
    let is_summed = in_partials && step.trains_tensors;
    let tensors = context.plan.tensors(step).filter(move |_| is_summed);
    let names = tensors.map(|tensor| (tensor_sum_name(context, tensor), tensor));
    let parts: Vec<_> = names
        .map(|(name, tensor)| Part {
            name,
            len: tensor.range.len(),
            of: Of::Tensor(tensor),
        })
        .collect();
    parts.into_iter()
}

impl<'a> Part<'a> {
    fn statistics(context: &Context<'_>, step: &'a Step, direction: Direction) -> Option<Self> {
        let sizes = step.operation.facts().statistics()?;
        Some(Self {
            name: statistics_name(context.name(step), direction),
            len: match direction {
                Direction::Forward => sizes.forward.partial,
                Direction::Backward => sizes.backward.partial,
            },
            of: Of::Statistics(step),
        })
    }
}

/// `conv2d_1_kernel_sum`: the gradient of a tensor, summed over a partial.
pub fn tensor_sum_name(context: &Context<'_>, tensor: &Parameter) -> String {
    let layer = context.identifier(&context.network.nodes[tensor.node].name);
    format!("{layer}_{}_sum", tensor.name)
}

/// `batch_normalization_1_statistics`: those of a partial.
pub fn statistics_name(layer: &str, direction: Direction) -> String {
    match direction {
        Direction::Forward => format!("{layer}_statistics"),
        Direction::Backward => format!("{layer}_gradient_statistics"),
    }
}

/// `batch_normalization_1_total`: the statistics of the batch.
pub fn total_name(layer: &str, direction: Direction) -> String {
    match direction {
        Direction::Forward => format!("{layer}_total"),
        Direction::Backward => format!("{layer}_gradient_total"),
    }
}
