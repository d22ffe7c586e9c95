//! Convolutions whose vectors run along windows, by [`Case`] and against those along filters.

use super::conv2d::Case;
use super::support::{Failures, Random};
use crate::kernels::conv2d::planar;
use crate::kernels::{
    Activation, Conv2d, ConvAlgorithm, FusedPool, InputGradient, Isa, KernelGradient,
};

/// Lanes of AVX-512 and of AVX2.
const LANES: [usize; 2] = [16, 8];

/// Kernels of all widths and filters and windows around the widths of vectors, on images of random sizes
/// whose borders cut off the kernel or do not.
fn convs(random: &mut Random) -> Vec<Conv2d> {
    let mut convs = Vec::new();
    for width in [3, 5, 7] {
        for filters in [1, 2, 3, 5, 6, 7, 8, 11, 17] {
            for windows in [2, 7, 8, 14, 16, 17, 33] {
                let kernel = [random.pick(&[1, 2, 3, 5]), width];
                let padding = kernel.map(|size| random.below(size));
                // Cells behind the last whole window are no one's.
                let pool = [1 + random.below(3), windows];
                let output = pool.map(|windows| 2 * windows + random.below(2));
                let size = [0, 1].map(|axis| {
                    // The kernel hangs over the first border, or over both.
                    let cut = padding[axis] * random.pick(&[1, 2]);
                    let seen = output[axis] + kernel[axis] - 1 + random.below(2);
                    seen.saturating_sub(cut).max(1)
                });
                convs.push(Conv2d {
                    input: [size[0], size[1], 1 + random.below(3)],
                    output: [output[0], output[1], filters],
                    kernel,
                    strides: [1, 1],
                    padding,
                    dilation: [1, 1],
                    activation: random.pick(&super::activation::ALL),
                    pool: Some(FusedPool {
                        output: pool,
                        size: [2; 2],
                        strides: [2; 2],
                        padding: [0; 2],
                    }),
                    algorithm: ConvAlgorithm::Direct,
                    inference: ConvAlgorithm::Direct,
                    kernel_gradient: KernelGradient::Windowed,
                    input_gradient: InputGradient::Columns,
                });
            }
        }
    }
    convs.retain(|conv| LANES.iter().any(|lanes| planar::is_best(conv, *lanes)));
    convs
}

#[test]
fn planar_matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    let convs = convs(&mut random);
    for lanes in LANES {
        let taken = convs.iter().filter(|conv| planar::is_best(conv, lanes));
        assert!(taken.count() > 50, "geometries for vectors of {lanes}");
    }
    for conv in convs {
        let mut case = Case::random(&mut random, conv);
        case.check_forward(&mut failures);
        case.check_kernel_gradient(&mut failures);
        // Several NaNs in a window: the code is that of the first.
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let place = random.below(case.x.len());
            case.x[place] = odd;
        }
        if matches!(conv.activation, Activation::Linear | Activation::Relu) {
            case.check_forward(&mut failures);
        }
    }
    failures.report();
}

/// The tutorial's first layer fills vectors with filters, that of LeNet-5 with windows.
#[test]
fn few_filters_are_planar() {
    let conv = |filters, windows| Conv2d {
        input: [28, 28, 1],
        output: [2 * windows, 2 * windows, filters],
        kernel: [5, 5],
        strides: [1, 1],
        padding: [2, 2],
        dilation: [1, 1],
        activation: Activation::Relu,
        pool: Some(FusedPool {
            output: [windows, windows],
            size: [2; 2],
            strides: [2; 2],
            padding: [0; 2],
        }),
        algorithm: ConvAlgorithm::Direct,
        inference: ConvAlgorithm::Direct,
        kernel_gradient: KernelGradient::Windowed,
        input_gradient: InputGradient::Columns,
    };
    assert!(planar::is_best(&conv(6, 14), 16));
    assert!(planar::is_best(&conv(6, 14), 8));
    assert!(!planar::is_best(&conv(32, 12), 16));
    assert!(!planar::is_best(&conv(32, 12), 8));
    assert!(!planar::is_best(
        &Conv2d {
            strides: [1, 2],
            ..conv(6, 14)
        },
        16
    ));
    assert!(!planar::is_best(
        &Conv2d {
            pool: None,
            ..conv(6, 14)
        },
        16
    ));
    assert_eq!(Isa::PORTABLE.lanes(), 8);
}
