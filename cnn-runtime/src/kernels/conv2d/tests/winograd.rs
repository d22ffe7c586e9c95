//! Winograd convolutions against their twin.
//!
//! The values of [`Case`] are multiples of 1/8, and those of kernels transformed for F(2x2, 3x3) multiples of 1/32: so
//! its sums are exact too, and ties within windows stay ties. F(4x4, 3x3) and F(5x5, 3x3) round, so their argmax may be
//! any cell whose value is the maximum up to rounding.

use super::case::{Algorithms, Case, check_weights_not_finite, random_conv};
use crate::kernels::Isa;
use crate::kernels::conv2d;
use crate::kernels::test_support::{Failures, Random, to_f64};
use crate::reference;
use cnn_ir::Activation;
use cnn_ir::operation::{Conv2d, ConvAlgorithm, FusedPool, InputGradient};

/// F(2x2, 3x3).
const TWO: Algorithms<'static> = Algorithms {
    algorithm: ConvAlgorithm::Winograd,
    input_gradient: InputGradient::Winograd,
    ..Algorithms::DIRECT
};

/// F(4x4, 3x3).
const FOUR: Algorithms<'static> = Algorithms {
    algorithm: ConvAlgorithm::Winograd4,
    input_gradient: InputGradient::Winograd4,
    ..Algorithms::DIRECT
};

/// F(5x5, 3x3), forward alone.
const FIVE: Algorithms<'static> = Algorithms {
    algorithm: ConvAlgorithm::Winograd5,
    ..FOUR
};

/// All passes that take Winograd's algorithms.
fn check(case: &Case, failures: &mut Failures) {
    case.check_forward(failures);
    case.check_inference(failures);
    case.check_input_gradient(failures);
}

/// As many 2x2 windows as the output has room for: there a window is a tile.
fn with_tile_pool(conv: Conv2d) -> Option<Conv2d> {
    let output = [conv.output[0] / 2, conv.output[1] / 2];
    let pool = Some(FusedPool {
        output,
        size: [2, 2],
        strides: [2, 2],
        padding: [0, 0],
    });
    (output != [0, 0] && output[0] * output[1] > 0).then_some(Conv2d { pool, ..conv })
}

/// Random geometries, without a pool, with a pool of tiles, and with any pool.
fn geometries(random: &mut Random, cases: usize, algorithms: Algorithms<'_>) -> Vec<Conv2d> {
    let mut convs = Vec::new();
    while convs.len() < 3 * cases {
        let [plain, tiled] = [(); 2].map(|()| random_conv(random, algorithms));
        let Some(tiled) = with_tile_pool(tiled) else {
            continue;
        };
        let pooled = Algorithms {
            pooled: true,
            ..algorithms
        };
        convs.extend([plain, tiled, random_conv(random, pooled)]);
    }
    convs
}

#[test]
fn winograd_matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for algorithms in [TWO, FOUR, FIVE] {
        for conv in geometries(&mut random, 100, algorithms) {
            check(&Case::random(&mut random, conv), &mut failures);
        }
    }
    failures.report();
}

/// Blocks that end within an image, and more images than a pass takes.
#[test]
fn many_tiles_and_images_match_the_reference() {
    let mut random = Random::new(2);
    let mut failures = Failures::default();
    for algorithms in [TWO, FOUR, FIVE] {
        let large = |random: &mut Random| Conv2d {
            input: [15, 13, 33],
            output: [15, 12, 64],
            padding: [1, 1],
            ..random_conv(random, algorithms)
        };
        let small = |random: &mut Random| Conv2d {
            input: [4, 3, 2],
            output: [4, 5, 3],
            padding: [1, 2],
            ..random_conv(random, algorithms)
        };
        for (conv, n) in [(large(&mut random), 5), (small(&mut random), 70)] {
            let tiled = with_tile_pool(conv).expect("room for a window");
            let overlapping = Conv2d {
                pool: Some(FusedPool {
                    output: [conv.output[0] - 2, conv.output[1] - 2],
                    size: [3, 3],
                    strides: [1, 1],
                    padding: [0, 0],
                }),
                ..conv
            };
            for conv in [conv, tiled, overlapping] {
                let mut case = Case::random(
                    &mut random,
                    Conv2d {
                        activation: Activation::Relu,
                        ..conv
                    },
                );
                let repeat = |values: &[f32], length: usize| -> Vec<f32> {
                    let values = values.iter().cycle().enumerate();
                    values
                        .map(|(i, v)| v * [1.0, -1.0, 0.5][i / 7 % 3])
                        .take(n * length)
                        .collect()
                };
                case.x = repeat(&case.x, conv.input.iter().product());
                case.dz = repeat(&case.dz, conv.output_len());
                case.n = n;
                check(&case, &mut failures);
            }
        }
    }
    failures.report();
}

/// Passes of a convolution over images of any values, by one instruction set.
struct Run {
    conv: Conv2d,
    isa: Isa,
    kernel: Vec<f32>,
    bias: Vec<f32>,
    forward: Vec<f32>,
    backward: Vec<f32>,
}

impl Run {
    fn new(conv: Conv2d, isa: Isa, case: &Case) -> Self {
        let [kernel, bias] = [&case.kernel, &case.bias].map(Vec::clone);
        let [mut forward, mut backward] = [
            conv2d::packed_forward(&conv),
            conv2d::packed_backward(&conv),
        ]
        .map(|len| vec![f32::NAN; len]);
        conv2d::pack_forward(&conv, isa, &kernel, &mut forward);
        conv2d::pack_backward(&conv, isa, &kernel, &mut backward);
        Self {
            conv,
            isa,
            kernel,
            bias,
            forward,
            backward,
        }
    }

    fn forward(&self, n: usize, x: &[f32]) -> (Vec<f32>, Vec<u8>) {
        let mut y = vec![f32::NAN; n * self.conv.output_len()];
        let argmax = if self.conv.pool.is_some() { y.len() } else { 0 };
        let mut argmax = vec![0; argmax];
        let mut scratch = vec![f32::NAN; conv2d::forward_scratch(&self.conv, n)];
        conv2d::forward(
            &self.conv,
            self.isa,
            n,
            x,
            &self.kernel,
            &self.bias,
            &self.forward,
            &mut y,
            &mut argmax,
            &mut scratch,
        );
        (y, argmax)
    }

    fn input_gradient(&self, n: usize, dz: &[f32], argmax: &[u8]) -> Vec<f32> {
        let mut dx = vec![f32::NAN; n * self.conv.input.iter().product::<usize>()];
        let mut scratch = vec![f32::NAN; conv2d::training_scratch(&self.conv, n)];
        conv2d::backward_input(
            &self.conv,
            self.isa,
            n,
            dz,
            argmax,
            &self.backward,
            &mut dx,
            &mut scratch,
        );
        dx
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Bits of an image stay the same alone and among others, also where these are computed again.
#[test]
fn an_image_does_not_depend_on_the_others() {
    let mut random = Random::new(3);
    let convs = [TWO, FOUR, FIVE].map(|algorithms| geometries(&mut random, 5, algorithms));
    for conv in convs.into_iter().flatten() {
        let case = Case::random(&mut random, conv);
        const N: usize = 5;
        let mut x = random.floats(N * case.x.len() / case.n);
        let dz = random.floats(N * conv.output_len());
        x[0] = f32::INFINITY;
        let [x_len, y_len] = [x.len() / N, dz.len() / N];
        for isa in Isa::available() {
            let run = Run::new(conv, isa, &case);
            let (y, argmax) = run.forward(N, &x);
            let dx = run.input_gradient(N, &dz, &argmax);
            for i in 0..N {
                let (y_alone, codes_alone) = run.forward(1, &x[i * x_len..][..x_len]);
                let dz = &dz[i * y_len..][..y_len];
                let dx_alone = run.input_gradient(1, dz, &codes_alone);
                let place = i * y_len..(i + 1) * y_len;
                assert_eq!(bits(&y_alone), bits(&y[place.clone()]), "{conv:?}");
                assert_eq!(
                    codes_alone,
                    argmax.get(place).unwrap_or_default(),
                    "{conv:?}"
                );
                assert_eq!(bits(&dx_alone), bits(&dx[i * x_len..][..x_len]), "{conv:?}");
            }
        }
    }
}

/// Drawings on a dark background: for an output that sees zeros alone, the bias decides whether a relu behind it is
/// active.
#[test]
fn outputs_that_see_zeros_alone_are_the_bias() {
    let mut random = Random::new(9);
    for algorithms in [TWO, FOUR, FIVE] {
        let convs = geometries(&mut random, 10, algorithms);
        let zero_patches: usize = convs
            .iter()
            .map(|conv| check_zero_patches(&mut random, conv))
            .sum();
        assert!(
            zero_patches > 300,
            "{zero_patches} outputs that see zeros alone"
        );
    }
}

/// Checks that outputs which see zeros alone are the bias, on every instruction set, and returns how many there are.
fn check_zero_patches(random: &mut Random, conv: &Conv2d) -> usize {
    let conv = Conv2d {
        activation: Activation::Linear,
        ..*conv
    };
    let mut case = Case::random(random, conv);
    case.kernel = random.floats(case.kernel.len());
    case.x.fill(0.0);
    for _ in 0..random.below(4) {
        let place = random.below(case.x.len());
        case.x[place] = random.value();
    }
    // What the cells of the convolution see.
    let seen = {
        let x: Vec<f64> = case.x.iter().map(|x| f64::from(x.abs())).collect();
        let ones = vec![1.0; case.kernel.len()];
        let cells = Conv2d { pool: None, ..conv };
        reference::conv2d::forward(&cells, case.n, &x, &ones, &[])
    };
    let windows = case.windows();
    let mut zero_patches = 0;
    for isa in Isa::available() {
        let (y, _) = Run::new(conv, isa, &case).forward(case.n, &case.x);
        for (i, (y, window)) in y.iter().zip(&windows).enumerate() {
            if window.iter().any(|(_, cell)| seen[*cell] > 0.0) {
                continue;
            }
            let bias = case.bias.get(i % conv.output[2]).copied().unwrap_or(0.0);
            let name = isa.name();
            assert!(
                *y == bias,
                "{name}, {conv:?}: value {i} is {y}, not the bias {bias}"
            );
            zero_patches += 1;
        }
    }
    zero_patches / Isa::available().count()
}

/// Values without a pattern. The error of a plain sum of `d` products grows as `sqrt(d)` roundings.
#[test]
fn rounding_stays_within_a_few_bits() {
    let mut random = Random::new(4);
    let mut failures = Failures::default();
    let convs = [TWO, FOUR, FIVE].map(|algorithms| geometries(&mut random, 20, algorithms));
    for conv in convs.into_iter().flatten() {
        let roundings = match conv.algorithm {
            ConvAlgorithm::Winograd4 => ROUNDINGS_OF_FOUR,
            ConvAlgorithm::Winograd5 => ROUNDINGS_OF_FIVE,
            _ => ROUNDINGS_OF_TWO,
        };
        let conv = Conv2d {
            pool: None,
            activation: Activation::Linear,
            ..conv
        };
        let mut case = Case::random(&mut random, conv);
        case.kernel = random.floats(case.kernel.len());
        let x = random.floats(case.x.len());
        let dz = random.floats(case.n * conv.output_len());
        let [x64, dz64, kernel, bias] = [&x, &dz, &case.kernel, &case.bias].map(|v| to_f64(v));
        let y64 = reference::conv2d::forward(&conv, case.n, &x64, &kernel, &bias);
        let dx64 = reference::conv2d::backward_input(&conv, case.n, &dz64, &kernel);
        for isa in Isa::available() {
            let run = Run::new(conv, isa, &case);
            let (y, _) = run.forward(case.n, &x);
            let dx = run.input_gradient(case.n, &dz, &[]);
            let name = isa.name();
            for (what, actual, expected, depth) in [
                ("forward", y, y64.clone(), conv.input[2]),
                ("input", dx, dx64.clone(), conv.output[2]),
            ] {
                let tolerance = roundings * f64::from(f32::EPSILON) * (9.0 * depth as f64).sqrt();
                failures.compare(
                    || format!("{name}, {what} of {conv:?}"),
                    &actual,
                    &expected,
                    tolerance,
                );
            }
        }
    }
    failures.report();
}

/// Roundings where a plain sum has one: a bit less is exact.
const ROUNDINGS_OF_TWO: f64 = 2.0;
/// Four times as many.
const ROUNDINGS_OF_FOUR: f64 = 8.0;
/// Three times as many again in the mean, five times in the worst case.
const ROUNDINGS_OF_FIVE: f64 = 40.0;

#[test]
fn nan_and_infinity_reach_the_outputs_that_see_them() {
    let mut random = Random::new(5);
    let mut failures = Failures::default();
    for algorithms in [TWO, FOUR, FIVE].map(small) {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for activation in [Activation::Linear, Activation::Relu] {
                for conv in geometries(&mut random, 5, algorithms) {
                    let mut case = Case::random(&mut random, Conv2d { activation, ..conv });
                    let place = random.below(case.x.len());
                    case.x[place] = odd;
                    case.check_forward(&mut failures);
                    case.check_inference(&mut failures);
                }
            }
        }
    }
    failures.report();
}

/// Few channels and cells.
fn small(algorithms: Algorithms<'static>) -> Algorithms<'static> {
    Algorithms {
        products: 20_000,
        channels: &[1, 3, 16],
        ..algorithms
    }
}

/// A gradient that is not finite spreads over its tiles, and no value that it should reach is finite.
#[test]
fn gradients_that_are_not_finite_stay_so() {
    let mut random = Random::new(6);
    let mut cases = 0;
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let convs =
            [TWO, FOUR, FIVE].map(|algorithms| geometries(&mut random, 10, small(algorithms)));
        for conv in convs.into_iter().flatten() {
            let mut case = Case::random(&mut random, conv);
            let place = random.below(case.dz.len());
            case.dz[place] = odd;
            let dy = case.unpooled();
            let kernel = to_f64(&case.kernel);
            let expected = reference::conv2d::backward_input(&conv, case.n, &dy, &kernel);
            for isa in Isa::available() {
                let run = Run::new(conv, isa, &case);
                let dx = run.input_gradient(case.n, &case.dz, &case.argmax());
                for (i, (dx, expected)) in dx.iter().zip(&expected).enumerate() {
                    let name = isa.name();
                    assert!(
                        expected.is_finite() || !dx.is_finite(),
                        "{name}, {conv:?}: value {i} is {dx}, not {expected}"
                    );
                    cases += usize::from(!expected.is_finite());
                }
            }
        }
    }
    assert!(cases > 0, "nothing was not finite");
}

/// Only images that are not finite go without the packed weights.
#[test]
fn finite_images_take_the_packed_weights() {
    let mut random = Random::new(8);
    for algorithms in [TWO, FOUR, FIVE] {
        let conv = Conv2d {
            activation: Activation::Linear,
            ..random_conv(&mut random, algorithms)
        };
        let mut case = Case::random(&mut random, conv);
        case.bias = vec![0.5; conv.output[2]];
        for isa in Isa::available().filter(|isa| *isa != Isa::PORTABLE) {
            let mut run = Run::new(conv, isa, &case);
            run.forward.fill(0.0);
            let (y, _) = run.forward(case.n, &case.x);
            assert!(y.iter().all(|y| *y == 0.5), "{}", isa.name());
        }
    }
}

#[test]
fn weights_that_are_not_finite_reach_what_they_touch() {
    for algorithms in [TWO, FOUR, FIVE].map(small) {
        for pooled in [false, true] {
            check_weights_not_finite(
                7,
                Algorithms {
                    pooled,
                    ..algorithms
                },
            );
        }
    }
}
