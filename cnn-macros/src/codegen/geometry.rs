//! The constants of the layers and the static description that the runtime reads.

use super::{Context, activation, array, constant, double, float, number, number_u64};
use cnn_dsl::graph::{Loss, Metric, Op, Optimizer, Pool2d, PoolKind, Train};
use cnn_dsl::plan::{
    Conv2dAlgorithm, InputGradient, Kernel, KernelGradient, Memory, Parameter, Per, Place, Step,
};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

/// One constant for each step that has a geometry.
pub fn layers(context: &Context<'_>) -> TokenStream {
    context
        .plan
        .steps
        .iter()
        .map(|step| layer(context, step))
        .collect()
}

fn layer(context: &Context<'_>, step: &Step) -> TokenStream {
    let node = context.node(step);
    let name = constant(&node.name);
    let input = &context.plan.values[step.input].shape;
    let output = &context.plan.values[step.output].shape;
    let activation = activation(step.activation);
    match (&node.op, step.kernel) {
        (Op::Conv2d(conv), Kernel::Conv2d(algorithm)) => {
            let input = array(&input.0);
            let output = array(&step.conv_output.expect("a convolution has it"));
            let (kernel, strides) = (array(&conv.kernel), array(&conv.strides));
            let padding = array(&conv.padding.map(|[before, _]| before));
            let dilation = array(&conv.dilation);
            let pool = fused_pool(context, step);
            let algorithm = match algorithm {
                Conv2dAlgorithm::Direct => quote!(Direct),
                Conv2dAlgorithm::Winograd => quote!(Winograd),
                Conv2dAlgorithm::Pointwise => quote!(Pointwise),
            };
            let kernel_gradient = match step.kernel_gradient {
                Some(KernelGradient::Pointwise) => quote!(Pointwise),
                Some(KernelGradient::PoolSparse) => quote!(PoolSparse),
                Some(KernelGradient::Windowed) => quote!(Windowed),
                // Rows belongs to dense layers; without a gradient it makes no difference.
                Some(KernelGradient::Direct | KernelGradient::Rows) | None => quote!(Direct),
            };
            let input_gradient = match step.input_gradient {
                Some(InputGradient::Direct) => quote!(Direct),
                Some(InputGradient::Winograd) => quote!(Winograd),
                Some(InputGradient::Pointwise) => quote!(Pointwise),
                Some(InputGradient::PoolSparse) => quote!(PoolSparse),
                // The others belong to other layers; without a gradient it makes no difference.
                _ => quote!(Columns),
            };
            quote! {
                const #name: rt::kernels::Conv2d = rt::kernels::Conv2d {
                    input: #input,
                    output: #output,
                    kernel: #kernel,
                    strides: #strides,
                    padding: #padding,
                    dilation: #dilation,
                    activation: #activation,
                    pool: #pool,
                    algorithm: rt::kernels::ConvAlgorithm::#algorithm,
                    kernel_gradient: rt::kernels::KernelGradient::#kernel_gradient,
                    input_gradient: rt::kernels::InputGradient::#input_gradient,
                };
            }
        }
        (Op::Pool2d(pool), _) => {
            let (input, output) = (array(&input.0), array(&output.0));
            let kind = match pool.kind {
                PoolKind::Max => quote!(Max),
                PoolKind::Average => quote!(Average),
            };
            let windows = windows(pool);
            quote! {
                const #name: rt::kernels::Pool2d = rt::kernels::Pool2d {
                    kind: rt::kernels::PoolKind::#kind,
                    input: #input,
                    output: #output,
                    #windows
                };
            }
        }
        (Op::Dense(dense), _) => {
            let (inputs, units) = (number(input.len()), number(dense.units));
            quote! {
                const #name: rt::kernels::Dense = rt::kernels::Dense {
                    inputs: #inputs,
                    units: #units,
                    activation: #activation,
                };
            }
        }
        (Op::Dropout { rate }, _) if context.network.train.is_some() => {
            let rate = float(*rate);
            quote!(const #name: rt::kernels::Dropout = rt::kernels::Dropout { rate: #rate };)
        }
        _ => TokenStream::new(),
    }
}

/// The pool that a convolution computes in the same call.
fn fused_pool(context: &Context<'_>, step: &Step) -> TokenStream {
    let Some(node) = step.pool else {
        return quote!(::core::option::Option::None);
    };
    let Op::Pool2d(pool) = &context.network.nodes[node].op else {
        unreachable!("the plan fuses pools only");
    };
    let output = array(&context.plan.values[step.output].shape.0[..2]);
    let windows = windows(pool);
    quote! {
        ::core::option::Option::Some(rt::kernels::FusedPool { output: #output, #windows })
    }
}

fn windows(pool: &Pool2d) -> TokenStream {
    let (size, strides) = (array(&pool.size), array(&pool.strides));
    let padding = array(&pool.padding.map(|[before, _]| before));
    quote!(size: #size, strides: #strides, padding: #padding,)
}

/// What the hungriest kernel needs beside its operands, asked of the kernels themselves.
fn scratch(
    context: &Context<'_>,
    of_convolution: &TokenStream,
    of_dense: &TokenStream,
) -> TokenStream {
    let sizes = context.plan.steps.iter().filter_map(|step| {
        let layer = constant(&context.node(step).name);
        match step.kernel {
            Kernel::Conv2d(_) => Some(quote!(#layer.#of_convolution)),
            Kernel::Dense => Some(quote!(#layer.#of_dense)),
            Kernel::Pool2d | Kernel::Dropout | Kernel::Activation => None,
        }
    });
    quote!(rt::spec::largest([#(#sizes),*]))
}

/// The most that is lost where a slot starts at a cache line, in floats.
const CACHE_LINE: usize = 16;

/// The floats of the slots that hold a group of images, and what is lost between all slots.
fn once(context: &Context<'_>, memory: &Memory) -> Literal {
    let floats = memory.slots.iter().map(|slot| match slot.per {
        Per::Group => (context.plan.group * slot.len).next_multiple_of(CACHE_LINE),
        Per::Example => CACHE_LINE,
    });
    number(floats.sum())
}

/// The memory of the forward pass, needed with and without `std`.
pub fn workspaces(context: &Context<'_>) -> TokenStream {
    let group = number(context.plan.group);
    let memory = &context.plan.inference;
    let (per_example, once) = (number(memory.per_example()), once(context, memory));
    let of_convolution = quote!(forward_scratch(GROUP));
    let single = scratch(context, &of_convolution, &quote!(forward_scratch(1)));
    let batch = scratch(
        context,
        &of_convolution,
        &quote!(forward_scratch(usize::MAX)),
    );
    quote! {
        /// The images that the front takes at a time.
        const GROUP: usize = #group;
        const WORKSPACE: rt::spec::Workspace = rt::spec::Workspace {
            per_example: #per_example,
            single: #once + #single,
            batch: #once + #batch,
        };
    }
}

/// `static SPEC`, the description that the runtime reads.
pub fn spec(context: &Context<'_>) -> TokenStream {
    let network = context.network;
    let name = &network.name.text;
    let structure = context.struct_name();
    let parameters = parameters(context);
    let prepared = prepared(
        context,
        context.prepared_forward(),
        &quote!(prepared_forward),
        &quote!(prepare_forward),
    );
    let output_activation = activation(context.plan.output_activation);
    let training = match &network.train {
        Some(train) => {
            let training = training(context, train);
            quote!(::core::option::Option::Some(#training))
        }
        None => quote!(::core::option::Option::None),
    };
    quote! {
        static SPEC: rt::spec::Spec = rt::spec::Spec {
            name: #name,
            input: &#structure::INPUT,
            output: &#structure::OUTPUT,
            layers: #structure::LAYERS,
            parameters: &[#(#parameters),*],
            parameter_count: #structure::PARAMETERS,
            forward,
            output_activation: #output_activation,
            workspace: WORKSPACE,
            prepared: &[#(#prepared),*],
            training: #training,
        };
    }
}

/// The rows of the public table of layers: all but the input, as Keras' summary has them.
pub fn layer_table(context: &Context<'_>) -> TokenStream {
    let layers = context
        .network
        .nodes
        .iter()
        .filter(|node| node.op != Op::Input);
    let layers = layers.map(|node| {
        let (name, kind) = (&node.name, &node.keyword.text);
        let output = array(&node.shape.0);
        let parameters = number(node.parameter_count());
        let flops = number_u64(node.flops());
        quote! {
            rt::spec::Layer {
                name: #name,
                kind: #kind,
                output: &#output,
                parameters: #parameters,
                flops: #flops,
            }
        }
    });
    quote!(&[#(#layers),*])
}

fn parameters(context: &Context<'_>) -> impl Iterator<Item = TokenStream> {
    context.plan.parameters.iter().map(|parameter| {
        let name = format!(
            "{}.{}",
            context.network.nodes[parameter.node].name, parameter.role
        );
        let shape = array(&parameter.shape);
        let offset = number(parameter.range.start);
        let initializer = match parameter.fans {
            None => quote!(Zeros),
            Some((fan_in, fan_out)) => {
                let (fan_in, fan_out) = (number(fan_in), number(fan_out));
                quote!(GlorotUniform { fan_in: #fan_in, fan_out: #fan_out })
            }
        };
        let gradient = gradient(context, parameter);
        quote! {
            rt::spec::Parameter {
                name: #name,
                shape: &#shape,
                offset: #offset,
                initializer: rt::spec::Initializer::#initializer,
                gradient: #gradient,
            }
        }
    })
}

/// The tensors whose gradients are summed in lanes: those of convolutions.
pub fn lane_tensors<'a>(context: &'a Context<'_>) -> impl Iterator<Item = &'a Parameter> {
    let convolutions =
        context.plan.steps.iter().filter(|step| {
            matches!(step.kernel, Kernel::Conv2d(_)) && step.kernel_gradient.is_some()
        });
    convolutions.flat_map(|step| context.plan.parameters_of(step.node))
}

/// Where the gradient of a tensor comes from.
fn gradient(context: &Context<'_>, parameter: &Parameter) -> TokenStream {
    let step = context
        .plan
        .steps
        .iter()
        .find(|step| step.node == parameter.node);
    let Some((step, algorithm)) = step.and_then(|step| Some((step, step.kernel_gradient?))) else {
        return quote!(rt::spec::Gradient::Frozen);
    };
    let layer = constant(&context.node(step).name);
    if step.kernel != Kernel::Dense {
        let before = lane_tensors(context).take_while(|other| *other != parameter);
        let offset = number(before.map(|other| other.range.len()).sum());
        let finish = if algorithm == KernelGradient::PoolSparse && parameter.role == "kernel" {
            quote!(Some(|sums, gradient| #layer.finish_kernel_gradient(sums, gradient)))
        } else {
            quote!(None)
        };
        return quote! {
            rt::spec::Gradient::Lanes { offset: #offset, finish: ::core::option::Option::#finish }
        };
    }
    let slot = |slot| number(kept_slot(context, slot));
    let place = context.plan.training.gradients[step.output].expect("the plan gave it a slot");
    let gradient = slot(place);
    if parameter.role == "bias" {
        return quote!(rt::spec::Gradient::DenseBias { layer: #layer, gradient: #gradient });
    }
    let input = match context.plan.training.values[step.input] {
        Place::Slot(index) => {
            let index = slot(index);
            quote!(Slot(#index))
        }
        Place::Input | Place::Output => quote!(Input),
    };
    quote! {
        rt::spec::Gradient::DenseKernel {
            layer: #layer,
            input: rt::spec::Source::#input,
            gradient: #gradient,
        }
    }
}

/// The place of a slot among those that the whole batch keeps.
fn kept_slot(context: &Context<'_>, slot: usize) -> usize {
    let before = &context.plan.training.slots[..slot];
    before
        .iter()
        .filter(|slot| slot.per == Per::Example)
        .count()
}

/// The forms that a pass wants kernels in.
fn prepared<'a>(
    context: &'a Context<'_>,
    steps: impl Iterator<Item = &'a Step>,
    length: &TokenStream,
    prepare: &TokenStream,
) -> Vec<TokenStream> {
    steps
        .map(|step| {
            let layer = constant(&context.node(step).name);
            let mut tensors = context.plan.parameters.iter();
            let tensor = tensors.position(|p| p.node == step.node);
            let tensor = number(tensor.expect("a convolution has a kernel"));
            quote! {
                rt::spec::Prepared {
                    tensor: #tensor,
                    length: #layer.#length(),
                    prepare: |isa, kernel, prepared| #layer.#prepare(isa, kernel, prepared),
                }
            }
        })
        .collect()
}

fn training(context: &Context<'_>, train: &Train) -> TokenStream {
    let memory = &context.plan.training;
    let kept = memory.slots.iter().filter(|slot| slot.per == Per::Example);
    let (slots, code_slots) = (kept.map(|slot| number(slot.len)), array(&memory.code_slots));
    let once = once(context, memory);
    let scratch = scratch(
        context,
        &quote!(training_scratch(GROUP)),
        &quote!(training_scratch()),
    );
    let lane = number(lane_tensors(context).map(|tensor| tensor.range.len()).sum());
    let prepared = prepared(
        context,
        context.prepared_backward(),
        &quote!(prepared_backward),
        &quote!(prepare_backward),
    );
    let loss = loss(train.loss);
    let optimizer = optimizer(train.optimizer);
    let metrics = train.metrics.iter().map(|metric| match metric {
        Metric::Accuracy => format_ident!("Accuracy"),
        Metric::MeanAbsoluteError => format_ident!("MeanAbsoluteError"),
        Metric::MeanSquaredError => format_ident!("MeanSquaredError"),
    });
    let (epochs, batch_size) = (number(train.epochs), number(train.batch_size));
    let seed = number_u64(train.seed);
    quote! {
        rt::spec::Training {
            train,
            slots: &[#(#slots),*],
            code_slots: &#code_slots,
            workspace: #once + #scratch,
            lane: #lane,
            prepared: &[#(#prepared),*],
            loss: #loss,
            optimizer: #optimizer,
            metrics: &[#(rt::kernels::Metric::#metrics),*],
            epochs: #epochs,
            batch_size: #batch_size,
            seed: #seed,
        }
    }
}

/// The loss of the `train` block.
pub fn loss(loss: Loss) -> TokenStream {
    let variant = match loss {
        Loss::CategoricalCrossentropy => quote!(CategoricalCrossentropy),
        Loss::BinaryCrossentropy => quote!(BinaryCrossentropy),
        Loss::MeanSquaredError => quote!(MeanSquaredError),
    };
    quote!(rt::kernels::Loss::#variant)
}

fn optimizer(optimizer: Optimizer) -> TokenStream {
    let variant = match optimizer {
        Optimizer::Sgd {
            learning_rate,
            momentum,
            nesterov,
        } => {
            let (learning_rate, momentum) = (double(learning_rate), double(momentum));
            quote!(Sgd { learning_rate: #learning_rate, momentum: #momentum, nesterov: #nesterov })
        }
        Optimizer::RmsProp {
            learning_rate,
            rho,
            momentum,
            epsilon,
        } => {
            let [learning_rate, rho, momentum, epsilon] =
                [learning_rate, rho, momentum, epsilon].map(double);
            quote! {
                RmsProp {
                    learning_rate: #learning_rate,
                    rho: #rho,
                    momentum: #momentum,
                    epsilon: #epsilon,
                }
            }
        }
        Optimizer::Adam {
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
        } => {
            let [learning_rate, beta_1, beta_2, epsilon] =
                [learning_rate, beta_1, beta_2, epsilon].map(double);
            quote! {
                Adam {
                    learning_rate: #learning_rate,
                    beta_1: #beta_1,
                    beta_2: #beta_2,
                    epsilon: #epsilon,
                }
            }
        }
    };
    quote!(rt::kernels::Optimizer::#variant)
}
