//! The unrolled passes: one kernel call for each step of the plan, in source order.
//!
//! Values are named after the layers that produce them and are slices of the workspace slots
//! that the plan chose. Names of the generator's own (`n`, `output`, `slot_0`) are hygienic, so
//! a label may carry the same text.

use super::geometry::loss;
use super::{Context, activation, constant, number};
use cnn_dsl::graph::Activation;
use cnn_dsl::plan::{Kernel, Memory, Parameter, Place, Step, ValueId};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

/// `fn forward`: inference. It leaves logits where the loss takes the last activation.
pub fn forward(context: &Context<'_>) -> TokenStream {
    let pass = Pass {
        context,
        memory: &context.plan.inference,
    };
    let call = own("call");
    let [n, parameters, input, output, workspace] =
        ["n", "parameters", "input", "output", "workspace"].map(own);
    let slots = pass.slots(&workspace);
    let steps = context
        .plan
        .steps
        .iter()
        .filter(|step| step.kernel != Kernel::Dropout);
    let steps = steps.map(|step| pass.forward_step(step, None));
    let unwritten = pass.copy_if_unwritten();
    quote! {
        // Networks without convolutions leave the scratch alone.
        #[allow(unused_variables)]
        fn forward(#call: rt::spec::Forward<'_>) {
            let rt::spec::Forward {
                examples: #n,
                parameters: #parameters,
                input: #input,
                output: #output,
                workspace: #workspace,
            } = #call;
            #slots
            #(#steps)*
            #unwritten
        }
    }
}

/// `fn train`: forward, loss and backward over one lane of a batch.
pub fn train(context: &Context<'_>) -> TokenStream {
    let Some(train) = &context.network.train else {
        return TokenStream::new();
    };
    let pass = Pass {
        context,
        memory: &context.plan.training,
    };
    let plan = context.plan;
    let [
        n,
        parameters,
        gradients,
        input,
        target,
        output,
        workspace,
        scale,
        seed,
    ] = [
        "n",
        "parameters",
        "gradients",
        "input",
        "target",
        "output",
        "workspace",
        "scale",
        "seed",
    ]
    .map(own);
    let (call, total) = (own("call"), own("total"));
    let slots = pass.slots(&workspace);
    let gradient_names = plan.parameters.iter().map(|p| pass.parameter_gradient(p));
    let gradient_lengths = plan.parameters.iter().map(|p| number(p.range.len()));
    let forward = plan.steps.iter().enumerate();
    let forward = forward.map(|(index, step)| pass.forward_step(step, Some(index)));
    let unwritten = pass.copy_if_unwritten();
    let (loss, units) = (
        loss(train.loss),
        number(plan.values[plan.output].shape.len()),
    );
    let loss_gradient = plan.values[plan.output].wants_gradient.then(|| {
        let (define, name) = pass.define_gradient(plan.output);
        quote! {
            #define
            #loss.backward(#units, #output, #target, #scale, #name);
        }
    });
    let backward = plan.steps.iter().enumerate().rev();
    let backward = backward
        .filter(|(_, step)| plan.values[step.output].wants_gradient)
        .map(|(index, step)| pass.backward_step(step, index));
    quote! {
        // And those without dropout leave the seed alone.
        #[allow(unused_variables)]
        fn train(#call: rt::spec::Train<'_>) -> ::core::primitive::f64 {
            let rt::spec::Train {
                examples: #n,
                parameters: #parameters,
                gradients: #gradients,
                input: #input,
                target: #target,
                output: #output,
                workspace: #workspace,
                scale: #scale,
                seed: #seed,
            } = #call;
            #slots
            let [#(#gradient_names),*] = rt::spec::split_mut(#gradients, [#(#gradient_lengths),*]);
            #(#forward)*
            #unwritten
            let #total = #loss.forward(#units, #output, #target);
            #loss_gradient
            #(#backward)*
            #total
        }
    }
}

/// A pass with its memory.
struct Pass<'a> {
    context: &'a Context<'a>,
    memory: &'a Memory,
}

impl Pass<'_> {
    /// `let [slot_0, slot_1, scratch] = split_mut(workspace, [n * 21_632, n * 5_408, SCRATCH]);`
    fn slots(&self, workspace: &Ident) -> TokenStream {
        let (n, scratch) = (own("n"), own("scratch"));
        let names = (0..self.memory.slots.len()).map(slot);
        let lengths = self.memory.slots.iter().map(|&len| number(len));
        quote! {
            let [#(#names,)* #scratch] =
                rt::spec::split_mut(#workspace, [#(#n * #lengths,)* SCRATCH]);
        }
    }

    /// The kernel call of a step; `training` holds the step's index while training.
    fn forward_step(&self, step: &Step, training: Option<usize>) -> TokenStream {
        let (n, scratch, seed) = (own("n"), own("scratch"), own("seed"));
        let layer = constant(&self.context.node(step).name);
        let (x, (define, y)) = (self.read(step.input), self.define(step.output));
        let tensors = self.tensors(step);
        let call = match step.kernel {
            Kernel::Conv2d(_) => quote!(#layer.forward(#n, #x, #tensors, #y, #scratch);),
            Kernel::Dense => quote!(#layer.forward(#n, #x, #tensors, #y);),
            Kernel::Pool2d => quote!(#layer.forward(#n, #x, #y);),
            Kernel::Activation => {
                let units = self.last_axis(step.output);
                let apply = (step.activation != Activation::Linear).then(|| {
                    let activation = activation(step.activation);
                    quote!(#activation.forward(#units, #y);)
                });
                quote! {
                    #y.copy_from_slice(#x);
                    #apply
                }
            }
            Kernel::Dropout => {
                let index = training.expect("inference passes dropout by");
                let (define, mask) = self.define_mask(index, step.output);
                let stream = number(index);
                quote! {
                    #define
                    #layer.forward(#seed.wrapping_add(#stream), #x, #y, #mask);
                }
            }
        };
        quote!(#define #call)
    }

    /// The gradients of a step: through its activation, of its parameters, of its input.
    fn backward_step(&self, step: &Step, index: usize) -> TokenStream {
        let plan = self.context.plan;
        let (n, scratch) = (own("n"), own("scratch"));
        let layer = constant(&self.context.node(step).name);
        let (x, y) = (self.read(step.input), self.read(step.output));
        let dy = self.gradient(step.output);
        let scratch = matches!(step.kernel, Kernel::Conv2d(_)).then(|| quote!(, #scratch));
        let units = self.last_axis(step.output);
        let through_activation = (step.activation != Activation::Linear).then(|| {
            let activation = activation(step.activation);
            quote!(#activation.backward(#units, #y, #dy);)
        });
        let of_parameters = matches!(step.kernel, Kernel::Conv2d(_) | Kernel::Dense).then(|| {
            let names: Vec<_> = plan
                .parameters_of(step.node)
                .map(|p| self.parameter_gradient(p))
                .collect();
            let bias = (names.len() == 1).then(|| quote!(, &mut []));
            quote!(#layer.backward_parameters(#n, #x, #dy, #(#names),* #bias #scratch);)
        });
        let of_input = plan.values[step.input].wants_gradient.then(|| {
            let (define, dx) = self.define_gradient(step.input);
            let call = match step.kernel {
                Kernel::Conv2d(_) | Kernel::Dense => {
                    let kernel = self.kernel(step);
                    quote!(#layer.backward_input(#n, #dy, #kernel, #dx #scratch);)
                }
                Kernel::Pool2d => quote!(#layer.backward(#n, #x, #y, #dy, #dx);),
                Kernel::Dropout => {
                    let mask = mask(index);
                    quote!(#layer.backward(#mask, #dy, #dx);)
                }
                Kernel::Activation => quote!(#dx.copy_from_slice(#dy);),
            };
            quote!(#define #call)
        });
        quote!(#through_activation #of_parameters #of_input)
    }

    /// Where the value is read from.
    fn read(&self, value: ValueId) -> TokenStream {
        let name = match self.memory.values[value] {
            Place::Input => own("input"),
            Place::Output => own("output"),
            Place::Slot(_) => self.name(value),
        };
        quote!(#name)
    }

    /// The value's slice of its slot, and its name.
    fn define(&self, value: ValueId) -> (TokenStream, Ident) {
        match self.memory.values[value] {
            Place::Input => (TokenStream::new(), own("input")),
            Place::Output => (TokenStream::new(), own("output")),
            Place::Slot(slot) => {
                let name = self.name(value);
                (self.slice(&name, slot, value), name)
            }
        }
    }

    /// The value's gradient as a slice of its slot, and its name.
    fn define_gradient(&self, value: ValueId) -> (TokenStream, Ident) {
        let name = self.gradient(value);
        let slot = self.memory.gradients[value].expect("the plan gave it a slot");
        (self.slice(&name, slot, value), name)
    }

    /// The mask of a dropout step, as large as its output.
    fn define_mask(&self, step: usize, output: ValueId) -> (TokenStream, Ident) {
        let name = mask(step);
        let slot = self.memory.masks[step].expect("the plan gave it a slot");
        (self.slice(&name, slot, output), name)
    }

    /// `let conv2d_1 = &mut slot_0[..n * 21_632];`
    fn slice(&self, name: &Ident, slot_index: usize, value: ValueId) -> TokenStream {
        let (n, slot) = (own("n"), slot(slot_index));
        let len = number(self.context.plan.values[value].shape.len());
        quote!(let #name = &mut #slot[..#n * #len];)
    }

    /// The kernel and the bias of a step, an empty slice where it has no bias.
    fn tensors(&self, step: &Step) -> TokenStream {
        let kernel = self.kernel(step);
        let bias = self.context.plan.parameters_of(step.node).nth(1);
        let bias = bias.map_or_else(|| quote!(&[]), parameter);
        quote!(#kernel, #bias)
    }

    fn kernel(&self, step: &Step) -> TokenStream {
        self.context
            .plan
            .parameters_of(step.node)
            .next()
            .map_or_else(|| quote!(&[]), parameter)
    }

    /// When no step writes the output (a network that only reshapes), the input is the output.
    fn copy_if_unwritten(&self) -> Option<TokenStream> {
        let output = self.context.plan.output;
        (self.memory.values[output] != Place::Output).then(|| {
            let (from, to) = (self.read(output), own("output"));
            quote!(#to.copy_from_slice(#from);)
        })
    }

    fn last_axis(&self, value: ValueId) -> TokenStream {
        let shape = &self.context.plan.values[value].shape.0;
        let units = number(shape.last().copied().unwrap_or(1));
        quote!(#units)
    }

    fn name(&self, value: ValueId) -> Ident {
        let storage = self.memory.storage[value];
        Ident::new(&self.context.plan.values[storage].name, Span::call_site())
    }

    fn gradient(&self, value: ValueId) -> Ident {
        own(&format!(
            "{}_gradient",
            self.context.plan.values[value].name
        ))
    }

    fn parameter_gradient(&self, parameter: &Parameter) -> Ident {
        let layer = &self.context.network.nodes[parameter.node].name;
        own(&format!("{layer}_gradient_{}", parameter.role))
    }
}

/// `&parameters[288..320]`.
fn parameter(parameter: &Parameter) -> TokenStream {
    let (start, end) = (number(parameter.range.start), number(parameter.range.end));
    let parameters = own("parameters");
    quote!(&#parameters[#start..#end])
}

/// A name of the generator's own, which no label can meet.
fn own(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn slot(index: usize) -> Ident {
    own(&format!("slot_{index}"))
}

fn mask(step: usize) -> Ident {
    own(&format!("mask_{step}"))
}
