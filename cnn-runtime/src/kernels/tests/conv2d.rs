use super::support::{Failures, Guarded, Random, to_f64};
use crate::kernels::{Activation, Conv2d, ConvAlgorithm};
use crate::reference;

const CHANNELS: [usize; 8] = [1, 2, 3, 5, 7, 16, 17, 33];

/// A geometry with at most `products` multiplications for each example.
pub fn random_conv(
    random: &mut Random,
    algorithm: ConvAlgorithm,
    products: usize,
    channels: &[usize],
) -> Conv2d {
    loop {
        let pointwise = algorithm == ConvAlgorithm::Pointwise;
        let mut axis = || {
            let size = 1 + random.below(12);
            if pointwise {
                return [size, size, 1, 1, 0, 1];
            }
            let [kernel, stride, dilation] = [5, 3, 2].map(|end| 1 + random.below(end));
            let [before, after] = [0, 1].map(|_| random.below(kernel + 1));
            let extent = (kernel - 1) * dilation + 1;
            let output = (before + size + after)
                .checked_sub(extent)
                .map_or(0, |rest| rest / stride + 1);
            [size, output, kernel, stride, before, dilation]
        };
        let [rows, columns] = [axis(), axis()];
        let [depth, filters] = [random.pick(channels), random.pick(channels)];
        let conv = Conv2d {
            input: [rows[0], columns[0], depth],
            output: [rows[1], columns[1], filters],
            kernel: [rows[2], columns[2]],
            strides: [rows[3], columns[3]],
            padding: [rows[4], columns[4]],
            dilation: [rows[5], columns[5]],
            activation: random.pick(&super::activation::ALL),
            algorithm,
        };
        let work = rows[1] * columns[1] * filters * rows[2] * columns[2] * depth;
        if (1..=products).contains(&work) {
            return conv;
        }
    }
}

struct Case {
    conv: Conv2d,
    n: usize,
    x: Vec<f32>,
    kernel: Vec<f32>,
    bias: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn random(random: &mut Random, conv: Conv2d) -> Self {
        let n = 1 + random.below(5);
        let patch = conv.kernel.iter().product::<usize>() * conv.input[2];
        let bias = random.pick(&[0, conv.output[2]]);
        Self {
            conv,
            n,
            x: random.floats(n * conv.input.iter().product::<usize>()),
            kernel: random.floats(patch * conv.output[2]),
            bias: random.floats(bias),
            dy: random.floats(n * conv.output.iter().product::<usize>()),
        }
    }

    fn check(&self, failures: &mut Failures) {
        const TOLERANCE: f64 = 2e-5;
        let Self { conv, n, .. } = self;
        let [x, kernel, bias, dy] =
            [&self.x, &self.kernel, &self.bias, &self.dy].map(|v| to_f64(v));
        let case = |what: &str| format!("{what} of {conv:?}, n {n}, {} biases", bias.len());
        let mut scratch = Guarded::new(conv.scratch());

        let mut y = Guarded::new(self.dy.len());
        conv.forward(
            *n,
            &self.x,
            &self.kernel,
            &self.bias,
            y.values(),
            scratch.values(),
        );
        let expected = reference::conv2d::forward(conv, *n, &x, &kernel, &bias);
        failures.compare(|| case("forward"), &y.into_values(), &expected, TOLERANCE);

        let (expected_kernel, expected_bias) =
            reference::conv2d::backward_parameters(conv, *n, &x, &dy);
        // Gradients are added to what is there.
        let plus_one = |values: &[f64]| values.iter().map(|v| v + 1.0).collect::<Vec<_>>();
        let mut kernel_gradient = Guarded::holding(&vec![1.0; kernel.len()]);
        let mut bias_gradient = Guarded::holding(&vec![1.0; bias.len()]);
        scratch.values().fill(f32::NAN);
        conv.backward_parameters(
            *n,
            &self.x,
            &self.dy,
            kernel_gradient.values(),
            bias_gradient.values(),
            scratch.values(),
        );
        let kernel_gradient = kernel_gradient.into_values();
        failures.compare(
            || case("kernel"),
            &kernel_gradient,
            &plus_one(&expected_kernel),
            TOLERANCE,
        );
        let bias_gradient = bias_gradient.into_values();
        let expected_bias = &plus_one(&expected_bias)[..bias.len()];
        failures.compare(|| case("bias"), &bias_gradient, expected_bias, TOLERANCE);

        let mut dx = Guarded::new(x.len());
        scratch.values().fill(f32::NAN);
        conv.backward_input(*n, &self.dy, &self.kernel, dx.values(), scratch.values());
        let expected = reference::conv2d::backward_input(conv, *n, &dy, &kernel);
        failures.compare(|| case("input"), &dx.into_values(), &expected, TOLERANCE);
        scratch.into_values();
    }
}

#[test]
fn im2col_matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for _ in 0..150 {
        let conv = random_conv(&mut random, ConvAlgorithm::Im2col, 60_000, &CHANNELS);
        Case::random(&mut random, conv).check(&mut failures);
    }
    failures.report();
}

#[test]
fn pointwise_matches_the_reference() {
    let mut random = Random::new(2);
    let mut failures = Failures::default();
    for _ in 0..40 {
        let conv = random_conv(&mut random, ConvAlgorithm::Pointwise, 60_000, &CHANNELS);
        assert_eq!(conv.scratch(), 0);
        Case::random(&mut random, conv).check(&mut failures);
    }
    failures.report();
}

/// Whether the kernel hangs over the border anywhere.
fn is_padded(conv: &Conv2d) -> bool {
    (0..2).any(|axis| {
        let extent = (conv.kernel[axis] - 1) * conv.dilation[axis] + 1;
        let reach = (conv.output[axis] - 1) * conv.strides[axis] + extent;
        conv.padding[axis] > 0 || reach > conv.input[axis]
    })
}

#[test]
fn nan_and_infinity_reach_every_output_that_sees_them() {
    let mut random = Random::new(3);
    let mut failures = Failures::default();
    for algorithm in [ConvAlgorithm::Im2col, ConvAlgorithm::Pointwise] {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for activation in [Activation::Linear, Activation::Relu] {
                for _ in 0..5 {
                    let conv = random_conv(&mut random, algorithm, 20_000, &[1, 3, 16]);
                    let mut case = Case::random(&mut random, Conv2d { activation, ..conv });
                    let [place, other] = [case.x.len(), case.dy.len()].map(|end| random.below(end));
                    case.x[place] = odd;
                    // With padding, it also reaches taps that see nothing but zeros.
                    if !is_padded(&conv) {
                        case.dy[other] = odd;
                    }
                    case.check(&mut failures);
                }
            }
        }
    }
    failures.report();
}

#[test]
#[should_panic(expected = "values of a convolution's input")]
fn a_wrong_length_is_refused() {
    let conv = random_conv(&mut Random::new(4), ConvAlgorithm::Pointwise, 100, &[1]);
    conv.forward(1, &[], &[0.0], &[], &mut [], &mut []);
}
