//! The unrolled passes: one uniform call for each step of the plan, in source order.
//!
//! The steps of a stage of images stand in a loop over micro-batches, those of other stages behind it.
//! Values are slices of the workspace slots that the plan chose; a [`Scope`] cuts each slice where it is
//! first used. What belongs to a layer is named after it, with an ending: `stem_out`, `stem_gradient`,
//! `stem_argmax`, `stem_kernel`. No ending is that of another one, and no other name (`n`, `output`,
//! `slot_0`) has one, so a label may be anything; names of the user's program cannot meet these, which are
//! hygienic.

use super::constants::{packed_name, partial_tensors};
use super::text::{array, hygienic, join, number};
use super::{Context, is_packed};
use cnn_dsl::plan::{self, Memory, Parameter, Per, Place, Stage, Step, ValueId, Write};
use cnn_ir::operation::{Pass, Reduction};
use proc_macro2::TokenStream;
use std::collections::BTreeSet;

/// `fn forward`: inference. It leaves logits where the loss takes the last activation.
pub fn forward(context: &Context<'_>) -> TokenStream {
    let run = Passes {
        context,
        memory: &context.plan.inference,
        training: false,
    };
    let slots = join(run.memory.slots.iter().enumerate().map(|(i, _)| slot(i)));
    let lengths = join(run.memory.slots.iter().map(|slot| {
        let len = number(slot.len);
        match slot.per {
            Per::Example => format!("n * {len}"),
            Per::MicroBatch => format!("MICRO_BATCH * {len}"),
        }
    }));
    let tensors = run.split_tensors();
    let packed = run.split_packed(Pass::Inference, "packed");
    let stages = run.forward_stages();
    let mut end = Scope::new(&run, plan::Scope::Share);
    run.copy_if_unwritten(&mut end);
    let end = end.code;
    hygienic(&format!(
        "#[allow(unused_variables)]
        fn forward(call: rt::Predict<'_>) {{
            let rt::Predict {{
                examples: n, isa, parameters, packed, input, output, workspace,
            }} = call;
            let (first, seed) = (0, 0);
            let ([{slots}], scratch) = rt::split_workspace(workspace, [{lengths}]);
            {tensors}
            {packed}
            {stages}
            {end}
        }}"
    ))
}

/// `fn train`: forward, loss and backward over a share of a batch.
pub fn train(context: &Context<'_>) -> TokenStream {
    let Some(train) = &context.network.train else {
        return TokenStream::new();
    };
    let plan = context.plan;
    let run = Passes {
        context,
        memory: &plan.training,
        training: true,
    };
    let slots_of = |per| {
        let slots = run.memory.slots.iter().enumerate();
        slots.filter(move |(_, slot)| slot.per == per)
    };
    let kept = join(slots_of(Per::Example).map(|(index, _)| slot(index)));
    let kept_argmax = join((0..run.memory.argmax_slots.len()).map(argmax_slot));
    let reused = join(slots_of(Per::MicroBatch).map(|(index, _)| slot(index)));
    let lengths = slots_of(Per::MicroBatch);
    let lengths = lengths.map(|(_, slot)| format!("MICRO_BATCH * {}", number(slot.len)));
    let lengths = join(lengths);
    let tensors = run.split_tensors();
    let packed_forward = run.split_packed(Pass::Forward, "packed_forward");
    let packed_backward = run.split_packed(Pass::Backward, "packed_backward");
    let forward = run.forward_stages();
    let mut end = Scope::new(&run, plan::Scope::Share);
    run.copy_if_unwritten(&mut end);
    let loss = train.loss;
    let units = number(plan.values[plan.output].shape.len());
    end.line(&format!(
        "rt::loss::forward(rt::{loss:?}, isa, {units}, output, target, losses);"
    ));
    if plan.values[plan.output].wants_gradient {
        let gradient = end.gradient(plan.output);
        end.line(&format!(
            "rt::loss::backward(rt::{loss:?}, isa, {units}, output, target, scale, {gradient});"
        ));
    }
    let end = end.code;
    let backward = run.backward_stages();
    hygienic(&format!(
        "#[allow(unused_variables)]
        fn train(call: rt::Train<'_, '_>) {{
            let rt::Train {{
                examples: n, isa, first, parameters, packed_forward, packed_backward, input, target,
                output, losses, slots, argmax, workspace, mut partials, scale, seed,
            }} = call;
            let [{kept}] = rt::pieces(slots);
            let [{kept_argmax}] = rt::pieces(argmax);
            let ([{reused}], scratch) = rt::split_workspace(workspace, [{lengths}]);
            {tensors}
            {packed_forward}
            {packed_backward}
            {forward}
            {end}
            {backward}
        }}"
    ))
}

/// The passes of one function, with their memory.
struct Passes<'a> {
    context: &'a Context<'a>,
    memory: &'a Memory,
    training: bool,
}

impl Passes<'_> {
    fn forward_stages(&self) -> String {
        let stages = self.context.plan.stages.iter();
        let stages = stages.map(|stage| {
            let range = "0..n";
            self.stage(stage, range, |scope| {
                for index in stage.steps.clone() {
                    let step = &self.context.plan.steps[index];
                    // Where the output is the input, there is nothing to do.
                    let passes_on = step.operation.facts().passes_on_in_inference();
                    if self.training || !passes_on {
                        self.forward_step(scope, index, step);
                    }
                }
            })
        });
        stages.collect()
    }

    fn backward_stages(&self) -> String {
        let stages = self.context.plan.stages.iter().rev();
        let stages = stages.map(|stage| {
            let steps = &self.context.plan.steps[stage.steps.clone()];
            let sums = partial_tensors(self.context)
                .filter(|(owner, ..)| steps.iter().any(|step| std::ptr::eq(step, *owner)))
                .count();
            let is_summed = sums > 0;
            let range = if is_summed { "start..end" } else { "0..n" };
            let code = self.stage(stage, range, |scope| {
                for index in stage.steps.clone().rev() {
                    let step = &self.context.plan.steps[index];
                    if step.wanted().any() {
                        self.backward_step(scope, index, step);
                    }
                }
            });
            match is_summed {
                true => self.in_partials(&code),
                false => code,
            }
        });
        stages.collect()
    }

    /// A stage, partial by partial: in each of them gradients of tensors are summed.
    fn in_partials(&self, code: &str) -> String {
        let tensors = || partial_tensors(self.context).map(|(_, _, tensor)| tensor);
        let names = join(tensors().map(|tensor| self.tensor_gradient(tensor)));
        let lengths = array(tensors().map(|tensor| tensor.range.len()));
        format!(
            "let mut start = 0;
            while let rt::Some((count, gradients)) = partials.start_next() {{
                let end = start + count;
                let [{names}] = rt::split_mut(gradients, {lengths});
                {code}
                start = end;
            }}"
        )
    }

    /// The steps that `write` writes, in a loop over micro-batches where the stage is one of images; nothing
    /// where it writes nothing.
    fn stage(&self, stage: &Stage, range: &str, write: impl FnOnce(&mut Scope<'_>)) -> String {
        let mut scope = Scope::new(self, stage.scope);
        write(&mut scope);
        let code = scope.code;
        if code.is_empty() {
            return code;
        }
        match stage.scope {
            plan::Scope::Images => format!(
                "for images in rt::micro_batches({range}, MICRO_BATCH) {{
                    let count = images.end - images.start;
                    let run = rt::Run {{ isa, examples: count, first: first + images.start, seed }};
                    {code}
                }}"
            ),
            plan::Scope::Share => {
                format!("let run = rt::Run {{ isa, examples: n, first, seed }};\n{code}")
            }
        }
    }

    fn forward_step(&self, scope: &mut Scope<'_>, index: usize, step: &Step) {
        let layer = self.context.constant(step);
        let inputs = join(step.inputs.iter().map(|&input| scope.read(input)));
        let output = field("output", &scope.write(step.output));
        let tensors = self.tensors(step);
        if self.training {
            let packed = self.packed(Pass::Forward, step);
            let saved = scope.saved(index, step).unwrap_or(NONE_MUT.to_owned());
            let argmax = scope
                .argmax(index, step, true)
                .unwrap_or(NONE_MUT.to_owned());
            scope.line(&format!(
                "{layer}.forward(rt::Forward {{
                    run, inputs: &[{inputs}], tensors: &[{tensors}], packed: {packed}, {output},
                    saved: {saved}, argmax: {argmax}, scratch,
                }});"
            ));
        } else {
            let packed = self.packed(Pass::Inference, step);
            scope.line(&format!(
                "{layer}.infer(rt::Infer {{
                    run, inputs: &[{inputs}], tensors: &[{tensors}], packed: {packed}, {output}, scratch,
                }});"
            ));
        }
    }

    /// The gradients of a step: through its activation, of its tensors, of its inputs.
    fn backward_step(&self, scope: &mut Scope<'_>, index: usize, step: &Step) {
        let layer = self.context.constant(step);
        let (wanted, saves) = (step.wanted(), step.saves());
        let inputs = match saves.input {
            true => join(step.inputs.iter().map(|&input| scope.read(input))),
            false => String::new(),
        };
        let output = match saves.output {
            true => field("output", &scope.read(step.output)),
            false => field("output", NONE),
        };
        let tensors = self.tensors(step);
        let packed = self.packed(Pass::Backward, step);
        let saved = scope.saved(index, step).unwrap_or(NONE.to_owned());
        let argmax = scope.argmax(index, step, false).unwrap_or(NONE.to_owned());
        let gradient = scope.gradient(step.output);
        let is_summed = step.operation.facts().reduction() == Reduction::Partials;
        let tensor_gradients = match wanted.tensors && is_summed {
            true => join(
                self.context
                    .plan
                    .tensors(step)
                    .iter()
                    .map(|tensor| self.tensor_gradient(tensor)),
            ),
            false => String::new(),
        };
        let places = step.inputs.iter().zip(&step.input_gradients).enumerate();
        let targets: Vec<_> = places
            .map(|(place, (&input, write))| match write {
                None => NONE_MUT.to_owned(),
                Some(Write::Store) => scope.gradient(input),
                Some(Write::Add) => scope.addend(index, place, input),
            })
            .collect();
        let input_gradients = match wanted.input {
            true => join(targets.iter().cloned()),
            false => String::new(),
        };
        scope.line(&format!(
            "{layer}.backward(rt::Backward {{
                run, inputs: &[{inputs}], tensors: &[{tensors}], packed: {packed}, {output},
                saved: {saved}, argmax: {argmax}, gradient: {gradient},
                tensor_gradients: &mut [{tensor_gradients}], input_gradients: &mut [{input_gradients}], scratch,
            }});"
        ));
        for ((&input, write), addend) in step.inputs.iter().zip(&step.input_gradients).zip(targets)
        {
            if *write == Some(Write::Add) {
                let gradient = scope.gradient(input);
                scope.line(&format!("rt::add({gradient}, {addend});"));
            }
        }
    }

    fn tensors(&self, step: &Step) -> String {
        let tensors = self.context.plan.tensors(step).iter();
        join(tensors.map(|tensor| self.tensor(tensor)))
    }

    /// `let [conv2d_1_kernel, conv2d_1_bias] = rt::tensors(parameters, TENSORS);`
    fn split_tensors(&self) -> String {
        let tensors = self.context.plan.parameters.iter();
        let names = join(tensors.map(|tensor| self.tensor(tensor)));
        format!("let [{names}] = rt::tensors(parameters, TENSORS);")
    }

    /// `let [conv2d_2_packed_forward] = rt::split_packed(packed_forward, &PACKED_FORWARD);`
    fn split_packed(&self, pass: Pass, buffer: &str) -> String {
        let steps = self.context.packed(pass);
        let names = join(steps.map(|step| self.packed(pass, step)));
        format!(
            "let [{names}] = rt::split_packed({buffer}, &{});",
            packed_name(pass)
        )
    }

    /// The first tensor in the form of a pass, an empty slice where the pass takes it as it is.
    fn packed(&self, pass: Pass, step: &Step) -> String {
        if !is_packed(step, pass) {
            return NONE.to_owned();
        }
        let name = self.context.name(step);
        match pass {
            Pass::Inference => format!("{name}_packed_inference"),
            Pass::Forward => format!("{name}_packed_forward"),
            Pass::Backward => format!("{name}_packed_backward"),
        }
    }

    /// When no step writes the output (a network that only reshapes), the input is the output.
    fn copy_if_unwritten(&self, scope: &mut Scope<'_>) {
        let value = self.context.plan.output;
        if self.memory.values[value] != Place::Output {
            let from = scope.read(value);
            scope.line(&format!("output.copy_from_slice({from});"));
        }
    }

    fn tensor(&self, tensor: &Parameter) -> String {
        let layer = &self.context.network.nodes[tensor.node].name;
        format!("{layer}_{}", tensor.name)
    }

    fn tensor_gradient(&self, tensor: &Parameter) -> String {
        format!("{}_sum", self.tensor(tensor))
    }
}

/// `output: dense_1_out`, or the name alone where the two are the same.
fn field(name: &str, value: &str) -> String {
    match name == value {
        true => name.to_owned(),
        false => format!("{name}: {value}"),
    }
}

/// No values.
const NONE: &str = "&[]";
const NONE_MUT: &str = "&mut []";

/// The statements of one stage, and the slices that they have defined.
struct Scope<'a> {
    run: &'a Passes<'a>,
    scope: plan::Scope,
    defined: BTreeSet<String>,
    code: String,
}

impl<'a> Scope<'a> {
    fn new(run: &'a Passes<'a>, scope: plan::Scope) -> Self {
        Self {
            run,
            scope,
            defined: BTreeSet::new(),
            code: String::new(),
        }
    }

    fn line(&mut self, code: &str) {
        self.code.push_str(code);
        self.code.push('\n');
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
        let plan = self.run.context.plan;
        let storage = self.run.memory.storage[value];
        let len = plan.values[storage].shape.len();
        match self.run.memory.values[value] {
            Place::Slot(index) => {
                let name = format!("{}_out", plan.values[storage].name);
                self.define(name, &slot(index), self.per(index), len, write)
            }
            Place::Input => self.part("input", len, false),
            Place::Output => self.part("output", len, write),
        }
    }

    /// The gradient of a value.
    fn gradient(&mut self, value: ValueId) -> String {
        let value_of = &self.run.context.plan.values[value];
        let name = format!("{}_gradient", value_of.name);
        let index = self.run.memory.gradients[value].expect("the plan gave it a slot");
        let len = value_of.shape.len();
        self.define(name, &slot(index), self.per(index), len, true)
    }

    /// What a step adds to the gradient of one of its inputs.
    fn addend(&mut self, step: usize, place: usize, input: ValueId) -> String {
        let name = format!("addend_{step}_{place}");
        let index = self.run.memory.addends[step][place].expect("the plan gave it a slot");
        let len = self.run.context.plan.values[input].shape.len();
        self.define(name, &slot(index), self.per(index), len, true)
    }

    /// The floats that a step saves for its backward pass, if it saves some.
    fn saved(&mut self, index: usize, step: &Step) -> Option<String> {
        let place = self.run.memory.saved[index]?;
        let name = format!("{}_saved", self.run.context.name(step));
        let len = step.saves().floats;
        Some(self.define(name, &slot(place), self.per(place), len, true))
    }

    /// The argmax of a fused pool, if the pass keeps it.
    fn argmax(&mut self, index: usize, step: &Step, write: bool) -> Option<String> {
        let place = self.run.memory.argmax[index]?;
        let name = format!("{}_argmax", self.run.context.name(step));
        let len = step.saves().bytes;
        Some(self.define(name, &argmax_slot(place), Per::Example, len, write))
    }

    fn per(&self, slot: usize) -> Per {
        self.run.memory.slots[slot].per
    }

    /// The scope's part of the caller's input or output.
    fn part(&mut self, buffer: &str, len: usize, write: bool) -> String {
        match self.scope {
            plan::Scope::Images => {
                let name = format!("micro_batch_{buffer}");
                self.define(name, buffer, Per::Example, len, write)
            }
            plan::Scope::Share => buffer.to_owned(),
        }
    }

    /// `let conv2d_1_out = &mut slot_0[..n * 21_632];`, once; then the name.
    fn define(&mut self, name: String, buffer: &str, per: Per, len: usize, write: bool) -> String {
        if !self.defined.contains(&name) {
            let len = number(len);
            let slice = match (self.scope, per, write) {
                (plan::Scope::Images, Per::Example, false) => {
                    format!("rt::part({buffer}, &images, {len})")
                }
                (plan::Scope::Images, Per::Example, true) => {
                    format!("rt::part_mut({buffer}, &images, {len})")
                }
                (plan::Scope::Images, Per::MicroBatch, false) => {
                    format!("&{buffer}[..count * {len}]")
                }
                (plan::Scope::Images, Per::MicroBatch, true) => {
                    format!("&mut {buffer}[..count * {len}]")
                }
                (plan::Scope::Share, _, false) => format!("&{buffer}[..n * {len}]"),
                (plan::Scope::Share, _, true) => format!("&mut {buffer}[..n * {len}]"),
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
    format!("argmax_{index}")
}
