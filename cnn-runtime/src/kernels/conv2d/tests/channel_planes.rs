//! Convolutions whose vectors run along windows.

use super::case::Case;
use crate::kernels::conv2d::choice::{self, Forward};
use crate::kernels::simd::VectorShape;
use crate::kernels::test_support::{Failures, Random};
use cnn_ir::operation::{Conv2d, FusedPool};

/// Kernels of all widths, and filters and windows around the widths of vectors, on images of random sizes with and
/// without padding.
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
                // Cells behind the last whole window have no window.
                let pool = [1 + random.below(3), windows];
                let output = pool.map(|windows| 2 * windows + random.below(2));
                let size = [0, 1].map(|axis| {
                    // Patches reach over the first border, or over both.
                    let cut = padding[axis] * random.pick(&[1, 2]);
                    let seen = output[axis] + kernel[axis] - 1 + random.below(2);
                    seen.saturating_sub(cut).max(1)
                });
                convs.push(Conv2d {
                    padding,
                    activation: random.pick(&crate::ops::activation::tests::all()),
                    pool: Some(FusedPool::new(pool, [2, 2])),
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
        let mut shapes = shapes();
        shapes.any(|vectors| choice::forward_direct(conv, vectors) == Forward::ChannelPlanes)
    });
    convs
}

/// Every instruction set with vectors of its own.
fn shapes() -> impl Iterator<Item = VectorShape> {
    let shapes = VectorShape::ALL.into_iter().map(|(_, vectors)| vectors);
    shapes.filter(|vectors| vectors.is_explicit)
}

#[test]
fn channel_planes_match_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    let convs = convs(&mut random);
    for vectors in shapes() {
        let forward =
            |conv: &&Conv2d| choice::forward_direct(conv, vectors) == Forward::ChannelPlanes;
        let count = convs.iter().filter(forward).count();
        assert!(count > 50, "{count} geometries for {vectors:?}");
    }
    for conv in convs {
        let mut case = Case::random(&mut random, conv);
        case.check_forward(&mut failures);
        case.check_forward_not_finite(&mut random, &mut failures);
    }
    failures.report();
}
