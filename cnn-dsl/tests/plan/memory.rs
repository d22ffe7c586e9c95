use crate::{CROSSENTROPY, MNIST, MSE, activation, config, network, networks};
use cnn_dsl::graph::Activation;
use cnn_dsl::plan::{Memory, Per, Place, Plan, Schedule, Scope, Slot, Stage, Step, ValueId, Write};
use cnn_ir::Operation;
use cnn_ir::operation::{MergeKind, Reduction};
use proptest::prelude::*;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

fn example(len: usize) -> Slot {
    let per = Per::Example;
    Slot { len, per }
}

fn micro_batch(len: usize) -> Slot {
    let per = Per::MicroBatch;
    Slot { len, per }
}

#[test]
fn the_tutorial_keeps_little_between_the_front_and_the_back() {
    let plan = Plan::new(&network(&format!("{MNIST} {CROSSENTROPY}")));
    let (first, second) = (12 * 12 * 32, 5 * 5 * 64);
    assert_eq!(
        plan.inference.memory.slots,
        [micro_batch(first), example(second), example(64)]
    );
    assert_eq!(plan.inference.memory.values[plan.output], Place::Output);
    // The values, then their gradients from the last on.
    let values = [example(first), example(second), example(64)];
    let gradients = [
        example(10),
        example(64),
        example(second),
        micro_batch(first),
    ];
    assert_eq!(
        plan.training.memory.slots,
        [&values[..], &gradients].concat()
    );
    assert_eq!(plan.training.memory.argmax_slots, [first, second]);
    assert_eq!(plan.training.memory.argmax, [Some(0), Some(1), None, None]);
}

#[test]
fn a_long_front_needs_two_slots() {
    let plan = Plan::new(&network(
        "input(8x8x2); conv2d(4, 3x3, padding = same); conv2d(3, 3x3, padding = same);
         conv2d(4, 3x3, padding = same); conv2d(2, 3x3, padding = same); flatten; dense(2);",
    ));
    let slots = [
        micro_batch(8 * 8 * 4),
        micro_batch(8 * 8 * 3),
        example(8 * 8 * 2),
    ];
    assert_eq!(plan.inference.memory.slots, slots);
}

#[test]
fn dropout_costs_inference_nothing() {
    let with = Plan::new(&network("input(8); dense(4); dropout(0.5); dense(2);"));
    let without = Plan::new(&network("input(8); dense(4); dense(2);"));
    assert_eq!(with.inference.memory.slots, without.inference.memory.slots);
    let last = Plan::new(&network(
        "input(8); dense(4); dropout(0.5); activation(linear);",
    ));
    assert_eq!(last.inference.memory.values[last.output], Place::Output);
}

#[test]
fn values_that_no_backward_pass_reads_are_not_kept() {
    // Nothing is trained before the last layer, so the front keeps nothing but what crosses.
    let plan = Plan::new(&network(&format!(
        "input(8x8x1); conv2d(2, 3x3, trainable = false); max_pool2d(2x2);
         conv2d(3, 1x1, activation = tanh, trainable = false); flatten; dense(2); {MSE}"
    )));
    assert_eq!(
        plan.training.memory.slots,
        [micro_batch(18), example(27), example(2)]
    );
    assert_eq!(plan.training.memory.argmax, [None; 3]);
}

#[test]
fn every_read_finds_what_was_written() {
    let descriptions = [
        format!("{MNIST} {CROSSENTROPY}"),
        "input(9x8x2); relu; conv2d(4, 3x3); leaky_relu(0.1); avg_pool2d(2x2); dropout(0.5);
         sigmoid; flatten; dropout(0.1); dense(7); dense(7); dense(2); tanh; train { loss = mse; }"
            .to_owned(),
        "input(3); dense(2); train { loss = mse; }".to_owned(),
        // All threads meet: behind images, behind a share, at the input, twice in a row, without gradients before.
        "input(9x8x2); conv2d(4, 3x3); batch_normalization; relu; max_pool2d(2x2); conv2d(3, 3x3);
         batch_normalization; flatten; dense(5); batch_normalization; dense(3); train { loss = mse; }"
            .to_owned(),
        "input(6x6x2); batch_normalization; batch_normalization; conv2d(4, 3x3); flatten; dense(2);
         batch_normalization(trainable = false); train { loss = mse; }"
            .to_owned(),
        "input(6x6x2); conv2d(4, 3x3, trainable = false); batch_normalization; tanh; flatten; dense(2);
         batch_normalization; train { loss = mse; }"
            .to_owned(),
        // Second readers: in one stage, in several, of the input, of a value that is normalized.
        "input(8x8x2); a: conv2d(4, 3x3, padding = same); b: batch_normalization; relu;
         conv2d(4, 3x3, padding = same); batch_normalization; add(a); relu; add(b); concat(a, b, input);
         flatten; c: dense(4); dense(4); multiply(c, c); add(c); train { loss = mse; }"
            .to_owned(),
        // Gradients that are passed on: to several, along a chain, through activations, to a value that others read
        // too, to the same value twice, behind a reshape, of other shapes.
        "input(6x6x2); a: conv2d(4, 3x3, padding = same); b: conv2d(4, 3x3, padding = same, activation = relu);
         c: add(a); d: add(a, b, c); relu; e: dropout(0.2); f: add(e, e); add(d, a, f); subtract(e); subtract(b);
         batch_normalization(trainable = false); g: relu; conv2d(4, 1x1); h: batch_normalization; add(g); relu; add(h);
         i: add(a); flatten; j: dense(144); k: dense(144, activation = relu); add(j); add(k); dropout(0.1); add(j);
         reshape(6x6x4); l: add(i); m: avg_pool2d(6x6); add(l, m, a); train { loss = mse; }"
            .to_owned(),
        // Chains, also with operands from before.
        "input(30x30x16); depthwise_conv2d(3x3); a: conv2d(64, 1x1); depthwise_conv2d(3x3, padding = same);
         conv2d(64, 1x1); depthwise_conv2d(3x3, padding = same); add(a); conv2d(64, 1x1); avg_pool2d(3x3);
         batch_normalization; conv2d(64, 1x1); flatten; dense(2); train { loss = mse; }"
            .to_owned(),
        // Additions behind normalizations: a chain whose gradients share a place, a normalized value that is added to
        // itself, other readers before and behind the addition, a dense layer whose gradient is read at the end.
        "input(8x8x2); a: conv2d(4, 3x3, padding = same); b: batch_normalization; conv2d(4, 1x1);
         batch_normalization; add(b); relu; d: conv2d(4, 1x1); batch_normalization; add(d); c: conv2d(4, 1x1);
         batch_normalization; conv2d(4, 1x1, from = a); batch_normalization; e: add(c); conv2d(4, 1x1);
         batch_normalization; add(e); concat(c, b); flatten; f: dense(6); dense(6); batch_normalization; add(f);
         tanh; dense(2); train { loss = mse; }"
            .to_owned(),
        "input(8x8x2); a: conv2d(4, 3x3); b: batch_normalization; c: conv2d(4, 3x3, from = input); add(b, c);
         d: relu; e: conv2d(4, 1x1); batch_normalization; f: add(d); conv2d(4, 1x1); batch_normalization; g: add(f);
         conv2d(4, 1x1); batch_normalization; add(g); flatten; dense(2); train { loss = mse; }"
            .to_owned(),
        // Max pools behind them, of which rows are read.
        "input(20x8x2); conv2d(4, 1x1); batch_normalization; relu; max_pool2d(2x2); conv2d(4, 1x1); batch_normalization;
         elu; dropout(0.5); conv2d(3, 1x1); batch_normalization; max_pool2d(2x1, strides = 1); sigmoid;
         conv2d(3, 3x3, strides = 2); batch_normalization; tanh; max_pool2d(2x1, strides = 1); flatten; dense(2);
         train { loss = mse; }"
            .to_owned(),
        // In micro-batches of two.
        "input(10x10x64); conv2d(64, 1x1); dropout(0.5); conv2d(144, 3x3); flatten; dense(2);
         dropout(0.5); dense(2); train { loss = mse; }"
            .to_owned(),
        format!("input(4); dense(3, activation = tanh); softmax; {CROSSENTROPY}"),
        format!("input(4); dropout(0.5); {MSE}"),
        // Values that nothing reads behind the forward pass leave longer slots than dense layers need.
        format!("input(9); dense(8); dropout(0.5); relu; dense(3); dense(5); {MSE}"),
        format!("input(9); dense(8); dense(7, trainable = false); dense(2); {MSE}"),
    ];
    for description in &descriptions {
        let plan = Plan::new(&network(description));
        infer(&plan);
        train(&plan);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_read_finds_what_was_written_in_any_network(layers in networks()) {
        let plan = Plan::new(&network(&layers));
        infer(&plan);
        train(&plan);
    }
}

/// What a place in memory holds, of one example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Nothing,
    Value(ValueId, usize),
    Probabilities(usize),
    /// A gradient: a number for what was computed.
    Gradient(u64, usize),
    Mask(usize, usize),
    Addend(usize, usize, usize),
}

/// A run of a plan that writes down who holds what instead of computing it.
struct Run<'a> {
    plan: &'a Plan,
    stages: &'a [Stage],
    chains: &'a [Range<usize>],
    memory: &'a Memory,
    /// By slot, then by example or by image of a micro-batch.
    slots: Vec<Vec<Token>>,
    output: Vec<Token>,
    /// By value, then by example: what the gradients would be if each had a place of its own.
    gradients: Vec<Vec<Token>>,
}

/// What is made of some gradients.
fn made_of(what: impl Hash, example: usize, gradients: &[Token]) -> Token {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    for gradient in gradients {
        match gradient {
            Token::Gradient(number, _) => number.hash(&mut hasher),
            other => panic!("a gradient, not {other:?}"),
        }
    }
    Token::Gradient(hasher.finish(), example)
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, schedule: &'a Schedule) -> Self {
        let Schedule {
            stages,
            memory,
            chains,
        } = schedule;
        let examples = 2 * plan.micro_batch + 1;
        let pieces = |slot: &Slot| match slot.per {
            Per::Example => examples,
            Per::MicroBatch => plan.micro_batch,
        };
        Self {
            plan,
            stages,
            chains,
            memory,
            slots: memory
                .slots
                .iter()
                .map(|s| vec![Token::Nothing; pieces(s)])
                .collect(),
            output: vec![Token::Nothing; examples],
            gradients: vec![vec![Token::Nothing; examples]; plan.values.len()],
        }
    }

    fn examples(&self) -> Vec<usize> {
        (0..self.output.len()).collect()
    }

    /// The value under the name of its storage.
    fn value(&self, value: ValueId, example: usize) -> Token {
        Token::Value(self.memory.storage[value], example)
    }

    fn piece(&mut self, slot: usize, len: usize, example: usize) -> &mut Token {
        assert!(
            self.memory.slots[slot].len >= len,
            "slot {slot} is too small"
        );
        match self.memory.slots[slot].per {
            Per::Example => &mut self.slots[slot][example],
            Per::MicroBatch => &mut self.slots[slot][example % self.plan.micro_batch],
        }
    }

    fn len(&self, value: ValueId) -> usize {
        self.plan.values[value].shape.len()
    }

    fn read_value(&mut self, value: ValueId, example: usize) {
        let expected = self.value(value, example);
        let len = self.len(value);
        let found = match self.memory.values[value] {
            Place::Input => self.value(self.plan.input, example),
            Place::Output => self.output[example],
            Place::Slot(slot) => *self.piece(slot, len, example),
        };
        assert_eq!(found, expected);
    }

    fn write_value(&mut self, value: ValueId, example: usize) {
        let token = self.value(value, example);
        let len = self.len(value);
        match self.memory.values[value] {
            Place::Input => panic!("a step writes into the caller's input"),
            Place::Output => self.output[example] = token,
            Place::Slot(slot) => *self.piece(slot, len, example) = token,
        }
    }

    fn gradient(&mut self, value: ValueId, example: usize) -> &mut Token {
        let slot = self.memory.gradients[value].expect("a slot for a gradient that is wanted");
        let len = self.len(value);
        self.piece(slot, len, example)
    }

    fn write_gradient(&mut self, value: ValueId, example: usize, gradient: Token) {
        *self.gradient(value, example) = gradient;
        self.gradients[value][example] = gradient;
    }

    fn read_gradient(&mut self, value: ValueId, example: usize) {
        let found = *self.gradient(value, example);
        assert_eq!(
            found, self.gradients[value][example],
            "the gradient of {}",
            self.plan.values[value].name
        );
    }

    fn mask(&mut self, index: usize, example: usize) -> &mut Token {
        let slot = self.memory.saved[index].expect("a slot for a mask");
        let len = self.plan.steps[index].saves().floats;
        self.piece(slot, len, example)
    }

    fn forward(&mut self, index: usize, examples: &[usize], training: bool) {
        let step = &self.plan.steps[index];
        if step.operation.facts().passes_on_in_inference() && !training {
            return;
        }
        let saves = training && step.saves().floats > 0;
        let reads = |run: &mut Self| {
            for &input in &step.inputs {
                examples
                    .iter()
                    .for_each(|&example| run.read_value(input, example));
            }
        };
        reads(self);
        for &example in examples {
            self.write_value(step.output, example);
            if saves {
                *self.mask(index, example) = Token::Mask(index, example);
            }
        }
        // Nothing was written over what other images still had to be computed from.
        reads(self);
        for &example in examples {
            self.read_value(step.output, example);
        }
    }

    fn backward(&mut self, index: usize, examples: &[usize]) {
        let step = &self.plan.steps[index];
        if !self.plan.values[step.output].wants_gradient {
            return;
        }
        for &example in examples {
            self.read_gradient(step.output, example);
            self.reads(index, step, example);
        }
        if changes_gradient(step) {
            for &example in examples {
                let before = self.gradients[step.output][example];
                let undone = made_of(("undone", index), example, &[before]);
                self.write_gradient(step.output, example, undone);
            }
        }
        // The gradient of its input follows when all threads have met.
        if step.meets() {
            return;
        }
        self.write_gradients(index, examples);
        for &example in examples {
            self.read_gradient(step.output, example);
            self.reads(index, step, example);
        }
        self.add_gradients(index, examples);
    }

    /// What a step's backward pass makes of the gradient of its output for one of its inputs.
    fn of_input(&self, index: usize, place: usize, example: usize) -> Token {
        let step = &self.plan.steps[index];
        let gradient = self.gradients[step.output][example];
        match passes_gradient_on(step, place) {
            true => gradient,
            false => made_of((index, place), example, &[gradient]),
        }
    }

    /// What a step's backward pass writes: gradients, and what is to be added to those that others have left.
    fn write_gradients(&mut self, index: usize, examples: &[usize]) {
        let step = &self.plan.steps[index];
        let writes = step.inputs.iter().zip(&step.input_gradients).enumerate();
        for (place, (&input, write)) in writes {
            let storage = &self.memory.gradient_storage;
            let is_shared = storage[input] == storage[step.output];
            for &example in examples {
                let gradient = self.of_input(index, place, example);
                match write {
                    None => {}
                    Some(Write::Store) if is_shared => self.gradients[input][example] = gradient,
                    Some(Write::Store) => self.write_gradient(input, example, gradient),
                    Some(Write::Add) => {
                        if let Some(addend) = self.addend(index, place, example) {
                            *addend = Token::Addend(index, place, example);
                        }
                    }
                }
            }
        }
    }

    /// Adds them.
    fn add_gradients(&mut self, index: usize, examples: &[usize]) {
        let step = &self.plan.steps[index];
        let writes = step.inputs.iter().zip(&step.input_gradients).enumerate();
        for (place, (&input, write)) in writes {
            for &example in examples.iter().filter(|_| *write == Some(Write::Add)) {
                self.read_gradient(input, example);
                let addend = self.of_input(index, place, example);
                match self.addend(index, place, example) {
                    Some(found) => assert_eq!(*found, Token::Addend(index, place, example)),
                    None => assert_eq!(*self.gradient(step.output, example), addend),
                }
                let parts = [self.gradients[input][example], addend];
                self.write_gradient(input, example, made_of("sum", example, &parts));
            }
        }
    }

    /// None where the gradient of the output is what is added.
    fn addend(&mut self, index: usize, place: usize, example: usize) -> Option<&mut Token> {
        let slot = self.memory.addends[index][place]?;
        let len = self.len(self.plan.steps[index].inputs[place]);
        Some(self.piece(slot, len, example))
    }

    /// The gradient of the input of a step that has to know the whole batch.
    fn met(&mut self, index: usize, examples: &[usize]) {
        let step = &self.plan.steps[index];
        if !step.wanted().input {
            return;
        }
        let input = step.inputs[0];
        for _ in 0..2 {
            for &example in examples {
                self.read_gradient(step.output, example);
                self.read_value(input, example);
            }
            self.write_gradients(index, examples);
        }
        self.add_gradients(index, examples);
    }

    /// What a step's own backward pass reads beside the gradient.
    fn reads(&mut self, index: usize, step: &Step, example: usize) {
        // Independent of `Facts::saves`: what the kernels read.
        let wanted = step.wanted();
        let is = |kind: &str| step.operation.kind() == kind;
        let pool = is("Pool2d") && wanted.input;
        let kinds = [
            "Conv2d",
            "DepthwiseConv2d",
            "GroupedConv2d",
            "Conv2dTranspose",
        ];
        let conv = kinds.into_iter().any(is) && wanted.tensors;
        let merge = matches!(&step.operation, Operation::Merge(merge)
            if matches!(merge.kind, MergeKind::Multiply | MergeKind::Maximum));
        if merge && wanted.input {
            for &input in &step.inputs {
                self.read_value(input, example);
            }
        }
        // Of the inputs of an addition the first one alone.
        if pool || conv || step.meets() {
            self.read_value(step.inputs[0], example);
        }
        if pool || activation(step) != Activation::Linear {
            self.read_value(step.output, example);
        }
        if is("Dropout") {
            let found = *self.mask(index, example);
            assert_eq!(found, Token::Mask(index, example));
        }
        if step.pool.is_some() {
            let slot = self.memory.argmax[index].expect("a slot for argmax");
            assert_eq!(self.memory.argmax_slots[slot], self.len(step.output));
        }
    }

    /// Runs a pass over the steps of a stage, on as many examples at once as it takes.
    fn stage(&mut self, scope: Scope, mut pass: impl FnMut(&mut Self, &[usize])) {
        let examples = self.examples();
        match scope {
            Scope::Images => examples
                .chunks(self.plan.micro_batch)
                .for_each(|images| pass(self, images)),
            Scope::Share => pass(self, &examples),
        }
    }

    fn forward_stages(&mut self, training: bool) {
        for stage in self.stages {
            self.stage(stage.scope, |run, examples| {
                for index in stage.steps.clone() {
                    run.forward(index, examples, training);
                    // A slow thread may still read what the first steps read.
                    let mut chains = run.chains.iter();
                    let chain = chains.find(|chain| chain.end == index + 1);
                    for step in &run.plan.steps[chain.cloned().unwrap_or_default()] {
                        for (&input, &example) in step
                            .inputs
                            .iter()
                            .flat_map(|input| examples.iter().map(move |example| (input, example)))
                        {
                            run.read_value(input, example);
                        }
                    }
                }
                if let Some(index) = stage.meets_for {
                    let input = run.plan.steps[index].inputs[0];
                    (examples.iter()).for_each(|&example| run.read_value(input, example));
                }
            });
        }
    }

    fn backward_stages(&mut self) {
        for stage in self.stages.iter().rev() {
            self.stage(stage.scope, |run, examples| {
                if let Some(index) = stage.meets_for {
                    run.met(index, examples);
                }
                let steps = stage.steps.clone().rev();
                steps.for_each(|index| run.backward(index, examples));
            });
        }
    }
}

/// Whether the gradient of an input is that of the output: what the kernels do, independent of `Facts`.
fn passes_gradient_on(step: &Step, place: usize) -> bool {
    match &step.operation {
        Operation::Activate(activate) => activate.input == activate.output,
        Operation::Dropout(dropout) => dropout.input == dropout.output,
        // What it adds has the gradient of the sum.
        Operation::BatchNormalization(layer) if layer.adds => place == 1,
        Operation::BatchNormalization(layer) => layer.frozen && layer.input == layer.output,
        Operation::Merge(merge) => {
            let is_kept =
                merge.kind == MergeKind::Add || (merge.kind == MergeKind::Subtract && place == 0);
            is_kept && merge.inputs.shapes()[place] == merge.output
        }
        Operation::Conv2d(_)
        | Operation::Pool2d(_)
        | Operation::Dense(_)
        | Operation::DepthwiseConv2d(_)
        | Operation::Part(_)
        | Operation::Pad2d(_)
        | Operation::UpSampling2d(_)
        | Operation::GroupedConv2d(_)
        | Operation::Conv2dTranspose(_) => false,
    }
}

/// Whether the backward pass changes the gradient of the output: what the kernels do, independent of `Facts`.
fn changes_gradient(step: &Step) -> bool {
    match &step.operation {
        Operation::Dropout(_) => true,
        Operation::BatchNormalization(layer) if layer.frozen => true,
        Operation::Activate(_)
        | Operation::BatchNormalization(_)
        | Operation::Merge(_)
        | Operation::Conv2d(_)
        | Operation::Pool2d(_)
        | Operation::Dense(_)
        | Operation::DepthwiseConv2d(_)
        | Operation::Part(_)
        | Operation::Pad2d(_)
        | Operation::UpSampling2d(_)
        | Operation::GroupedConv2d(_)
        | Operation::Conv2dTranspose(_) => activation(step) != Activation::Linear,
    }
}

fn infer(plan: &Plan) {
    let plan = plan.for_prediction();
    let mut run = Run::new(plan, &plan.inference);
    run.forward_stages(false);
    for example in run.examples() {
        run.read_value(plan.output, example);
    }
}

/// Trains on some examples, and looks at everything that is read.
pub fn train(plan: &Plan) {
    let mut run = Run::new(plan, &plan.training);
    run.forward_stages(true);
    let examples = run.examples();
    for &example in &examples {
        run.read_value(plan.output, example);
        // In place, where the loss takes an activation.
        if plan.outputs[0].activation != Activation::Linear {
            run.output[example] = Token::Probabilities(example);
        }
        if plan.values[plan.output].wants_gradient {
            run.write_gradient(plan.output, example, made_of("loss", example, &[]));
        }
    }
    run.backward_stages();
    let is_product = |step: &&Step| {
        step.trains_tensors && step.operation.facts().reduction() == Reduction::Batch
    };
    for step in plan.steps.iter().filter(is_product) {
        // As matrices of a whole batch: examples lie side by side, whoever computed them.
        let gradient = plan.training.memory.gradients[step.output];
        let input = step.inputs[0];
        let slots = [
            Some(plan.training.memory.values[input]),
            gradient.map(Place::Slot),
        ];
        for (place, value) in slots.iter().zip([input, step.output]) {
            if let Some(Place::Slot(slot)) = place {
                assert_eq!(plan.training.memory.slots[*slot].len, run.len(value));
            }
        }
        for &example in &examples {
            run.read_value(input, example);
            run.read_gradient(step.output, example);
        }
    }
}

/// An argmax is read after every micro-batch left its own, so no two steps may share a slot.
#[test]
fn every_pool_has_an_argmax_of_its_own() {
    let pair = "conv2d(2, 3x3, padding = same); max_pool2d(2x2);";
    let layers = format!("input(32x32x1); {} {MSE}", pair.repeat(4));
    let plan = Plan::new(&network(&layers));
    let slots: Vec<_> = (0..4).map(Some).collect();
    assert_eq!(plan.training.memory.argmax, slots);
}
