//! Generated networks against finite differences in `f64` and against PyTorch's values.
//!
//! The networks of `compiled` are those of `fixtures/`: each file holds the description it was made for, and the first
//! test makes sure that it is the one compiled. Those of `described` have no fixtures, and cover what the plan treats in
//! a way of its own.

#![allow(deprecated)] // some descriptions are suspicious on purpose, and warned about

#[path = "numerics/compiled.rs"]
mod compiled;
#[path = "numerics/described.rs"]
mod described;
mod support;

use cnn::Model;
use cnn::Optimizer;
use cnn::runtime::kernels::Isa;
use cnn::runtime::spec::{Predict, Spec};
use cnn_dsl::graph;
use compiled::{Case, cases};
use described::{FOLDED, TUTORIAL, small_networks};
use ndarray::ArrayD;
use support::batch::Batch;
use support::oracle::Mode;
use support::{deviation, oracle};

/// Rounding of `f32` over some thousand operations, relative to a tensor's largest value.
const ROUNDING: f64 = 2e-6;
/// Ten steps of an optimizer multiply it.
const ROUNDING_OF_STEPS: f64 = 2e-5;

impl Batch {
    /// That of a fixture.
    fn of(case: &Case) -> Self {
        Self {
            examples: case.fixture.batch,
            parameters: case.model().parameters().to_vec(),
            input: case.fixture.tensor("input").to_vec(),
            target: case.fixture.tensor("target").to_vec(),
        }
    }

    /// The tensors whose gradients differ from central differences of the naive network in `f64`.
    /// At most `count` elements of a tensor are looked at.
    fn wrong_gradients(
        &self,
        spec: &'static Spec,
        network: &graph::Network,
        count: usize,
    ) -> Vec<String> {
        let doubles = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let (input, target) = (doubles(&self.input), doubles(&self.target));
        let mut parameters = doubles(&self.parameters);
        let mut slope = |index: usize| {
            const STEP: f64 = 1e-6;
            let value = parameters[index];
            let mut loss_at = |value| {
                parameters[index] = value;
                oracle::loss(network, self.examples, &parameters, &input, &target)
            };
            let slope = (loss_at(value + STEP) - loss_at(value - STEP)) / (2.0 * STEP);
            parameters[index] = value;
            slope
        };
        let (_, gradients) = self.gradients(spec);
        let largest = gradients
            .iter()
            .fold(0.0, |a: f64, &b| a.max(b.abs().into()));
        let is_trained = network.nodes.iter().flat_map(|node| {
            let tensors = node.tensors().into_iter();
            tensors.map(|tensor| node.is_trainable() && tensor.role.is_trained())
        });
        let mut wrong = Vec::new();
        for (tensor, is_trained) in spec.parameters.iter().zip(is_trained) {
            let some = || tensor.range().step_by(tensor.len().div_ceil(count));
            let found: Vec<f32> = some().map(|index| gradients[index]).collect();
            let expected: Vec<f64> = match is_trained {
                true => some().map(&mut slope).collect(),
                false => vec![0.0; found.len()],
            };
            // A normalization takes away what the bias before it adds: what is left are rounding errors.
            let deviation = if expected.iter().all(|slope| slope.abs() < 1e-7 * largest) {
                found.iter().fold(0.0, |a: f64, &b| a.max(b.abs().into())) / largest
            } else {
                deviation(&found, &expected)
            };
            println!("{} {}: {deviation:.1e}", spec.name, tensor.name);
            if deviation.is_nan() || deviation > ROUNDING {
                wrong.push(format!("{} {}: {deviation:.1e}", spec.name, tensor.name));
            }
        }
        wrong
    }
}

/// Fails with every line of `wrong`.
fn report(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_fixtures_are_those_of_the_networks() {
    for case in cases() {
        let network = cnn_dsl::check(&case.fixture.description).unwrap();
        assert_eq!(network.summary(), case.summary);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    /// Elements of a tensor that are looked at, spread over it: each costs two passes of the naive network.
    const ELEMENTS: usize = 40;
    let mut wrong = over_threads(&cases(), |case| {
        let network = cnn_dsl::check(&case.fixture.description).unwrap();
        Batch::of(case).wrong_gradients(case.spec, &network, ELEMENTS)
    });
    let networks: Vec<_> = small_networks().collect();
    wrong.extend(over_threads(
        &networks,
        |(activation, spec, description)| {
            let network = cnn_dsl::check(description).unwrap();
            let lines = Batch::random(spec, 5).wrong_gradients(spec, &network, ELEMENTS);
            let named = lines.into_iter().map(|line| format!("{activation} {line}"));
            named.collect()
        },
    ));
    report(wrong);
}

/// What is wrong with each item, looked at by several threads.
fn over_threads<T: Sync>(items: &[T], check: impl Fn(&T) -> Vec<String> + Sync) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (check, share) = (&check, items.len().div_ceil(threads).max(1));
    std::thread::scope(|scope| {
        let checks: Vec<_> = items
            .chunks(share)
            .map(|items| scope.spawn(move || items.iter().flat_map(check).collect::<Vec<_>>()))
            .collect();
        let found = checks.into_iter().map(|thread| thread.join().unwrap());
        found.flatten().collect()
    })
}

/// More examples than a micro-batch and a partial of the batch hold; some of each tensor.
#[test]
fn gradients_of_many_examples_are_those_of_finite_differences() {
    let mut wrong = Vec::new();
    for (activation, spec, description) in small_networks() {
        if activation == "silu" {
            let network = cnn_dsl::check(description).unwrap();
            wrong.extend(Batch::random(spec, 70).wrong_gradients(spec, &network, 5));
        }
    }
    report(wrong);
}

#[test]
fn predictions_are_those_of_the_naive_network() {
    const EXAMPLES: usize = 5;
    let mut wrong = Vec::new();
    let folded = FOLDED.iter();
    let folded = folded.map(|(spec, description)| ("", spec(), *description));
    for (activation, spec, description) in small_networks().chain(folded) {
        let network = cnn_dsl::check(description).unwrap();
        let batch = Batch::random(spec, EXAMPLES);
        let doubles = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let (parameters, input) = (doubles(&batch.parameters), doubles(&batch.input));
        let expected = oracle::output(&network, Mode::Inference, EXAMPLES, &parameters, &input);
        let mut model = Model::new(spec, 0);
        model.parameters_mut().copy_from_slice(&batch.parameters);
        let shape = [&[EXAMPLES], spec.input].concat();
        let input = ArrayD::from_shape_vec(shape, batch.input.clone()).unwrap();
        let found: ArrayD<f32> = model.predict_batch(input.view()).unwrap();
        // As a program without `std` has it.
        let mut unpacked = vec![f32::NAN; expected.len()];
        let isa = Isa::detect();
        (spec.forward)(Predict {
            isa,
            threads: 1,
            examples: EXAMPLES,
            parameters: model.parameters(),
            packed: &[],
            input: &batch.input,
            output: &mut unpacked,
            workspace: &mut vec![f32::NAN; spec.workspace.floats(EXAMPLES)],
        });
        cnn::runtime::spec::finish(spec.outputs, isa, &mut unpacked);
        for (how, found) in [
            ("packed", found.as_slice().unwrap()),
            ("unpacked", &unpacked),
        ] {
            let deviation = deviation(found, &expected);
            if deviation.is_nan() || deviation > ROUNDING {
                wrong.push(format!(
                    "{activation} {}, {how}: {deviation:.1e}",
                    spec.name
                ));
            }
        }
    }
    report(wrong);
}

/// As large as it is used, with the parameters that training starts from; some of each tensor.
#[test]
fn gradients_of_the_tutorial_network_are_those_of_finite_differences() {
    let (spec, description) = TUTORIAL[0];
    let (spec, network) = (spec(), cnn_dsl::check(description).unwrap());
    let parameters = Model::new(spec, 1).parameters().to_vec();
    let batch = Batch {
        parameters,
        ..Batch::random(spec, 3)
    };
    report(batch.wrong_gradients(spec, &network, 11));
}

#[test]
fn loss_output_and_gradients_are_those_of_pytorch() {
    let mut wrong = Vec::new();
    for case in cases() {
        let mut check = |what: &str, found: &[f32]| {
            let name = case.spec.name;
            let deviation = deviation(found, &case.fixture.expected(what));
            println!("{name} {what}: {deviation:.1e}");
            if deviation.is_nan() || deviation > ROUNDING {
                wrong.push(format!("{name} {what}: {deviation:.1e}"));
            }
        };
        let (loss, gradients) = Batch::of(&case).gradients(case.spec);
        check("loss", &[loss as f32]);
        let trained = case.spec.parameters.iter();
        for tensor in trained.filter(|tensor| tensor.role.is_trained()) {
            check(
                &format!("gradient.{}", tensor.name),
                &gradients[tensor.range()],
            );
        }

        // Inference has other buffers and no backward pass; before the last activation come the logits.
        let n = case.fixture.batch;
        let mut logits = vec![f32::NAN; n * case.spec.output.iter().product::<usize>()];
        (case.spec.forward)(Predict {
            isa: Isa::detect(),
            threads: 1,
            examples: n,
            parameters: case.model().parameters(),
            packed: &[],
            input: case.fixture.tensor("input"),
            output: &mut logits,
            workspace: &mut vec![f32::NAN; case.spec.workspace.floats(n)],
        });
        check("logits", &logits);
        let shape = [&[n], case.spec.input].concat();
        let batch = ArrayD::from_shape_vec(shape, case.fixture.tensor("input").to_vec()).unwrap();
        let predicted: ArrayD<f32> = case.model().predict_batch(batch.view()).unwrap();
        check("output", predicted.as_slice().unwrap());
    }
    report(wrong);
}

#[test]
fn ten_steps_of_each_optimizer_are_those_of_pytorch_and_keras() {
    let mut wrong = Vec::new();
    for case in cases() {
        for (name, written) in &case.fixture.optimizers {
            let mut model = case.model();
            let trained = model
                .trainer()
                .optimizer(optimizer(&case.fixture.description, written))
                .batch_size(case.fixture.batch)
                .epochs(case.fixture.steps)
                .progress(false)
                .shuffle(false)
                .fit(&case.examples())
                .unwrap();
            let mut check = |what: String, found: &[f32]| {
                let deviation = deviation(found, &case.fixture.expected(&what));
                println!("{} {what}: {deviation:.1e}", case.spec.name);
                if deviation.is_nan() || deviation > ROUNDING_OF_STEPS {
                    wrong.push(format!("{} {what}: {deviation:.1e}", case.spec.name));
                }
            };
            let losses: Vec<f32> = trained
                .epochs
                .iter()
                .map(|e| e.scores.loss as f32)
                .collect();
            check(format!("losses.{name}"), &losses);
            for tensor in case.spec.parameters {
                let found = &model.parameters()[tensor.range()];
                check(format!("after.{name}.{}", tensor.name), found);
            }
        }
    }
    report(wrong);
}

/// An optimizer as our language writes it, in place of the description's own.
fn optimizer(description: &str, written: &str) -> Optimizer {
    let own = "optimizer = sgd(learning_rate = 0.05);";
    let description = description.replace(own, &format!("optimizer = {written};"));
    let network = cnn_dsl::check(&description).unwrap();
    network.train.unwrap().optimizer
}
