//! Random networks, compiled: each does what the naive network does, and the same on any number of threads.
//!
//! The build script writes 40 of them (`CNN_RANDOM_NETWORKS=300` for more, the first 40 of which are the same); the
//! generator has a fixed seed.
//!
//! How far a result may be from that of the naive network in `f64` depends on how many numbers are added up and how far
//! they cancel. That is measured: the naive network in `f32`, plain loops over the same data, is off by some amount, and
//! the kernels may be off by [`SLACK`] times as much.

#[path = "random/generator.rs"]
#[allow(dead_code, reason = "the build script runs it")]
mod generator;
mod networks {
    include!(concat!(env!("OUT_DIR"), "/random_networks.rs"));
}
#[allow(dead_code, reason = "each test file uses its share")]
mod support;

use cnn::Model;
use cnn::runtime::ir::Role;
use cnn::runtime::spec::Spec;
use cnn_dsl::graph::{Network, Port};
use cnn_runtime::reference::Real;
use cnn_runtime::reference::network::forward;
use cnn_runtime::reference::operation::Mode;
use ndarray::{ArrayD, IxDyn};
use networks::NETWORKS;
use support::backward;
use support::batch::{Batch, Rows};

/// How many times as far from the right value as a plain loop in `f32`. Tiles of Winograd round up to six times as much
/// (`docs/how-it-runs.md`), and one of two sums of rounding errors may happen to be small.
const SLACK: f64 = 20.0;

/// What a single rounding of the largest value is off by, for where a plain loop happens to be exact.
const ROUNDING: f64 = f32::EPSILON as f64;

/// A network of the list, with parameters and examples of its own.
struct Case {
    spec: &'static Spec,
    text: &'static str,
    network: Network,
    batch: Batch,
}

impl Case {
    fn new(number: usize, examples: usize) -> Self {
        let (spec, text) = NETWORKS[number];
        let spec = spec();
        let mut batch = Batch::random(spec, examples);
        let drawn = Model::new(spec, number as u64);
        for tensor in spec.parameters {
            let range = tensor.range();
            match tensor.role {
                // Kernels of the size that keeps values from growing.
                Role::Weight => {
                    batch.parameters[range.clone()].copy_from_slice(&drawn.parameters()[range]);
                }
                Role::Bias => batch.parameters[range]
                    .iter_mut()
                    .for_each(|value| *value *= 0.25),
                Role::State => {}
            }
        }
        Self {
            spec,
            text,
            network: cnn_dsl::check(text).unwrap(),
            batch,
        }
    }

    fn model(&self) -> Model {
        let mut model = Model::new(self.spec, 0);
        model
            .parameters_mut()
            .copy_from_slice(&self.batch.parameters);
        model
    }

    fn inputs<T: Real>(&self) -> [Vec<T>; 3] {
        let Batch {
            parameters,
            input,
            target,
            ..
        } = &self.batch;
        [parameters, input, target]
            .map(|values| values.iter().map(|&v| T::from_f64(v.into())).collect())
    }

    /// The values of one output, or of an input, in rows of all.
    fn part<T: Copy>(&self, ports: &[Port], place: usize, rows: &[T]) -> Vec<T> {
        let lens: Vec<usize> = ports
            .iter()
            .map(|port| self.network.nodes[port.node].shape.len())
            .collect();
        let offset: usize = lens[..place].iter().sum();
        let rows = rows.chunks_exact(lens.iter().sum());
        rows.flat_map(|row| row[offset..offset + lens[place]].to_vec())
            .collect()
    }

    /// The outputs as they are predicted for a batch, one row for each example.
    fn predict_batch(&self, model: &Model) -> Vec<f32> {
        let n = self.batch.examples;
        let inputs: Vec<ArrayD<f32>> = (self.network.inputs.iter().enumerate())
            .map(|(place, port)| {
                let values = self.part(&self.network.inputs, place, &self.batch.input);
                let shape = [&[n], &self.network.nodes[port.node].shape.0[..]].concat();
                ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()
            })
            .collect();
        let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
        let mut outputs = model.predict_batch_parts(&views).unwrap();
        let outputs: Vec<Vec<f32>> = (self.network.outputs.iter())
            .map(|port| {
                let output: ArrayD<f32> = match self.network.nodes[port.node].shape.0.len() {
                    1 => outputs.next::<ndarray::Ix2>().into_dyn(),
                    2 => outputs.next::<ndarray::Ix3>().into_dyn(),
                    _ => outputs.next::<ndarray::Ix4>().into_dyn(),
                };
                output.into_iter().collect()
            })
            .collect();
        let lens = outputs.iter().map(|output| output.len() / n);
        let pairs: Vec<_> = outputs.iter().zip(lens).collect();
        (0..n)
            .flat_map(|example| {
                let values = pairs
                    .iter()
                    .map(move |(output, len)| &output[example * len..][..*len]);
                values.flatten().copied().collect::<Vec<_>>()
            })
            .collect()
    }
}

/// The largest difference from what is expected.
fn largest_error<T: Real>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let errors = found
        .iter()
        .zip(expected)
        .map(|(f, e)| (f.to_f64() - e).abs());
    errors.fold(0.0, |most, error| {
        if error.is_nan() || error > most {
            error
        } else {
            most
        }
    })
}

fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0, |most, value| f64::max(most, value.abs()))
}

/// The ratio of an error to what a plain loop allows for it; `scale` is the largest of the values around.
fn ratio(found: &[f32], plain: &[f32], expected: &[f64], scale: f64) -> f64 {
    assert!(
        expected.iter().all(|value| value.is_finite()),
        "the network itself overflows"
    );
    let plain = largest_error(plain, expected);
    largest_error(found, expected) / plain.max(ROUNDING * scale)
}

/// Runs `check` on all networks, by some threads, and fails with all that is wrong.
fn over_all(examples: usize, check: impl Fn(&Case) -> Vec<String> + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let check = &check;
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let numbers = (thread..NETWORKS.len()).step_by(threads);
                    let wrong = numbers.flat_map(|number| {
                        let case = Case::new(number, examples);
                        let wrong = check(&case);
                        let text = (!wrong.is_empty()).then(|| case.text.to_owned());
                        wrong.into_iter().chain(text)
                    });
                    wrong.collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is off by more than a plain loop allows.
fn too_far(name: &str, what: &str, ratio: f64) -> Option<String> {
    println!("{name} {what}: {ratio:.2}");
    (ratio.is_nan() || ratio > SLACK)
        .then(|| format!("{name} {what}: {ratio:.1} times a plain loop"))
}

#[test]
fn the_networks_have_all_layers_activations_and_losses() {
    let texts: Vec<&str> = NETWORKS.iter().map(|(_, text)| *text).collect();
    let all = texts.concat();
    const WORDS: [&str; 37] = [
        "conv2d(",
        "depthwise_conv2d(",
        "separable_conv2d(",
        "conv2d_transpose(",
        "max_pool2d(",
        "avg_pool2d(",
        "global_max_pool2d",
        "global_avg_pool2d",
        "zero_padding2d",
        "cropping2d",
        "upsampling2d",
        "bilinear",
        "flatten",
        "reshape(",
        "dense(",
        "dropout(",
        "batch_normalization",
        "add(",
        "subtract(",
        "multiply(",
        "average(",
        "maximum(",
        "minimum(",
        "concat(",
        "activation(",
        "block ",
        "repeat ",
        "output(",
        "in1:",
        "groups = ",
        "strides = 2",
        "dilation = 2",
        "padding = same",
        "use_bias = false",
        "trainable = false",
        "depth_multiplier = 2",
        "scale = false",
    ];
    let activations = generator::ACTIVATIONS.iter();
    let of_outputs = generator::LOSSES.iter();
    let of_outputs = of_outputs.flat_map(|(loss, activation)| [loss, activation]);
    let words = WORDS.iter().chain(activations).chain(of_outputs);
    let missing: Vec<_> = words.filter(|word| !all.contains(**word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (number, text) in texts.iter().enumerate().take(10) {
        assert_eq!(
            generator::network(number),
            *text,
            "the same seed, the same network"
        );
    }
}

/// So the gradients of the naive networks can be trusted.
#[test]
fn naive_gradients_are_those_of_finite_differences() {
    const STEP: f64 = 1e-6;
    over_all(3, |case| {
        let [mut parameters, input, target] = case.inputs::<f64>();
        let loss = |parameters: &[f64]| {
            support::oracle::loss(
                &case.network,
                case.batch.examples,
                parameters,
                &input,
                &target,
            )
        };
        let (sum, gradients) = backward::gradients(
            &case.network,
            case.batch.examples,
            &parameters,
            &input,
            &target,
        );
        let mut wrong = Vec::new();
        if (sum - loss(&parameters)).abs() > 1e-12 * sum.abs() {
            wrong.push(format!("{}: a loss of {sum}", case.spec.name));
        }
        let scale = largest(&gradients);
        for tensor in case
            .spec
            .parameters
            .iter()
            .filter(|tensor| tensor.role.is_trained())
        {
            if gradients[tensor.range()]
                .iter()
                .all(|gradient| *gradient == 0.0)
            {
                // Not trained, or behind a unit that is off.
                continue;
            }
            for place in tensor.range().step_by(tensor.len().div_ceil(3)) {
                let value = parameters[place];
                let [above, below] = [value + STEP, value - STEP].map(|value| {
                    parameters[place] = value;
                    loss(&parameters)
                });
                parameters[place] = value;
                let slope = (above - below) / (2.0 * STEP);
                let error = (slope - gradients[place]).abs() / scale;
                if error.is_nan() || error > 1e-6 {
                    wrong.push(format!(
                        "{} {} at {place}: {} for {slope}",
                        case.spec.name, tensor.name, gradients[place]
                    ));
                }
            }
        }
        wrong
    });
}

#[test]
fn predictions_are_those_of_the_naive_network() {
    over_all(5, |case| {
        let n = case.batch.examples;
        let [parameters, input, _] = case.inputs::<f64>();
        let exact = forward(&case.network, Mode::Inference, n, &parameters, &input);
        let [parameters, input, _] = case.inputs::<f32>();
        let plain = forward(&case.network, Mode::Inference, n, &parameters, &input);
        let (plain, exact) = (
            &plain[case.network.output].output,
            &exact[case.network.output].output,
        );
        let model = case.model();
        let batch = case.predict_batch(&model);
        let units = exact.len() / n;
        let mut single = vec![f32::NAN; exact.len()];
        let rows = case.batch.input.chunks_exact(case.batch.input.len() / n);
        for (input, output) in rows.clone().zip(single.chunks_exact_mut(units)) {
            model.predict_slice(input, output).unwrap();
        }
        let mut wrong = Vec::new();
        for (place, port) in case.network.outputs.iter().enumerate() {
            let of = |rows: &[f32]| case.part(&case.network.outputs, place, rows);
            let exact = case.part(&case.network.outputs, place, exact);
            let scale = largest(&exact);
            for (how, found) in [("batch", &batch), ("one by one", &single)] {
                let ratio = ratio(&of(found), &of(plain), &exact, scale);
                wrong.extend(too_far(
                    case.spec.name,
                    &format!("{} {how}", port.name),
                    ratio,
                ));
            }
        }
        // An inspection is the naive network in `f32`.
        let inputs: Vec<Vec<f32>> = (0..case.network.inputs.len())
            .map(|place| case.part(&case.network.inputs, place, rows.clone().next().unwrap()))
            .collect();
        let inputs: Vec<&[f32]> = inputs.iter().map(|input| &input[..]).collect();
        let inspection = model.inspect(&inputs).unwrap();
        for (place, port) in case.network.outputs.iter().enumerate() {
            let expected = case.part(&case.network.outputs, place, &plain[..units]);
            let same = inspection
                .get(&port.name)
                .is_some_and(|value| value.data() == expected);
            wrong.extend((!same).then(|| format!("{} {}: inspected", case.spec.name, port.name)));
        }
        wrong
    });
}

#[test]
fn losses_and_gradients_are_those_of_the_naive_network() {
    over_all(5, |case| {
        let n = case.batch.examples;
        let [parameters, input, target] = case.inputs::<f64>();
        let (exact_loss, exact) =
            backward::gradients(&case.network, n, &parameters, &input, &target);
        let [parameters, input, target] = case.inputs::<f32>();
        let (plain_loss, plain) =
            backward::gradients(&case.network, n, &parameters, &input, &target);
        let (loss, found) = case.batch.gradients(case.spec);
        let name = case.spec.name;
        let of_loss = ratio(
            &[loss as f32],
            &[plain_loss],
            &[exact_loss],
            exact_loss.abs(),
        );
        let mut wrong: Vec<String> = too_far(name, "loss", of_loss).into_iter().collect();
        // Where a gradient is small because its summands cancel, it is off by what larger ones round to; most of all that
        // of a bias before a normalization, which takes away what it adds.
        let of_network = largest(&exact);
        let of_summands = |gradient: f64| match gradient < 1e-7 * of_network {
            true => of_network,
            false => gradient.max(of_network / 64.0),
        };
        for tensor in case.spec.parameters {
            let range = tensor.range();
            let scale = of_summands(largest(&exact[range.clone()]));
            let ratio = ratio(
                &found[range.clone()],
                &plain[range.clone()],
                &exact[range],
                scale,
            );
            wrong.extend(too_far(name, tensor.name, ratio));
        }
        wrong
    });
}

/// Three steps of training with several partials, and a file.
#[test]
fn training_and_files_keep_every_bit() {
    let folder = std::env::temp_dir().join(format!("cnn-random-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    over_all(21, |case| {
        let data = Rows {
            spec: case.spec,
            batch: &case.batch,
        };
        let bits = |values: &[f32]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        let trained = [1, 3].map(|threads| {
            let mut model = case.model();
            let trainer = model
                .trainer()
                .threads(threads)
                .epochs(1)
                .batch_size(20)
                .progress(false);
            trainer.learning_rate(1e-4).fit(&data).unwrap();
            model
        });
        let [one, three] = trained;
        let name = case.spec.name;
        let mut wrong = Vec::new();
        if bits(one.parameters()) != bits(three.parameters()) {
            wrong.push(format!("{name}: three threads train otherwise"));
        }
        if bits(one.parameters()) == bits(&case.batch.parameters) {
            wrong.push(format!("{name}: training changes nothing"));
        }
        let path = folder.join(format!("{name}.safetensors"));
        one.save(&path).unwrap();
        let loaded = Model::load(case.spec, &path).unwrap();
        if bits(loaded.parameters()) != bits(one.parameters()) {
            wrong.push(format!("{name}: a file holds others"));
        }
        if bits(&case.predict_batch(&loaded)) != bits(&case.predict_batch(&one)) {
            wrong.push(format!("{name}: a file predicts otherwise"));
        }
        wrong
    });
    std::fs::remove_dir_all(&folder).unwrap();
}
