//! Convolutions with few filters, whose rows have tiles of their own on AVX-512, by [`Case`].

use super::case::Case;
use crate::kernels::conv2d::few_filters::{self, Shape};
use crate::kernels::test_support::{Failures, Random};
use cnn_ir::operation::{Conv2d, FusedPool, InputGradient};

/// Rows of all lengths around those of tiles, filters around the widths of vectors, and kernels that the
/// image cuts off above and below or does not.
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

/// What its forward pass sees.
fn shape(conv: &Conv2d) -> Shape {
    Shape {
        cells: conv.output[1],
        filters: conv.output[2],
        channels: conv.input[2],
        taps: conv.kernel[1],
    }
}

#[test]
fn narrow_matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    let convs = convs(&mut random);
    let narrow = convs
        .iter()
        .filter(|conv| few_filters::is_best(16, shape(conv)));
    assert!(narrow.count() > 80, "geometries that have tiles");
    for conv in convs {
        let mut case = Case::random(&mut random, conv);
        case.check_forward(&mut failures);
        // Its rows are as many cells as the image has columns, its columns the channels.
        case.check_input_gradient(&mut failures);
        case.check_forward_not_finite(&mut random, &mut failures);
    }
    failures.report();
}

#[test]
fn tiles_that_would_compute_much_twice_are_left_to_products() {
    let lenet = Shape {
        cells: 10,
        filters: 16,
        channels: 6,
        taps: 5,
    };
    assert!(few_filters::is_best(16, lenet));
    for other in [
        Shape { cells: 7, ..lenet },
        Shape { cells: 5, ..lenet },
        Shape {
            filters: 32,
            ..lenet
        },
        Shape {
            channels: 3,
            ..lenet
        },
        Shape { taps: 7, ..lenet },
    ] {
        assert!(!few_filters::is_best(16, other));
    }
    assert!(!few_filters::is_best(8, lenet));
}
