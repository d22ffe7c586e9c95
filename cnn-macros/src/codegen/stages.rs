//! The unrolled passes: one uniform call for each step of the plan, in source order.
//!
//! The steps of a stage of images stand in a loop over micro-batches, those of other stages behind it.
//! Values are slices of the workspace slots that the plan chose; a [`Scope`] cuts each slice where it is
//! first used. What belongs to a layer is named after it, with an ending: `stem_out`, `stem_gradient`,
//! `stem_argmax`, `stem_kernel`. No ending is that of another one, and no other name (`n`, `output`,
//! `slot_0`) has one, so a label may be anything.

use super::constants::packed_name;
use super::sums::{self, Direction, Sums, statistics_name, tensor_sum_name, total_name, totals};
use super::text::{self, array, join, number};
use super::{Context, packed_tensor_name};
use cnn_dsl::plan::{self, Memory, Parameter, Per, Place, Schedule, Stage, Step, ValueId, Write};
use cnn_ir::operation::{Pass, Reduction};
use proc_macro2::TokenStream;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;

/// `fn forward`: inference. It leaves logits where the loss takes the last activation.
pub fn forward(context: &Context<'_>) -> TokenStream {
    let context = &context.for_prediction();
    let run = Passes::new(context, &context.plan.inference, &[], false);
    let stages = run.forward_stages(0..run.stages.len());
    let mut end = Scope::new(&run, plan::Scope::Share);
    run.copy_if_unwritten(&mut end);
    let end = end.code;
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
    text::tokens(&format!(
        "#[allow(unused_variables)]
        pub fn forward(call: rt::Predict<'_>) {{
            let rt::Predict {{
                examples: n, isa, threads, parameters, packed, input, output, workspace,
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

/// The functions of a step of training: forward, loss and backward over a share of a batch. There is one, or one
/// for each piece of work between two meetings of all threads.
pub fn train(context: &Context<'_>) -> TokenStream {
    if context.network.train.is_none() {
        return TokenStream::new();
    }
    let sums = Sums::all(context);
    let run = |pass: TrainingPass| {
        let run = Passes::new(context, &context.plan.training, &sums, true);
        let mut code = run.forward_stages(pass.forward);
        if pass.loss {
            code += &run.loss();
        }
        code += &run.backward_stages(pass.backward);
        run.training_function(pass.index, &code)
    };
    let functions: String = training_passes(context).map(run).collect();
    text::tokens(&functions)
}

/// The work between two meetings: stages forward, the loss, stages backward.
pub struct TrainingPass {
    /// Its place among the passes.
    pub index: usize,
    /// The places of the stages that run forward.
    pub forward: Range<usize>,
    /// Whether the loss is computed.
    loss: bool,
    /// The places of the stages that run backward, in reverse.
    pub backward: Range<usize>,
}

/// The passes of a step of training.
pub fn training_passes(context: &Context<'_>) -> impl Iterator<Item = TrainingPass> {
    let stages = &context.plan.training.stages;
    let meetings = stages.iter().enumerate();
    let meetings = meetings.filter(|(_, stage)| stage.meets_for.is_some());
    let ends: Vec<usize> = (meetings.map(|(place, _)| place + 1))
        .chain([stages.len()])
        .collect();
    let segment = move |index: usize| match index.checked_sub(1) {
        Some(before) => ends[before]..ends[index],
        None => 0..ends[0],
    };
    let count = stages
        .iter()
        .filter(|stage| stage.meets_for.is_some())
        .count();
    // Where no gradient is wanted, nothing runs backward.
    let is_wanted = move |stages: &Range<usize>| has_backward(context, stages.clone());
    let passes = (0..=2 * count).map(move |index| {
        let none = 0..0;
        let (forward, backward) = match index.cmp(&count) {
            Ordering::Less => (segment(index), none),
            Ordering::Equal => (segment(index), segment(index)),
            Ordering::Greater => (none, segment(2 * count - index)),
        };
        TrainingPass {
            index,
            forward,
            loss: index == count,
            backward,
        }
    });
    passes.filter(move |pass| pass.index <= count || is_wanted(&pass.backward))
}

/// Whether the backward pass has something to do in these stages.
fn has_backward(context: &Context<'_>, stages: Range<usize>) -> bool {
    let plan = context.plan;
    plan.training.stages[stages].iter().any(|stage| {
        let mut steps = plan.steps[stage.steps.clone()].iter();
        let met = stage
            .meets_for
            .is_some_and(|step| plan.steps[step].wanted().input);
        met || steps.any(|step| step.wanted().any())
    })
}

/// The passes of one function, with their memory.
struct Passes<'a> {
    context: &'a Context<'a>,
    stages: &'a [Stage],
    chains: &'a [Range<usize>],
    memory: &'a Memory,
    sums: &'a [Sums<'a>],
    training: bool,
    /// What the code has named so far of what the function is given.
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Passes<'a> {
    fn new(
        context: &'a Context<'a>,
        schedule: &'a Schedule,
        sums: &'a [Sums<'a>],
        training: bool,
    ) -> Self {
        Self {
            context,
            stages: &schedule.stages,
            chains: &schedule.chains,
            memory: &schedule.memory,
            sums,
            training,
            used: RefCell::default(),
        }
    }

    /// Takes note that the code names something that the function is given.
    fn uses(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    fn is_used(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    /// A function of a step of training, which takes out of its arguments what `code` uses.
    fn training_function(&self, index: usize, code: &str) -> String {
        let slots_of = |per| {
            let slots = self.memory.slots.iter().enumerate();
            let slots = slots.filter(move |(_, slot)| slot.per == per);
            let slots = slots
                .enumerate()
                .map(|(place, (index, of))| (place, slot(index), of));
            slots.filter(|(_, name, _)| self.is_used(name))
        };
        let kept = pieces(
            "slots",
            slots_of(Per::Example).map(|(place, name, _)| (place, name)),
        );
        let argmax = (0..self.memory.argmax_slots.len()).map(|place| (place, argmax_slot(place)));
        let argmax = pieces("argmax", argmax.filter(|(_, name)| self.is_used(name)));
        let reused = join(slots_of(Per::MicroBatch).map(|(_, name, _)| name));
        let lengths = slots_of(Per::MicroBatch);
        let lengths = lengths.map(|(.., slot)| format!("MICRO_BATCH * {}", number(slot.len)));
        let lengths = join(lengths);
        let tensors = self.split_tensors();
        let packed_forward = self.split_packed(Pass::Forward, "packed_forward");
        let packed_backward = self.split_packed(Pass::Backward, "packed_backward");
        let totals = self.split_totals();
        format!(
            "#[allow(unused_mut, unused_variables)]
            fn train_{index}(call: rt::Train<'_, '_>) {{
                let rt::Train {{
                    examples: n, isa, first, parameters, packed_forward, packed_backward, input, target,
                    weights, output, losses, slots, argmax, workspace, mut partials, totals, scale, seed,
                }} = call;
                {kept}
                {argmax}
                let threads = 1;
                let ([{reused}], scratch) = rt::split_workspace(workspace, [{lengths}]);
                {tensors}
                {packed_forward}
                {packed_backward}
                {totals}
                {code}
            }}"
        )
    }

    fn loss(&self) -> String {
        let plan = self.context.plan;
        let mut scope = Scope::new(self, plan::Scope::Share);
        self.copy_if_unwritten(&mut scope);
        scope.line(
            "rt::objective::forward(OBJECTIVES, OUTPUTS, isa, output, target, weights, losses);",
        );
        if plan.values[plan.output].wants_gradient {
            let gradient = scope.gradient(plan.output);
            scope.line(&format!(
                "rt::objective::backward(OBJECTIVES, OUTPUTS, isa, output, target, weights, scale, {gradient});"
            ));
        }
        scope.code
    }

    fn forward_stages(&self, stages: Range<usize>) -> String {
        let stages = stages.map(|place| {
            let stage = &self.stages[place];
            let steps = |scope: &mut Scope<'_>| {
                let mut steps = stage.steps.clone();
                while let Some(index) = steps.next() {
                    if let Some(chain) = self.chains.iter().find(|chain| chain.start == index) {
                        self.chain(scope, chain.clone());
                        steps.start = chain.end;
                        continue;
                    }
                    let step = &self.context.plan.steps[index];
                    // Where the output is the input, there is nothing to do.
                    let passes_on = step.operation.facts().passes_on_in_inference();
                    if self.training || !passes_on {
                        self.forward_step(scope, index, step);
                    }
                }
            };
            let statistics = |scope: &mut Scope<'_>| {
                if let Some(index) = stage.meets_for {
                    self.statistics(scope, &self.context.plan.steps[index]);
                }
            };
            let region = sums::region(self.sums, place, Direction::Forward);
            self.stage(stage.scope, region, steps, statistics)
        });
        stages.collect()
    }

    fn backward_stages(&self, stages: Range<usize>) -> String {
        let places = stages.rev();
        let stages = places.map(|place| {
            let stage = &self.stages[place];
            let plan = self.context.plan;
            let before = place
                .checked_sub(1)
                .and_then(|before| self.stages[before].meets_for);
            let steps = |scope: &mut Scope<'_>| {
                if let Some(index) = stage.meets_for
                    && plan.steps[index].wanted().input
                {
                    self.backward_step(scope, index, &plan.steps[index]);
                }
                for index in stage.steps.clone().rev() {
                    let step = &plan.steps[index];
                    if step.wanted().any() && Some(index) != before {
                        self.backward_step(scope, index, step);
                    }
                }
            };
            let statistics = |scope: &mut Scope<'_>| {
                if let Some(index) = before
                    && plan.steps[index].wanted().any()
                {
                    self.gradient_statistics(scope, index, &plan.steps[index]);
                }
            };
            let region = sums::region(self.sums, place, Direction::Backward);
            self.stage(stage.scope, region, steps, statistics)
        });
        stages.collect()
    }

    /// A stage: its steps, in a loop over micro-batches where it is one of images, and what it sums up of its
    /// examples, partial by partial; nothing where it does nothing.
    fn stage(
        &self,
        scope: plan::Scope,
        region: Option<usize>,
        steps: impl FnOnce(&mut Scope<'_>),
        statistics: impl FnOnce(&mut Scope<'_>),
    ) -> String {
        let mut images = Scope::new(self, plan::Scope::Images);
        let (mut share, at_once) = match scope {
            plan::Scope::Images => {
                steps(&mut images);
                (String::new(), "MICRO_BATCH")
            }
            plan::Scope::Share => {
                let mut share = Scope::new(self, plan::Scope::Share);
                steps(&mut share);
                (share.code, "n")
            }
        };
        if !share.is_empty() {
            share =
                format!("let run = rt::Run {{ isa, examples: n, first, seed, threads }};\n{share}");
        }
        statistics(&mut images);
        let code = images.code;
        if code.is_empty() {
            return share;
        }
        let in_micro_batches = |range: &str| {
            format!(
                "for images in rt::micro_batches({range}, {at_once}) {{
                    let count = images.end - images.start;
                    let run = rt::Run {{ isa, examples: count, first: first + images.start, seed, threads }};
                    {code}
                }}"
            )
        };
        share
            + &match region {
                Some(region) => self.in_partials(region, &in_micro_batches("start..end")),
                None => in_micro_batches("0..n"),
            }
    }

    /// Code that runs partial by partial, with the sums of each.
    fn in_partials(&self, region: usize, code: &str) -> String {
        let sums = &self.sums[region];
        let (names, lengths) = (join(sums.names()), array(sums.lengths()));
        let region = number(region);
        format!(
            "let mut start = 0;
            while let rt::Some((count, sums)) = partials.start_next({region}) {{
                let end = start + count;
                let [{names}] = rt::split_mut(sums, {lengths});
                {code}
                start = end;
            }}"
        )
    }

    /// The statistics of a step's input.
    fn statistics(&self, scope: &mut Scope<'_>, step: &Step) {
        let layer = self.context.constant(step);
        let input = scope.read(step.inputs[0]);
        let sums = statistics_name(self.context.name(step), Direction::Forward);
        scope.line(&format!(
            "{layer}.statistics(rt::Statistics {{ run, input: {input}, statistics: {sums} }});"
        ));
    }

    /// The statistics of the gradient of a step's output.
    fn gradient_statistics(&self, scope: &mut Scope<'_>, index: usize, step: &Step) {
        let layer = self.context.constant(step);
        let saves = step.saves();
        let input = scope.read(step.inputs[0]);
        let output = match saves.output {
            true => field("output", &scope.read(step.output)),
            false => field("output", NONE),
        };
        let saved = scope.saved(index, step).unwrap_or(NONE.to_owned());
        let argmax = scope.argmax(index, step, false).unwrap_or(NONE.to_owned());
        let gradient = scope.gradient(step.output);
        let name = self.context.name(step);
        let total = total_name(name, Direction::Forward);
        self.uses(&total);
        let sums = statistics_name(name, Direction::Backward);
        scope.line(&format!(
            "{layer}.gradient_statistics(rt::GradientStatistics {{
                run, input: {input}, total: {total}, {output}, saved: {saved}, argmax: {argmax},
                gradient: {gradient}, statistics: {sums},
            }});"
        ));
    }

    fn forward_step(&self, scope: &mut Scope<'_>, index: usize, step: &Step) {
        let layer = self.context.constant(step);
        let inputs = join(step.inputs.iter().map(|&input| scope.read(input)));
        let output = field("output", &scope.write(step.output));
        let tensors = self.tensors(step, &[Direction::Forward]);
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
            let layer = self.context.inference(step);
            scope.line(&format!(
                "{layer}.infer(rt::Infer {{
                    run, inputs: &[{inputs}], tensors: &[{tensors}], packed: {packed}, {output}, scratch,
                }});"
            ));
        }
    }

    /// Steps of a prediction that threads compute row by row, in one call.
    fn chain(&self, scope: &mut Scope<'_>, chain: Range<usize>) {
        let mut before = None;
        let mut links = String::new();
        for step in &self.context.plan.steps[chain] {
            // The output of the step before is handed on by the call.
            let inputs = step.inputs.iter().filter(|&&input| Some(input) != before);
            let inputs = join(inputs.map(|&input| scope.read(input)));
            let output = field("output", &scope.write(step.output));
            let tensors = self.tensors(step, &[]);
            let packed = self.packed(Pass::Inference, step);
            let step_of = self.context.inference(step);
            links += &format!(
                "rt::Link {{ step: &{step_of}, inputs: &[{inputs}], tensors: &[{tensors}], packed: {packed}, {output} }},\n"
            );
            before = Some(step.output);
        }
        scope.line(&format!("rt::chain(run, &mut [{links}], scratch);"));
    }

    /// The gradients of a step: through its activation, of its tensors, of its inputs.
    fn backward_step(&self, scope: &mut Scope<'_>, index: usize, step: &Step) {
        let layer = self.context.constant(step);
        let (wanted, saves) = (step.wanted(), step.saves());
        let saved = &step.inputs[..saves.inputs];
        let inputs = join(saved.iter().map(|&input| scope.read(input)));
        // The statistics of the gradient have taken the activation into account.
        let output = match saves.output && !step.meets() {
            true => field("output", &scope.read(step.output)),
            false => field("output", NONE),
        };
        let tensors = self.tensors(step, &[Direction::Forward, Direction::Backward]);
        let packed = self.packed(Pass::Backward, step);
        let saved = match step.meets() {
            true => NONE.to_owned(),
            false => scope.saved(index, step).unwrap_or(NONE.to_owned()),
        };
        let argmax = scope.argmax(index, step, false).unwrap_or(NONE.to_owned());
        let gradient = scope.gradient(step.output);
        let is_summed = step.operation.facts().reduction() == Reduction::Partials;
        let tensor_gradients = match wanted.tensors && is_summed {
            true => join(
                self.context
                    .plan
                    .tensors(step)
                    .map(|tensor| self.tensor_gradient(tensor)),
            ),
            false => String::new(),
        };
        let places = step.inputs.iter().zip(&step.input_gradients).enumerate();
        let targets: Vec<_> = places
            .map(|(place, (&input, write))| match write {
                None => NONE_MUT.to_owned(),
                Some(_) if self.is_gradient_of_output(index, place) => NONE_MUT.to_owned(),
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
        let places = step.inputs.iter().zip(&step.input_gradients).enumerate();
        for ((place, (&input, write)), target) in places.zip(targets) {
            if *write == Some(Write::Add) {
                let addend = match self.is_gradient_of_output(index, place) {
                    true => gradient.clone(),
                    false => target,
                };
                let sum = scope.gradient(input);
                scope.line(&format!("rt::add(isa, {sum}, {addend});"));
            }
        }
    }

    /// Whether a step writes no gradient for one of its inputs, because it is that of its output: the two share one place,
    /// or it is added from there.
    fn is_gradient_of_output(&self, index: usize, place: usize) -> bool {
        let step = &self.context.plan.steps[index];
        let storage = &self.memory.gradient_storage;
        match step.input_gradients[place] {
            Some(Write::Store) => storage[step.inputs[place]] == storage[step.output],
            Some(Write::Add) => self.memory.addends[index][place].is_none(),
            None => false,
        }
    }

    /// The tensors of a step and, while training, the totals of its statistics.
    fn tensors(&self, step: &Step, totals: &[Direction]) -> String {
        let tensors = self.context.plan.tensors(step);
        let tensors = tensors.map(|tensor| self.tensor(tensor));
        let meets = self.training && step.meets();
        let totals = totals.iter().filter(|_| meets);
        let totals = totals.map(|direction| total_name(self.context.name(step), *direction));
        let names: Vec<_> = tensors.chain(totals).collect();
        for name in &names {
            self.uses(name);
        }
        names.join(", ")
    }

    /// `let [conv2d_1_kernel, conv2d_1_bias] = rt::tensors(parameters, TENSORS);`
    fn split_tensors(&self) -> String {
        let tensors = self.context.plan.parameters.iter();
        let names = tensors.map(|tensor| self.tensor(tensor));
        self.take_used(names, "rt::tensors(parameters, TENSORS)")
    }

    /// `let [conv2d_2_packed_forward] = rt::split_packed(packed_forward, &PACKED_FORWARD);`
    fn split_packed(&self, pass: Pass, buffer: &str) -> String {
        let steps = self.context.packed(pass);
        let names = steps.map(|step| packed_tensor_name(self.context.name(step), pass));
        let all = format!("rt::split_packed({buffer}, &{})", packed_name(pass));
        self.take_used(names, &all)
    }

    /// `let [batch_normalization_1_total] = rt::tensors(totals, TOTALS);`
    fn split_totals(&self) -> String {
        let totals = totals(self.context).into_iter();
        let names =
            totals.map(|(step, direction, _)| total_name(self.context.name(step), direction));
        self.take_used(names, "rt::tensors(totals, TOTALS)")
    }

    /// Takes out of an array what the code uses; nothing where it uses nothing.
    fn take_used(&self, names: impl Iterator<Item = String>, all: &str) -> String {
        let names: Vec<String> = names.collect();
        let used: Vec<usize> = (0..names.len())
            .filter(|&place| self.is_used(&names[place]))
            .collect();
        let taken = join(used.iter().map(|&place| names[place].clone()));
        if used.is_empty() {
            String::new()
        } else if used.len() == names.len() {
            format!("let [{taken}] = {all};")
        } else {
            format!("let [{taken}] = rt::pick({all}, {});", array(used))
        }
    }

    /// The tensors in the form of a pass, an empty slice where the pass takes them as they are.
    fn packed(&self, pass: Pass, step: &Step) -> String {
        if !step.packs(pass) {
            return NONE.to_owned();
        }
        let name = packed_tensor_name(self.context.name(step), pass);
        self.uses(&name);
        name
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
        let layer = self
            .context
            .identifier(&self.context.network.nodes[tensor.node].name);
        format!("{layer}_{}", tensor.name)
    }

    fn tensor_gradient(&self, tensor: &Parameter) -> String {
        tensor_sum_name(self.context, tensor)
    }
}

/// `let [slot_2] = rt::pieces(slots, [2]);`, nothing where none is used.
fn pieces(buffer: &str, used: impl Iterator<Item = (usize, String)>) -> String {
    let (places, names): (Vec<usize>, Vec<String>) = used.unzip();
    if names.is_empty() {
        return String::new();
    }
    let (names, places) = (names.join(", "), array(places));
    format!("let [{names}] = rt::pieces({buffer}, {places});")
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
                let name = self.run.context.identifier(&plan.values[storage].name);
                let name = format!("{name}_out");
                self.define(name, &slot(index), self.per(index), len, write)
            }
            Place::Input => self.part("input", len, false),
            Place::Output => self.part("output", len, write),
        }
    }

    /// The gradient of a value, under the name of its storage.
    fn gradient(&mut self, value: ValueId) -> String {
        let value = self.run.memory.gradient_storage[value];
        let value_of = &self.run.context.plan.values[value];
        let name = self.run.context.identifier(&value_of.name);
        let name = format!("{name}_gradient");
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
            self.run.uses(buffer);
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
