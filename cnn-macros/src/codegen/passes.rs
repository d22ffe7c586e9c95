//! The unrolled passes: one kernel call for each step of the plan, in source order.
//!
//! The front's steps stand in a loop over groups of images, the back's behind it. Values are named after
//! the layers that produce them and are slices of the workspace slots that the plan chose; a [`Scope`]
//! cuts each slice where it is first used. Names of the generator's own (`n`, `output`, `slot_0`) are
//! hygienic, so a label may carry the same text.

use super::geometry::{lane_tensors, loss};
use super::{Context, activation, constant, number};
use cnn_dsl::graph::Activation;
use cnn_dsl::plan::{
    Conv2dAlgorithm, InputGradient, Kernel, Memory, Parameter, Per, Place, Step, ValueId,
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use std::collections::BTreeSet;

/// `fn forward`: inference. It leaves logits where the loss takes the last activation.
pub fn forward(context: &Context<'_>) -> TokenStream {
    let pass = Pass {
        context,
        memory: &context.plan.inference,
        training: false,
    };
    let (call, n) = (own("call"), own("n"));
    let fields = [
        "isa",
        "parameters",
        "prepared",
        "input",
        "output",
        "workspace",
    ]
    .map(own);
    let [_, _, prepared, _, _, workspace] = &fields;
    let names = (0..pass.memory.slots.len()).map(slot);
    let lengths = pass.memory.slots.iter().map(|slot| {
        let len = number(slot.len);
        match slot.per {
            Per::Example => quote!(#n * #len),
            Per::Group => quote!(GROUP * #len),
        }
    });
    let scratch = own("scratch");
    let prepared_forward = pass.split_prepared(prepared);
    let front = pass.in_groups(&quote!(0..#n), |scope| pass.forward_steps(scope));
    let mut back = Scope::new(&pass, false);
    pass.forward_steps(&mut back);
    pass.copy_if_unwritten(&mut back);
    let back = back.code;
    quote! {
        // Networks without convolutions leave some of these alone.
        #[allow(unused_variables)]
        fn forward(#call: rt::spec::Forward<'_>) {
            let rt::spec::Forward { examples: #n, #(#fields),* } = #call;
            let ([#(#names),*], #scratch) =
                rt::spec::split_workspace(#workspace, [#(#lengths),*]);
            #prepared_forward
            #front
            #(#back)*
        }
    }
}

/// `fn train`: forward, loss and backward over a share of a batch.
pub fn train(context: &Context<'_>) -> TokenStream {
    let Some(train) = &context.network.train else {
        return TokenStream::new();
    };
    let plan = context.plan;
    let pass = Pass {
        context,
        memory: &plan.training,
        training: true,
    };
    let fields = [
        "isa",
        "first",
        "parameters",
        "prepared",
        "prepared_backward",
        "input",
        "target",
        "output",
        "losses",
        "slots",
        "codes",
        "workspace",
        "lanes",
        "scale",
        "seed",
    ]
    .map(own);
    let [
        isa,
        _,
        _,
        prepared,
        prepared_backward,
        _,
        target,
        output,
        losses,
        slots,
        codes,
        workspace,
        lanes,
        scale,
        _,
    ] = &fields;
    let (call, n, scratch) = (own("call"), own("n"), own("scratch"));
    let slots_of = |per| {
        let slots = pass.memory.slots.iter().enumerate();
        slots.filter(move |(_, slot)| slot.per == per)
    };
    let kept = slots_of(Per::Example).map(|(index, _)| slot(index));
    let kept_codes = (0..pass.memory.code_slots.len()).map(code_slot);
    let reused = slots_of(Per::Group).map(|(index, _)| slot(index));
    let lengths = slots_of(Per::Group).map(|(_, slot)| number(slot.len));
    let prepared_forward = pass.split_prepared(prepared);
    let prepared_backward = pass.split_prepared_backward(prepared_backward);

    let front = pass.in_groups(&quote!(0..#n), |scope| pass.forward_steps(scope));
    let mut back = Scope::new(&pass, false);
    pass.forward_steps(&mut back);
    pass.copy_if_unwritten(&mut back);
    let (loss, units) = (
        loss(train.loss),
        number(plan.values[plan.output].shape.len()),
    );
    back.code
        .push(quote!(#loss.forward(#isa, #units, #output, #target, #losses);));
    if plan.values[plan.output].wants_gradient {
        let gradient = back.gradient(plan.output);
        back.code
            .push(quote!(#loss.backward(#isa, #units, #output, #target, #scale, #gradient);));
    }
    pass.backward_steps(&mut back);
    let back = back.code;
    let backward_front = plan.steps[..plan.front]
        .iter()
        .any(Step::runs_backward)
        .then(|| {
            let (lane, start, end) = (own("lane"), own("start"), own("end"));
            let tensors: Vec<_> = lane_tensors(context).collect();
            let names = tensors.iter().map(|p| pass.parameter_gradient(p));
            let lengths = tensors.iter().map(|p| number(p.range.len()));
            let steps = pass.in_groups(&quote!(#start..#end), |scope| pass.backward_steps(scope));
            quote! {
                let mut #start = 0;
                for #lane in #lanes {
                    let #end = #start + #lane.examples;
                    let [#(#names),*] = rt::spec::split_mut(#lane.gradients, [#(#lengths),*]);
                    #steps
                    #start = #end;
                }
            }
        });
    quote! {
        // Networks without convolutions or dropout leave some of these alone.
        #[allow(unused_variables)]
        fn train(#call: rt::spec::Train<'_, '_>) {
            let rt::spec::Train { examples: #n, #(#fields),* } = #call;
            let [#(#kept),*] = rt::spec::pieces(#slots);
            let [#(#kept_codes),*] = rt::spec::pieces(#codes);
            let ([#(#reused),*], #scratch) =
                rt::spec::split_workspace(#workspace, [#(GROUP * #lengths),*]);
            #prepared_forward
            #prepared_backward
            #front
            #(#back)*
            #backward_front
        }
    }
}

/// A pass with its memory.
struct Pass<'a> {
    context: &'a Context<'a>,
    memory: &'a Memory,
    training: bool,
}

impl Pass<'_> {
    /// The front's steps in a loop over groups of the images in `range`; nothing without a front.
    fn in_groups(&self, range: &TokenStream, write: impl FnOnce(&mut Scope<'_>)) -> TokenStream {
        let mut scope = Scope::new(self, true);
        write(&mut scope);
        if scope.code.is_empty() {
            return TokenStream::new();
        }
        let (images, count, code) = (own("images"), own("count"), scope.code);
        quote! {
            for #images in rt::spec::groups(#range, GROUP) {
                let #count = #images.end - #images.start;
                #(#code)*
            }
        }
    }

    /// The steps of the front or the back, with their places in the plan.
    fn steps(&self, in_front: bool) -> impl DoubleEndedIterator<Item = (usize, &Step)> {
        let front = self.context.plan.front;
        let steps = self.context.plan.steps.iter().enumerate();
        steps.filter(move |(index, _)| (*index < front) == in_front)
    }

    fn forward_steps(&self, scope: &mut Scope<'_>) {
        for (index, step) in self.steps(scope.front) {
            // During inference the output of dropout is its input.
            if self.training || step.kernel != Kernel::Dropout {
                self.forward_step(scope, index, step);
            }
        }
    }

    fn forward_step(&self, scope: &mut Scope<'_>, index: usize, step: &Step) {
        let [isa, scratch] = ["isa", "scratch"].map(own);
        let layer = constant(&self.context.node(step).name);
        let (x, y, n) = (
            scope.read(step.input),
            scope.write(step.output),
            scope.count(),
        );
        let tensors = self.tensors(step);
        let call = match step.kernel {
            Kernel::Conv2d(algorithm) => {
                let prepared = match algorithm {
                    Conv2dAlgorithm::Winograd => {
                        let name = self.prepared(step);
                        quote!(#name)
                    }
                    Conv2dAlgorithm::Direct | Conv2dAlgorithm::Pointwise => quote!(&[]),
                };
                let codes = scope.codes(index, step, true);
                let codes = codes.map_or_else(|| quote!(&mut []), |name| quote!(#name));
                quote!(#layer.forward(#isa, #n, #x, #tensors, #prepared, #y, #codes, #scratch);)
            }
            Kernel::Dense => quote!(#layer.forward(#isa, #n, #x, #tensors, #y, #scratch);),
            Kernel::Pool2d => quote!(#layer.forward(#isa, #n, #x, #y);),
            Kernel::Activation => {
                let units = self.last_axis(step.output);
                let apply = (step.activation != Activation::Linear).then(|| {
                    let activation = activation(step.activation);
                    quote!(#activation.forward(#isa, #units, #y);)
                });
                quote! {
                    #y.copy_from_slice(#x);
                    #apply
                }
            }
            Kernel::Dropout => {
                let mask = scope.mask(index, step.output);
                let (seed, stream) = (own("seed"), number(index));
                let place = scope.place(step.output);
                quote!(#layer.forward(#isa, #seed.wrapping_add(#stream), #place, #x, #y, #mask);)
            }
        };
        scope.code.push(call);
    }

    fn backward_steps(&self, scope: &mut Scope<'_>) {
        for (index, step) in self.steps(scope.front).rev() {
            if step.runs_backward() {
                self.backward_step(scope, index, step);
            }
        }
    }

    /// The gradients of a step: through its activation, of its parameters, of its input.
    fn backward_step(&self, scope: &mut Scope<'_>, index: usize, step: &Step) {
        let [isa, scratch] = ["isa", "scratch"].map(own);
        let layer = constant(&self.context.node(step).name);
        let (dy, n) = (scope.gradient(step.output), scope.count());
        if step.activation != Activation::Linear {
            let (activation, units) = (activation(step.activation), self.last_axis(step.output));
            let y = scope.read(step.output);
            scope
                .code
                .push(quote!(#activation.backward(#isa, #units, #y, #dy);));
        }
        let convolution = matches!(step.kernel, Kernel::Conv2d(_));
        let codes = scope.codes(index, step, false);
        let codes = codes.map_or_else(|| quote!(&[]), |name| quote!(#name));
        // The kernel gradients of dense layers are products over the whole batch, made later.
        if convolution && step.kernel_gradient.is_some() {
            let x = scope.read(step.input);
            let parameters = self.context.plan.parameters_of(step.node);
            let names: Vec<_> = parameters.map(|p| self.parameter_gradient(p)).collect();
            let bias = (names.len() == 1).then(|| quote!(, &mut []));
            scope.code.push(quote! {
                #layer.backward_parameters(#isa, #n, #x, #dy, #codes, #(#names),* #bias, #scratch);
            });
        }
        let Some(of_input) = step.input_gradient else {
            return;
        };
        let dx = scope.gradient(step.input);
        let call = match of_input {
            InputGradient::Rows => {
                let kernel = self.kernel(step);
                quote!(#layer.backward_input(#isa, #n, #dy, #kernel, #dx, #scratch);)
            }
            InputGradient::Pool => {
                let (x, y) = (scope.read(step.input), scope.read(step.output));
                quote!(#layer.backward(#isa, #n, #x, #y, #dy, #dx);)
            }
            InputGradient::Dropout => {
                let mask = scope.mask(index, step.output);
                quote!(#layer.backward(#mask, #dy, #dx);)
            }
            InputGradient::Activation => quote!(#dx.copy_from_slice(#dy);),
            InputGradient::Direct
            | InputGradient::Winograd
            | InputGradient::Pointwise
            | InputGradient::Columns
            | InputGradient::PoolSparse => {
                let prepared = self.prepared_backward(step);
                quote!(#layer.backward_input(#isa, #n, #dy, #codes, #prepared, #dx, #scratch);)
            }
        };
        scope.code.push(call);
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

    /// `let [conv2d_2_prepared] = split_prepared(prepared, [LAYER_CONV2D_2.prepared_forward()]);`
    fn split_prepared(&self, buffer: &Ident) -> TokenStream {
        let steps: Vec<_> = self.context.prepared_forward().collect();
        let names = steps.iter().map(|step| self.prepared(step));
        let layers = steps
            .iter()
            .map(|step| constant(&self.context.node(step).name));
        quote! {
            let [#(#names),*] = rt::spec::split_prepared(#buffer, [#(#layers.prepared_forward()),*]);
        }
    }

    fn split_prepared_backward(&self, buffer: &Ident) -> TokenStream {
        let steps: Vec<_> = self.context.prepared_backward().collect();
        let names = steps.iter().map(|step| self.prepared_backward(step));
        let layers = steps
            .iter()
            .map(|step| constant(&self.context.node(step).name));
        quote! {
            let [#(#names),*] = rt::spec::split_prepared(#buffer, [#(#layers.prepared_backward()),*]);
        }
    }

    /// When no step writes the output (a network that only reshapes), the input is the output.
    fn copy_if_unwritten(&self, scope: &mut Scope<'_>) {
        let value = self.context.plan.output;
        if self.memory.values[value] != Place::Output {
            let (from, to) = (scope.read(value), own("output"));
            scope.code.push(quote!(#to.copy_from_slice(#from);));
        }
    }

    fn last_axis(&self, value: ValueId) -> TokenStream {
        let shape = &self.context.plan.values[value].shape.0;
        let units = number(shape.last().copied().unwrap_or(1));
        quote!(#units)
    }

    fn prepared(&self, step: &Step) -> Ident {
        own(&format!("{}_prepared", self.context.node(step).name))
    }

    fn prepared_backward(&self, step: &Step) -> Ident {
        own(&format!(
            "{}_prepared_backward",
            self.context.node(step).name
        ))
    }

    fn parameter_gradient(&self, parameter: &Parameter) -> Ident {
        let layer = &self.context.network.nodes[parameter.node].name;
        own(&format!("{layer}_gradient_{}", parameter.role))
    }
}

/// The statements of one part of the plan, and the slices that they have defined.
struct Scope<'a> {
    pass: &'a Pass<'a>,
    /// Whether it stands in the loop over groups of images, `images`.
    front: bool,
    defined: BTreeSet<String>,
    code: Vec<TokenStream>,
}

impl<'a> Scope<'a> {
    fn new(pass: &'a Pass<'a>, front: bool) -> Self {
        Self {
            pass,
            front,
            defined: BTreeSet::new(),
            code: Vec::new(),
        }
    }

    /// How many examples the kernels of the scope take.
    fn count(&self) -> TokenStream {
        let name = own(if self.front { "count" } else { "n" });
        quote!(#name)
    }

    /// The place of the scope's first value among those of the batch.
    fn place(&self, value: ValueId) -> TokenStream {
        let (first, images) = (own("first"), own("images"));
        let len = number(self.pass.context.plan.values[value].shape.len());
        if self.front {
            quote!((#first + #images.start) * #len)
        } else {
            quote!(#first * #len)
        }
    }

    /// The value's slice, to be read.
    fn read(&mut self, value: ValueId) -> TokenStream {
        self.value(value, false)
    }

    /// The value's slice, to be written.
    fn write(&mut self, value: ValueId) -> TokenStream {
        self.value(value, true)
    }

    fn value(&mut self, value: ValueId, write: bool) -> TokenStream {
        let storage = self.pass.memory.storage[value];
        let len = self.pass.context.plan.values[value].shape.len();
        let name = |own_name: Ident| {
            if self.front {
                own(&format!("group_{own_name}"))
            } else {
                own_name
            }
        };
        match self.pass.memory.values[value] {
            Place::Slot(index) => {
                let name = &self.pass.context.plan.values[storage].name;
                let name = Ident::new(name, Span::call_site());
                self.define(&name, &slot(index), self.per(index), len, write)
            }
            Place::Input => {
                let name = name(own("input"));
                self.part(&name, &own("input"), len, false)
            }
            Place::Output => {
                let name = name(own("output"));
                self.part(&name, &own("output"), len, write)
            }
        }
    }

    /// The gradient of a value.
    fn gradient(&mut self, value: ValueId) -> TokenStream {
        let value_of = &self.pass.context.plan.values[value];
        let name = own(&format!("{}_gradient", value_of.name));
        let index = self.pass.memory.gradients[value].expect("the plan gave it a slot");
        self.define(
            &name,
            &slot(index),
            self.per(index),
            value_of.shape.len(),
            true,
        )
    }

    /// The mask of a dropout step, as large as its output.
    fn mask(&mut self, step: usize, output: ValueId) -> TokenStream {
        let name = own(&format!("mask_{step}"));
        let index = self.pass.memory.masks[step].expect("the plan gave it a slot");
        let len = self.pass.context.plan.values[output].shape.len();
        self.define(&name, &slot(index), self.per(index), len, true)
    }

    /// The winners of a fused pool, if the pass keeps them.
    fn codes(&mut self, index: usize, step: &Step, write: bool) -> Option<TokenStream> {
        let place = (*self.pass.memory.codes.get(index)?)?;
        let name = own(&format!("{}_codes", self.pass.context.node(step).name));
        let len = self.pass.context.plan.values[step.output].shape.len();
        Some(self.define(&name, &code_slot(place), Per::Example, len, write))
    }

    fn per(&self, slot: usize) -> Per {
        self.pass.memory.slots[slot].per
    }

    /// The scope's part of the caller's input or output.
    fn part(&mut self, name: &Ident, buffer: &Ident, len: usize, write: bool) -> TokenStream {
        if self.front {
            self.define(name, buffer, Per::Example, len, write)
        } else {
            quote!(#buffer)
        }
    }

    /// `let conv2d_1 = &mut slot_0[..n * 21_632];`, once; then the name.
    fn define(
        &mut self,
        name: &Ident,
        buffer: &Ident,
        per: Per,
        len: usize,
        write: bool,
    ) -> TokenStream {
        if self.defined.insert(name.to_string()) {
            let (images, count, len) = (own("images"), self.count(), number(len));
            let range = match (self.front, per) {
                (false, _) | (true, Per::Group) => quote!(..#count * #len),
                (true, Per::Example) => quote!(#images.start * #len..#images.end * #len),
            };
            let borrow = if write { quote!(&mut) } else { quote!(&) };
            self.code.push(quote!(let #name = #borrow #buffer[#range];));
        }
        quote!(#name)
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

fn code_slot(index: usize) -> Ident {
    own(&format!("codes_{index}"))
}
