//! Convolutions of grey and coloured images whose pool is computed in registers: against the reference, and against the
//! same convolution without its pool.

use super::case::Case;
use crate::kernels::Isa;
use crate::kernels::conv2d;
use crate::kernels::conv2d::choice::pooled::supports_few_channels;
use crate::kernels::test_support::{Failures, Guarded, Random};
use cnn_ir::Activation;
use cnn_ir::operation::{Conv2d, FusedPool};

/// Every kernel that has tiles, with filters around the widths of vectors, on images of random sizes with and without
/// padding.
fn convs(random: &mut Random) -> Vec<Conv2d> {
    let mut convs = Vec::new();
    for (channels, stride, kernel) in [(1, 1, 3), (1, 1, 5), (3, 1, 3), (3, 1, 5), (1, 3, 15)] {
        for filters in [1, 5, 8, 16, 17, 24, 32, 50] {
            let height = random.pick(&[1, 2, 3, 5]);
            let [down, dilation] = [(); 2].map(|()| random.pick(&[1, 1, 2]));
            let padding = [height, kernel].map(|size| random.below(size / 2 + 1));
            // Cells behind the last whole window have no window.
            let pool = [1 + random.below(4), 3 + random.below(5)];
            let output = pool.map(|windows| 2 * windows + random.below(2));
            let seen = [
                (output[0] - 1) * down + (height - 1) * dilation + 1,
                (output[1] - 1) * stride + kernel,
            ];
            let size = [0, 1].map(|axis| {
                // Patches reach over the first border, or over both.
                let cut = padding[axis] * random.pick(&[1, 2]);
                (seen[axis] + random.below(2)).saturating_sub(cut).max(1)
            });
            convs.push(Conv2d {
                strides: [down, stride],
                padding,
                dilation: [dilation, 1],
                activation: random.pick(&crate::ops::activation::tests::all()),
                pool: Some(FusedPool::new(pool, [2, 2])),
                ..Conv2d::new(
                    [size[0], size[1], channels],
                    [height, kernel],
                    [output[0], output[1], filters],
                )
            });
        }
    }
    convs
}

#[test]
fn few_channels_matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for conv in convs(&mut random) {
        assert!(supports_few_channels(&conv), "{conv:?}");
        let mut case = Case::random(&mut random, conv);
        case.check_forward(&mut failures);
        case.check_forward_not_finite(&mut random, &mut failures);
    }
    failures.report();
}

#[test]
fn few_channels_gives_the_bits_of_whole_rows() {
    let mut random = Random::new(2);
    let mut failures = Failures::default();
    for conv in convs(&mut random) {
        let n = 2;
        let x = random.floats(n * conv.input.iter().product::<usize>());
        let kernel = random.floats(conv.patch() * conv.output[2]);
        let bias = random.floats(conv.output[2]);
        let run = |isa, conv: &Conv2d| {
            let mut y = Guarded::new(n * conv.output_len());
            let mut scratch = Guarded::new(conv2d::forward_scratch(conv, n));
            let (y_values, scratch) = (y.values(), scratch.values());
            conv2d::forward(
                conv,
                isa,
                n,
                &x,
                &kernel,
                &bias,
                &[],
                y_values,
                &mut [],
                scratch,
            );
            y.into_values()
        };
        let fused = Conv2d {
            activation: Activation::Linear,
            ..conv
        };
        let rows = Conv2d {
            pool: None,
            ..fused
        };
        for isa in Isa::available() {
            let [height, width, filters] = conv.output;
            let z = run(isa, &rows);
            let pool = conv.pool.expect("a pool").output;
            let largest = |i: usize| {
                let (window, filter) = (i / filters, i % filters);
                let [image, row, column] = [
                    window / pool[1] / pool[0],
                    window / pool[1] % pool[0],
                    window % pool[1],
                ];
                let cell = |dy, dx| {
                    let y = image * height + 2 * row + dy;
                    z[(y * width + 2 * column + dx) * filters + filter]
                };
                cell(0, 0).max(cell(0, 1)).max(cell(1, 0)).max(cell(1, 1))
            };
            let y = run(isa, &fused);
            let expected: Vec<_> = (0..y.len()).map(largest).collect();
            failures.compare(|| format!("{}, {conv:?}", isa.name()), &y, &expected, 0.0);
        }
    }
    failures.report();
}
