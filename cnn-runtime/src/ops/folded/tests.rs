//! Folded predictions against the layers one after the other, as their definitions have them, in `f64`.
//!
//! The sums are the same but for their rounding: a weight is rounded once more, when it is multiplied by its factor, and
//! an output is a sum of as many products as before. So the difference is bounded by the magnitude of what is added
//! up, not by that of the output, where the terms may cancel out: of each output
//!
//! ```text
//! |factor| (Σ |x| |kernel| + |bias| + |mean|) + |beta|
//! ```
//!
//! times [`ROUNDING`]. Winograd's larger tiles round more themselves, and each of their outputs as much as the largest of
//! its tile, so there the largest magnitude of a channel counts.

use super::{Folded, Folds, folded_sizes, pack};
use crate::kernels::Isa;
use crate::kernels::conv2d::tests::{Algorithms, random_conv};
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::ops::tests::convolutions;
use crate::ops::{Infer, Run};
use crate::reference::{
    activation, batch_normalization, conv2d, conv2d_transpose, depthwise_conv2d, grouped_conv2d,
    pool2d,
};
use cnn_ir::operation::{
    BatchNormalization, Conv2d, Conv2dTranspose, ConvAlgorithm, Dense, DepthwiseConv2d, FusedPool,
    GroupedConv2d, Pool2d, PoolKind,
};
use cnn_ir::{Activation, Operation};

/// Of the magnitude of an output, see above: sums of up to 3,000 products.
const ROUNDING: f64 = 1e-6;
/// F(4x4, 3x3) and F(5x5, 3x3).
const ROUNDING_OF_TILES: [f64; 2] = [1e-5, 2e-5];

/// An operation with its operands.
struct Case<O> {
    folded: Folded<O>,
    n: usize,
    x: Vec<f32>,
    kernel: Vec<f32>,
    /// `[channels]` or empty.
    bias: Vec<f32>,
    /// Gamma and beta, if there are any, mean and variance.
    statistics: Vec<Vec<f32>>,
}

impl<O: Folds + Copy + Into<Operation> + core::fmt::Debug> Case<O> {
    fn random(random: &mut Random, operation: O, [x, kernel, channels]: [usize; 3]) -> Self {
        let normalization = BatchNormalization {
            input: [1, 1, channels],
            output: [1, 1, channels],
            momentum: 0.99,
            epsilon: 1e-3,
            scale: random.below(3) > 0,
            center: random.below(3) > 0,
            frozen: true,
            adds: false,
            pool: None,
            activation: Activation::Linear,
        };
        let n = 1 + random.below(3);
        let mut statistics = Vec::new();
        if normalization.scale {
            // Negative ones and zeros as well.
            let gamma = |_| random.pick(&[1.0, 1.0, 0.0]) * 2.0 * random.value();
            statistics.push((0..channels).map(gamma).collect());
        }
        if normalization.center {
            statistics.push(random.floats(channels));
        }
        statistics.push(random.floats(channels));
        let variance = |_| random.pick(&[4.0, 1.0, 0.01]) * random.value().abs();
        statistics.push((0..channels).map(variance).collect());
        let bias = random.floats(channels);
        Self {
            folded: Folded {
                operation,
                normalization,
            },
            n,
            x: random.floats(n * x),
            kernel: random.floats(kernel),
            bias: random.pick(&[&bias[..], &[]]).to_vec(),
            statistics,
        }
    }

    /// Compares with what `sums` makes of input, kernel and bias, without activation and pool, on every instruction set,
    /// with packed weights and without. `pool` takes the largest values of windows, if there are some.
    fn check(
        &self,
        failures: &mut Failures,
        rounding: f64,
        sums: impl Fn(&[f64], &[f64], &[f64]) -> Vec<f64>,
        pool: impl Fn(Vec<f64>) -> Vec<f64>,
    ) {
        let Folded {
            operation,
            normalization,
        } = &self.folded;
        let channels = normalization.channels();
        let statistics: Vec<Vec<f64>> = self.statistics.iter().map(|v| to_f64(v)).collect();
        let statistics: Vec<&[f64]> = statistics.iter().map(|values| &values[..]).collect();
        let [.., mean, variance] = statistics[..] else {
            unreachable!("running statistics")
        };
        let [x, kernel, bias] = [&self.x, &self.kernel, &self.bias].map(|v| to_f64(v));
        let normalize = |mean: &[f64], tensors: &[&[f64]], z: &[f64]| {
            batch_normalization::normalize(normalization, mean, variance, tensors, z)
        };
        let z = normalize(mean, &statistics, &sums(&x, &kernel, &bias));
        let expected = activation::forward(operation.activation(), channels, &pool(z));

        let absolute = |values: &[f64]| values.iter().map(|v| v.abs()).collect::<Vec<_>>();
        let magnitudes: Vec<Vec<f64>> = statistics.iter().map(|v| absolute(v)).collect();
        let magnitudes: Vec<&[f64]> = magnitudes.iter().map(|values| &values[..]).collect();
        let negative_mean: Vec<f64> = mean.iter().map(|mean| -mean.abs()).collect();
        let sum = sums(&absolute(&x), &absolute(&kernel), &absolute(&bias));
        let mut magnitude = pool(normalize(&negative_mean, &magnitudes, &sum));
        if rounding > ROUNDING {
            for channel in 0..channels {
                let largest = magnitude.iter().skip(channel).step_by(channels);
                let largest = largest.fold(0.0, |most: f64, value| most.max(*value));
                let values = magnitude.iter_mut().skip(channel).step_by(channels);
                values.for_each(|value| *value = largest);
            }
        }

        let tensors = [&self.kernel, &self.bias];
        let tensors = tensors.into_iter().chain(&self.statistics);
        let tensors = tensors.filter(|tensor| !tensor.is_empty());
        let tensors: Vec<&[f32]> = tensors.map(|tensor| &tensor[..]).collect();
        let sizes = folded_sizes(&(*operation).into(), normalization, self.n);
        for isa in Isa::available() {
            let mut packed = Guarded::new(sizes.packed_inference);
            let of_any_kind = (*operation).into();
            pack(&of_any_kind, normalization, isa, &tensors, packed.values());
            let packed = packed.into_values();
            for packed in [&packed[..], &[]] {
                let mut output = Guarded::new(expected.len());
                let mut scratch = Guarded::new(sizes.inference[usize::from(self.n > 1)]);
                self.folded.infer(Infer {
                    run: Run {
                        isa,
                        examples: self.n,
                        first: 0,
                        seed: 0,
                        threads: 1,
                    },
                    inputs: &[&self.x],
                    tensors: &tensors,
                    packed,
                    output: output.values(),
                    scratch: scratch.values(),
                });
                scratch.into_values();
                let output = output.into_values();
                let pairs = output.iter().zip(&expected).zip(&magnitude);
                let errors = pairs.map(|((y, expected), magnitude)| {
                    (f64::from(*y) - expected) / magnitude.max(f64::MIN_POSITIVE)
                });
                let errors: Vec<f64> = errors.collect();
                let case = || {
                    let (n, isa, packed) = (self.n, isa.name(), packed.len());
                    format!("{isa}, packed {packed}, n {n}, {:?}", self.folded)
                };
                failures.compare(case, &errors, &vec![0.0; expected.len()], rounding);
            }
        }
    }
}

fn check_convolution(random: &mut Random, failures: &mut Failures, conv: Conv2d) {
    let plain = Conv2d {
        pool: None,
        activation: Activation::Linear,
        ..conv
    };
    let activations = [Activation::Linear, Activation::Relu, Activation::Tanh];
    let conv = Conv2d {
        activation: random.pick(&activations),
        ..conv
    };
    let lengths = [
        conv.input_len(),
        conv.patch() * conv.output[2],
        conv.output[2],
    ];
    let case = Case::random(random, conv, lengths);
    let pool = |z: Vec<f64>| match conv.pool {
        None => z,
        Some(pool) => {
            let [rows, columns] = pool.output;
            let pool = Pool2d {
                kind: PoolKind::Max,
                input: conv.output,
                output: [rows, columns, conv.output[2]],
                size: pool.size,
                strides: pool.strides,
                padding: pool.padding,
            };
            pool2d::forward(&pool, case.n, &z)
        }
    };
    let sums =
        |x: &[f64], kernel: &[f64], bias: &[f64]| conv2d::forward(&plain, case.n, x, kernel, bias);
    case.check(failures, rounding(&conv), sums, pool);
}

fn rounding(conv: &Conv2d) -> f64 {
    match conv.algorithm {
        ConvAlgorithm::Winograd4 => ROUNDING_OF_TILES[0],
        ConvAlgorithm::Winograd5 => ROUNDING_OF_TILES[1],
        ConvAlgorithm::Direct | ConvAlgorithm::Winograd | ConvAlgorithm::Pointwise => ROUNDING,
    }
}

#[test]
fn convolutions_of_every_algorithm() {
    let mut random = Random::new(11);
    let mut failures = Failures::default();
    for algorithm in [
        ConvAlgorithm::Direct,
        ConvAlgorithm::Winograd,
        ConvAlgorithm::Winograd4,
        ConvAlgorithm::Winograd5,
        ConvAlgorithm::Pointwise,
    ] {
        for pooled in [false, true] {
            let algorithms = Algorithms {
                algorithm,
                pooled: pooled && algorithm != ConvAlgorithm::Pointwise,
                ..Algorithms::DIRECT
            };
            for _ in 0..40 {
                let conv = random_conv(&mut random, algorithms);
                check_convolution(&mut random, &mut failures, conv);
            }
        }
    }
    failures.report();
}

/// Those whose pool of 2x2 is computed in registers, from images of few channels.
#[test]
fn convolutions_with_a_pool_in_registers() {
    let mut random = Random::new(12);
    let mut failures = Failures::default();
    for (channels, size) in [(1, 3), (1, 5), (3, 3), (3, 5)] {
        for filters in [1, 4, 8, 16, 17, 32, 50] {
            for pool in [[1, 3], [2, 5], [5, 8], [3, 14]] {
                let output = pool.map(|windows| 2 * windows + random.below(2));
                let padding = random.below(size / 2 + 1);
                let input = output.map(|cells| cells + size - 1 - 2 * padding);
                let conv = Conv2d {
                    padding: [padding; 2],
                    pool: Some(FusedPool::new(pool, [2, 2])),
                    ..Conv2d::new(
                        [input[0], input[1], channels],
                        [size; 2],
                        [output[0], output[1], filters],
                    )
                };
                check_convolution(&mut random, &mut failures, conv);
            }
        }
    }
    failures.report();
}

#[test]
fn depthwise_convolutions() {
    let mut random = Random::new(13);
    let mut failures = Failures::default();
    for (kernel, strides, padding, dilation) in [
        ([1, 1], [1, 1], [0, 0], [1, 1]),
        ([3, 3], [1, 1], [1, 1], [1, 1]),
        ([3, 3], [2, 2], [0, 1], [1, 1]),
        ([2, 5], [3, 1], [1, 2], [1, 1]),
        ([3, 2], [1, 1], [2, 0], [2, 3]),
    ] {
        for channels in [1, 3, 8, 17, 40] {
            for multiplier in [1, 2] {
                let output = |axis: usize, size: usize| {
                    let extent = (kernel[axis] - 1) * dilation[axis] + 1;
                    (size + 2 * padding[axis] - extent) / strides[axis] + 1
                };
                let plain = DepthwiseConv2d {
                    input: [9, 7, channels],
                    output: [output(0, 9), output(1, 7), channels * multiplier],
                    kernel,
                    strides,
                    padding,
                    dilation,
                    activation: Activation::Linear,
                };
                let conv = DepthwiseConv2d {
                    activation: random.pick(&[Activation::Linear, Activation::Relu]),
                    ..plain
                };
                let lengths = [9 * 7 * channels, plain.kernel_len(), plain.output[2]];
                let case = Case::random(&mut random, conv, lengths);
                let sums = |x: &[f64], kernel: &[f64], bias: &[f64]| {
                    depthwise_conv2d::forward(&plain, case.n, x, kernel, bias)
                };
                case.check(&mut failures, ROUNDING, sums, |z| z);
            }
        }
    }
    failures.report();
}

#[test]
fn convolutions_in_groups() {
    let mut random = Random::new(15);
    let mut failures = Failures::default();
    for conv in convolutions() {
        for groups in [2, 3] {
            let grouped = GroupedConv2d {
                groups,
                conv,
                activation: random.pick(&[Activation::Linear, Activation::Relu]),
            };
            let lengths = [
                groups * conv.input_len(),
                grouped.kernel_len(),
                grouped.filters(),
            ];
            let case = Case::random(&mut random, grouped, lengths);
            let sums = |x: &[f64], kernel: &[f64], bias: &[f64]| {
                grouped_conv2d::forward(&grouped, case.n, x, kernel, bias)
            };
            case.check(&mut failures, rounding(&conv), sums, |z| z);
        }
    }
    failures.report();
}

/// Their kernels have the channels of the output as their last axis but one.
#[test]
fn transposed_convolutions() {
    let mut random = Random::new(16);
    let mut failures = Failures::default();
    for conv in convolutions() {
        let transpose = Conv2dTranspose {
            conv,
            activation: random.pick(&[Activation::Linear, Activation::Relu]),
        };
        let kernel = conv.patch() * conv.output[2];
        let lengths = [conv.output_len(), kernel, conv.input[2]];
        let case = Case::random(&mut random, transpose, lengths);
        let sums = |x: &[f64], kernel: &[f64], bias: &[f64]| {
            conv2d_transpose::forward(&transpose, case.n, x, kernel, bias)
        };
        case.check(&mut failures, rounding(&conv), sums, |z| z);
    }
    failures.report();
}

#[test]
fn dense_layers() {
    let mut random = Random::new(14);
    let mut failures = Failures::default();
    for inputs in [1, 7, 64, 301] {
        for units in [1, 5, 16, 33, 130] {
            let plain = Dense {
                inputs,
                units,
                activation: Activation::Linear,
            };
            let dense = Dense {
                activation: random.pick(&[Activation::Linear, Activation::Relu]),
                ..plain
            };
            let case = Case::random(&mut random, dense, [inputs, inputs * units, units]);
            let sums = |x: &[f64], kernel: &[f64], bias: &[f64]| {
                crate::reference::dense::forward(&plain, case.n, x, kernel, bias)
            };
            case.check(&mut failures, ROUNDING, sums, |z| z);
        }
    }
    failures.report();
}
