//! Steps that another step can take along in the same call.
//!
//! A convolution takes the zero padding in front of it as its own, if no window lies in the zeros alone.
//! A batch normalization that computes statistics takes the addition behind it, as at the end of a residual block: it
//! runs where the addition stood, for the other operand may be computed between the two. Or it takes the max pool behind
//! it, as a convolution does.
//! A convolution or dense layer takes the activation behind it, and a convolution the max pool
//! behind it too, before or behind its activation if that is monotone: the largest value of a window
//! then stays the largest. (Where an activation rounds several values of a window to the same one, the
//! gradient goes to the largest of them instead of the first.) A value that others read too stays as it
//! is. The loss takes the last softmax or sigmoid.

use super::{Plan, Step, Value, ValueId};
use crate::graph::{Activation, Network};
use cnn_ir::Operation;
use cnn_ir::operation::{
    BatchNormalization, Conv2d, FusedPool, Merge, MergeKind, Pad2d, Pool2d, PoolKind, Wanted,
};

/// The largest window of a fused pool: its argmax is one byte, and one of the byte's values says that
/// no cell gets any gradient.
const LARGEST_WINDOW: usize = 255;

/// Lets activations and pools join the steps before them.
pub(super) fn steps(plan: &mut Plan) {
    paddings(plan);
    join(plan, |before, step, same_shape| {
        // A pool behind a reshape is over other cells.
        let takes_pool = |before: &mut Step| same_shape && before.takes_pool(step);
        before.takes_activation(step, same_shape) || takes_pool(before)
    });
    for (index, step) in plan.steps.iter_mut().enumerate() {
        if let Operation::Dropout(dropout) = &mut step.operation {
            dropout.stream = index as u64;
        }
    }
    // Behind the numbers of random streams: what is dropped does not depend on which normalizations are frozen.
    additions(plan);
    join(plan, |before, step, same_shape| {
        same_shape && before.normalization_takes_pool(step)
    });
}

/// Lets steps join those before them, whose values nobody else reads: `takes` changes the step before, if it takes the
/// one behind it along. It is told whether the step reads the value in the
/// shape that it has.
pub(super) fn join(plan: &mut Plan, takes: impl Fn(&mut Step, &Step, bool) -> bool) {
    let mut readers: Vec<_> = plan.readers().iter().map(Vec::len).collect();
    // The caller.
    readers[plan.output] += 1;
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
        if readers[old] == 0 {
            // Another step has taken along what made it: no value of the plan is this one.
            moved.push(ValueId::MAX);
            continue;
        }
        let only_reader = step.inputs.iter().all(|&input| readers[input] == 1);
        for input in &mut step.inputs {
            *input = moved[*input];
        }
        let before = match step.inputs[..] {
            [input] if only_reader => values[input].producer,
            _ => None,
        };
        let joined = before.and_then(|before| {
            let before = &mut steps[before];
            let same_shape = values[before.output].shape == step.input_shapes[0];
            takes(before, &step, same_shape).then_some(before.output)
        });
        if let Some(place) = joined {
            moved.push(place);
            if let Operation::Pool2d(_) = step.operation {
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
    for output in &mut plan.outputs {
        output.value = moved[output.value];
    }
    plan.values = values;
    plan.steps = steps;
}

/// Lets convolutions read what the zero padding in front of them reads. Nothing reads the padding any more.
fn paddings(plan: &mut Plan) {
    let readers = plan.readers();
    for index in 0..plan.steps.len() {
        let [input] = plan.steps[index].inputs[..] else {
            continue;
        };
        let Some(before) = plan.values[input].producer else {
            continue;
        };
        let padding = &plan.steps[before];
        let Operation::Pad2d(pad) = padding.operation else {
            continue;
        };
        let (node, inputs, shapes) = (
            padding.node,
            padding.inputs.clone(),
            padding.input_shapes.clone(),
        );
        // A convolution behind a reshape pads other cells.
        let same_shape = plan.steps[index].input_shapes[0] == plan.values[input].shape;
        let step = &mut plan.steps[index];
        if readers[input].len() == 1 && same_shape && step.takes_padding(&pad) {
            (step.inputs, step.input_shapes) = (inputs, shapes);
            step.padding = Some(node);
        }
    }
}

/// Lets batch normalizations take along the additions behind them. Nothing reads what they normalized any more.
fn additions(plan: &mut Plan) {
    let readers = plan.readers();
    for index in 0..plan.steps.len() {
        let sum = &plan.steps[index];
        let Operation::Merge(Merge {
            kind: MergeKind::Add,
            activation,
            ..
        }) = sum.operation
        else {
            continue;
        };
        // Of two normalizations the later one, whose input is more likely to be in the cache.
        let normalized = |place: &usize| {
            let value = sum.inputs[*place];
            let producer = plan.values[value].producer?;
            let same_shape = sum.input_shapes[*place] == plan.values[value].shape;
            let is_alone = readers[value].len() == 1 && value != plan.output;
            let takes = same_shape && is_alone && plan.steps[producer].takes_addition(sum);
            takes.then_some((producer, *place))
        };
        let Some((producer, place)) = (0..sum.inputs.len()).filter_map(|p| normalized(&p)).max()
        else {
            continue;
        };
        let (addend, output, node) = (1 - place, sum.output, sum.node);
        let (addend, shape) = (sum.inputs[addend], sum.input_shapes[addend].clone());
        let mut step = plan.steps[producer].clone();
        if let Operation::BatchNormalization(layer) = &mut step.operation {
            (layer.adds, layer.activation) = (true, activation);
        }
        step.inputs.push(addend);
        step.input_shapes.push(shape);
        step.input_gradients.push(None);
        (step.addition, step.output) = (Some(node), output);
        plan.steps[index] = step;
    }
}

impl Step {
    /// Whether it takes an addition of its result along.
    fn takes_addition(&self, sum: &Step) -> bool {
        let Operation::BatchNormalization(layer) = self.operation else {
            return false;
        };
        // Neither of two operands is repeated.
        let is_plain = matches!(&sum.input_shapes[..], [a, b] if a == b);
        is_plain && !layer.frozen && !layer.adds && layer.activation == Activation::Linear
    }

    /// Takes a zero padding along, if that can be.
    fn takes_padding(&mut self, pad: &Pad2d) -> bool {
        let (input, padding, [kernel, output, strides, dilation]) = match &mut self.operation {
            Operation::Conv2d(conv) => (
                &mut conv.input,
                &mut conv.padding,
                [
                    conv.kernel,
                    first_two(conv.output),
                    conv.strides,
                    conv.dilation,
                ],
            ),
            Operation::DepthwiseConv2d(conv) => (
                &mut conv.input,
                &mut conv.padding,
                [
                    conv.kernel,
                    first_two(conv.output),
                    conv.strides,
                    conv.dilation,
                ],
            ),
            Operation::Pool2d(_)
            | Operation::Dense(_)
            | Operation::Dropout(_)
            | Operation::Activate(_)
            | Operation::BatchNormalization(_)
            | Operation::Merge(_)
            | Operation::Pad2d(_)
            | Operation::Part(_)
            | Operation::GroupedConv2d(_)
            | Operation::Conv2dTranspose(_)
            | Operation::UpSampling2d(_) => return false,
        };
        let mut together = [0; 2];
        for axis in 0..2 {
            let Ok(before) = usize::try_from(pad.before[axis]) else {
                return false;
            };
            let is_cropped = before + pad.input[axis] > pad.output[axis];
            together[axis] = padding[axis] + before;
            let extent = (kernel[axis] - 1) * dilation[axis] + 1;
            let seen = (output[axis] - 1) * strides[axis] + extent;
            let behind = seen.saturating_sub(together[axis] + pad.input[axis]);
            if is_cropped || together[axis] >= extent || behind >= extent {
                return false;
            }
        }
        (*input, *padding) = (pad.input, together);
        true
    }

    /// Takes an activation step along, if that can be.
    fn takes_activation(&mut self, step: &Step, same_shape: bool) -> bool {
        let Operation::Activate(activate) = step.operation else {
            return false;
        };
        // Softmax works along the last axis, which flatten changes, and never behind a fused pool.
        let is_elementwise = activate.activation.properties().is_elementwise;
        let keeps_rows = same_shape && self.pool.is_none();
        if !is_elementwise && !keeps_rows {
            return false;
        }
        match self.operation.facts_mut().activation_mut() {
            Some(activation) if *activation == Activation::Linear => {
                *activation = activate.activation;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes a pool along, if that can be.
    fn takes_pool(&mut self, step: &Step) -> bool {
        let (Operation::Conv2d(conv), Operation::Pool2d(pool)) =
            (&mut self.operation, &step.operation)
        else {
            return false;
        };
        if !awaits_max_pool(conv, pool) || obstacle(conv.activation, pool).is_some() {
            return false;
        }
        conv.pool = Some(fused(pool));
        self.pool = Some(step.node);
        true
    }

    /// The same of a batch normalization.
    fn normalization_takes_pool(&mut self, step: &Step) -> bool {
        let (Operation::BatchNormalization(layer), Operation::Pool2d(pool)) =
            (&mut self.operation, &step.operation)
        else {
            return false;
        };
        if !normalization_awaits_max_pool(layer, pool) || obstacle(layer.activation, pool).is_some()
        {
            return false;
        }
        layer.pool = Some(fused(pool));
        self.pool = Some(step.node);
        true
    }
}

/// Height and width.
fn first_two([height, width, _]: [usize; 3]) -> [usize; 2] {
    [height, width]
}

/// A pool as a part of the step before it.
fn fused(pool: &Pool2d) -> FusedPool {
    FusedPool {
        output: first_two(pool.output),
        size: pool.size,
        strides: pool.strides,
        padding: pool.padding,
    }
}

/// Whether a max pool stands behind a normalization that computes statistics and takes nothing else along.
fn normalization_awaits_max_pool(layer: &BatchNormalization, pool: &Pool2d) -> bool {
    pool.kind == PoolKind::Max && !layer.frozen && !layer.adds && layer.pool.is_none()
}

/// Whether a max pool stands behind a convolution that has none yet.
fn awaits_max_pool(conv: &Conv2d, pool: &Pool2d) -> bool {
    pool.kind == PoolKind::Max && conv.pool.is_none()
}

/// What keeps a step of this activation from taking a max pool along. Windows over padding stay with the pool's own
/// kernel.
fn obstacle(activation: Activation, pool: &Pool2d) -> Option<String> {
    let covers = |axis: usize| {
        let last = (pool.output[axis] - 1) * pool.strides[axis] + pool.size[axis];
        last > pool.padding[axis] + pool.input[axis]
    };
    if pool.padding != [0, 0] || covers(0) || covers(1) {
        Some("padding".to_owned())
    } else if !activation.properties().is_monotone {
        Some(format!("{} before it", activation.name()))
    } else if pool.size[0].saturating_mul(pool.size[1]) > LARGEST_WINDOW {
        Some("too many cells in a window".to_owned())
    } else {
        None
    }
}

/// Why a max pool behind a convolution or a normalization is computed on its own.
pub(super) fn why(step: &Step, plan: &Plan) -> Option<String> {
    let Operation::Pool2d(pool) = &step.operation else {
        return None;
    };
    let before = &plan.steps[plan.values[*step.inputs.first()?].producer?];
    let awaits = if let Operation::Conv2d(conv) = &before.operation {
        awaits_max_pool(conv, pool)
    } else if let Operation::BatchNormalization(layer) = &before.operation {
        normalization_awaits_max_pool(layer, pool)
    } else {
        false
    };
    let activation = before.operation.facts().activation();
    let obstacle = awaits.then(|| obstacle(activation, pool))??;
    Some(format!("not fused: {obstacle}"))
}

/// The activation that belongs to a loss is computed by the loss, from the logits.
pub(super) fn output_activations(plan: &mut Plan, network: &Network) {
    let Some(train) = &network.train else { return };
    for (place, objective) in train.objectives.iter().enumerate() {
        output_activation(plan, place, objective.loss.properties().activation);
    }
}

fn output_activation(plan: &mut Plan, place: usize, fused: Activation) {
    let value = plan.outputs[place].value;
    let Some(last) = plan.values[value].producer else {
        return;
    };
    let applied = match &mut plan.steps[last].operation {
        Operation::Activate(activate) => Some(&mut activate.activation),
        operation => operation.facts_mut().activation_mut(),
    };
    match applied {
        Some(activation) if *activation == fused && fused != Activation::Linear => {
            *activation = Activation::Linear;
        }
        Some(_) | None => return,
    }
    plan.outputs[place].activation = fused;
    let Operation::Activate(_) = plan.steps[last].operation else {
        return;
    };
    // The loss turns the logits into probabilities in place. If the step before may compute its
    // gradient from its own output, the logits are a copy: the step stays, without activation. So it
    // does where others read the logits, and where another step reads them to put the outputs side by side.
    let logits = plan.steps[last].inputs[0];
    let everything = Wanted {
        tensors: true,
        input: true,
    };
    let reads_its_output = plan.values[logits].producer.is_some_and(|step| {
        let facts = plan.steps[step].operation.facts();
        facts.saves(everything).output
    });
    if !reads_its_output && plan.output == value && plan.readers()[logits].len() == 1 {
        (plan.output, plan.outputs[place].value) = (logits, logits);
        plan.steps.pop();
        plan.values.pop();
    }
}
