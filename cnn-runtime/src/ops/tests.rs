//! Every pass of operations with a kernel and a bias against their twins, on every instruction set.

use super::{Backward, Forward, Infer, Run, execute, sizes};
use crate::kernels::Isa;
use crate::kernels::random::split_mix;
use crate::reference::{activation, conv2d_transpose, grouped_conv2d};
use cnn_ir::operation::{
    Conv2d, Conv2dTranspose, ConvAlgorithm, GroupedConv2d, InputGradient, KernelGradient, Pass,
};
use cnn_ir::{Activation, Operation};

/// What a twin makes of its operands.
struct Twin {
    /// Before the activation.
    linear: Vec<f64>,
    kernel_gradient: Vec<f64>,
    input_gradient: Vec<f64>,
}

/// The lengths of an example's input and output and of the kernel, and the channels of the output.
struct Lengths {
    input: usize,
    output: usize,
    kernel: usize,
    filters: usize,
}

/// The examples of a call.
const N: usize = 2;

#[test]
fn transposed_convolutions_are_those_of_the_definition() {
    let mut wrong = Vec::new();
    for conv in convolutions() {
        for activation in [Activation::Linear, Activation::Relu, Activation::Mish] {
            let transpose = Conv2dTranspose { conv, activation };
            let lengths = Lengths {
                input: conv.output_len(),
                output: conv.input_len(),
                kernel: conv.patch() * conv.output[2],
                filters: conv.input[2],
            };
            let twin = |x: &[f64], kernel: &[f64], bias: &[f64], dy: &[f64]| {
                let [kernel_gradient, input_gradient] =
                    conv2d_transpose::backward(&transpose, N, x, kernel, dy);
                Twin {
                    linear: conv2d_transpose::forward(&transpose, N, x, kernel, bias),
                    kernel_gradient,
                    input_gradient,
                }
            };
            wrong.extend(compare(transpose.into(), activation, &lengths, twin));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn grouped_convolutions_are_those_of_the_definition() {
    let mut wrong = Vec::new();
    for conv in convolutions() {
        for (groups, activation) in [(2, Activation::Relu), (3, Activation::Mish)] {
            let grouped = GroupedConv2d {
                groups,
                conv,
                activation,
            };
            let lengths = Lengths {
                input: groups * conv.input_len(),
                output: groups * conv.output_len(),
                kernel: conv.patch() * grouped.filters(),
                filters: grouped.filters(),
            };
            let twin = |x: &[f64], kernel: &[f64], bias: &[f64], dy: &[f64]| {
                let [kernel_gradient, input_gradient] =
                    grouped_conv2d::backward(&grouped, N, x, kernel, dy);
                Twin {
                    linear: grouped_conv2d::forward(&grouped, N, x, kernel, bias),
                    kernel_gradient,
                    input_gradient,
                }
            };
            wrong.extend(compare(grouped.into(), activation, &lengths, twin));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Odd sizes, strides, paddings and dilations, kernels smaller than their strides, windows that lie beyond the image,
/// and every algorithm.
pub(super) fn convolutions() -> Vec<Conv2d> {
    let geometries = [
        // input, output, kernel, strides, padding, dilation
        ([7, 6], [7, 6], [1, 1], [1, 1], [0, 0], [1, 1]),
        ([8, 6], [4, 3], [2, 2], [2, 2], [0, 0], [1, 1]),
        ([6, 6], [2, 3], [3, 2], [3, 2], [0, 0], [1, 1]),
        ([8, 7], [4, 4], [3, 3], [2, 2], [0, 1], [1, 1]),
        ([9, 7], [4, 3], [3, 3], [2, 2], [0, 0], [1, 1]),
        ([6, 5], [2, 3], [1, 1], [3, 2], [0, 0], [1, 1]),
        ([7, 9], [5, 5], [2, 3], [1, 2], [0, 1], [1, 1]),
        ([7, 6], [5, 4], [2, 2], [1, 1], [0, 0], [2, 2]),
        ([6, 5], [6, 5], [3, 3], [1, 1], [1, 1], [1, 1]),
        // Less of the image is stored than the windows reach.
        ([3, 2], [4, 3], [3, 3], [2, 2], [0, 0], [1, 1]),
        ([3, 4], [5, 5], [2, 2], [2, 2], [1, 1], [1, 1]),
    ];
    let channels = [(1, 1), (2, 3), (3, 9), (8, 4), (17, 8), (16, 20)];
    let mut cases = Vec::new();
    for (input, output, kernel, strides, padding, dilation) in geometries {
        for (of_input, of_output) in channels {
            let with = |size: [usize; 2], channels| [size[0], size[1], channels];
            let conv = Conv2d {
                strides,
                padding,
                dilation,
                ..Conv2d::new(with(input, of_input), kernel, with(output, of_output))
            };
            cases.push(conv);
            let is_unstrided = strides == [1, 1];
            if kernel == [1, 1] && conv.is_product() {
                cases.push(Conv2d {
                    algorithm: ConvAlgorithm::Pointwise,
                    kernel_gradient: KernelGradient::Pointwise,
                    input_gradient: InputGradient::Pointwise,
                    ..conv
                });
            }
            if is_unstrided {
                let input_gradient = InputGradient::Direct;
                cases.push(Conv2d {
                    input_gradient,
                    ..conv
                });
            }
            if is_unstrided && kernel == [3, 3] {
                cases.push(Conv2d {
                    algorithm: ConvAlgorithm::Winograd,
                    input_gradient: InputGradient::Winograd,
                    ..conv
                });
                cases.push(Conv2d {
                    algorithm: ConvAlgorithm::Winograd4,
                    input_gradient: InputGradient::Winograd4,
                    ..conv
                });
            }
        }
    }
    cases
}

/// What deviates from the twin.
fn compare(
    operation: Operation,
    activation: Activation,
    lengths: &Lengths,
    twin: impl Fn(&[f64], &[f64], &[f64], &[f64]) -> Twin,
) -> Vec<String> {
    let x = values(1, N * lengths.input);
    let dy = values(2, N * lengths.output);
    let kernel = values(3, lengths.kernel);
    let bias = values(4, lengths.filters);
    let double = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
    let mut wrong = Vec::new();
    for bias in [&bias[..], &[]] {
        let linear = twin(&double(&x), &double(&kernel), &double(bias), &double(&dy)).linear;
        let slopes = activation::backward(activation, lengths.filters, &linear, &double(&dy));
        let twin = twin(&double(&x), &double(&kernel), &double(bias), &slopes);
        let y = activation::forward(activation, lengths.filters, &twin.linear);
        let mut bias_gradient = vec![0.0; bias.len()];
        for (i, slope) in slopes.iter().enumerate().filter(|_| !bias.is_empty()) {
            bias_gradient[i % lengths.filters] += slope;
        }
        for isa in Isa::available() {
            let passes = Passes {
                operation,
                isa,
                x: &x,
                kernel: &kernel,
                bias,
                dy: &dy,
            };
            let found = passes.run(lengths.output);
            let expected: [(&str, &[f32], &[f64]); 6] = [
                ("inference", &found.inference, &y),
                ("inference without packed weights", &found.unpacked, &y),
                ("forward", &found.forward, &y),
                ("kernel gradient", &found.kernel, &twin.kernel_gradient),
                ("bias gradient", &found.bias, &bias_gradient),
                ("input gradient", &found.input, &twin.input_gradient),
            ];
            for (what, found, expected) in expected {
                let pairs = found.iter().zip(expected);
                let worst = pairs
                    .map(|(a, b)| (f64::from(*a) - b).abs())
                    .fold(0.0, f64::max);
                let is_nan = found.iter().any(|value| value.is_nan());
                if found.len() != expected.len() || is_nan || worst > 4e-5 {
                    let isa = isa.name();
                    wrong.push(format!("{what} of {operation:?}, {isa}: {worst:.1e}"));
                }
            }
        }
    }
    wrong
}

/// The operands of all passes.
struct Passes<'a> {
    operation: Operation,
    isa: Isa,
    x: &'a [f32],
    kernel: &'a [f32],
    bias: &'a [f32],
    dy: &'a [f32],
}

/// What the passes wrote.
struct Found {
    inference: Vec<f32>,
    unpacked: Vec<f32>,
    forward: Vec<f32>,
    kernel: Vec<f32>,
    bias: Vec<f32>,
    input: Vec<f32>,
}

impl Passes<'_> {
    fn run(&self, output: usize) -> Found {
        let (isa, execute) = (self.isa, execute(&self.operation));
        let run = Run {
            isa,
            examples: N,
            first: 0,
            seed: 0,
            threads: 1,
        };
        let tensors = match self.bias {
            [] => vec![self.kernel],
            bias => vec![self.kernel, bias],
        };
        let sizes = sizes(&self.operation, N);
        let packed = |pass| {
            let mut packed = vec![f32::NAN; sizes.packed(pass)];
            execute.pack(pass, isa, &[self.kernel], &mut packed);
            packed
        };
        let infer = |packed: &[f32]| {
            let mut y = vec![f32::NAN; N * output];
            execute.infer(Infer {
                run,
                inputs: &[self.x],
                tensors: &tensors,
                packed,
                output: &mut y,
                scratch: &mut vec![f32::NAN; sizes.inference[1]],
            });
            y
        };
        let everything = cnn_ir::operation::Wanted {
            tensors: true,
            input: true,
        };
        let saves = self.operation.facts().saves(everything);
        let mut saved = vec![f32::NAN; N * saves.floats];
        let mut scratch = vec![f32::NAN; sizes.training];
        let mut forward = vec![f32::NAN; N * output];
        execute.forward(Forward {
            run,
            inputs: &[self.x],
            tensors: &tensors,
            packed: &packed(Pass::Forward),
            output: &mut forward,
            saved: &mut saved,
            argmax: &mut [],
            scratch: &mut scratch,
        });
        // Gradients of tensors are added to what is there.
        let mut sums = vec![0.0; self.kernel.len()];
        let mut bias = vec![1.0; self.bias.len()];
        let mut input = vec![f32::NAN; self.x.len()];
        let mut gradient = self.dy.to_vec();
        scratch.fill(f32::NAN);
        execute.backward(Backward {
            run,
            inputs: &[self.x],
            tensors: &tensors,
            packed: &packed(Pass::Backward),
            output: if saves.output { &forward } else { &[] },
            saved: &saved,
            argmax: &[],
            gradient: &mut gradient,
            tensor_gradients: &mut match self.bias {
                [] => vec![&mut sums[..]],
                _ => vec![&mut sums[..], &mut bias[..]],
            },
            input_gradients: &mut [&mut input],
            scratch: &mut scratch,
        });
        let mut kernel = vec![f32::NAN; sums.len()];
        match execute.is_rearranged(0) {
            true => execute.finish_gradient(isa, &sums, &mut kernel),
            false => kernel.copy_from_slice(&sums),
        }
        bias.iter_mut().for_each(|sum| *sum -= 1.0);
        Found {
            inference: infer(&packed(Pass::Inference)),
            unpacked: infer(&[]),
            forward,
            kernel,
            bias,
            input,
        }
    }
}

fn values(seed: u64, len: usize) -> Vec<f32> {
    let value = |i| (split_mix(seed << 32 | i) >> 40) as f32 / 16_777_216.0 - 0.5;
    (0..len as u64).map(value).collect()
}
