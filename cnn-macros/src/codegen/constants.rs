//! The constants of the layers and the static description that the runtime reads.
//!
//! An operation, an optimizer, a loss is printed by its `Debug` form, which is the Rust expression that
//! makes it.

use super::stages::{TrainingPass, training_passes};
use super::sums::{self, Direction, Sums, totals};
use super::text::{array, join, number, number_u64, tokens};
use super::{Context, exposed_module, ports};
use cnn_dsl::graph::{Op, Train};
use cnn_dsl::plan::{Memory, Parameter, Per, Place};
use cnn_ir::operation::{Pass, Reduction};
use cnn_ir::{Operation, Optimizer, Role};
use proc_macro2::TokenStream;
use quote::quote;

/// The body of `mod layers`: the operation of each step, and the normalization that is folded into it.
pub fn layers(context: &Context<'_>) -> TokenStream {
    let constant = |name, operation: &Operation| {
        let name = context.constant_name(name);
        let kind = operation.kind();
        format!("pub const {name}: {kind} = {operation:?};\n")
    };
    let layers = context.plan.steps.iter().map(|step| {
        let folded = step.folded.as_ref();
        let folded = folded.map(|folded| {
            constant(
                &context.network.nodes[folded.node].name,
                &folded.normalization.into(),
            )
        });
        constant(&step.name, &step.operation) + &folded.unwrap_or_default()
    });
    tokens(&layers.collect::<String>())
}

/// What the passes and the description of the network share.
pub fn sizes(context: &Context<'_>) -> TokenStream {
    let plan = context.plan;
    let prediction = context.for_prediction();
    // Without anything folded, prediction runs the steps of training.
    let (steps, inference) = match prediction.folds() {
        true => (
            context.network.train.is_some().then(|| steps(context)),
            Some(inference_steps(&prediction)),
        ),
        false => (Some(steps(context)), None),
    };
    let (constructor, of_steps) = match &inference {
        Some(_) => ("of_inference", INFERENCE_STEPS),
        None => ("new", STEPS),
    };
    let [steps, inference] = [steps, inference].map(Option::unwrap_or_default);
    let memory = &prediction.plan.inference.memory;
    let (per_example, once) = (number(memory.per_example()), number(once(context, memory)));
    let micro_batch = number(plan.micro_batch);
    let lengths = array(plan.parameters.iter().map(|p| p.range.len()));
    let tensors = number(plan.parameters.len());
    let packed = packed(&prediction, Pass::Inference);
    let parameters = plan.parameters.iter().enumerate();
    let sums = Sums::all(context);
    let ports = ports::tables(context.network, plan);
    let parameters = join(parameters.map(|(index, p)| parameter(context, &sums, index, p)));
    tokens(&format!(
        "{steps}
        {inference}
        /// The lengths of the parameter tensors.
        const TENSORS: [usize; {tensors}] = {lengths};
        /// The parameter tensors.
        pub const PARAMETERS: [rt::Parameter; {tensors}] = [{parameters}];
        {ports}
        /// The images that a stage of images takes at a time.
        const MICRO_BATCH: usize = {micro_batch};
        {packed}
        pub const WORKSPACE: rt::Workspace =
            rt::Workspace::{constructor}({per_example}, {once}, MICRO_BATCH, &{of_steps});"
    ))
}

/// The constant of the operations of the plan's steps.
const STEPS: &str = "STEPS";

/// The constant of the steps of prediction, where something is folded into some.
const INFERENCE_STEPS: &str = "INFERENCE_STEPS";

/// `const STEPS: [rt::Operation; 1] = [rt::Operation::Conv2d(layers::CONV2D_1)];`
fn steps(context: &Context<'_>) -> String {
    let steps = &context.plan.steps;
    let count = number(steps.len());
    let steps = join(steps.iter().map(|step| context.operation(step)));
    format!(
        "/// The operations of all steps.
        const {STEPS}: [rt::Operation; {count}] = [{steps}];"
    )
}

/// `const INFERENCE_STEPS: [rt::InferenceStep; 1] = [rt::InferenceStep::folded(…)];`
fn inference_steps(context: &Context<'_>) -> String {
    let steps = &context.plan.steps;
    let count = number(steps.len());
    let steps = join(steps.iter().map(|step| {
        let operation = context.operation(step);
        match &step.folded {
            Some(folded) => {
                let normalization = context.constant_of(&context.network.nodes[folded.node].name);
                format!("rt::InferenceStep::folded({operation}, {normalization})")
            }
            None => format!("rt::InferenceStep::new({operation})"),
        }
    }));
    format!(
        "/// The steps of prediction.
        const {INFERENCE_STEPS}: [rt::InferenceStep; {count}] = [{steps}];"
    )
}

/// The constant of the tensors that a pass wants in another form.
pub fn packed_name(pass: Pass) -> &'static str {
    match pass {
        Pass::Inference => "PACKED_INFERENCE",
        Pass::Forward => "PACKED_FORWARD",
        Pass::Backward => "PACKED_BACKWARD",
    }
}

/// `const PACKED_FORWARD: [rt::PackedForm; 1] = [rt::PackedForm::new(&[2, 3], STEPS[1], rt::Pass::Forward)];`
fn packed(context: &Context<'_>, pass: Pass) -> String {
    let steps = context.plan.steps.iter().enumerate();
    let wanted = steps.filter(|(_, step)| step.packs(pass));
    let of_inference = pass == Pass::Inference && context.folds();
    let forms: Vec<_> = wanted
        .map(|(index, step)| {
            let (tensors, index) = (array(step.tensor_places()), number(index));
            match of_inference {
                true => {
                    format!("rt::PackedForm::of_inference(&{tensors}, {INFERENCE_STEPS}[{index}])")
                }
                false => {
                    format!("rt::PackedForm::new(&{tensors}, {STEPS}[{index}], rt::Pass::{pass:?})")
                }
            }
        })
        .collect();
    let (name, count) = (packed_name(pass), number(forms.len()));
    let forms = join(forms.into_iter());
    format!("const {name}: [rt::PackedForm; {count}] = [{forms}];")
}

/// The most that is lost where a slot starts at a cache line, in floats.
const CACHE_LINE: usize = 16;

/// The floats of the slots that hold a micro-batch, and what is lost between all slots.
fn once(context: &Context<'_>, memory: &Memory) -> usize {
    let floats = memory.slots.iter().map(|slot| match slot.per {
        Per::MicroBatch => (context.plan.micro_batch * slot.len).next_multiple_of(CACHE_LINE),
        Per::Example => CACHE_LINE,
    });
    floats.sum()
}

/// `static SPEC`, the description that the runtime reads.
pub fn spec(context: &Context<'_>) -> TokenStream {
    let name = &context.network.name.text;
    let [input, output] = context.input_and_output();
    let [input, output] = [input, output].map(|shape| array(shape.0.iter().copied()));
    let parameter_count = number(context.network.parameter_count());
    let (constants, training) = match &context.network.train {
        Some(train) => {
            let packed = [Pass::Forward, Pass::Backward].map(|pass| packed(context, pass));
            (
                packed.concat() + &objectives(train),
                format!("Some({})", training(context, &Sums::all(context), train)),
            )
        }
        None => (String::new(), "None".to_owned()),
    };
    let lengths = match totals(context) {
        totals if totals.is_empty() => String::new(),
        totals => {
            let (count, lengths) = (
                number(totals.len()),
                array(totals.iter().map(|(.., len)| *len)),
            );
            format!(
                "/// The lengths of the statistics of the batch.
                const TOTALS: [usize; {count}] = {lengths};"
            )
        }
    };
    let exposed = context.network.exposed.iter();
    let exposed = join(exposed.map(|port| format!("&{}::SPEC", exposed_module(&port.name))));
    let description = context.description;
    tokens(&format!(
        "{constants}
        {lengths}
        pub static SPEC: rt::Spec = rt::Spec {{
            name: \"{name}\",
            input: &{input},
            output: &{output},
            inputs: INPUTS,
            outputs: OUTPUTS,
            layers: LAYERS,
            parameters: &PARAMETERS,
            parameter_count: {parameter_count},
            forward,
            workspace: WORKSPACE,
            packed: &PACKED_INFERENCE,
            exposed: &[{exposed}],
            training: rt::{training},
            description: rt::description!({description:?}),
        }};"
    ))
}

/// `const OBJECTIVES`, what is asked of each output.
fn objectives(train: &Train) -> String {
    let objectives = train.objectives.iter().map(|objective| {
        let metrics = objective.metrics.iter();
        let metrics = join(metrics.map(|metric| format!("rt::{metric:?}")));
        let (loss, weight) = (objective.loss, objective.weight as f32);
        let class_weights = match &objective.class_weights[..] {
            [] => String::new(),
            weights => format!(".with_class_weights(&{weights:?})"),
        };
        format!("rt::Objective::new(rt::{loss:?}, {weight:?}, &[{metrics}]){class_weights}")
    });
    format!(
        "/// What is asked of each output.
        const OBJECTIVES: &[rt::Objective] = &[{}];",
        join(objectives)
    )
}

/// The values of the public tables. Behind a path, they do not stand in the documentation as they are.
pub fn tables(context: &Context<'_>, summary: &TokenStream, plan: &TokenStream) -> TokenStream {
    let layers = layer_table(context);
    quote! {
        pub const LAYERS: &[rt::Layer] = #layers;
        pub const SUMMARY: &str = #summary;
        pub const PLAN: &str = #plan;
    }
}

/// The rows of the public table of layers: all but the input, as Keras' summary has them.
fn layer_table(context: &Context<'_>) -> TokenStream {
    let network = context.network;
    let layers = network.nodes.iter().enumerate();
    let layers =
        layers.filter(|(id, node)| !matches!(node.op, Op::Input(_)) && !network.is_joint(*id));
    let layers = join(layers.map(|(_, node)| {
        let (name, kind) = (&node.name, &node.keyword.text);
        let output = array(node.shape.0.clone());
        let parameters = number(node.parameter_count());
        let flops = number_u64(node.flops());
        format!("rt::Layer::new(\"{name}\", \"{kind}\", &{output}, {parameters}, {flops})")
    }));
    tokens(&format!("&[{layers}]"))
}

fn parameter(
    context: &Context<'_>,
    sums: &[Sums<'_>],
    index: usize,
    parameter: &Parameter,
) -> String {
    let layer = &context.network.nodes[parameter.node].name;
    let Parameter {
        name,
        role,
        settings,
        ..
    } = parameter;
    let initializer = settings.initializer;
    let shape = array(parameter.shape.clone());
    let offset = number(parameter.range.start);
    let gradient = gradient(context, sums, index);
    // Some have settings that are words themselves.
    let initializer = match initializer.word().parameters {
        [] => format!("rt::{initializer:?}"),
        _ => format!("{{ use rt::*; {initializer:?} }}"),
    };
    format!(
        "rt::Parameter::new(
            \"{layer}.{name}\", &{shape}, {offset}, rt::{role:?}, {initializer}, {gradient},
        )"
    )
}

/// Where the gradient of a tensor comes from.
fn gradient(context: &Context<'_>, sums: &[Sums<'_>], index: usize) -> String {
    let plan = context.plan;
    let mut steps = plan.steps.iter().enumerate();
    let owner = steps.find(|(_, step)| step.tensors.contains(&index));
    let Some((place, step)) = owner.filter(|(_, step)| step.trains_tensors) else {
        return "rt::Gradient::Frozen".to_owned();
    };
    let parameter = &plan.parameters[index];
    if !parameter.trainable {
        return "rt::Gradient::Frozen".to_owned();
    }
    let (operation, tensor) = (number(place), number(index - step.tensors.start));
    match step.operation.facts().reduction() {
        Reduction::Partials => {
            let place = sums::place_of_tensor(sums, parameter);
            let (region, offset) = place.expect("a stage sums it up");
            let (region, offset) = (number(region), number(offset));
            format!("rt::Gradient::partials({region}, {offset}, STEPS[{operation}], {tensor})")
        }
        Reduction::Statistics => {
            let total = sums::total_range(context, step, Direction::Backward);
            let before = &plan.parameters[step.tensors.start..index];
            let before: usize = before.iter().map(|tensor| tensor.range.len()).sum();
            format!("rt::Gradient::Total({})", number(total.start + before))
        }
        Reduction::Batch => {
            let slot = |slot| number(kept_slot(context, slot));
            let gradient =
                plan.training.memory.gradients[step.output].expect("the plan gave it a slot");
            let gradient = slot(gradient);
            let input = match plan.training.memory.values[step.inputs[0]] {
                Place::Slot(index) => format!("Slot({})", slot(index)),
                Place::Input | Place::Output => "Input".to_owned(),
            };
            format!(
                "rt::Gradient::batch(STEPS[{operation}], {tensor}, rt::Source::{input}, {gradient})"
            )
        }
    }
}

/// The place of a slot among those that the whole batch keeps.
fn kept_slot(context: &Context<'_>, slot: usize) -> usize {
    let before = &context.plan.training.memory.slots[..slot];
    before
        .iter()
        .filter(|slot| slot.per == Per::Example)
        .count()
}

fn training(context: &Context<'_>, sums: &[Sums<'_>], train: &Train) -> String {
    let memory = &context.plan.training.memory;
    let kept = memory.slots.iter().filter(|slot| slot.per == Per::Example);
    let slots = array(kept.map(|slot| slot.len));
    let argmax_slots = array(memory.argmax_slots.iter().copied());
    let once = number(once(context, memory));
    let passes = join(training_passes(context).map(|pass| self::pass(context, sums, &pass)));
    let regions = sums.iter().map(|sums| {
        let (len, are_added) = (number(sums.len()), sums.are_added());
        format!("rt::Sums::new({len}, {are_added})")
    });
    let regions = join(regions);
    let totals: usize = totals(context).iter().map(|(.., len)| len).sum();
    let totals = number(totals);
    let states = states(context);
    let (penalties, constraints) = (penalties(context), constraints(context));
    let optimizer = optimizer(&train.optimizer);
    let (epochs, batch_size) = (number(train.epochs), number(train.batch_size));
    let accumulate = number(train.accumulate);
    let seed = number_u64(train.seed);
    let augment = match &train.augment[..] {
        [] => "&[]".to_owned(),
        list => format!("{{ use rt::*; &{list:?} }}"),
    };
    format!(
        "rt::Training {{
            passes: &[{passes}],
            slots: &{slots},
            argmax_slots: &{argmax_slots},
            workspace: {once} + rt::training_scratch(MICRO_BATCH, &STEPS),
            sums: &[{regions}],
            totals: {totals},
            states: &[{states}],
            penalties: &[{penalties}],
            constraints: &[{constraints}],
            packed_forward: &PACKED_FORWARD,
            packed_backward: &PACKED_BACKWARD,
            objectives: OBJECTIVES,
            optimizer: {optimizer},
            epochs: {epochs},
            batch_size: {batch_size},
            accumulate: {accumulate},
            seed: {seed},
            augment: {augment},
        }}"
    )
}

/// The penalties on the tensors that are trained: `rt::Penalty::new(0, rt::Regularizer::L2 { … })`.
fn penalties(context: &Context<'_>) -> String {
    join(trained(context).filter_map(|(index, parameter)| {
        let regularizer = parameter.settings.regularizer?;
        let index = number(index);
        Some(format!("rt::Penalty::new({index}, rt::{regularizer:?})"))
    }))
}

/// What the tensors that are trained are kept to: `rt::Constrained::new(0, 8, rt::Constraint::NonNeg)`.
fn constraints(context: &Context<'_>) -> String {
    join(trained(context).filter_map(|(index, parameter)| {
        let constraint = parameter.settings.constraint?;
        let (index, outputs) = (number(index), number(parameter.outputs));
        Some(format!(
            "rt::Constrained::new({index}, {outputs}, rt::{constraint:?})"
        ))
    }))
}

/// The tensors that are trained, with their places.
fn trained<'c>(context: &'c Context<'_>) -> impl Iterator<Item = (usize, &'c Parameter)> {
    let parameters = context.plan.parameters.iter().enumerate();
    parameters.filter(|(_, parameter)| parameter.trainable)
}

/// `rt::Optimizer { rule: rt::UpdateRule::Lion { … }, … }`
fn optimizer(optimizer: &Optimizer) -> String {
    let Optimizer {
        rule,
        learning_rate,
        weight_decay,
        decay_biases,
        clip,
        ema_momentum,
    } = optimizer;
    format!(
        "rt::Optimizer {{
            rule: rt::{rule:?},
            learning_rate: rt::{learning_rate:?},
            weight_decay: {weight_decay:?},
            decay_biases: {decay_biases},
            clip: rt::{clip:?},
            ema_momentum: {ema_momentum:?},
        }}"
    )
}

/// `rt::TrainingPass::new(train_0, &[rt::Meeting::new(…)])`
fn pass(context: &Context<'_>, sums: &[Sums<'_>], pass: &TrainingPass) -> String {
    let plan = context.plan;
    let stages = &plan.training.stages;
    let met = |stage: usize, direction| {
        let place = stages[stage].meets_for?;
        let step = &plan.steps[place];
        let (region, offset) = sums::place_of_statistics(sums, step, direction)?;
        let total = sums::total_range(context, step, direction).start;
        let numbers = [region, offset, total].map(number).join(", ");
        let place = number(place);
        Some(format!(
            "rt::Meeting::new(STEPS[{place}], rt::Direction::{direction:?}, {numbers})"
        ))
    };
    let forward = pass.forward.clone().last();
    let forward = forward.and_then(|stage| met(stage, Direction::Forward));
    let backward = pass
        .backward
        .clone()
        .next()
        .and_then(|stage| stage.checked_sub(1));
    let backward = backward.and_then(|stage| met(stage, Direction::Backward));
    let meetings = join(forward.into_iter().chain(backward));
    format!("rt::TrainingPass::new(train_{}, &[{meetings}])", pass.index)
}

/// The tensors that a step of training keeps up: `rt::State::new(4, STEPS[1], 2, 0)`.
fn states(context: &Context<'_>) -> String {
    let plan = context.plan;
    let steps = plan
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.meets());
    let states = steps.flat_map(|(place, step)| {
        let total = sums::total_range(context, step, Direction::Forward).start;
        let tensors = step.tensors.clone();
        let tensors = tensors.filter(|&index| plan.parameters[index].role == Role::State);
        tensors.map(move |index| {
            let numbers = [index - step.tensors.start, total].map(number).join(", ");
            format!(
                "rt::State::new({}, STEPS[{}], {numbers})",
                number(index),
                number(place)
            )
        })
    });
    join(states)
}
