use super::{backward, forward, reference, scratch_len};
use crate::kernels::Isa;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use cnn_ir::operation::{Facts, Interpolation, UpSampling2d};

const KINDS: [Interpolation; 2] = [Interpolation::Nearest, Interpolation::Bilinear];
const CHANNELS: [usize; 8] = [1, 2, 3, 7, 8, 16, 17, 33];

fn check(layer: &UpSampling2d, n: usize, random: &mut Random, failures: &mut Failures) {
    let x = random.floats(n * layer.input.iter().product::<usize>());
    let dy = random.floats(n * layer.output.iter().product::<usize>());
    let expected_y = reference::forward(layer, n, &to_f64(&x));
    let expected_dx = reference::backward(layer, n, &to_f64(&dy));
    for isa in Isa::available() {
        let case = |pass: &str| format!("{pass} of {layer:?}, n {n}, {}", isa.name());
        let mut scratch = Guarded::new(scratch_len(layer));
        let mut y = Guarded::new(dy.len());
        forward(layer, isa, &x, y.values(), scratch.values());
        // Repeated values are exact.
        let tolerance = match layer.interpolation {
            Interpolation::Nearest => 0.0,
            Interpolation::Bilinear => 1e-6,
        };
        failures.compare(|| case("forward"), &y.into_values(), &expected_y, tolerance);
        let mut dx = Guarded::new(x.len());
        backward(layer, isa, &dy, dx.values(), scratch.values());
        failures.compare(|| case("backward"), &dx.into_values(), &expected_dx, 2e-6);
        scratch.into_values();
    }
}

/// Odd sizes and factors; outputs of which the last rows and columns are not needed, and inputs of which others need
/// more.
#[test]
fn matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for interpolation in KINDS {
        for _ in 0..150 {
            let size = [1 + random.below(5), 1 + random.below(5)];
            let whole = [1 + random.below(6), 1 + random.below(6)];
            let output = [0, 1].map(|axis| 1 + random.below(whole[axis] * size[axis]));
            let channels = random.pick(&CHANNELS);
            let layer = UpSampling2d {
                interpolation,
                input: [whole[0], whole[1], channels],
                output: [output[0], output[1], channels],
                size,
            };
            let n = 1 + random.below(3);
            check(&layer, n, &mut random, &mut failures);
        }
    }
    failures.report();
}

/// Of an input that lacks what it is said not to read, the output is the same.
#[test]
fn what_is_read_is_enough() {
    let mut random = Random::new(2);
    let mut failures = Failures::default();
    for interpolation in KINDS {
        for size in 1..6 {
            for output in 1..=4 * size {
                let whole = UpSampling2d {
                    interpolation,
                    input: [4, 1, 3],
                    output: [output, size, 3],
                    size: [size, size],
                };
                let [rows, _] = whole.reads([output, size], [4, 1]);
                let part = UpSampling2d {
                    input: [rows, 1, 3],
                    ..whole
                };
                let x = random.floats(4 * 3);
                let expected = reference::forward(&whole, 1, &x);
                let found = reference::forward(&part, 1, &x[..rows * 3]);
                failures.compare(|| format!("{part:?}"), &found, &expected, 0.0);
                // One row less is not enough, but where what it lacks is the same as the row before it.
                if rows > 1 {
                    let less = UpSampling2d {
                        input: [rows - 1, 1, 3],
                        ..whole
                    };
                    let reads = reference::backward(&whole, 1, &vec![1.0; output * size * 3]);
                    assert!(reads[(rows - 1) * 3] > 0.0, "{less:?} is enough");
                }
            }
        }
    }
    failures.report();
}

/// Values of Keras 3 (`UpSampling2D`) and of PyTorch (`interpolate`, `align_corners=False`), which are the same.
#[test]
fn bilinear_values_are_those_of_keras_and_pytorch() {
    let layer = |input, size: [usize; 2]| {
        let [height, width, channels]: [usize; 3] = input;
        UpSampling2d {
            interpolation: Interpolation::Bilinear,
            input,
            output: [height * size[0], width * size[1], channels],
            size,
        }
    };
    let cases: [(UpSampling2d, &[f32], &[f32]); 2] = [
        (
            layer([2, 2, 1], [2, 3]),
            &[1.0, 3.0, -2.0, 10.0],
            &[
                1.0, 1.0, 1.6666667, 2.3333333, 3.0, 3.0, 0.25, 0.25, 1.75, 3.25, 4.75, 4.75,
                -1.25, -1.25, 1.9166667, 5.0833333, 8.25, 8.25, -2.0, -2.0, 2.0, 6.0, 10.0, 10.0,
            ],
        ),
        (
            layer([1, 3, 2], [1, 2]),
            &[0.0, 1.0, 4.0, -3.0, 8.0, 5.0],
            &[0.0, 1.0, 1.0, 0.0, 3.0, -2.0, 5.0, -1.0, 7.0, 3.0, 8.0, 5.0],
        ),
    ];
    let mut failures = Failures::default();
    for (layer, x, expected) in cases {
        for isa in Isa::available() {
            let mut y = vec![f32::NAN; layer.output.iter().product()];
            forward(&layer, isa, x, &mut y, &mut vec![0.0; scratch_len(&layer)]);
            failures.compare(|| format!("{layer:?}, {}", isa.name()), &y, expected, 1e-6);
        }
    }
    failures.report();
}
