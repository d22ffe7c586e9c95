//! Steps that another step can take along in the same call.
//!
//! A convolution or dense layer takes the activation behind it, and a convolution the max pool
//! behind it too, before or behind its activation: all of them but softmax are monotone, so the
//! largest value of a window stays the largest. (Where an activation rounds several values of a
//! window to the same one, the gradient goes to the largest of them instead of the first.) The loss
//! takes the last softmax or sigmoid.

use super::{Plan, Step, StepKind, Value, ValueId};
use crate::graph::{Activation, Loss, Network, Op, Pool2d, PoolKind};

/// The largest window of a fused pool: a code is one byte, and one of its values says that
/// no cell gets any gradient.
const LARGEST_WINDOW: usize = 255;

/// Lets steps join those before them.
pub(super) fn steps(plan: &mut Plan, network: &Network) {
    let mut readers = vec![0; plan.values.len()];
    for step in &plan.steps {
        readers[step.input] += 1;
    }
    debug_assert!(
        readers.iter().all(|&count| count <= 1),
        "a second reader would overwrite the gradient that the first one left"
    );
    let mut values: Vec<Value> = Vec::with_capacity(plan.values.len());
    let mut steps: Vec<Step> = Vec::with_capacity(plan.steps.len());
    // The new place of each value, in the order of the old ones: each comes after what it is made of.
    let mut moved: Vec<ValueId> = Vec::with_capacity(plan.values.len());
    let mut old_steps = std::mem::take(&mut plan.steps).into_iter();
    for (old, mut value) in std::mem::take(&mut plan.values).into_iter().enumerate() {
        let step = value.producer.and_then(|_| old_steps.next());
        let Some(mut step) = step else {
            moved.push(values.len());
            values.push(value);
            continue;
        };
        debug_assert_eq!(step.output, old, "steps write values in their order");
        let only_reader = readers[step.input] == 1;
        step.input = moved[step.input];
        let producer = values[step.input].producer.filter(|_| only_reader);
        let joined = producer.and_then(|producer| {
            let before: &mut Step = &mut steps[producer];
            let same_shape = values[step.input].shape == value.shape;
            (before.takes_activation(&step, same_shape)
                || before.takes_pool(&step, &network.nodes[step.node].op))
            .then_some(before.output)
        });
        if let Some(place) = joined {
            moved.push(place);
            if step.kernel == StepKind::Pool2d {
                value.producer = values[place].producer;
                values[place] = value;
            }
            continue;
        }
        step.output = values.len();
        value.producer = Some(steps.len());
        moved.push(values.len());
        values.push(value);
        steps.push(step);
    }
    plan.input = moved[plan.input];
    plan.output = moved[plan.output];
    plan.values = values;
    plan.steps = steps;
}

impl Step {
    /// Takes an activation step along, if that can be.
    fn takes_activation(&mut self, step: &Step, same_shape: bool) -> bool {
        // Softmax works along the last axis, which flatten changes, and never behind a fused pool.
        let elementwise = step.activation != Activation::Softmax;
        let joins = step.kernel == StepKind::Activation
            && self.activation == Activation::Linear
            && matches!(self.kernel, StepKind::Conv2d(_) | StepKind::Dense)
            && (elementwise || (same_shape && self.pool.is_none()));
        if joins {
            self.activation = step.activation;
        }
        joins
    }

    /// Takes a pool along, if that can be.
    fn takes_pool(&mut self, step: &Step, op: &Op) -> bool {
        let joins = self
            .awaits_max_pool(op)
            .is_some_and(|pool| self.obstacle(pool).is_none());
        if joins {
            self.pool = Some(step.node);
        }
        joins
    }

    /// The max pool that `op` is, behind a convolution that has none yet.
    fn awaits_max_pool<'a>(&self, op: &'a Op) -> Option<&'a Pool2d> {
        match op {
            Op::Pool2d(pool) if pool.kind == PoolKind::Max => {
                let waits = matches!(self.kernel, StepKind::Conv2d(_)) && self.pool.is_none();
                waits.then_some(pool)
            }
            _ => None,
        }
    }

    /// What keeps a convolution from taking a max pool along. Windows over padding stay with the pool's own kernel.
    fn obstacle(&self, pool: &Pool2d) -> Option<&'static str> {
        if pool.padding != [[0, 0]; 2] {
            Some("padding")
        } else if self.activation == Activation::Softmax {
            Some("softmax before it")
        } else if pool.size[0].saturating_mul(pool.size[1]) > LARGEST_WINDOW {
            Some("too many cells in a window")
        } else {
            None
        }
    }
}

/// Why a max pool behind a convolution is computed on its own.
pub(super) fn why(step: &Step, plan: &Plan, network: &Network) -> Option<String> {
    let before = &plan.steps[plan.values[step.input].producer?];
    let pool = before.awaits_max_pool(&network.nodes[step.node].op)?;
    let obstacle = before.obstacle(pool)?;
    Some(format!("not fused: {obstacle}"))
}

/// Softmax before categorical cross-entropy and sigmoid before binary cross-entropy are
/// computed by the loss, from the logits.
pub(super) fn output_activation(plan: &mut Plan, network: &Network) {
    let fused = match network.train.as_ref().map(|train| train.loss) {
        Some(Loss::CategoricalCrossentropy) => Activation::Softmax,
        Some(Loss::BinaryCrossentropy) => Activation::Sigmoid,
        Some(Loss::MeanSquaredError) | None => return,
    };
    let Some(last) = plan.values[plan.output].producer else {
        return;
    };
    if plan.steps[last].activation != fused {
        return;
    }
    plan.output_activation = fused;
    plan.steps[last].activation = Activation::Linear;
    if plan.steps[last].kernel != StepKind::Activation {
        return;
    }
    // The loss turns the logits into probabilities in place. If the step before may compute its
    // gradient from its own output, the logits are a copy: the step stays, without activation.
    let logits = plan.steps[last].input;
    let reads_its_output = plan.values[logits].producer.is_some_and(|step| {
        let step = &plan.steps[step];
        step.activation != Activation::Linear || step.kernel == StepKind::Pool2d
    });
    if !reads_its_output {
        plan.output = logits;
        plan.steps.pop();
        plan.values.pop();
    }
}
