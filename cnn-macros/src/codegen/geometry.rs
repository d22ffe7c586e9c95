//! The constants of the layers and the static description that the runtime reads.

use super::text::{activation, array, double, float, join, loss, number, number_u64, tokens};
use super::{Context, Form, constant};
use cnn_dsl::graph::{Conv2d, Metric, Op, Optimizer, Pool2d, PoolKind, Train};
use cnn_dsl::plan::{
    Conv2dAlgorithm, InputGradient, KernelGradient, Memory, Parameter, Per, Place, Step, StepKind,
};
use proc_macro2::TokenStream;

/// One constant for each step that has a geometry, and those that follow from them.
pub fn constants(context: &Context<'_>) -> TokenStream {
    let layers = context.plan.steps.iter().map(|step| layer(context, step));
    let layers: String = layers.collect();
    let named = |wanted: fn(StepKind) -> bool| {
        let steps = context.plan.steps.iter();
        let steps = steps.filter(move |step| wanted(step.kernel));
        join(steps.map(|step| constant(&context.node(step).name)))
    };
    let convolutions = named(|kernel| matches!(kernel, StepKind::Conv2d(_)));
    let dense = named(|kernel| kernel == StepKind::Dense);
    let memory = &context.plan.inference;
    let (per_example, once) = (number(memory.per_example()), number(once(context, memory)));
    let micro_batch = number(context.plan.micro_batch);
    let lengths = context.plan.parameters.iter().map(|p| p.range.len());
    let (count, lengths) = (number(context.plan.parameters.len()), array(lengths));
    tokens(&format!(
        "{layers}
        const CONVOLUTIONS: &[rt::Conv2d] = &[{convolutions}];
        const DENSE: &[rt::Dense] = &[{dense}];
        /// The lengths of the parameter tensors.
        const TENSORS: [usize; {count}] = {lengths};
        /// The images that the front takes at a time.
        const MICRO_BATCH: usize = {micro_batch};
        const WORKSPACE: rt::Workspace =
            rt::Workspace::new({per_example}, {once}, MICRO_BATCH, CONVOLUTIONS, DENSE);"
    ))
}

fn layer(context: &Context<'_>, step: &Step) -> String {
    let node = context.node(step);
    let name = constant(&node.name);
    let input = &context.plan.values[step.input].shape;
    let output = &context.plan.values[step.output].shape;
    match (&node.op, step.kernel) {
        (Op::Conv2d(conv), StepKind::Conv2d(algorithm)) => {
            let layer = convolution(context, step, conv, algorithm);
            format!("const {name}: rt::Conv2d = {layer};")
        }
        (Op::Pool2d(pool), ..) => {
            let kind = match pool.kind {
                PoolKind::Max => "Max",
                PoolKind::Average => "Average",
            };
            let (input, output) = (array(input.0.clone()), array(output.0.clone()));
            let (size, strides) = (array(pool.size), array(pool.strides));
            let padding = array(pool.padding.map(|[before, _]| before));
            format!(
                "const {name}: rt::Pool2d = rt::Pool2d {{
                    kind: rt::PoolKind::{kind}, input: {input}, output: {output},
                    size: {size}, strides: {strides}, padding: {padding},
                }};"
            )
        }
        (Op::Dense(dense), ..) => {
            let (inputs, units) = (number(input.len()), number(dense.units));
            let activation = activation(step.activation);
            format!("const {name}: rt::Dense = rt::Dense::new({inputs}, {units}, {activation});")
        }
        (Op::Dropout { rate }, ..) if context.network.train.is_some() => {
            let rate = float(*rate);
            format!("const {name}: rt::Dropout = rt::Dropout {{ rate: {rate} }};")
        }
        _ => String::new(),
    }
}

/// `rt::Conv2d::new([28, 28, 1], [3, 3], [24, 24, 32])`, and what differs from the usual.
fn convolution(
    context: &Context<'_>,
    step: &Step,
    conv: &Conv2d,
    algorithm: Conv2dAlgorithm,
) -> String {
    let input = array(context.plan.values[step.input].shape.0.clone());
    let kernel = array(conv.kernel);
    let output = array(step.conv_output.expect("a convolution has it"));
    let mut code = format!("rt::Conv2d::new({input}, {kernel}, {output})");
    let mut with = |what: &str| code.push_str(what);
    if conv.strides != [1, 1] {
        with(&format!(".with_strides({})", array(conv.strides)));
    }
    let padding = conv.padding.map(|[before, _]| before);
    if padding != [0, 0] {
        with(&format!(".with_padding({})", array(padding)));
    }
    if conv.dilation != [1, 1] {
        with(&format!(".with_dilation({})", array(conv.dilation)));
    }
    if step.activation != cnn_dsl::graph::Activation::Linear {
        with(&format!(
            ".with_activation({})",
            activation(step.activation)
        ));
    }
    if let Some(pool) = fused_pool(context, step) {
        with(&format!(".with_pool({pool})"));
    }
    let algorithm = match algorithm {
        Conv2dAlgorithm::Direct => "Direct",
        Conv2dAlgorithm::Winograd => "Winograd",
        Conv2dAlgorithm::Winograd4 => "Winograd4",
        Conv2dAlgorithm::Winograd5 => "Winograd5",
        Conv2dAlgorithm::Pointwise => "Pointwise",
    };
    if algorithm != "Direct" {
        with(&format!(".computed_by(rt::ConvAlgorithm::{algorithm})"));
    }
    let kernel_gradient = match step.kernel_gradient {
        Some(KernelGradient::Pointwise) => "Pointwise",
        Some(KernelGradient::PoolSparse) => "PoolSparse",
        Some(KernelGradient::Windowed) => "Windowed",
        // Rows belongs to dense layers; without a gradient it makes no difference.
        Some(KernelGradient::Direct | KernelGradient::Rows) | None => "Direct",
    };
    let input_gradient = match step.input_gradient {
        Some(InputGradient::Direct) => "Direct",
        Some(InputGradient::Winograd) => "Winograd",
        Some(InputGradient::Winograd4) => "Winograd4",
        Some(InputGradient::Pointwise) => "Pointwise",
        Some(InputGradient::PoolSparse) => "PoolSparse",
        // The others belong to other layers; without a gradient it makes no difference.
        _ => "Columns",
    };
    if [kernel_gradient, input_gradient] != ["Direct", "Columns"] {
        with(&format!(
            ".trained_by(rt::KernelGradient::{kernel_gradient}, rt::InputGradient::{input_gradient})"
        ));
    }
    code
}

/// The pool that a convolution computes in the same call.
fn fused_pool(context: &Context<'_>, step: &Step) -> Option<String> {
    let Op::Pool2d(pool) = &context.network.nodes[step.pool?].op else {
        unreachable!("the plan fuses pools only");
    };
    let output = &context.plan.values[step.output].shape.0[..2];
    let (output, size) = (array(output.to_vec()), array(pool.size));
    let mut code = format!("rt::FusedPool::new({output}, {size})");
    let Pool2d {
        size,
        strides,
        padding,
        ..
    } = pool;
    let padding = padding.map(|[before, _]| before);
    if (strides, padding) != (size, [0, 0]) {
        let (strides, padding) = (array(*strides), array(padding));
        code.push_str(&format!(".stepping({strides}, {padding})"));
    }
    Some(code)
}

/// The most that is lost where a slot starts at a cache line, in floats.
const CACHE_LINE: usize = 16;

/// The floats of the slots that hold a micro_batch of images, and what is lost between all slots.
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
    let parameters = join(
        context
            .plan
            .parameters
            .iter()
            .map(|p| parameter(context, p)),
    );
    let packed = packed(context, Form::Inference);
    let output_activation = activation(context.plan.output_activation);
    let training = match &context.network.train {
        Some(train) => format!("Some({})", training(context, train)),
        None => "None".to_owned(),
    };
    tokens(&format!(
        "static SPEC: rt::Spec = rt::Spec {{
            name: \"{name}\",
            input: &{name}::INPUT,
            output: &{name}::OUTPUT,
            layers: {name}::LAYERS,
            parameters: &[{parameters}],
            parameter_count: {name}::PARAMETERS,
            forward,
            output_activation: {output_activation},
            workspace: WORKSPACE,
            packed: &[{packed}],
            training: ::core::option::Option::{training},
        }};"
    ))
}

/// The rows of the public table of layers: all but the input, as Keras' summary has them.
pub fn layer_table(context: &Context<'_>) -> TokenStream {
    let layers = context.network.nodes.iter();
    let layers = layers.filter(|node| node.op != Op::Input);
    let layers = join(layers.map(|node| {
        let (name, kind) = (&node.name, &node.keyword.text);
        let output = array(node.shape.0.clone());
        let parameters = number(node.parameter_count());
        let flops = number_u64(node.flops());
        format!("rt::Layer::new(\"{name}\", \"{kind}\", &{output}, {parameters}, {flops})")
    }));
    tokens(&format!("&[{layers}]"))
}

fn parameter(context: &Context<'_>, parameter: &Parameter) -> String {
    let layer = &context.network.nodes[parameter.node].name;
    let role = parameter.role;
    let shape = array(parameter.shape.clone());
    let offset = number(parameter.range.start);
    let gradient = gradient(context, parameter);
    match parameter.fans {
        None => {
            format!("rt::Parameter::zeros(\"{layer}.{role}\", &{shape}, {offset}, {gradient})")
        }
        Some((fan_in, fan_out)) => {
            let fans = array([fan_in, fan_out]);
            format!(
                "rt::Parameter::glorot(\"{layer}.{role}\", &{shape}, {offset}, {fans}, {gradient})"
            )
        }
    }
}

/// The tensors whose gradients are summed in partials: those of convolutions.
pub fn partial_tensors<'a>(context: &'a Context<'_>) -> impl Iterator<Item = &'a Parameter> {
    let convolutions = context.plan.steps.iter().filter(|step| {
        matches!(step.kernel, StepKind::Conv2d(_)) && step.kernel_gradient.is_some()
    });
    convolutions.flat_map(|step| context.plan.parameters_of(step.node))
}

/// Where the gradient of a tensor comes from.
fn gradient(context: &Context<'_>, parameter: &Parameter) -> String {
    let mut steps = context.plan.steps.iter();
    let step = steps.find(|step| step.node == parameter.node);
    let Some((step, algorithm)) = step.and_then(|step| Some((step, step.kernel_gradient?))) else {
        return "rt::Gradient::Frozen".to_owned();
    };
    let layer = constant(&context.node(step).name);
    if step.kernel != StepKind::Dense {
        let before = partial_tensors(context).take_while(|other| *other != parameter);
        let offset = number(before.map(|other| other.range.len()).sum());
        if algorithm == KernelGradient::PoolSparse && parameter.role == "kernel" {
            return format!(
                "rt::Gradient::finished_by({offset}, \
                 |isa, sums, gradient| {layer}.finish_kernel_gradient(isa, sums, gradient))"
            );
        }
        return format!("rt::Gradient::partials({offset})");
    }
    let slot = |slot| number(kept_slot(context, slot));
    let place = context.plan.training.gradients[step.output].expect("the plan gave it a slot");
    let gradient = slot(place);
    if parameter.role == "bias" {
        return format!("rt::Gradient::dense_bias({layer}, {gradient})");
    }
    let input = match context.plan.training.values[step.input] {
        Place::Slot(index) => format!("Slot({})", slot(index)),
        Place::Input | Place::Output => "Input".to_owned(),
    };
    format!("rt::Gradient::dense_kernel({layer}, rt::Source::{input}, {gradient})")
}

/// The place of a slot among those that the whole batch keeps.
fn kept_slot(context: &Context<'_>, slot: usize) -> usize {
    let before = &context.plan.training.slots[..slot];
    before
        .iter()
        .filter(|slot| slot.per == Per::Example)
        .count()
}

/// The kernels that are wanted in a form.
fn packed(context: &Context<'_>, form: Form) -> String {
    join(context.packed(form).map(|step| {
        let layer = constant(&context.node(step).name);
        let mut tensors = context.plan.parameters.iter();
        let tensor = tensors.position(|p| p.node == step.node);
        let tensor = number(tensor.expect("the layer has a kernel"));
        let constructor = match form {
            Form::Inference if step.kernel == StepKind::Dense => "for_dense",
            Form::Inference => "for_conv2d",
            Form::Forward => "forward",
            Form::Backward => "backward",
        };
        format!("rt::PackedForm::{constructor}({tensor}, {layer})")
    }))
}

fn training(context: &Context<'_>, train: &Train) -> String {
    let memory = &context.plan.training;
    let kept = memory.slots.iter().filter(|slot| slot.per == Per::Example);
    let slots = array(kept.map(|slot| slot.len));
    let argmax_slots = array(memory.argmax_slots.iter().copied());
    let once = number(once(context, memory));
    let partial = number(
        partial_tensors(context)
            .map(|tensor| tensor.range.len())
            .sum(),
    );
    let [packed_forward, packed_backward] =
        [Form::Forward, Form::Backward].map(|form| packed(context, form));
    let loss = loss(train.loss);
    let optimizer = optimizer(train.optimizer);
    let metrics = join(train.metrics.iter().map(|metric| match metric {
        Metric::Accuracy => "rt::Metric::Accuracy".to_owned(),
        Metric::MeanAbsoluteError => "rt::Metric::MeanAbsoluteError".to_owned(),
        Metric::MeanSquaredError => "rt::Metric::MeanSquaredError".to_owned(),
    }));
    let (epochs, batch_size) = (number(train.epochs), number(train.batch_size));
    let seed = number_u64(train.seed);
    format!(
        "rt::Training {{
            train,
            slots: &{slots},
            argmax_slots: &{argmax_slots},
            workspace: {once} + rt::training_scratch(MICRO_BATCH, CONVOLUTIONS, DENSE),
            partial: {partial},
            packed_forward: &[{packed_forward}],
            packed_backward: &[{packed_backward}],
            loss: {loss},
            optimizer: {optimizer},
            metrics: &[{metrics}],
            epochs: {epochs},
            batch_size: {batch_size},
            seed: {seed},
        }}"
    )
}

fn optimizer(optimizer: Optimizer) -> String {
    let settings = match optimizer {
        Optimizer::Sgd {
            learning_rate,
            momentum,
            nesterov,
        } => {
            let [learning_rate, momentum] = [learning_rate, momentum].map(double);
            format!(
                "Sgd {{ learning_rate: {learning_rate}, momentum: {momentum}, nesterov: {nesterov} }}"
            )
        }
        Optimizer::RmsProp {
            learning_rate,
            rho,
            momentum,
            epsilon,
        } => {
            let [learning_rate, rho, momentum, epsilon] =
                [learning_rate, rho, momentum, epsilon].map(double);
            format!(
                "RmsProp {{
                    learning_rate: {learning_rate}, rho: {rho}, momentum: {momentum}, epsilon: {epsilon},
                }}"
            )
        }
        Optimizer::Adam {
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
        } => {
            let [learning_rate, beta_1, beta_2, epsilon] =
                [learning_rate, beta_1, beta_2, epsilon].map(double);
            format!(
                "Adam {{
                    learning_rate: {learning_rate}, beta_1: {beta_1}, beta_2: {beta_2}, epsilon: {epsilon},
                }}"
            )
        }
    };
    format!("rt::Optimizer::{settings}")
}
