//! Random convolutions and their operands, and the comparison of each pass with the twin: for the tests of every
//! algorithm.
//!
//! Values are small multiples of 1/8, so that sums are exact in single precision, in whatever order:
//! ties within the windows of a fused pool are frequent and must go to the first cell.

use crate::kernels::Isa;
use crate::kernels::conv2d;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::reference;
use cnn_ir::Activation;
use cnn_ir::operation::{Conv2d, ConvAlgorithm, FusedPool, InputGradient, KernelGradient};

/// Channel counts around the widths of vectors.
pub const CHANNELS: [usize; 11] = [1, 2, 3, 5, 7, 16, 17, 24, 33, 48, 64];

/// The algorithms of a random convolution, and limits of its size.
#[derive(Clone, Copy, Debug)]
pub struct Algorithms<'a> {
    pub algorithm: ConvAlgorithm,
    pub kernel_gradient: KernelGradient,
    pub input_gradient: InputGradient,
    /// Whether a max-pool is fused behind it.
    pub pooled: bool,
    /// The most multiplications for each example.
    pub products: usize,
    pub channels: &'a [usize],
}

impl Algorithms<'_> {
    /// Everything direct, strides 1, and no pool.
    pub const DIRECT: Self = Self {
        algorithm: ConvAlgorithm::Direct,
        kernel_gradient: KernelGradient::Direct,
        input_gradient: InputGradient::Direct,
        pooled: false,
        products: 60_000,
        channels: &CHANNELS,
    };

    fn is_pointwise(&self) -> bool {
        self.algorithm == ConvAlgorithm::Pointwise
            || self.kernel_gradient == KernelGradient::Pointwise
            || self.input_gradient == InputGradient::Pointwise
    }

    fn is_winograd(&self) -> bool {
        matches!(
            self.algorithm,
            ConvAlgorithm::Winograd | ConvAlgorithm::Winograd4 | ConvAlgorithm::Winograd5
        ) || matches!(
            self.input_gradient,
            InputGradient::Winograd | InputGradient::Winograd4
        )
    }

    /// Kernel, stride and dilation of an axis, of those that the algorithms compute.
    fn steps(&self, random: &mut Random) -> [usize; 3] {
        if self.is_pointwise() {
            return [1; 3];
        }
        if self.is_winograd() {
            return [3, 1, 1];
        }
        let undilated = self.kernel_gradient == KernelGradient::PoolSparse
            || self.input_gradient == InputGradient::PoolSparse;
        let [kernel, stride, dilation] = [
            random.pick(&[1, 2, 3, 3, 5, 7]),
            random.pick(&[1, 1, 2, 3]),
            random.pick(&[1, 1, 2]),
        ];
        [
            kernel,
            if self.input_gradient == InputGradient::Direct {
                1
            } else {
                stride
            },
            if undilated { 1 } else { dilation },
        ]
    }

    /// Size, stride, padding and output of the pool on an axis of `size` cells.
    fn pool(&self, random: &mut Random, cells: usize) -> [usize; 4] {
        let size = random.pick(&[1, 2, 2, 3]);
        let stride = 1 + random.below(3);
        let padding = random.below(size);
        let padding = random.pick(&[0, 0, padding]);
        // Up to the last window that starts inside, or fewer.
        let most = (cells + padding - 1) / stride + 1;
        let output = most.saturating_sub(random.below(3)).max(1);
        [size, stride, padding, output]
    }
}

/// A geometry that the algorithms compute. Its output may be smaller than the input allows.
pub fn random_conv(random: &mut Random, algorithms: Algorithms<'_>) -> Conv2d {
    loop {
        let axis = |random: &mut Random| {
            let size = 1 + random.below(12);
            let [kernel, stride, dilation] = algorithms.steps(random);
            let padding = |random: &mut Random| match algorithms.is_pointwise() {
                true => 0,
                false => random.below(kernel + 1),
            };
            let [before, after] = [padding(random), padding(random)];
            let extent = (kernel - 1) * dilation + 1;
            let most = (before + size + after)
                .checked_sub(extent)
                .map_or(0, |rest| rest / stride + 1);
            let output = most.saturating_sub(random.pick(&[0, 0, 1, 2]));
            [size, output, kernel, stride, before, dilation]
        };
        let [rows, columns] = [axis(random), axis(random)];
        let [depth, filters] = [
            random.pick(algorithms.channels),
            random.pick(algorithms.channels),
        ];
        let work = rows[1] * columns[1] * filters * rows[2] * columns[2] * depth;
        if !(1..=algorithms.products).contains(&work) {
            continue;
        }
        let pool = algorithms.pooled.then(|| {
            let [rows, columns] = [rows[1], columns[1]].map(|cells| algorithms.pool(random, cells));
            FusedPool {
                size: [rows[0], columns[0]],
                strides: [rows[1], columns[1]],
                padding: [rows[2], columns[2]],
                output: [rows[3], columns[3]],
            }
        });
        return Conv2d {
            input: [rows[0], columns[0], depth],
            output: [rows[1], columns[1], filters],
            kernel: [rows[2], columns[2]],
            strides: [rows[3], columns[3]],
            padding: [rows[4], columns[4]],
            dilation: [rows[5], columns[5]],
            activation: random.pick(&crate::ops::activation::tests::all()),
            pool,
            algorithm: algorithms.algorithm,
            kernel_gradient: algorithms.kernel_gradient,
            input_gradient: algorithms.input_gradient,
        };
    }
}

/// A convolution and its operands.
pub struct Case {
    pub conv: Conv2d,
    pub n: usize,
    pub x: Vec<f32>,
    pub kernel: Vec<f32>,
    /// `[filters]` or empty.
    pub bias: Vec<f32>,
    /// The gradient with respect to the result before the activation, after the pool.
    pub dz: Vec<f32>,
}

const TOLERANCE: f64 = 2e-5;
/// F(4x4, 3x3) rounds about four times as much.
const TOLERANCE_OF_FOUR: f64 = 8e-5;
/// F(5x5, 3x3) three times as much again.
const TOLERANCE_OF_FIVE: f64 = 24e-5;

impl Case {
    /// A case of up to five images. A third of the gradients are 0, as a relu leaves them.
    pub fn random(random: &mut Random, conv: Conv2d) -> Self {
        let n = 1 + random.below(5);
        let mut eighths = |length: usize| -> Vec<f32> {
            let value = |_| (8.0 * random.value()).round() / 8.0;
            (0..length).map(value).collect()
        };
        let x = eighths(n * conv.input.iter().product::<usize>());
        let kernel = eighths(conv.patch() * conv.output[2]);
        let bias = eighths(conv.output[2]);
        let mut dz = eighths(n * conv.output_len());
        dz.iter_mut()
            .for_each(|dz| *dz *= random.pick(&[0.0, 1.0, 1.0]));
        Self {
            conv,
            n,
            x,
            kernel,
            bias: random.pick(&[&bias[..], &[]]).to_vec(),
            dz,
        }
    }

    /// All passes, by every instruction set of this machine.
    pub fn check(&self, failures: &mut Failures) {
        self.check_forward(failures);
        self.check_inference(failures);
        self.check_kernel_gradient(failures);
        self.check_input_gradient(failures);
    }

    /// The forward pass, with packed weights and without, with argmax and without.
    pub fn check_forward(&self, failures: &mut Failures) {
        let Self { conv, n, .. } = self;
        let [x, kernel, bias] = [&self.x, &self.kernel, &self.bias].map(|v| to_f64(v));
        let expected = reference::conv2d::forward(conv, *n, &x, &kernel, &bias);
        let expected_argmax = self.argmax();
        let tolerance = self.tolerance();
        let (cells, maxima) = self.cells_and_maxima();
        let windows = self.windows();
        for isa in Isa::available() {
            let mut packed = Guarded::new(conv2d::packed_forward(conv));
            conv2d::pack_forward(conv, isa, &self.kernel, packed.values());
            let packed = packed.into_values();
            for packed in [&packed[..], &[]] {
                for with_argmax in [true, false] {
                    let mut y = Guarded::new(self.dz.len());
                    let mut scratch = Guarded::new(conv2d::forward_scratch(conv, *n));
                    let mut argmax = vec![ARGMAX_GUARD; self.dz.len() + 2 * ARGMAX_GUARDS];
                    let inside = ARGMAX_GUARDS..argmax.len() - ARGMAX_GUARDS;
                    conv2d::forward(
                        conv,
                        isa,
                        *n,
                        &self.x,
                        &self.kernel,
                        &self.bias,
                        packed,
                        y.values(),
                        if with_argmax {
                            &mut argmax[inside]
                        } else {
                            &mut []
                        },
                        scratch.values(),
                    );
                    scratch.into_values();
                    let case = |what| {
                        let packed = packed.len();
                        self.describe(what, isa)
                            + &format!(", packed {packed}, argmax {with_argmax}")
                    };
                    let y = y.into_values();
                    failures.compare(|| case("forward"), &y, &expected, tolerance);
                    if !with_argmax || conv.pool.is_none() {
                        continue;
                    }
                    if tolerance > TOLERANCE {
                        // Which of nearly equal cells is the argmax is open: its value is compared.
                        let argmax = &argmax[ARGMAX_GUARDS..][..y.len()];
                        let values = argmax.iter().zip(&windows).map(|(index, window)| {
                            let cell = window.iter().find(|(of_cell, _)| of_cell == index);
                            cell.map_or(f32::NAN, |(_, cell)| cells[*cell] as f32)
                        });
                        let values: Vec<f32> = values.collect();
                        failures.compare(|| case("maxima"), &values, &maxima, tolerance);
                    } else {
                        let guards = [ARGMAX_GUARD; ARGMAX_GUARDS];
                        let expected = [&guards[..], &expected_argmax, &guards].concat();
                        failures.compare(|| case("argmax"), &argmax, &expected, 0.0);
                    }
                }
            }
        }
    }

    /// The tolerance of the forward pass.
    fn tolerance(&self) -> f64 {
        match self.conv.algorithm {
            ConvAlgorithm::Winograd4 => TOLERANCE_OF_FOUR,
            ConvAlgorithm::Winograd5 => TOLERANCE_OF_FIVE,
            _ => TOLERANCE,
        }
    }

    /// The convolution's own output, and the largest cell of each window, before the activation.
    fn cells_and_maxima(&self) -> (Vec<f64>, Vec<f64>) {
        let [x, kernel, bias] = [&self.x, &self.kernel, &self.bias].map(|v| to_f64(v));
        let [cells, maxima] = [None, self.conv.pool].map(|pool| {
            let conv = Conv2d {
                pool,
                activation: Activation::Linear,
                ..self.conv
            };
            reference::conv2d::forward(&conv, self.n, &x, &kernel, &bias)
        });
        (cells, maxima)
    }

    /// For each value of the result the cells of the convolution's own output in its window, each with its index in the
    /// window; without a pool the value itself.
    pub fn windows(&self) -> Vec<Vec<(u8, usize)>> {
        let [height, width, filters] = self.conv.output;
        let Some(pool) = self.conv.pool else {
            let cells = self.n * height * width * filters;
            return (0..cells).map(|cell| vec![(0, cell)]).collect();
        };
        let results = 0..self.n * self.conv.output_len();
        let window = |result: usize| {
            let (window, filter) = (result / filters, result % filters);
            let column = window % pool.output[1];
            let row = window / pool.output[1] % pool.output[0];
            let image = window / pool.output[1] / pool.output[0];
            let indices = 0..pool.size[0] * pool.size[1];
            let cell = |index: usize| {
                let [y, x] = [
                    (row * pool.strides[0] + index / pool.size[1]).checked_sub(pool.padding[0])?,
                    (column * pool.strides[1] + index % pool.size[1])
                        .checked_sub(pool.padding[1])?,
                ];
                let cell = ((image * height + y) * width + x) * filters + filter;
                (y < height && x < width).then_some((index as u8, cell))
            };
            indices.filter_map(cell).collect()
        };
        results.map(window).collect()
    }

    /// Inference, with packed weights and without.
    pub fn check_inference(&self, failures: &mut Failures) {
        let Self { conv, n, .. } = self;
        let [x, kernel, bias] = [&self.x, &self.kernel, &self.bias].map(|v| to_f64(v));
        let expected = reference::conv2d::forward(conv, *n, &x, &kernel, &bias);
        for isa in Isa::available() {
            let mut packed = Guarded::new(conv2d::packed_forward(conv));
            conv2d::pack_forward(conv, isa, &self.kernel, packed.values());
            let packed = packed.into_values();
            for packed in [&packed[..], &[]] {
                let mut y = Guarded::new(self.dz.len());
                let mut scratch = Guarded::new(conv2d::forward_scratch(conv, *n));
                let (x, kernel, bias) = (&self.x, &self.kernel, &self.bias);
                let (y_values, scratch_values) = (y.values(), scratch.values());
                conv2d::infer(
                    conv,
                    isa,
                    *n,
                    x,
                    kernel,
                    bias,
                    packed,
                    y_values,
                    scratch_values,
                );
                scratch.into_values();
                let case =
                    || self.describe("inference", isa) + &format!(", packed {}", packed.len());
                failures.compare(case, &y.into_values(), &expected, self.tolerance());
            }
        }
    }

    /// The forward pass with NaN and infinities somewhere in the images. If a window has several NaNs, the first one is
    /// the argmax. Other activations than these make NaN of infinities.
    pub fn check_forward_not_finite(&mut self, random: &mut Random, failures: &mut Failures) {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let place = random.below(self.x.len());
            self.x[place] = odd;
        }
        if matches!(self.conv.activation, Activation::Linear | Activation::Relu) {
            self.check_forward(failures);
        }
    }

    pub fn check_kernel_gradient(&self, failures: &mut Failures) {
        let Self { conv, n, .. } = self;
        let dy = self.unpooled();
        let (kernel, _) = reference::conv2d::backward_parameters(conv, *n, &to_f64(&self.x), &dy);
        let filters = conv.output[2];
        let mut bias = vec![0.0; self.bias.len()];
        if !bias.is_empty() {
            for (i, dz) in self.dz.iter().enumerate() {
                bias[i % filters] += f64::from(*dz);
            }
        }
        // Gradients are added to what is there: ones, so that the layout does not matter.
        let plus_one = |values: &[f64]| values.iter().map(|v| v + 1.0).collect::<Vec<_>>();
        let [kernel, bias] = [&kernel, &bias].map(|v| plus_one(v));
        let argmax = self.argmax();
        for isa in Isa::available() {
            let mut bits = None;
            for first in [*n, n / 2] {
                let mut kernel_sums = Guarded::holding(&vec![1.0; kernel.len()]);
                let mut bias_gradient = Guarded::holding(&vec![1.0; bias.len()]);
                let [image, result] = [self.x.len() / n, self.dz.len() / n];
                for [from, to] in [[0, first], [first, *n]] {
                    if from == to {
                        continue;
                    }
                    let mut scratch = Guarded::new(conv2d::training_scratch(conv, to - from));
                    conv2d::backward_parameters(
                        conv,
                        isa,
                        to - from,
                        &self.x[from * image..to * image],
                        &self.dz[from * result..to * result],
                        argmax.get(from * result..to * result).unwrap_or_default(),
                        kernel_sums.values(),
                        bias_gradient.values(),
                        scratch.values(),
                    );
                    scratch.into_values();
                }
                let mut gradient = Guarded::new(kernel.len());
                conv2d::finish_kernel_gradient(
                    conv,
                    isa,
                    &kernel_sums.into_values(),
                    gradient.values(),
                );
                let gradient = gradient.into_values();
                let case = |what| self.describe(what, isa) + &format!(", {first} images first");
                failures.compare(|| case("kernel"), &gradient, &kernel, TOLERANCE);
                failures.compare(
                    || case("bias"),
                    &bias_gradient.into_values(),
                    &bias,
                    TOLERANCE,
                );
                let whole = bits.get_or_insert(gradient.clone());
                failures.compare(|| case("bits of the kernel"), &gradient, whole, 0.0);
            }
        }
    }

    /// The gradient with respect to the input.
    pub fn check_input_gradient(&self, failures: &mut Failures) {
        let Self { conv, n, .. } = self;
        let dy = self.unpooled();
        let expected = reference::conv2d::backward_input(conv, *n, &dy, &to_f64(&self.kernel));
        let argmax = self.argmax();
        for isa in Isa::available() {
            let mut packed = Guarded::new(conv2d::packed_backward(conv));
            conv2d::pack_backward(conv, isa, &self.kernel, packed.values());
            let mut dx = Guarded::new(self.x.len());
            let mut scratch = Guarded::new(conv2d::training_scratch(conv, *n));
            conv2d::backward_input(
                conv,
                isa,
                *n,
                &self.dz,
                &argmax,
                &packed.into_values(),
                dx.values(),
                scratch.values(),
            );
            scratch.into_values();
            let dx = dx.into_values();
            let case = || self.describe("input", isa);
            let tolerance = match conv.input_gradient {
                InputGradient::Winograd4 => TOLERANCE_OF_FOUR,
                _ => TOLERANCE,
            };
            failures.compare(case, &dx, &expected, tolerance);
        }
    }

    /// The argmax that the forward pass must write; none without a pool.
    pub fn argmax(&self) -> Vec<u8> {
        let [x, kernel, bias] = [&self.x, &self.kernel, &self.bias].map(|v| to_f64(v));
        reference::conv2d::argmax(&self.conv, self.n, &x, &kernel, &bias)
    }

    /// The gradient with respect to the convolution's own output, before the pool.
    pub fn unpooled(&self) -> Vec<f64> {
        let [x, kernel, bias, dz] =
            [&self.x, &self.kernel, &self.bias, &self.dz].map(|v| to_f64(v));
        reference::conv2d::unpool(&self.conv, self.n, &x, &kernel, &bias, &dz)
    }

    fn describe(&self, what: &str, isa: Isa) -> String {
        let Self { conv, n, bias, .. } = self;
        let isa = isa.name();
        format!("{isa}, {what} of {conv:?}, n {n}, {} biases", bias.len())
    }
}

/// An index that no window has, around the argmax and before it is written.
const ARGMAX_GUARD: u8 = 255;
const ARGMAX_GUARDS: usize = 64;

/// Checks `cases` random geometries.
pub fn check_many(seed: u64, cases: usize, algorithms: Algorithms<'_>) {
    let mut random = Random::new(seed);
    let mut failures = Failures::default();
    for _ in 0..cases {
        let conv = random_conv(&mut random, algorithms);
        Case::random(&mut random, conv).check(&mut failures);
    }
    failures.report();
}

/// Whether any patch reaches over the border.
fn is_padded(conv: &Conv2d) -> bool {
    (0..2).any(|axis| {
        let extent = (conv.kernel[axis] - 1) * conv.dilation[axis] + 1;
        let reach = (conv.output[axis] - 1) * conv.strides[axis] + extent;
        conv.padding[axis] > 0 || reach > conv.input[axis]
    })
}

/// One NaN or infinity in the image, then in the gradient. `skips_zeros` says whether the kernel gradient may skip
/// gradients of 0 although the image is infinite or NaN there.
pub fn check_not_finite(seed: u64, algorithms: Algorithms<'_>, skips_zeros: bool) {
    let mut random = Random::new(seed);
    let mut failures = Failures::default();
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for activation in [Activation::Linear, Activation::Relu] {
            for _ in 0..10 {
                let conv = random_conv(&mut random, algorithms);
                let mut case = Case::random(&mut random, Conv2d { activation, ..conv });
                let [place, other] = [case.x.len(), case.dz.len()].map(|end| random.below(end));
                let before = core::mem::replace(&mut case.x[place], odd);
                case.check_forward(&mut failures);
                if !skips_zeros {
                    case.check_kernel_gradient(&mut failures);
                }
                case.x[place] = before;
                case.dz[other] = odd;
                // With padding, it also reaches taps that see nothing but zeros.
                if !is_padded(&conv) {
                    case.check_kernel_gradient(&mut failures);
                }
                case.check_input_gradient(&mut failures);
            }
        }
    }
    failures.report();
}

/// A NaN in a weight reaches every output and every input whose tap it is, at least.
pub fn check_weights_not_finite(seed: u64, algorithms: Algorithms<'_>) {
    let mut random = Random::new(seed);
    let mut cases = 0;
    for _ in 0..20 {
        let conv = random_conv(&mut random, algorithms);
        let activation = random.pick(&[Activation::Linear, Activation::Relu]);
        let mut case = Case::random(&mut random, Conv2d { activation, ..conv });
        // Sparse kernels may skip zeros.
        case.dz.fill(1.0);
        let argmax = case.argmax();
        let dy = case.unpooled();
        let place = random.below(case.kernel.len());
        case.kernel[place] = f32::NAN;
        let Case { conv, n, .. } = &case;
        let [x, kernel, bias] = [&case.x, &case.kernel, &case.bias].map(|v| to_f64(v));
        let y_expected = reference::conv2d::forward(conv, *n, &x, &kernel, &bias);
        let dx_expected = reference::conv2d::backward_input(conv, *n, &dy, &kernel);
        for isa in Isa::available() {
            let [forward, backward] = [conv2d::packed_forward(conv), conv2d::packed_backward(conv)];
            let [mut forward, mut backward] = [forward, backward].map(|len| vec![0.0; len]);
            conv2d::pack_forward(conv, isa, &case.kernel, &mut forward);
            conv2d::pack_backward(conv, isa, &case.kernel, &mut backward);
            let mut scratch = vec![0.0; conv2d::training_scratch(conv, *n)];
            let mut y = vec![0.0; y_expected.len()];
            conv2d::forward(
                conv,
                isa,
                *n,
                &case.x,
                &case.kernel,
                &case.bias,
                &forward,
                &mut y,
                &mut [],
                &mut scratch,
            );
            let mut dx = vec![0.0; dx_expected.len()];
            conv2d::backward_input(
                conv,
                isa,
                *n,
                &case.dz,
                &argmax,
                &backward,
                &mut dx,
                &mut scratch,
            );
            for (actual, expected) in [(y, &y_expected), (dx, &dx_expected)] {
                let pairs = actual.iter().zip(expected);
                for (i, (actual, expected)) in pairs.enumerate() {
                    assert!(
                        actual.is_nan() || !expected.is_nan(),
                        "{}: value {i} is {actual}, not NaN",
                        case.describe("weights", isa)
                    );
                    cases += usize::from(expected.is_nan());
                }
            }
        }
    }
    assert!(cases > 0, "no NaN was expected anywhere");
}
