//! Convolutions by register tiles and as matrix products, against their twin.

use super::case::{
    Algorithms, Case, check_many, check_not_finite, check_weights_not_finite, random_conv,
};
use crate::kernels::Isa;
use crate::kernels::conv2d;
use crate::kernels::test_support::Random;
use cnn_ir::operation::{ConvAlgorithm, InputGradient, KernelGradient};

#[test]
fn direct_matches_the_reference() {
    check_many(1, 150, Algorithms::DIRECT);
}

#[test]
fn direct_with_a_fused_pool_matches_the_reference() {
    let algorithms = Algorithms {
        pooled: true,
        ..Algorithms::DIRECT
    };
    check_many(2, 150, algorithms);
}

#[test]
fn strided_matches_the_reference() {
    for pooled in [false, true] {
        let algorithms = Algorithms {
            input_gradient: InputGradient::Columns,
            pooled,
            ..Algorithms::DIRECT
        };
        check_many(3, 150, algorithms);
    }
}

#[test]
fn pointwise_matches_the_reference() {
    let algorithms = Algorithms {
        algorithm: ConvAlgorithm::Pointwise,
        kernel_gradient: KernelGradient::Pointwise,
        input_gradient: InputGradient::Pointwise,
        ..Algorithms::DIRECT
    };
    for pooled in [false, true] {
        check_many(
            4,
            60,
            Algorithms {
                pooled,
                ..algorithms
            },
        );
    }
    // More filters than a panel has columns.
    let channels = &[1, 65, 130];
    check_many(
        11,
        20,
        Algorithms {
            channels,
            ..algorithms
        },
    );
}

#[test]
fn nan_and_infinity_reach_every_output_that_sees_them() {
    for pooled in [false, true] {
        let algorithms = Algorithms {
            pooled,
            products: 20_000,
            channels: &[1, 3, 16],
            ..Algorithms::DIRECT
        };
        check_not_finite(5, algorithms, false);
        check_weights_not_finite(6, algorithms);
        let columns = Algorithms {
            input_gradient: InputGradient::Columns,
            ..algorithms
        };
        check_not_finite(7, columns, false);
        check_weights_not_finite(8, columns);
        let pointwise = Algorithms {
            algorithm: ConvAlgorithm::Pointwise,
            kernel_gradient: KernelGradient::Pointwise,
            input_gradient: InputGradient::Pointwise,
            ..algorithms
        };
        check_not_finite(9, pointwise, false);
        check_weights_not_finite(10, pointwise);
    }
}

#[test]
fn an_image_does_not_depend_on_the_others() {
    let mut random = Random::new(11);
    for pooled in [false, true] {
        let conv = random_conv(
            &mut random,
            Algorithms {
                pooled,
                ..Algorithms::DIRECT
            },
        );
        let case = Case::random(&mut random, conv);
        let x = random.floats(4 * case.x.len() / case.n);
        let run = |isa, n: usize, x: &[f32]| {
            let mut y = vec![0.0; n * conv.output_len()];
            let mut scratch = vec![f32::NAN; conv2d::forward_scratch(&conv, n)];
            let (kernel, bias) = (&case.kernel, &case.bias);
            conv2d::forward(
                &conv,
                isa,
                n,
                x,
                kernel,
                bias,
                &[],
                &mut y,
                &mut [],
                &mut scratch,
            );
            y
        };
        for isa in Isa::available() {
            let whole = run(isa, 4, &x);
            let one_by_one: Vec<f32> = x.chunks(x.len() / 4).flat_map(|x| run(isa, 1, x)).collect();
            assert_eq!(whole, one_by_one, "{conv:?}");
        }
    }
}

#[test]
#[should_panic(expected = "values of a convolution's input")]
fn a_wrong_length_is_refused() {
    let conv = random_conv(&mut Random::new(4), Algorithms::DIRECT);
    let isa = Isa::PORTABLE;
    conv2d::forward(
        &conv,
        isa,
        1,
        &[],
        &[0.0],
        &[],
        &[],
        &mut [],
        &mut [],
        &mut [],
    );
}
