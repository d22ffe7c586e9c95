//! Convolutions whose vectors run along windows, by [`Case`] and against those along filters.

use super::case::Case;
use crate::kernels::Isa;
use crate::kernels::conv2d::channel_planes;
use crate::kernels::test_support::{Failures, Random};
use cnn_ir::operation::{Conv2d, FusedPool, KernelGradient};

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
                // Some padding is wider than all that the windows see.
                let padding = kernel.map(|size| match random.below(8) {
                    0 => 40 + random.below(2),
                    _ => random.below(size),
                });
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
                    padding,
                    activation: random.pick(&crate::ops::activation::tests::all()),
                    pool: Some(FusedPool::new(pool, [2, 2])),
                    kernel_gradient: KernelGradient::Windowed,
                    ..Conv2d::new(
                        [size[0], size[1], 1 + random.below(3)],
                        kernel,
                        [output[0], output[1], filters],
                    )
                });
            }
        }
    }
    convs.retain(|conv| {
        LANES
            .iter()
            .any(|lanes| channel_planes::is_best(conv, *lanes))
    });
    convs
}

#[test]
fn planar_matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    let convs = convs(&mut random);
    for lanes in LANES {
        let taken = convs
            .iter()
            .filter(|conv| channel_planes::is_best(conv, lanes));
        assert!(taken.count() > 50, "geometries for vectors of {lanes}");
        let backward = |conv: &&Conv2d| channel_planes::is_best_backward(conv, lanes);
        let taken = convs.iter().filter(backward).count();
        assert!(taken > 50, "{taken} gradients for vectors of {lanes}");
    }
    for conv in convs {
        let mut case = Case::random(&mut random, conv);
        case.check_forward(&mut failures);
        case.check_kernel_gradient(&mut failures);
        case.check_forward_not_finite(&mut random, &mut failures);
    }
    failures.report();
}

/// The tutorial's first layer fills vectors with filters, that of LeNet-5 with windows.
#[test]
fn few_filters_are_planar() {
    let conv = |filters, windows| Conv2d {
        padding: [2, 2],
        pool: Some(FusedPool::new([windows, windows], [2, 2])),
        ..Conv2d::new([28, 28, 1], [5, 5], [2 * windows, 2 * windows, filters])
    };
    assert!(channel_planes::is_best(&conv(6, 14), 16));
    assert!(channel_planes::is_best(&conv(6, 14), 8));
    assert!(!channel_planes::is_best(&conv(32, 12), 16));
    assert!(!channel_planes::is_best(&conv(32, 12), 8));
    assert!(!channel_planes::is_best(
        &Conv2d {
            strides: [1, 2],
            ..conv(6, 14)
        },
        16
    ));
    assert!(!channel_planes::is_best(
        &Conv2d {
            pool: None,
            ..conv(6, 14)
        },
        16
    ));
    for lanes in LANES {
        assert!(channel_planes::is_best_backward(&conv(5, 14), lanes));
        assert!(!channel_planes::is_best_backward(&conv(8, 13), lanes));
    }
    assert!(channel_planes::is_best_backward(&conv(6, 14), 8));
    assert!(!channel_planes::is_best_backward(&conv(6, 14), 16));
    assert_eq!(Isa::PORTABLE.lanes(), 8);
}
