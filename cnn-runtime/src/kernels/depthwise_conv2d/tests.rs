use super::axis::Pass;
use super::{backward_bias, backward_input, backward_kernel, forward, reference};
use crate::kernels::Isa;
use crate::kernels::random::split_mix;
use cnn_ir::Activation;
use cnn_ir::operation::DepthwiseConv2d;

fn values(seed: u64, len: usize) -> Vec<f32> {
    let value = |i| (split_mix(seed << 32 | i) >> 40) as f32 / 16_777_216.0 - 0.5;
    (0..len as u64).map(value).collect()
}

/// Odd sizes, strides, paddings that reach beyond the kernel, dilation, and several channels for each.
fn cases() -> Vec<DepthwiseConv2d> {
    let geometries = [
        ([1, 1], [1, 1], [0, 0], [1, 1]),
        ([3, 3], [1, 1], [1, 1], [1, 1]),
        ([3, 3], [2, 2], [0, 1], [1, 1]),
        ([2, 5], [3, 1], [1, 2], [1, 1]),
        ([3, 2], [1, 1], [2, 0], [2, 3]),
        ([3, 3], [2, 1], [4, 4], [1, 1]),
        // Strides and dilations with and without a common divisor: some positions of the input see no tap.
        ([3, 2], [2, 3], [2, 1], [2, 2]),
        ([2, 3], [4, 2], [3, 0], [3, 1]),
        // More taps than a register tile has.
        ([5, 4], [1, 2], [2, 1], [1, 1]),
        ([4, 7], [1, 1], [1, 3], [1, 1]),
    ];
    let mut cases = Vec::new();
    for (kernel, strides, padding, dilation) in geometries {
        // Wide rows and many channels for whole tiles of either.
        let small = [1, 3, 8, 16, 17, 40].map(|channels| (9, 7, channels));
        let large = [
            (4, 31, 8),
            (31, 7, 20),
            (7, 31, 20),
            (5, 7, 81),
            (5, 8, 144),
        ];
        for (height, width, channels) in small.into_iter().chain(large) {
            for multiplier in [1, 2, 3] {
                let output = |axis: usize, size: usize| {
                    let extent = (kernel[axis] - 1) * dilation[axis] + 1;
                    (size + 2 * padding[axis] - extent) / strides[axis] + 1
                };
                cases.push(DepthwiseConv2d {
                    input: [height, width, channels],
                    output: [output(0, height), output(1, width), channels * multiplier],
                    kernel,
                    strides,
                    padding,
                    dilation,
                    activation: Activation::Linear,
                });
            }
        }
    }
    cases
}

#[test]
fn every_pass_is_that_of_the_definition() {
    let mut wrong = Vec::new();
    for conv in cases() {
        let n = 2;
        let filters = conv.output[2];
        let x = values(1, n * conv.input.iter().product::<usize>());
        let dy = values(2, n * conv.output.iter().product::<usize>());
        let kernel = values(3, conv.kernel.iter().product::<usize>() * filters);
        let bias = values(4, filters);
        let double = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let [xd, kd] = [&x, &kernel].map(|values| double(values));
        let [dk, dx] = reference::backward(&conv, n, &xd, &kd, &double(&dy));
        for isa in Isa::available() {
            let mut compare = |what: &str, found: &[f32], expected: &[f64]| {
                let pairs = found.iter().zip(expected);
                let worst = pairs
                    .map(|(a, b)| (f64::from(*a) - b).abs())
                    .fold(0.0, f64::max);
                if found.len() != expected.len() || worst.is_nan() || worst > 2e-5 {
                    wrong.push(format!("{what} of {conv:?}, {}: {worst:.1e}", isa.name()));
                }
            };
            for bias in [&bias[..], &[]] {
                let mut y = vec![f32::NAN; dy.len()];
                forward(&conv, isa, n, &x, &kernel, bias, &mut y);
                let expected = reference::forward(&conv, n, &xd, &kd, &double(bias));
                compare("output", &y, &expected);
            }
            // Added to what is there.
            let mut found = vec![1.0; kernel.len()];
            backward_kernel(&conv, isa, n, &x, &dy, &mut found);
            let expected: Vec<f64> = dk.iter().map(|dk| dk + 1.0).collect();
            compare("kernel gradient", &found, &expected);
            let mut found = vec![1.0; filters];
            backward_bias(isa, &dy, &mut found);
            let mut expected = vec![1.0; filters];
            for (i, dy) in dy.iter().enumerate() {
                expected[i % filters] += f64::from(*dy);
            }
            compare("bias gradient", &found, &expected);
            let mut found = vec![f32::NAN; x.len()];
            backward_input(&conv, isa, n, &dy, &kernel, &mut found);
            compare("input gradient", &found, &dx);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each position of the target is in one span, with the taps and places of the definition.
#[test]
fn spans_are_those_of_the_definition() {
    for conv in cases() {
        for (axis, pass) in [0, 1].into_iter().flat_map(|axis| {
            let passes = [Pass::Forward, Pass::InputGradient];
            passes.map(|pass| (axis, pass))
        }) {
            let extents = [conv.input[axis], conv.output[axis]];
            // Pairs of a place in the input and one in the output, for each tap.
            let mut expected = Vec::new();
            for step in 0..extents[1] {
                for tap in 0..conv.kernel[axis] {
                    let place = step * conv.strides[axis] + tap * conv.dilation[axis];
                    if let Some(place) = place.checked_sub(conv.padding[axis])
                        && place < extents[0]
                    {
                        expected.push((place, step, tap));
                    }
                }
            }
            let (mut found, mut positions) = (Vec::new(), Vec::new());
            for span in pass.spans(&conv, axis) {
                for index in 0..span.len {
                    let position = span.first + index * span.step;
                    positions.push(position);
                    for tap in 0..span.taps {
                        let seen = span.place + tap as isize * span.tap_distance;
                        let seen = (seen + (index * span.place_step) as isize) as usize;
                        let tap = span.tap + tap * span.tap_step;
                        found.push(match pass {
                            Pass::Forward => (seen, position, tap),
                            Pass::InputGradient => (position, seen, tap),
                        });
                    }
                }
            }
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "{pass:?}, axis {axis} of {conv:?}");
            positions.sort_unstable();
            let [_, target] = pass.shapes(&conv);
            let all: Vec<_> = (0..target[axis]).collect();
            assert_eq!(positions, all, "{pass:?}, axis {axis} of {conv:?}");
        }
    }
}

/// All bits are the same, whether images come one by one or together.
#[test]
fn nothing_depends_on_how_a_batch_is_cut() {
    // Some of the cases, of every geometry.
    for conv in cases().into_iter().step_by(5) {
        let n = 3;
        let values_of = |shape: [usize; 3]| shape.iter().product::<usize>();
        let [input, output] = [conv.input, conv.output].map(values_of);
        let x = values(1, n * input);
        let dy = values(2, n * output);
        let kernel = values(3, conv.kernel_len());
        for isa in Isa::available() {
            let pass = |images: usize| {
                let mut found = [
                    vec![0.0; dy.len()],
                    vec![1.0; kernel.len()],
                    vec![0.0; x.len()],
                ];
                let [y, dk, dx] = &mut found;
                let parts = x.chunks(images * input).zip(dy.chunks(images * output));
                let targets = y.chunks_mut(images * output);
                let targets = targets.zip(dx.chunks_mut(images * input));
                for ((x, dy), (y, dx)) in parts.zip(targets) {
                    let n = x.len() / input;
                    forward(&conv, isa, n, x, &kernel, &[], y);
                    backward_kernel(&conv, isa, n, x, dy, dk);
                    backward_input(&conv, isa, n, dy, &kernel, dx);
                }
                found.map(|values| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
            };
            assert!(pass(1) == pass(n), "{conv:?}, {}", isa.name());
            assert!(pass(2) == pass(n), "{conv:?}, {}", isa.name());
        }
    }
}
