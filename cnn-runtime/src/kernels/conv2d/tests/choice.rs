//! What runs for a list of geometries, by the numbers of each instruction set: on any machine.

use crate::kernels::conv2d;
use crate::kernels::conv2d::choice::{self, Weights};
use crate::kernels::simd::VectorShape;
use cnn_ir::choice::Direction;
use cnn_ir::operation::{
    Conv2d, ConvAlgorithm, Facts, FusedPool, InputGradient, KernelGradient, Pass, Wanted,
};

/// A case: its name, its geometry, and what runs on each instruction set of [`VectorShape::ALL`].
type Case = (&'static str, Conv2d, [&'static str; 3]);

/// A convolution with `windows` windows of 2x2 in both directions, padded by half of the kernel.
fn pooled(channels: usize, kernel: usize, windows: usize, filters: usize) -> Conv2d {
    let size = 2 * windows;
    Conv2d {
        padding: [kernel / 2; 2],
        pool: Some(FusedPool::new([windows; 2], [2, 2])),
        kernel_gradient: KernelGradient::PoolSparse,
        input_gradient: InputGradient::PoolSparse,
        ..Conv2d::new([size, size, channels], [kernel; 2], [size, size, filters])
    }
}

/// A convolution without padding or pool, of `cells` in both directions.
fn plain(channels: usize, kernel: usize, cells: usize, filters: usize) -> Conv2d {
    let size = cells + kernel - 1;
    Conv2d {
        input_gradient: InputGradient::Direct,
        ..Conv2d::new([size, size, channels], [kernel; 2], [cells, cells, filters])
    }
}

/// Compares every case on every instruction set, and reports all that differ.
fn check(cases: &[Case], name: impl Fn(&Conv2d, VectorShape) -> &'static str) {
    let mut wrong = Vec::new();
    for (case, conv, expected) in cases {
        for ((isa, vectors), expected) in VectorShape::ALL.into_iter().zip(expected) {
            let chosen = name(conv, vectors);
            if chosen != *expected {
                wrong.push(format!("{case}, {isa}: {chosen}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn forward_kernels() {
    let lenet_second = plain(6, 5, 10, 16);
    let cases = [
        (
            "first layer of the tutorial",
            pooled(1, 3, 13, 32),
            ["im2col, matrixmultiply", "few channels", "few channels"],
        ),
        (
            "first layer of LeNet-5",
            pooled(1, 5, 14, 6),
            ["im2col, matrixmultiply", "channel planes", "channel planes"],
        ),
        (
            "its windows across a stride",
            Conv2d {
                strides: [1, 2],
                ..pooled(1, 5, 14, 6)
            },
            ["im2col, matrixmultiply", "direct", "direct"],
        ),
        (
            "a stride of three values",
            Conv2d {
                strides: [1, 3],
                padding: [0, 0],
                ..pooled(1, 5, 14, 6)
            },
            ["im2col, matrixmultiply", "few channels", "few channels"],
        ),
        (
            "no pool",
            Conv2d {
                pool: None,
                ..pooled(1, 5, 14, 6)
            },
            ["im2col, matrixmultiply", "direct", "direct"],
        ),
        (
            "windows that fill vectors of filters",
            pooled(1, 5, 12, 32),
            ["im2col, matrixmultiply", "few channels", "few channels"],
        ),
        (
            "colour, few filters",
            pooled(3, 3, 16, 8),
            ["im2col, matrixmultiply", "few channels", "channel planes"],
        ),
        (
            "colour, many filters",
            pooled(3, 3, 16, 64),
            ["im2col, matrixmultiply", "few channels", "few channels"],
        ),
        (
            "two channels, many filters",
            pooled(2, 3, 16, 64),
            ["im2col, matrixmultiply", "direct", "direct"],
        ),
        (
            "fewer windows than a tile",
            pooled(1, 9, 2, 64),
            ["im2col, matrixmultiply", "direct", "direct"],
        ),
        (
            "second layer of LeNet-5",
            lenet_second,
            ["im2col, matrixmultiply", "direct", "direct"],
        ),
        (
            "dilated taps",
            Conv2d {
                dilation: [1, 2],
                ..lenet_second
            },
            ["im2col, matrixmultiply", "direct", "direct"],
        ),
    ];
    check(&cases, |conv, vectors| {
        choice::forward(conv, Weights::Packed, vectors).name()
    });
}

#[test]
fn packed_weights() {
    let winograd = |algorithm| Conv2d {
        algorithm,
        ..plain(128, 3, 8, 128)
    };
    let pointwise = Conv2d {
        algorithm: ConvAlgorithm::Pointwise,
        ..plain(64, 1, 16, 128)
    };
    let cases = [
        (
            "F(2x2, 3x3)",
            winograd(ConvAlgorithm::Winograd),
            ["im2col, matrixmultiply", "winograd 2x2", "winograd 2x2"],
        ),
        (
            "F(4x4, 3x3)",
            winograd(ConvAlgorithm::Winograd4),
            ["im2col, matrixmultiply", "winograd 4x4", "winograd 4x4"],
        ),
        (
            "F(5x5, 3x3)",
            winograd(ConvAlgorithm::Winograd5),
            ["im2col, matrixmultiply", "winograd 5x5", "winograd 5x5"],
        ),
        (
            "a product",
            pointwise,
            ["im2col, matrixmultiply", "packed gemm", "packed gemm"],
        ),
        (
            "a product with a pool",
            Conv2d {
                pool: Some(FusedPool::new([8, 8], [2, 2])),
                ..pointwise
            },
            ["im2col, matrixmultiply", "direct", "direct"],
        ),
    ];
    check(&cases, |conv, vectors| {
        choice::forward(conv, Weights::Packed, vectors).name()
    });
    let cases = [(
        "F(4x4, 3x3) without packed weights",
        winograd(ConvAlgorithm::Winograd4),
        ["im2col, matrixmultiply", "direct", "direct"],
    )];
    check(&cases, |conv, vectors| {
        choice::forward(conv, Weights::AsStored, vectors).name()
    });
}

#[test]
fn kernel_gradients() {
    let cases = [
        (
            "5 filters",
            pooled(1, 5, 14, 5),
            ["pool sparse", "pool sparse", "pool sparse"],
        ),
        (
            "first layer of LeNet-5",
            pooled(1, 5, 14, 6),
            ["pool sparse", "pool sparse", "permuted"],
        ),
        (
            "8 filters",
            pooled(1, 5, 13, 8),
            ["pool sparse", "permuted", "permuted"],
        ),
        (
            "first layer of the tutorial",
            pooled(1, 3, 13, 32),
            ["pool sparse", "permuted", "permuted"],
        ),
        (
            "colour, many filters",
            pooled(3, 3, 16, 64),
            ["pool sparse", "pool sparse", "permuted"],
        ),
        (
            "8 channels",
            pooled(8, 3, 16, 64),
            ["pool sparse", "pool sparse", "pool sparse"],
        ),
        (
            "images narrower than a permutation",
            pooled(1, 1, 1, 16),
            ["pool sparse", "permuted", "pool sparse"],
        ),
        (
            "direct",
            plain(6, 5, 10, 16),
            ["im2col, matrixmultiply", "direct", "direct"],
        ),
    ];
    check(&cases, |conv, vectors| {
        choice::kernel_gradient(conv, vectors).name()
    });
}

#[test]
fn input_gradients() {
    let with = |input_gradient, conv| Conv2d {
        input_gradient,
        ..conv
    };
    let cases = [
        (
            "direct",
            plain(16, 5, 8, 6),
            ["col2im, matrixmultiply", "direct", "direct"],
        ),
        (
            "F(2x2, 3x3)",
            with(InputGradient::Winograd, plain(16, 3, 8, 16)),
            ["col2im, matrixmultiply", "winograd 2x2", "winograd 2x2"],
        ),
        (
            "F(4x4, 3x3)",
            with(InputGradient::Winograd4, plain(16, 3, 8, 16)),
            ["col2im, matrixmultiply", "winograd 4x4", "winograd 4x4"],
        ),
        (
            "any geometry",
            with(InputGradient::Columns, plain(16, 3, 8, 16)),
            ["col2im, matrixmultiply", "col2im", "col2im"],
        ),
        (
            "lists of argmax",
            pooled(32, 3, 5, 64),
            ["pool sparse", "pool sparse", "pool sparse"],
        ),
    ];
    check(&cases, |conv, vectors| {
        choice::input_gradient(conv, vectors).name()
    });
}

/// What the table of a plan says is what a call chooses with the weights that it is given.
#[test]
fn the_plan_says_what_runs() {
    let wanted = Wanted {
        tensors: true,
        input: true,
    };
    let algorithm = |algorithm, kernel, cells| Conv2d {
        algorithm,
        ..plain(128, kernel, cells, 128)
    };
    let cases = [
        pooled(1, 3, 13, 32),
        pooled(1, 5, 14, 6),
        plain(6, 5, 10, 16),
        algorithm(ConvAlgorithm::Winograd, 3, 4),
        algorithm(ConvAlgorithm::Winograd4, 3, 8),
        algorithm(ConvAlgorithm::Winograd4, 3, 9),
        algorithm(ConvAlgorithm::Winograd5, 3, 10),
        algorithm(ConvAlgorithm::Pointwise, 1, 8),
        algorithm(ConvAlgorithm::Pointwise, 3, 8),
    ];
    let mut wrong = Vec::new();
    for conv in cases {
        let packed = |pass, floats| {
            let floats = if conv.packs(pass, wanted) { floats } else { 0 };
            conv2d::weights(floats)
        };
        let inference = packed(Pass::Inference, conv2d::packed_forward(&conv));
        let training = packed(Pass::Forward, conv2d::packed_forward(&conv));
        for (isa, vectors) in VectorShape::ALL {
            for n in [1, 2, 8] {
                let forward = |weights| choice::forward(&conv, weights, vectors).name();
                let chosen = [
                    (Direction::Inference, forward(inference)),
                    (Direction::Forward, forward(training)),
                    (
                        Direction::KernelGradient,
                        choice::kernel_gradient(&conv, vectors).name(),
                    ),
                    (
                        Direction::InputGradient,
                        choice::input_gradient(&conv, vectors).name(),
                    ),
                ];
                for (direction, chosen) in chosen {
                    let said = conv.kernel_name(direction, n, vectors);
                    if said != Some(chosen) {
                        wrong.push(format!(
                            "{conv:?}, n {n}, {isa}, {direction:?}: {chosen}, not {said:?}"
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Without matrixmultiply, nothing is left to it.
#[test]
fn portable_kernels_without_matrixmultiply() {
    let vectors = VectorShape {
        has_matrixmultiply: false,
        ..VectorShape::PORTABLE
    };
    let forward = |conv| choice::forward(&conv, Weights::AsStored, vectors).name();
    assert_eq!(forward(plain(6, 5, 10, 16)), "direct");
    assert_eq!(forward(pooled(1, 5, 14, 6)), "channel planes");
    assert_eq!(forward(pooled(1, 3, 13, 32)), "direct");
    let conv = plain(6, 5, 10, 16);
    assert_eq!(choice::kernel_gradient(&conv, vectors).name(), "direct");
    assert_eq!(choice::input_gradient(&conv, vectors).name(), "direct");
}
