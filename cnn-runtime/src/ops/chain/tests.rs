//! Chains, also of one step, against the whole steps one after the other, bit by bit, on every instruction set: random
//! steps and geometries.

use super::super::stripes::threaded::infer_chain_in;
use super::super::{execute, folded, sizes};
use super::*;
use crate::kernels::Isa;
use crate::kernels::test_support::Random;
use crate::ops::folded::{Folded, folded_sizes};
use cnn_ir::choice::stripes::MAX_STRIPES;
use cnn_ir::operation::{
    Activate, BatchNormalization, Conv2d, ConvAlgorithm, DepthwiseConv2d, Merge, MergeKind, Pass,
    Pool2d, PoolKind,
};
use cnn_ir::{Activation, Operation};

/// A step with its operands.
struct Case {
    step: Box<dyn Linked>,
    name: &'static str,
    inputs: Vec<Vec<f32>>,
    tensors: Vec<Vec<f32>>,
    packed: Vec<f32>,
    scratch: usize,
    output: [usize; 3],
}

const ACTIVATIONS: [Activation; 4] = [
    Activation::Linear,
    Activation::Relu,
    Activation::Silu,
    Activation::Softmax,
];

fn len(shape: [usize; 3]) -> usize {
    shape.iter().product()
}

impl Case {
    /// A step as it is.
    fn new<O: Striped + Into<Operation> + 'static>(
        random: &mut Random,
        isa: Isa,
        step: O,
        output: [usize; 3],
        tensors: &[usize],
    ) -> Self {
        let operation = step.into();
        let sizes = sizes(&operation, 1);
        let tensors: Vec<Vec<f32>> = tensors.iter().map(|&len| random.floats(len)).collect();
        let mut packed = vec![0.0; sizes.packed_inference];
        let slices: Vec<&[f32]> = tensors.iter().map(|tensor| &tensor[..]).collect();
        execute(&operation).pack(Pass::Inference, isa, &slices, &mut packed);
        Self {
            step: Box::new(step),
            name: operation.kind(),
            inputs: Vec::new(),
            tensors,
            packed,
            scratch: sizes.inference[0],
            output,
        }
    }

    /// A step with a kernel and a bias, and sometimes a normalization folded into them.
    fn weighted<O: Striped + folded::Folds + Into<Operation> + 'static>(
        random: &mut Random,
        isa: Isa,
        step: O,
        output: [usize; 3],
        kernel: usize,
    ) -> Self {
        let channels = output[2];
        let mut case = Self::new(random, isa, step, output, &[kernel, channels]);
        if random.below(2) == 0 {
            return case;
        }
        let normalization = normalization([1, 1, channels], Activation::Linear);
        let operation = step.into();
        let sizes = folded_sizes(&operation, &normalization, 1);
        (case.tensors).extend([random.floats(channels), vec![0.5; channels]]);
        let tensors: Vec<&[f32]> = case.tensors.iter().map(|tensor| &tensor[..]).collect();
        case.packed = vec![0.0; sizes.packed_inference];
        let packed = &mut case.packed;
        folded::pack(&operation, &normalization, isa, &tensors, packed);
        case.scratch = sizes.inference[0];
        case.step = Box::new(Folded {
            operation: step,
            normalization,
        });
        case
    }
}

/// With a running mean and variance, and nothing else.
fn normalization(shape: [usize; 3], activation: Activation) -> BatchNormalization {
    BatchNormalization {
        input: shape,
        output: shape,
        momentum: 0.99,
        epsilon: 1e-3,
        scale: false,
        center: false,
        frozen: true,
        adds: false,
        activation,
        pool: None,
    }
}

/// A step that reads whole images: windows, rows and columns of a larger one, or the same rows of several.
fn first(random: &mut Random, isa: Isa) -> Case {
    let input = [
        1 + random.below(40),
        1 + random.below(12),
        random.pick(&[1, 3, 8, 16, 17, 40, 64]),
    ];
    let [size, strides] = [[1, 2, 3, 5], [1, 1, 2, 3]].map(|of| random.pick(&of));
    let padding = random.below(size);
    let windows = |cells: usize| (cells + 2 * padding).saturating_sub(size) / strides + 1;
    let output = [windows(input[0]), windows(input[1]), input[2]];
    let mut case = match random.below(5) {
        0 => {
            let mut case = next(random, isa, input);
            case.inputs.insert(0, random.floats(len(input)));
            return case;
        }
        1 => {
            let [height, width, channels] = input;
            let output = [1 + random.below(height), 1 + random.below(width), channels];
            let activate = Activate {
                activation: random.pick(&ACTIVATIONS),
                input,
                output,
            };
            Case::new(random, isa, activate, output, &[])
        }
        2 => {
            let pool = Pool2d {
                kind: random.pick(&[PoolKind::Max, PoolKind::Average]),
                input,
                output,
                size: [size; 2],
                strides: [strides; 2],
                padding: [padding; 2],
            };
            Case::new(random, isa, pool, output, &[])
        }
        _ => {
            let conv = DepthwiseConv2d {
                input,
                output,
                kernel: [size; 2],
                strides: [strides; 2],
                padding: [padding; 2],
                dilation: [1, 1],
                activation: random.pick(&ACTIVATIONS),
            };
            Case::weighted(random, isa, conv, output, conv.kernel_len())
        }
    };
    case.inputs = vec![random.floats(len(input))];
    case
}

/// A step that computes each row of its output from one row of an image.
fn next(random: &mut Random, isa: Isa, shape: [usize; 3]) -> Case {
    let [height, width, channels] = shape;
    let activation = random.pick(&ACTIVATIONS);
    match random.below(5) {
        0 | 1 => {
            let filters = random.pick(&[1, 5, 16, 24, 64, 70]);
            let output = [height, width, filters];
            let conv = Conv2d {
                algorithm: random.pick(&[ConvAlgorithm::Pointwise, ConvAlgorithm::Direct]),
                activation,
                ..Conv2d::new(shape, [1, 1], output)
            };
            Case::weighted(random, isa, conv, output, conv.patch() * filters)
        }
        2 => {
            let activate = Activate {
                activation,
                input: shape,
                output: shape,
            };
            Case::new(random, isa, activate, shape, &[])
        }
        3 => {
            let step = normalization(shape, activation);
            let mut case = Case::new(random, isa, step, shape, &[channels, channels]);
            case.tensors[1].fill(0.25);
            case
        }
        _ => {
            let kinds = [MergeKind::Add, MergeKind::Multiply, MergeKind::Maximum];
            let (kind, other, output) = match random.below(4) {
                0 => {
                    let other = [height, width, 1 + random.below(20)];
                    let all = [height, width, channels + other[2]];
                    (MergeKind::Concat, other, all)
                }
                1 => {
                    // Repeated along some axes.
                    let side = |random: &mut Random, side| random.pick(&[1, side]);
                    let other = shape.map(|length| side(random, length));
                    (random.pick(&kinds), other, shape)
                }
                _ => (random.pick(&kinds), shape, shape),
            };
            let merge = Merge {
                kind,
                inputs: Inputs::new(&[shape, other]),
                output,
                activation,
            };
            let mut case = Case::new(random, isa, merge, output, &[]);
            case.inputs = vec![random.floats(len(other))];
            case
        }
    }
}

/// The bits of all outputs of a chain, and whether it was cut.
fn outputs(cases: &[Case], isa: Isa, threads: usize) -> (Vec<Vec<u32>>, bool) {
    let run = Run {
        isa,
        examples: 1,
        first: 0,
        seed: 0,
        threads,
    };
    let mut outputs: Vec<_> = (cases.iter())
        .map(|case| vec![f32::NAN; len(case.output)])
        .collect();
    let inputs: Vec<Vec<&[f32]>> = (cases.iter())
        .map(|case| case.inputs.iter().map(|input| &input[..]).collect())
        .collect();
    let tensors: Vec<Vec<&[f32]>> = (cases.iter())
        .map(|case| case.tensors.iter().map(|tensor| &tensor[..]).collect())
        .collect();
    let mut links: Vec<Link<'_>> = (cases.iter().zip(&mut outputs).enumerate())
        .map(|(place, (case, output))| Link {
            step: &*case.step,
            inputs: &inputs[place],
            tensors: &tensors[place],
            packed: &case.packed,
            output,
        })
        .collect();
    let is_cut = threads > 1 && infer_chain_in(threads.min(MAX_STRIPES), run, &mut links);
    if !is_cut {
        let scratch = cases.iter().map(|case| case.scratch).max().unwrap_or(0);
        let run = Run { threads: 1, ..run };
        chain(run, &mut links, &mut vec![f32::NAN; scratch]);
    }
    let bits = |values: &Vec<f32>| values.iter().map(|value| value.to_bits()).collect();
    (outputs.iter().map(bits).collect(), is_cut)
}

#[test]
fn steps_and_chains_have_the_bits_of_the_whole() {
    let mut random = Random::new(51);
    for isa in Isa::available() {
        let mut cut = 0;
        for _ in 0..400 {
            let mut cases = vec![first(&mut random, isa)];
            for _ in 0..random.below(MAX_CHAIN) {
                let shape = cases.last().map(|case| case.output);
                cases.push(next(&mut random, isa, shape.unwrap_or_default()));
            }
            let (expected, _) = outputs(&cases, isa, 1);
            for threads in [2, 3, 7, 64] {
                let (found, is_cut) = outputs(&cases, isa, threads);
                cut += usize::from(is_cut);
                let names: Vec<_> = cases.iter().map(|case| (case.name, case.output)).collect();
                assert!(found == expected, "{names:?}, {threads}, {}", isa.name());
            }
        }
        assert!(cut > 500, "{cut} are cut, {}", isa.name());
    }
}
