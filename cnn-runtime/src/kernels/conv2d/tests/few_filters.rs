//! Convolutions with few filters, whose rows have register tiles of their own on instruction sets with many registers.

use super::case::Case;
use crate::kernels::conv2d::choice::{self, Forward};
use crate::kernels::simd::VectorShape;
use crate::kernels::test_support::{Failures, Random};
use cnn_ir::operation::{Conv2d, FusedPool, InputGradient};

/// Rows of lengths around those of tiles, and filters around the widths of vectors, on images with and without padding.
fn convs(random: &mut Random) -> Vec<Conv2d> {
    let mut convs = Vec::new();
    for taps in [3, 5] {
        for filters in [1, 6, 15, 16, 17, 31] {
            for cells in [6, 8, 9, 10, 11, 12, 16, 20, 23, 24, 28] {
                let height = random.pick(&[1, 2, 3, 5]);
                let [down, dilation] = [(); 2].map(|()| random.pick(&[1, 1, 2]));
                let padding = [height, taps].map(|size| random.below(size));
                let output = [1 + random.below(5), cells];
                let seen = [
                    (output[0] - 1) * down + (height - 1) * dilation + 1,
                    cells + taps - 1,
                ];
                let size = [0, 1].map(|axis| {
                    let cut = padding[axis] * random.pick(&[1, 2]);
                    (seen[axis] + random.below(2)).saturating_sub(cut).max(1)
                });
                let pool = output.map(|cells| cells.div_ceil(2));
                convs.push(Conv2d {
                    strides: [down, 1],
                    padding,
                    dilation: [dilation, 1],
                    activation: random.pick(&crate::ops::activation::tests::all()),
                    pool: random.pick(&[None, Some(FusedPool::new(pool, [2, 2]))]),
                    input_gradient: match down {
                        1 => InputGradient::Direct,
                        _ => InputGradient::Columns,
                    },
                    ..Conv2d::new(
                        [size[0], size[1], random.pick(&[4, 5, 6, 16, 17])],
                        [height, taps],
                        [output[0], cells, filters],
                    )
                });
            }
        }
    }
    convs
}

#[test]
fn few_filters_match_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    let convs = convs(&mut random);
    let has_tiles = |conv: &&Conv2d| {
        let mut shapes = VectorShape::ALL.into_iter().map(|(_, vectors)| vectors);
        shapes.any(|vectors| choice::forward_direct(conv, vectors) == Forward::FewFilters)
    };
    let count = convs.iter().filter(has_tiles).count();
    assert!(count > 80, "{count} geometries that have tiles");
    for conv in convs {
        let mut case = Case::random(&mut random, conv);
        case.check_forward(&mut failures);
        // Here the rows have as many cells as the image has columns, and the filters are its channels.
        case.check_input_gradient(&mut failures);
        case.check_forward_not_finite(&mut random, &mut failures);
    }
    failures.report();
}
