//! Stripes against the whole, bit by bit, on every instruction set: random geometries, and every algorithm.

use super::super::{Run, execute, sizes};
use super::threaded::infer_in;
use super::*;
use crate::kernels::conv2d;
use crate::kernels::conv2d::tests::{Algorithms, random_conv};
use crate::kernels::test_support::Random;
use cnn_ir::choice::conv2d as choice;
use cnn_ir::choice::stripes::MAX_STRIPES;
use cnn_ir::operation::{
    Conv2d, ConvAlgorithm, Dense, DepthwiseConv2d, GroupedConv2d, InputGradient, Pass, Pool2d,
    PoolKind,
};
use cnn_ir::{Activation, Operation};

/// How many geometries were cut in each way.
#[derive(Debug, Default)]
struct Cuts {
    rows: usize,
    columns: usize,
}

/// The operands of a prediction.
struct Case {
    isa: Isa,
    x: Vec<f32>,
    tensors: Vec<Vec<f32>>,
    packed: Vec<f32>,
    scratch: usize,
}

impl Case {
    /// Random ones, of tensors of these lengths.
    fn new<O: Striped + Into<Operation>>(
        random: &mut Random,
        operation: O,
        isa: Isa,
        input: usize,
        tensors: &[usize],
    ) -> Self {
        let x = random.floats(input);
        let tensors: Vec<_> = tensors.iter().map(|&len| random.floats(len)).collect();
        let operation = operation.into();
        let sizes = sizes(&operation, 1);
        let mut packed = vec![0.0; sizes.packed_inference];
        if let [kernel, ..] = &tensors[..] {
            execute(&operation).pack(Pass::Inference, isa, &[kernel], &mut packed);
        }
        Self {
            isa,
            x,
            tensors,
            packed,
            scratch: sizes.inference[0],
        }
    }

    /// The bits of the output, in up to so many stripes.
    fn infer<O: Striped>(&self, operation: &O, most: usize) -> Vec<u32> {
        let row = operation.output_row();
        let mut output = vec![f32::NAN; operation.rows() * row];
        let tensors: Vec<_> = self.tensors.iter().map(|tensor| &tensor[..]).collect();
        let call = Infer {
            run: Run {
                isa: self.isa,
                examples: 1,
                first: 0,
                seed: 0,
                threads: most,
            },
            inputs: &[&self.x],
            tensors: &tensors,
            packed: &self.packed,
            output: &mut output,
            scratch: &mut vec![f32::NAN; self.scratch],
        };
        infer_in(operation, most, call);
        output.iter().map(|value| value.to_bits()).collect()
    }

    /// Compares cuts of several sizes with the whole.
    fn check<O: Striped + std::fmt::Debug>(&self, operation: &O, cuts: &mut Cuts) {
        let whole = self.infer(operation, 1);
        for most in [2, 3, 7, MAX_STRIPES] {
            match operation.cut(self.isa, self.packed.len(), [most, most]) {
                Cut::Whole => continue,
                Cut::Rows(_) => cuts.rows += 1,
                Cut::Columns(_) => cuts.columns += 1,
            }
            let found = self.infer(operation, most);
            assert!(
                found == whole,
                "{operation:?}, {most} stripes, {}",
                self.isa.name()
            );
        }
    }
}

/// Those of which convolutions with each algorithm are made.
const ALGORITHMS: [ConvAlgorithm; 5] = [
    ConvAlgorithm::Direct,
    ConvAlgorithm::Winograd,
    ConvAlgorithm::Winograd4,
    ConvAlgorithm::Winograd5,
    ConvAlgorithm::Pointwise,
];

fn algorithms(algorithm: ConvAlgorithm, pooled: bool) -> Algorithms<'static> {
    Algorithms {
        algorithm,
        input_gradient: InputGradient::Columns,
        pooled,
        ..Algorithms::DIRECT
    }
}

/// Convolutions with each algorithm, with and without a pool, on larger images too.
fn convolutions(random: &mut Random, each: usize) -> Vec<Conv2d> {
    let mut convs = Vec::new();
    for algorithm in ALGORITHMS {
        for pooled in [false, true] {
            if pooled && algorithm == ConvAlgorithm::Pointwise {
                continue;
            }
            for index in 0..each {
                // Every other one has so many filters that they are cut.
                let wide = Algorithms {
                    products: 400_000,
                    channels: &[40, 64, 100, 160],
                    ..algorithms(algorithm, pooled)
                };
                let conv = match index % 2 {
                    0 => random_conv(random, algorithms(algorithm, pooled)),
                    _ => random_conv(random, wide),
                };
                let activation = [Activation::Relu, Activation::Silu, Activation::Softmax];
                convs.push(Conv2d {
                    activation: activation[index % 3],
                    ..conv
                });
            }
        }
    }
    convs
}

#[test]
fn convolutions_have_the_bits_of_the_whole() {
    let mut random = Random::new(41);
    for isa in Isa::available() {
        let mut cuts = Cuts::default();
        for conv in convolutions(&mut random, 60) {
            let tensors = [conv.patch() * conv.output[2], conv.output[2]];
            let mut case = Case::new(&mut random, conv, isa, conv.input_len(), &tensors);
            case.check(&conv, &mut cuts);
            // As a program without packed weights has it.
            case.packed.clear();
            case.check(&conv, &mut cuts);
        }
        assert!(cuts.rows > 500, "{} {cuts:?}", isa.name());
        let has_columns = !isa.vectors().prefers_matrixmultiply();
        assert_eq!(cuts.columns > 50, has_columns, "{} {cuts:?}", isa.name());
    }
}

/// One value that is not finite decides how the whole image is computed, whichever stripes see it.
#[test]
fn values_that_are_not_finite_have_the_bits_of_the_whole() {
    let mut random = Random::new(42);
    for isa in Isa::available() {
        let mut cuts = Cuts::default();
        for algorithm in [ConvAlgorithm::Winograd4, ConvAlgorithm::Winograd5] {
            for index in 0..60 {
                let conv = random_conv(&mut random, algorithms(algorithm, index % 2 == 1));
                let tensors = [conv.patch() * conv.output[2], conv.output[2]];
                let mut case = Case::new(&mut random, conv, isa, conv.input_len(), &tensors);
                let place = random.below(case.x.len());
                case.x[place] = [f32::NAN, f32::INFINITY][index % 2];
                case.check(&conv, &mut cuts);
                // A filter that is not finite alone.
                case.x[place] = 0.0;
                case.tensors[1][index % conv.output[2]] = f32::NEG_INFINITY;
                case.check(&conv, &mut cuts);
            }
        }
        assert!(cuts.rows > 50, "{} {cuts:?}", isa.name());
    }
}

/// Few tiles, and many weights.
#[test]
fn small_images_have_the_bits_of_the_whole() {
    let mut random = Random::new(43);
    for isa in Isa::available() {
        let mut cuts = Cuts::default();
        for (size, channels) in [(8, [64, 64]), (7, [33, 112]), (5, [70, 60])] {
            let conv = Conv2d {
                padding: [1, 1],
                algorithm: ConvAlgorithm::Winograd4,
                activation: Activation::Relu,
                ..Conv2d::new([size, size, channels[0]], [3, 3], [size, size, channels[1]])
            };
            let tensors = [conv.patch() * conv.output[2], conv.output[2]];
            let case = Case::new(&mut random, conv, isa, conv.input_len(), &tensors);
            case.check(&conv, &mut cuts);
        }
        let has_columns = !isa.vectors().prefers_matrixmultiply();
        assert_eq!(cuts.columns > 0, has_columns, "{} {cuts:?}", isa.name());
    }
}

/// Kernels that round in another way must not be chosen for a stripe.
#[test]
fn stripes_have_the_kernel_of_the_whole() {
    let mut random = Random::new(44);
    for conv in convolutions(&mut random, 200) {
        for isa in Isa::available() {
            for packed in [0, conv2d::packed_forward(&conv)] {
                let weights = conv2d::weights(packed);
                let chosen = choice::forward(&conv, weights, isa.vectors());
                let cut = choice::cut::cut_rows(&conv, weights, isa.vectors(), MAX_STRIPES);
                let Cut::Rows(stripes) = cut else { continue };
                for stripe in 0..stripes.count {
                    let Some(stripe) = conv.stripe(stripes.range(stripe)) else {
                        continue;
                    };
                    let found = choice::forward(&stripe.operation, weights, isa.vectors());
                    assert!(found == chosen, "{conv:?}, {stripe:?}, {}", isa.name());
                }
            }
        }
    }
}

#[test]
fn grouped_and_depthwise_convolutions_have_the_bits_of_the_whole() {
    let mut random = Random::new(45);
    for isa in Isa::available() {
        let mut cuts = Cuts::default();
        for mut conv in convolutions(&mut random, 20) {
            (conv.pool, conv.activation) = (None, Activation::Linear);
            let grouped = GroupedConv2d {
                groups: 3,
                conv,
                activation: Activation::Silu,
            };
            let tensors = [conv.patch() * grouped.filters(), grouped.filters()];
            let input = 3 * conv.input_len();
            let case = Case::new(&mut random, grouped, isa, input, &tensors);
            case.check(&grouped, &mut cuts);

            let [height, width, channels] = conv.input;
            let depthwise = DepthwiseConv2d {
                input: [height, width, channels],
                output: [conv.output[0], conv.output[1], channels],
                kernel: conv.kernel,
                strides: conv.strides,
                padding: conv.padding,
                dilation: conv.dilation,
                activation: Activation::Relu,
            };
            let tensors = [depthwise.kernel_len(), channels];
            let case = Case::new(&mut random, depthwise, isa, conv.input_len(), &tensors);
            case.check(&depthwise, &mut cuts);
        }
        assert!(cuts.rows > 300, "{} {cuts:?}", isa.name());
    }
}

#[test]
fn pools_have_the_bits_of_the_whole() {
    let mut random = Random::new(46);
    for isa in Isa::available() {
        let mut cuts = Cuts::default();
        for _ in 0..100 {
            let conv = random_conv(&mut random, algorithms(ConvAlgorithm::Direct, true));
            let Some(pool) = conv.pool else {
                unreachable!("a convolution with a pool");
            };
            for kind in [PoolKind::Max, PoolKind::Average] {
                let pool = Pool2d {
                    kind,
                    input: conv.output,
                    output: [pool.output[0], pool.output[1], conv.output[2]],
                    size: pool.size,
                    strides: pool.strides,
                    padding: pool.padding,
                };
                let input = conv.output.iter().product();
                let case = Case::new(&mut random, pool, isa, input, &[]);
                case.check(&pool, &mut cuts);
            }
        }
        assert!(cuts.rows > 200, "{} {cuts:?}", isa.name());
    }
}

#[test]
fn dense_layers_have_the_bits_of_the_whole() {
    let mut random = Random::new(47);
    for isa in Isa::available() {
        let mut cuts = Cuts::default();
        for (inputs, units) in [(3, 17), (40, 64), (33, 129), (70, 300), (1, 1000)] {
            for activation in [Activation::Relu, Activation::Tanh] {
                let dense = Dense {
                    inputs,
                    units,
                    activation,
                };
                let tensors = [inputs * units, units];
                for count in [1, 2] {
                    let case = Case::new(&mut random, dense, isa, inputs, &tensors[..count]);
                    case.check(&dense, &mut cuts);
                }
            }
        }
        let has_columns = !isa.vectors().prefers_matrixmultiply();
        assert_eq!(cuts.columns > 20, has_columns, "{} {cuts:?}", isa.name());
    }
}
