//! What a normalization takes along against the steps that it stands for: an addition, a max pool.

use crate::kernels::Isa;
use crate::kernels::random::split_mix;
use crate::ops::activation::tests::all;
use crate::ops::{
    Backward, Direction, Execute, Forward, GradientStatistics, Infer, Run, Statistics, sizes,
};
use cnn_ir::operation::{
    BatchNormalization, Facts, FusedPool, Inputs, Merge, MergeKind, Pool2d, PoolKind,
};
use cnn_ir::{Activation, Operation};
use std::vec::Vec;

/// The examples of a batch.
const N: usize = 3;

/// Numbers of channels below, at and above those of a vector.
const CHANNELS: [usize; 8] = [1, 3, 8, 13, 16, 17, 65, 130];

/// What the passes of training leave.
#[derive(Default)]
struct Trained {
    output: Vec<f32>,
    /// The gradients of gamma and beta.
    gradients: Vec<f32>,
    /// The gradient with respect to the output, before the activation.
    before_activation: Vec<f32>,
    input_gradient: Vec<f32>,
}

/// Values around 0, half of them negative.
fn values(seed: u64, len: usize) -> Vec<f32> {
    let value = |i| (split_mix(seed * 1_000_003 + i) >> 40) as f32 / 8_388_608.0 - 1.0;
    (0..len as u64).map(value).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Gamma of either sign, beta, running mean and variance.
fn tensors(channels: usize) -> [Vec<f32>; 4] {
    let variance = values(4, channels);
    [
        values(1, channels),
        values(2, channels),
        values(3, channels),
        variance.iter().map(|value| value + 1.5).collect(),
    ]
}

fn layer(shape: [usize; 3], activation: Activation) -> BatchNormalization {
    BatchNormalization {
        input: shape,
        output: shape,
        momentum: 0.9,
        epsilon: 1e-3,
        scale: true,
        center: true,
        frozen: false,
        adds: false,
        pool: None,
        activation,
    }
}

/// A call of all examples.
fn run(isa: Isa) -> Run {
    Run {
        isa,
        examples: N,
        first: 0,
        seed: 0,
        threads: 1,
    }
}

/// All passes of a step of training over a batch; `is_frozen` by the flag of the run time.
fn train(
    layer: &BatchNormalization,
    isa: Isa,
    inputs: &[&[f32]],
    dy: &[f32],
    is_frozen: bool,
) -> Trained {
    let (run, channels) = (run(isa), layer.channels());
    let tensors = tensors(channels);
    let tensors: Vec<&[f32]> = tensors.iter().map(Vec::as_slice).collect();
    let facts = Facts::statistics(layer).unwrap();
    let mut total = vec![f32::NAN; facts.forward.total];
    if is_frozen {
        for place in [2, 3] {
            layer.take_state(place, tensors[place], &mut total);
        }
    } else {
        let mut statistics = vec![0.0; facts.forward.partial];
        let call = Statistics {
            run,
            input: inputs[0],
            statistics: &mut statistics,
        };
        Execute::statistics(layer, call);
        layer.merge(Direction::Forward, N, &[&statistics], &mut total);
    }
    let mut scratch = vec![f32::NAN; sizes(&Operation::from(*layer), N).training];
    let saves = layer.saves(cnn_ir::operation::Wanted {
        tensors: true,
        input: true,
    });
    let mut saved = vec![f32::NAN; N * saves.floats];
    let mut argmax = vec![u8::MAX; N * saves.bytes];
    let mut output = vec![f32::NAN; N * layer.output_len()];
    layer.forward(Forward {
        run,
        inputs,
        tensors: &[&tensors[..], &[&total]].concat(),
        packed: &[],
        output: &mut output,
        saved: &mut saved,
        argmax: &mut argmax,
        scratch: &mut scratch,
    });
    let mut gradient = dy.to_vec();
    let mut sums = vec![0.0; facts.backward.partial];
    layer.gradient_statistics(GradientStatistics {
        run,
        input: inputs[0],
        total: &total,
        output: &output,
        saved: &saved,
        argmax: &argmax,
        gradient: &mut gradient,
        statistics: &mut sums,
    });
    let mut backward = vec![f32::NAN; facts.backward.total];
    layer.merge(Direction::Backward, N, &[&sums], &mut backward);
    let before_activation = gradient.clone();
    let [mut input_gradient, mut addend_gradient] =
        [(); 2].map(|()| vec![f32::NAN; inputs[0].len()]);
    layer.backward(Backward {
        run,
        inputs: &inputs[..1],
        tensors: &[&tensors[..], &[&total, &backward]].concat(),
        packed: &[],
        output: &[],
        saved: &[],
        argmax: &argmax,
        gradient: &mut gradient,
        tensor_gradients: &mut [],
        input_gradients: &mut match layer.adds {
            true => vec![&mut input_gradient[..], &mut addend_gradient],
            false => vec![&mut input_gradient[..]],
        },
        scratch: &mut scratch,
    });
    // The other input has it as its gradient, in its own place or in one of both.
    assert_eq!(bits(&gradient), bits(&before_activation));
    if layer.adds {
        assert_eq!(bits(&addend_gradient), bits(&gradient));
    }
    backward.truncate(2 * channels);
    Trained {
        output,
        gradients: backward,
        before_activation,
        input_gradient,
    }
}

/// A prediction by these steps of training.
fn infer(
    operation: &Operation,
    isa: Isa,
    inputs: &[&[f32]],
    tensors: &[&[f32]],
    len: usize,
) -> Vec<f32> {
    let mut output = vec![f32::NAN; len];
    let mut scratch = vec![f32::NAN; sizes(operation, N).inference[1]];
    crate::ops::execute(operation).infer(Infer {
        run: run(isa),
        inputs,
        tensors,
        packed: &[],
        output: &mut output,
        scratch: &mut scratch,
    });
    output
}

/// To the bit: the sum of the normalized values and of what is added is the same, in either order.
#[test]
fn an_addition_is_that_of_two_steps() {
    let mut wrong = Vec::new();
    for isa in Isa::available() {
        for (case, channels) in CHANNELS.into_iter().enumerate() {
            let shape = [1 + case % 3, 2 + case % 5, channels];
            let len = N * shape.iter().product::<usize>();
            let [x, addend, dy] = [5, 6, 7].map(|seed| values(seed, len));
            for activation in all() {
                let together = BatchNormalization {
                    adds: true,
                    ..layer(shape, activation)
                };
                let apart = layer(shape, Activation::Linear);
                let merge = Merge {
                    kind: MergeKind::Add,
                    inputs: Inputs::new(&[shape; 2]),
                    output: shape,
                    activation,
                };
                for is_frozen in [false, true] {
                    let found = train(&together, isa, &[&x, &addend], &dy, is_frozen);
                    let normalized = train(&apart, isa, &[&x], &dy, is_frozen).output;
                    let (sum, gradient) = add(&merge, isa, [&normalized, &addend], &dy);
                    let expected = train(&apart, isa, &[&x], &gradient, is_frozen);
                    let pairs = [
                        ("output", &found.output, &sum),
                        ("gradients", &found.gradients, &expected.gradients),
                        ("addend's", &found.before_activation, &gradient),
                        ("input's", &found.input_gradient, &expected.input_gradient),
                    ];
                    for (what, found, expected) in pairs {
                        if bits(found) != bits(expected) {
                            let isa = isa.name();
                            wrong
                                .push(format!("{what} {shape:?} {activation:?} {is_frozen} {isa}"));
                        }
                    }
                }
                let tensors = tensors(channels);
                let tensors: Vec<&[f32]> = tensors.iter().map(Vec::as_slice).collect();
                let found = infer(&together.into(), isa, &[&x, &addend], &tensors, len);
                let normalized = infer(&apart.into(), isa, &[&x], &tensors, len);
                let expected = infer(&merge.into(), isa, &[&addend, &normalized], &[], len);
                if bits(&found) != bits(&expected) {
                    wrong.push(format!(
                        "prediction {shape:?} {activation:?} {}",
                        isa.name()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A sum of two values, and the gradient of either, which are the same.
fn add(merge: &Merge, isa: Isa, inputs: [&[f32]; 2], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let saves = merge.saves(cnn_ir::operation::Wanted {
        tensors: false,
        input: true,
    });
    let mut output = vec![f32::NAN; dy.len()];
    let mut saved = vec![f32::NAN; N * saves.floats];
    merge.forward(Forward {
        run: run(isa),
        inputs: &inputs,
        tensors: &[],
        packed: &[],
        output: &mut output,
        saved: &mut saved,
        argmax: &mut [],
        scratch: &mut [],
    });
    let mut gradient = dy.to_vec();
    let [mut first, mut second] = [(); 2].map(|()| vec![f32::NAN; dy.len()]);
    merge.backward(Backward {
        run: run(isa),
        inputs: &[],
        tensors: &[],
        packed: &[],
        output: &output,
        saved: &saved,
        argmax: &[],
        gradient: &mut gradient,
        tensor_gradients: &mut [],
        input_gradients: &mut [&mut first[..], &mut second[..]],
        scratch: &mut [],
    });
    assert_eq!(bits(&first), bits(&second));
    (output, first)
}

/// The maxima to the bit, gradients but for the order in which they are added up. The same of a frozen one, whose twin
/// has `trainable = false`, to the bit.
#[test]
fn a_max_pool_is_that_of_two_steps() {
    // input, size, strides: side by side, overlapping, apart, with rows and columns that no window sees.
    let geometries = [
        ([4, 6], [2, 2], [2, 2]),
        ([5, 7], [2, 2], [2, 2]),
        ([7, 5], [3, 3], [2, 2]),
        ([7, 8], [2, 3], [3, 1]),
        ([5, 9], [1, 2], [2, 3]),
        ([4, 3], [4, 3], [1, 1]),
    ];
    let mut wrong = Vec::new();
    for isa in Isa::available() {
        for (case, channels) in CHANNELS.into_iter().enumerate() {
            for (input, size, strides) in geometries {
                let shape = [input[0], input[1], channels];
                let output =
                    core::array::from_fn(|axis| (input[axis] - size[axis]) / strides[axis] + 1);
                let pool = Pool2d {
                    kind: PoolKind::Max,
                    input: shape,
                    output: [output[0], output[1], channels],
                    size,
                    strides,
                    padding: [0, 0],
                };
                let [inputs, outputs] =
                    [shape, pool.output].map(|shape| N * shape.iter().product::<usize>());
                // Some cells of a window are equal.
                let x: Vec<f32> = values(5, inputs)
                    .iter()
                    .map(|x| (x * 8.0).round())
                    .collect();
                let dy = values(7, outputs);
                let monotone = |activation: &Activation| activation.properties().is_monotone;
                for activation in all().into_iter().filter(monotone) {
                    let apart = layer(shape, activation);
                    let together = BatchNormalization {
                        pool: Some(FusedPool {
                            output,
                            size,
                            strides,
                            padding: [0, 0],
                        }),
                        ..apart
                    };
                    for is_frozen in [false, true] {
                        let case =
                            format!("{case} {pool:?} {activation:?} {is_frozen} {}", isa.name());
                        let found = train(&together, isa, &[&x], &dy, is_frozen);
                        let normalized = train(&apart, isa, &[&x], &x, is_frozen).output;
                        let (maxima, gradient) = pooled(&pool, isa, &normalized, &dy);
                        let expected = train(&apart, isa, &[&x], &gradient, is_frozen);
                        if bits(&found.output) != bits(&maxima) {
                            wrong.push(format!("output {case}"));
                        }
                        let mut compare = |what: &str, found: &[f32], expected: &[f32]| {
                            let largest = expected.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
                            let off =
                                |(a, b): (&f32, &f32)| (a - b).abs() > 2e-5 * largest || a.is_nan();
                            if found.iter().zip(expected).any(off) {
                                wrong.push(format!("{what} {case}"));
                            }
                        };
                        compare("gradients", &found.gradients, &expected.gradients);
                        compare("input's", &found.input_gradient, &expected.input_gradient);
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The maxima of windows, and the gradient with respect to their cells.
fn pooled(pool: &Pool2d, isa: Isa, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut maxima = vec![f32::NAN; dy.len()];
    let mut dx = vec![f32::NAN; x.len()];
    crate::kernels::pool2d::forward(pool, isa, N, x, &mut maxima);
    crate::kernels::pool2d::backward(pool, isa, N, x, &maxima, dy, &mut dx);
    (maxima, dx)
}
