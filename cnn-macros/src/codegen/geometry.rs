//! The constants of the layers and the static description that the runtime reads.

use super::{Context, activation, array, constant, double, float, number, number_u64};
use cnn_dsl::graph::{Loss, Metric, Op, Optimizer, PoolKind, Train};
use cnn_dsl::plan::{Conv2dAlgorithm, Kernel, Memory, Step};
use proc_macro2::TokenStream;
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
    let shapes = || {
        let (input, output) = (array(&input.0), array(&node.shape.0));
        quote!(input: #input, output: #output,)
    };
    let activation = activation(step.activation);
    match (&node.op, step.kernel) {
        (Op::Conv2d(conv), Kernel::Conv2d(algorithm)) => {
            let shapes = shapes();
            let (kernel, strides) = (array(&conv.kernel), array(&conv.strides));
            let padding = array(&conv.padding.map(|[before, _]| before));
            let dilation = array(&conv.dilation);
            let algorithm = match algorithm {
                Conv2dAlgorithm::Im2col => quote!(Im2col),
                Conv2dAlgorithm::Pointwise => quote!(Pointwise),
            };
            quote! {
                const #name: rt::kernels::Conv2d = rt::kernels::Conv2d {
                    #shapes
                    kernel: #kernel,
                    strides: #strides,
                    padding: #padding,
                    dilation: #dilation,
                    activation: #activation,
                    algorithm: rt::kernels::ConvAlgorithm::#algorithm,
                };
            }
        }
        (Op::Pool2d(pool), _) => {
            let shapes = shapes();
            let kind = match pool.kind {
                PoolKind::Max => quote!(Max),
                PoolKind::Average => quote!(Average),
            };
            let (size, strides) = (array(&pool.size), array(&pool.strides));
            let padding = array(&pool.padding.map(|[before, _]| before));
            quote! {
                const #name: rt::kernels::Pool2d = rt::kernels::Pool2d {
                    kind: rt::kernels::PoolKind::#kind,
                    #shapes
                    size: #size,
                    strides: #strides,
                    padding: #padding,
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

/// The scratch of the hungriest kernel, asked of the kernels themselves.
fn scratch(context: &Context<'_>) -> TokenStream {
    let convs = context
        .plan
        .steps
        .iter()
        .filter(|s| matches!(s.kernel, Kernel::Conv2d(_)));
    let names = convs.map(|step| constant(&context.node(step).name));
    quote!(rt::spec::largest([#(#names.scratch()),*]))
}

/// The memory of the forward pass, needed with and without `std`.
pub fn workspaces(context: &Context<'_>) -> TokenStream {
    let scratch = scratch(context);
    let workspace = workspace(&context.plan.inference);
    quote! {
        /// What the hungriest kernel needs beside its operands, in floats.
        const SCRATCH: usize = #scratch;
        const WORKSPACE: rt::spec::Workspace = #workspace;
    }
}

/// `static SPEC`, the description that the runtime reads.
pub fn spec(context: &Context<'_>) -> TokenStream {
    let network = context.network;
    let name = &network.name.text;
    let structure = context.struct_name();
    let parameters = parameters(context);
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
            training: #training,
        };
    }
}

fn workspace(memory: &Memory) -> TokenStream {
    let per_example = number(memory.per_example());
    quote!(rt::spec::Workspace { per_example: #per_example, fixed: SCRATCH })
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
        quote! {
            rt::spec::Parameter {
                name: #name,
                shape: &#shape,
                offset: #offset,
                initializer: rt::spec::Initializer::#initializer,
            }
        }
    })
}

fn training(context: &Context<'_>, train: &Train) -> TokenStream {
    let workspace = workspace(&context.plan.training);
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
            workspace: #workspace,
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
