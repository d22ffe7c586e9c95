//! The unrolled passes: one kernel call for each step of the plan, in source order.
//!
//! The front's steps stand in a loop over micro_batches of images, the back's behind it. Values are slices of the
//! workspace slots that the plan chose; a [`Scope`] cuts each slice where it is first used. What belongs to
//! a layer is named after it, with an ending: `stem_out`, `stem_gradient`, `stem_codes`, `stem_kernel`. No
//! ending is that of another one, and no other name (`n`, `output`, `slot_0`) has one, so a label may be
//! anything; names of the user's program cannot meet these, which are hygienic.

use super::geometry::partial_tensors;
use super::text::{activation, array, hygienic, join, loss, number};
use super::{Context, Form, constant};
use cnn_dsl::graph::Activation;
use cnn_dsl::plan::{InputGradient, Memory, Parameter, Per, Place, Step, StepKind, ValueId};
use proc_macro2::TokenStream;
use std::collections::BTreeSet;

/// `fn forward`: inference. It leaves logits where the loss takes the last activation.
pub fn forward(context: &Context<'_>) -> TokenStream {
    let pass = Pass {
        context,
        memory: &context.plan.inference,
        training: false,
    };
    let slots = join(pass.memory.slots.iter().enumerate().map(|(i, _)| slot(i)));
    let lengths = join(pass.memory.slots.iter().map(|slot| {
        let len = number(slot.len);
        match slot.per {
            Per::Example => format!("n * {len}"),
            Per::MicroBatch => format!("MICRO_BATCH * {len}"),
        }
    }));
    let tensors = pass.split_tensors();
    let packed = pass.split_packed(Form::Inference, "packed");
    let front = pass.in_groups("0..n", |scope| pass.forward_steps(scope));
    let mut back = Scope::new(&pass, false);
    pass.forward_steps(&mut back);
    pass.copy_if_unwritten(&mut back);
    let back = back.code;
    // Networks without convolutions leave some of the variables alone.
    hygienic(&format!(
        "#[allow(unused_variables)]
        fn forward(call: rt::Forward<'_>) {{
            let rt::Forward {{
                examples: n, isa, parameters, packed, input, output, workspace,
            }} = call;
            let ([{slots}], scratch) = rt::split_workspace(workspace, [{lengths}]);
            {tensors}
            {packed}
            {front}
            {back}
        }}"
    ))
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
    let slots_of = |per| {
        let slots = pass.memory.slots.iter().enumerate();
        slots.filter(move |(_, slot)| slot.per == per)
    };
    let kept = join(slots_of(Per::Example).map(|(index, _)| slot(index)));
    let kept_codes = join((0..pass.memory.argmax_slots.len()).map(argmax_slot));
    let reused = join(slots_of(Per::MicroBatch).map(|(index, _)| slot(index)));
    let lengths =
        slots_of(Per::MicroBatch).map(|(_, slot)| format!("MICRO_BATCH * {}", number(slot.len)));
    let lengths = join(lengths);
    let tensors = pass.split_tensors();
    let packed_forward = pass.split_packed(Form::Forward, "packed_forward");
    let packed_backward = pass.split_packed(Form::Backward, "packed_backward");

    let front = pass.in_groups("0..n", |scope| pass.forward_steps(scope));
    let mut back = Scope::new(&pass, false);
    pass.forward_steps(&mut back);
    pass.copy_if_unwritten(&mut back);
    let (loss, units) = (
        loss(train.loss),
        number(plan.values[plan.output].shape.len()),
    );
    back.line(&format!(
        "{loss}.forward(isa, {units}, output, target, losses);"
    ));
    if plan.values[plan.output].wants_gradient {
        let gradient = back.gradient(plan.output);
        back.line(&format!(
            "{loss}.backward(isa, {units}, output, target, scale, {gradient});"
        ));
    }
    pass.backward_steps(&mut back);
    let back = back.code;
    let backward_front = pass.backward_front();
    // Networks without convolutions or dropout leave some of the variables alone.
    hygienic(&format!(
        "#[allow(unused_variables)]
        fn train(call: rt::Train<'_, '_>) {{
            let rt::Train {{
                examples: n, isa, first, parameters, packed_forward, packed_backward, input, target,
                output, losses, slots, argmax, workspace, mut partials, scale, seed,
            }} = call;
            let [{kept}] = rt::pieces(slots);
            let [{kept_codes}] = rt::pieces(argmax);
            let ([{reused}], scratch) = rt::split_workspace(workspace, [{lengths}]);
            {tensors}
            {packed_forward}
            {packed_backward}
            {front}
            {back}
            {backward_front}
        }}"
    ))
}

/// A pass with its memory.
struct Pass<'a> {
    context: &'a Context<'a>,
    memory: &'a Memory,
    training: bool,
}

impl Pass<'_> {
    /// The front's steps in a loop over micro_batches of the images in `range`; nothing without a front.
    fn in_groups(&self, range: &str, write: impl FnOnce(&mut Scope<'_>)) -> String {
        let mut scope = Scope::new(self, true);
        write(&mut scope);
        if scope.code.is_empty() {
            return String::new();
        }
        let code = scope.code;
        format!(
            "for images in rt::micro_batches({range}, MICRO_BATCH) {{
                let count = images.end - images.start;
                {code}
            }}"
        )
    }

    /// The front's backward pass: partial by partial, in each of which gradients are summed.
    fn backward_front(&self) -> String {
        let plan = self.context.plan;
        if !plan.steps[..plan.front].iter().any(Step::runs_backward) {
            return String::new();
        }
        let names = join(partial_tensors(self.context).map(|p| self.parameter_gradient(p)));
        let lengths = array(partial_tensors(self.context).map(|p| p.range.len()));
        let steps = self.in_groups("start..end", |scope| self.backward_steps(scope));
        format!(
            "let mut start = 0;
            while let ::core::option::Option::Some((count, gradients)) = partials.start_next() {{
                let end = start + count;
                let [{names}] = rt::split_mut(gradients, {lengths});
                {steps}
                start = end;
            }}"
        )
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
            if self.training || step.kernel != StepKind::Dropout {
                self.forward_step(scope, index, step);
            }
        }
    }

    fn forward_step(&self, scope: &mut Scope<'_>, index: usize, step: &Step) {
        let layer = constant(&self.context.node(step).name);
        let (x, y, n) = (
            scope.read(step.input),
            scope.write(step.output),
            scope.count(),
        );
        let tensors = self.tensors(step);
        let call = match step.kernel {
            StepKind::Conv2d(_) | StepKind::Dense if !self.training => {
                let packed = self.packed(Form::Inference, step);
                format!("{layer}.infer(isa, {n}, {x}, {tensors}, {packed}, {y}, scratch);")
            }
            StepKind::Conv2d(_) => {
                let packed = self.packed(Form::Forward, step);
                let argmax = scope.argmax(index, step, true);
                let argmax = argmax.as_deref().unwrap_or("&mut []");
                format!(
                    "{layer}.forward(isa, {n}, {x}, {tensors}, {packed}, {y}, {argmax}, scratch);"
                )
            }
            StepKind::Dense => format!("{layer}.forward(isa, {n}, {x}, {tensors}, {y}, scratch);"),
            StepKind::Pool2d => format!("{layer}.forward(isa, {n}, {x}, {y});"),
            StepKind::Activation => {
                scope.line(&format!("{y}.copy_from_slice({x});"));
                if step.activation == Activation::Linear {
                    return;
                }
                let activation = activation(step.activation);
                let units = self.last_axis(step.output);
                format!("{activation}.forward(isa, {units}, {y});")
            }
            StepKind::Dropout => {
                let mask = scope.mask(index, step.output);
                let stream = number(index);
                let place = scope.place(step.output);
                format!(
                    "{layer}.forward(isa, seed.wrapping_add({stream}), {place}, {x}, {y}, {mask});"
                )
            }
        };
        scope.line(&call);
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
        let layer = constant(&self.context.node(step).name);
        let (dy, n) = (scope.gradient(step.output), scope.count());
        if step.activation != Activation::Linear {
            let (activation, units) = (activation(step.activation), self.last_axis(step.output));
            let y = scope.read(step.output);
            scope.line(&format!("{activation}.backward(isa, {units}, {y}, {dy});"));
        }
        let convolution = matches!(step.kernel, StepKind::Conv2d(_));
        let argmax = scope.argmax(index, step, false);
        let argmax = argmax.as_deref().unwrap_or("&[]");
        // The kernel gradients of dense layers are products over the whole batch, made later.
        if convolution && step.kernel_gradient.is_some() {
            let x = scope.read(step.input);
            let mut parameters = self.context.plan.parameters_of(step.node);
            let mut gradient = || {
                let parameter = parameters.next();
                parameter.map_or_else(|| "&mut []".to_owned(), |p| self.parameter_gradient(p))
            };
            let (kernel, bias) = (gradient(), gradient());
            scope.line(&format!(
                "{layer}.backward_parameters(isa, {n}, {x}, {dy}, {argmax}, {kernel}, {bias}, scratch);"
            ));
        }
        let Some(of_input) = step.input_gradient else {
            return;
        };
        let dx = scope.gradient(step.input);
        let call = match of_input {
            InputGradient::Rows => {
                let kernel = self.tensor(step, 0);
                format!("{layer}.backward_input(isa, {n}, {dy}, {kernel}, {dx}, scratch);")
            }
            InputGradient::Pool => {
                let (x, y) = (scope.read(step.input), scope.read(step.output));
                format!("{layer}.backward(isa, {n}, {x}, {y}, {dy}, {dx});")
            }
            InputGradient::Dropout => {
                let mask = scope.mask(index, step.output);
                format!("{layer}.backward({mask}, {dy}, {dx});")
            }
            InputGradient::Activation => format!("{dx}.copy_from_slice({dy});"),
            InputGradient::Direct
            | InputGradient::Winograd
            | InputGradient::Winograd4
            | InputGradient::Pointwise
            | InputGradient::Columns
            | InputGradient::PoolSparse => {
                let packed = self.packed(Form::Backward, step);
                format!(
                    "{layer}.backward_input(isa, {n}, {dy}, {argmax}, {packed}, {dx}, scratch);"
                )
            }
        };
        scope.line(&call);
    }

    /// The kernel and the bias of a step, an empty slice where it has no bias.
    fn tensors(&self, step: &Step) -> String {
        let [kernel, bias] = [0, 1].map(|index| self.tensor(step, index));
        format!("{kernel}, {bias}")
    }

    fn tensor(&self, step: &Step, index: usize) -> String {
        let parameter = self.context.plan.parameters_of(step.node).nth(index);
        parameter.map_or_else(|| "&[]".to_owned(), |p| self.parameter(p))
    }

    /// `let [conv2d_1_kernel, conv2d_1_bias] = rt::tensors(parameters, TENSORS);`
    fn split_tensors(&self) -> String {
        let names = join(
            self.context
                .plan
                .parameters
                .iter()
                .map(|p| self.parameter(p)),
        );
        format!("let [{names}] = rt::tensors(parameters, TENSORS);")
    }

    /// `let [conv2d_2_prepared_forward] =
    /// split_packed(packed_forward, [LAYER_CONV2D_2.packed_forward()]);`
    fn split_packed(&self, form: Form, buffer: &str) -> String {
        let names = join((self.context.packed(form)).map(|step| self.packed(form, step)));
        let lengths = join((self.context.packed(form)).map(|step| {
            let layer = constant(&self.context.node(step).name);
            format!("{layer}.{}()", form.length())
        }));
        format!("let [{names}] = rt::split_packed({buffer}, [{lengths}]);")
    }

    /// The kernel in a form, an empty slice where the pass takes it as it is.
    fn packed(&self, form: Form, step: &Step) -> String {
        if !form.is_wanted_by(step) {
            return "&[]".to_owned();
        }
        format!("{}_{}", self.context.node(step).name, form.length())
    }

    /// When no step writes the output (a network that only reshapes), the input is the output.
    fn copy_if_unwritten(&self, scope: &mut Scope<'_>) {
        let value = self.context.plan.output;
        if self.memory.values[value] != Place::Output {
            let from = scope.read(value);
            scope.line(&format!("output.copy_from_slice({from});"));
        }
    }

    fn last_axis(&self, value: ValueId) -> String {
        let shape = &self.context.plan.values[value].shape.0;
        number(shape.last().copied().unwrap_or(1))
    }

    fn parameter(&self, parameter: &Parameter) -> String {
        let layer = &self.context.network.nodes[parameter.node].name;
        format!("{layer}_{}", parameter.role)
    }

    fn parameter_gradient(&self, parameter: &Parameter) -> String {
        format!("{}_sum", self.parameter(parameter))
    }
}

/// The statements of one part of the plan, and the slices that they have defined.
struct Scope<'a> {
    pass: &'a Pass<'a>,
    /// Whether it stands in the loop over micro_batches of images, `images`.
    front: bool,
    defined: BTreeSet<String>,
    code: String,
}

impl<'a> Scope<'a> {
    fn new(pass: &'a Pass<'a>, front: bool) -> Self {
        Self {
            pass,
            front,
            defined: BTreeSet::new(),
            code: String::new(),
        }
    }

    fn line(&mut self, code: &str) {
        self.code.push_str(code);
        self.code.push('\n');
    }

    /// How many examples the kernels of the scope take.
    const fn count(&self) -> &'static str {
        if self.front { "count" } else { "n" }
    }

    /// The place of the scope's first value among those of the batch.
    fn place(&self, value: ValueId) -> String {
        let len = number(self.pass.context.plan.values[value].shape.len());
        if self.front {
            format!("(first + images.start) * {len}")
        } else {
            format!("first * {len}")
        }
    }

    /// The value's slice, to be read.
    fn read(&mut self, value: ValueId) -> String {
        self.value(value, false)
    }

    /// The value's slice, to be written.
    fn write(&mut self, value: ValueId) -> String {
        self.value(value, true)
    }

    fn value(&mut self, value: ValueId, write: bool) -> String {
        let plan = self.pass.context.plan;
        let len = plan.values[value].shape.len();
        match self.pass.memory.values[value] {
            Place::Slot(index) => {
                let storage = self.pass.memory.storage[value];
                let name = format!("{}_out", plan.values[storage].name);
                self.define(name, &slot(index), self.per(index), len, write)
            }
            Place::Input => self.part("input", len, false),
            Place::Output => self.part("output", len, write),
        }
    }

    /// The gradient of a value.
    fn gradient(&mut self, value: ValueId) -> String {
        let value_of = &self.pass.context.plan.values[value];
        let name = format!("{}_gradient", value_of.name);
        let index = self.pass.memory.gradients[value].expect("the plan gave it a slot");
        let len = value_of.shape.len();
        self.define(name, &slot(index), self.per(index), len, true)
    }

    /// The mask of a dropout step, as large as its output.
    fn mask(&mut self, step: usize, output: ValueId) -> String {
        let name = format!("mask_{step}");
        let index = self.pass.memory.masks[step].expect("the plan gave it a slot");
        let len = self.pass.context.plan.values[output].shape.len();
        self.define(name, &slot(index), self.per(index), len, true)
    }

    /// The winners of a fused pool, if the pass keeps them.
    fn argmax(&mut self, index: usize, step: &Step, write: bool) -> Option<String> {
        let place = (*self.pass.memory.argmax.get(index)?)?;
        let name = format!("{}_codes", self.pass.context.node(step).name);
        let len = self.pass.context.plan.values[step.output].shape.len();
        Some(self.define(name, &argmax_slot(place), Per::Example, len, write))
    }

    fn per(&self, slot: usize) -> Per {
        self.pass.memory.slots[slot].per
    }

    /// The scope's part of the caller's input or output.
    fn part(&mut self, buffer: &str, len: usize, write: bool) -> String {
        if self.front {
            self.define(
                format!("micro_batch_{buffer}"),
                buffer,
                Per::Example,
                len,
                write,
            )
        } else {
            buffer.to_owned()
        }
    }

    /// `let conv2d_1_out = &mut slot_0[..n * 21_632];`, once; then the name.
    fn define(&mut self, name: String, buffer: &str, per: Per, len: usize, write: bool) -> String {
        if !self.defined.contains(&name) {
            let (count, len) = (self.count(), number(len));
            let slice = match (self.front, per, write) {
                (true, Per::Example, false) => format!("rt::part({buffer}, &images, {len})"),
                (true, Per::Example, true) => format!("rt::part_mut({buffer}, &images, {len})"),
                (_, _, false) => format!("&{buffer}[..{count} * {len}]"),
                (_, _, true) => format!("&mut {buffer}[..{count} * {len}]"),
            };
            self.line(&format!("let {name} = {slice};"));
            self.defined.insert(name.clone());
        }
        name
    }
}

fn slot(index: usize) -> String {
    format!("slot_{index}")
}

fn argmax_slot(index: usize) -> String {
    format!("codes_{index}")
}
