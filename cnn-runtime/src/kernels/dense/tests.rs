use crate::kernels::Isa;
use crate::kernels::dense;
use crate::kernels::dense::choice;
use crate::kernels::simd::VectorShape;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::reference;
use cnn_ir::Activation;
use cnn_ir::choice::Direction;
use cnn_ir::operation::{Dense, Facts, Pass, Wanted};

const TOLERANCE: f64 = 1e-5;

/// All passes of one layer on one batch.
struct Case {
    dense: Dense,
    n: usize,
    x: Vec<f32>,
    kernel: Vec<f32>,
    bias: Vec<f32>,
    dy: Vec<f32>,
}

/// What the passes write.
const RESULTS: [&str; 5] = ["output", "inference", "kernel", "bias", "input"];

type Results = [Vec<f32>; RESULTS.len()];

impl Case {
    fn random(random: &mut Random, n: usize, inputs: usize, units: usize) -> Self {
        let activation = random.pick(&crate::ops::activation::tests::all());
        let biases = random.pick(&[0, units]);
        let [x, kernel, bias, dy] =
            [n * inputs, inputs * units, biases, n * units].map(|length| random.floats(length));
        Self {
            dense: Dense {
                inputs,
                units,
                activation,
            },
            n,
            x,
            kernel,
            bias,
            dy,
        }
    }

    /// Examples `first..end`, and the gradient of the kernel in pieces of `rows`.
    fn run(&self, isa: Isa, first: usize, end: usize, rows: usize) -> Results {
        let Dense { inputs, units, .. } = self.dense;
        let n = end - first;
        let x = &self.x[first * inputs..end * inputs];
        let dy = &self.dy[first * units..end * units];
        let mut scratch = Guarded::new(dense::forward_scratch(&self.dense, n));

        let mut y = Guarded::new(n * units);
        let (kernel, bias) = (&self.kernel, &self.bias);
        dense::forward(
            &self.dense,
            isa,
            n,
            x,
            kernel,
            bias,
            y.values(),
            scratch.values(),
        );
        scratch.into_values();

        let mut packed = Guarded::new(dense::packed_inference(&self.dense));
        dense::pack_inference(&self.dense, isa, kernel, packed.values());
        let packed = packed.into_values();
        let mut scratch = Guarded::new(dense::inference_scratch(&self.dense, n));
        let mut inferred = Guarded::new(n * units);
        let (inferred_values, scratch_values) = (inferred.values(), scratch.values());
        dense::infer(
            &self.dense,
            isa,
            n,
            x,
            kernel,
            bias,
            &packed,
            inferred_values,
            scratch_values,
        );
        scratch.into_values();

        let mut packed = Guarded::new(dense::packed_gradient(&self.dense, n));
        dense::pack_gradient(&self.dense, isa, n, dy, packed.values());
        let packed = packed.into_values();
        let mut scratch = Guarded::new(dense::gradient_scratch(n));
        let mut gradient = Guarded::new(kernel.len());
        for start in (0..inputs).step_by(rows) {
            let rows = start..(start + rows).min(inputs);
            let part = &mut gradient.values()[rows.start * units..rows.end * units];
            dense::backward_parameters(
                &self.dense,
                isa,
                n,
                x,
                dy,
                &packed,
                rows,
                part,
                scratch.values(),
            );
        }
        let mut bias_gradient = Guarded::new(bias.len());
        dense::backward_bias(&self.dense, isa, n, dy, bias_gradient.values());
        scratch.into_values();
        let mut scratch = Guarded::new(dense::training_scratch(&self.dense));
        let mut dx = Guarded::new(n * inputs);
        dense::backward_input(
            &self.dense,
            isa,
            n,
            dy,
            kernel,
            dx.values(),
            scratch.values(),
        );
        scratch.into_values();
        [y, inferred, gradient, bias_gradient, dx].map(Guarded::into_values)
    }

    fn expected(&self) -> [Vec<f64>; RESULTS.len()] {
        let Self { dense, n, .. } = self;
        let [x, kernel, bias, dy] =
            [&self.x, &self.kernel, &self.bias, &self.dy].map(|values| to_f64(values));
        let y = reference::dense::forward(dense, *n, &x, &kernel, &bias);
        let (gradient, mut bias_gradient) =
            reference::dense::backward_parameters(dense, *n, &x, &dy);
        bias_gradient.truncate(bias.len());
        let dx = reference::dense::backward_input(dense, *n, &dy, &kernel);
        [y.clone(), y, gradient, bias_gradient, dx]
    }

    fn check(&self, failures: &mut Failures) {
        let expected = self.expected();
        for isa in Isa::available() {
            let actual = self.run(isa, 0, self.n, self.dense.inputs.div_ceil(2));
            for (i, what) in RESULTS.iter().enumerate() {
                let case = || {
                    let Self { dense, n, bias, .. } = self;
                    let biases = bias.len();
                    let isa = isa.name();
                    format!("{what} of {dense:?}, n {n}, {biases} biases, {isa}")
                };
                failures.compare(case, &actual[i], &expected[i], TOLERANCE);
            }
        }
    }
}

#[test]
fn matches_the_reference() {
    let sizes = [1, 2, 3, 5, 7, 16, 17, 33];
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for inputs in sizes {
        for units in sizes {
            for n in 1..=5 {
                Case::random(&mut random, n, inputs, units).check(&mut failures);
            }
        }
    }
    failures.report();
}

/// Sizes at which panels are packed, cut into blocks, or both; and one past them.
#[test]
fn wide_layers_match_the_reference() {
    let mut random = Random::new(2);
    let mut failures = Failures::default();
    for (n, inputs, units) in [
        (1, 300, 512),
        (1, 90, 1),
        (1, 90, 60),
        (1, 90, 120),
        (1, 40, 177),
        (1, 33, 213),
        (6, 90, 120),
        (20, 33, 213),
        (7, 784, 65),
        (13, 65, 784),
        (64, 257, 130),
        (129, 128, 128),
        (300, 64, 10),
        (12, 90, 1),
        (300, 70, 64),
    ] {
        Case::random(&mut random, n, inputs, units).check(&mut failures);
    }
    failures.report();
}

/// What is computed for an example does not depend on how many there are, and the rows of the kernel's
/// gradient not on how they are cut.
#[test]
fn pieces_give_the_same_bits() {
    let mut random = Random::new(3);
    for (n, inputs, units) in [
        (9, 33, 17),
        (40, 300, 128),
        (30, 128, 256),
        (40, 64, 10),
        (40, 64, 1),
        (23, 50, 187),
    ] {
        let case = Case::random(&mut random, n, inputs, units);
        for isa in Isa::available() {
            let whole = case.run(isa, 0, n, inputs);
            assert_eq!(case.run(isa, 0, n, 7)[2], whole[2], "gradient in pieces");
            for (first, end) in [(0, 1), (1, 2), (2, 9), (3, n)] {
                let piece = case.run(isa, first, end, inputs);
                for (result, row) in [(0, units), (1, units), (4, inputs)] {
                    let same = piece[result] == whole[result][first * row..end * row];
                    let (what, name) = (RESULTS[result], isa.name());
                    assert!(
                        same,
                        "{what} of {first}..{end} of {n}, {inputs}x{units}, {name}"
                    );
                }
            }
        }
    }
}

#[test]
fn nan_and_infinity_reach_what_they_reach_in_the_reference() {
    let mut random = Random::new(4);
    let mut failures = Failures::default();
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for activation in [Activation::Linear, Activation::Relu] {
            for place in 0..3 {
                let mut case = Case::random(&mut random, 8, 40, 70);
                case.dense.activation = activation;
                let values = [&mut case.x, &mut case.kernel, &mut case.dy];
                let values = values.into_iter().nth(place).expect("one of three");
                let at = random.below(values.len());
                values[at] = odd;
                case.check(&mut failures);
            }
        }
    }
    failures.report();
}

#[test]
fn inference_without_a_packed_kernel_is_the_forward_pass() {
    let mut random = Random::new(5);
    for (n, inputs, units) in [(1, 9, 70), (20, 30, 130)] {
        let case = Case::random(&mut random, n, inputs, units);
        for isa in Isa::available() {
            let mut y = vec![f32::NAN; n * units];
            let mut scratch = vec![f32::NAN; dense::inference_scratch(&case.dense, n)];
            let (x, kernel, bias) = (&case.x, &case.kernel, &case.bias);
            dense::infer(
                &case.dense,
                isa,
                n,
                x,
                kernel,
                bias,
                &[],
                &mut y,
                &mut scratch,
            );
            assert_eq!(y, case.run(isa, 0, n, inputs)[0], "{}", isa.name());
        }
    }
}

#[test]
#[should_panic(expected = "packed weights of a dense layer")]
fn a_kernel_packed_for_another_layer_is_refused() {
    let dense = |inputs| Dense {
        inputs,
        units: 1,
        activation: Activation::Linear,
    };
    let packed = vec![1.0; dense::packed_inference(&dense(3))];
    let (x, kernel, mut y) = ([1.0; 2], [1.0; 2], [0.0]);
    dense::infer(
        &dense(2),
        Isa::PORTABLE,
        1,
        &x,
        &kernel,
        &[],
        &packed,
        &mut y,
        &mut [],
    );
}

#[test]
#[should_panic(expected = "values of a dense layer's input")]
fn a_wrong_length_is_refused() {
    let dense = Dense {
        inputs: 2,
        units: 1,
        activation: Activation::Linear,
    };
    dense::forward(
        &dense,
        Isa::PORTABLE,
        2,
        &[1.0; 3],
        &[1.0; 2],
        &[],
        &mut [0.0; 2],
        &mut [],
    );
}

/// Compares what runs for layers of `[inputs, units]` and numbers of examples, for the numbers of each instruction set
/// of [`VectorShape::ALL`], and reports all that differ.
fn check_choice(
    cases: &[([usize; 2], usize, [&str; 3])],
    name: impl Fn(&Dense, usize, VectorShape) -> &'static str,
) {
    let mut wrong = Vec::new();
    for ([inputs, units], n, expected) in cases {
        let dense = Dense {
            inputs: *inputs,
            units: *units,
            activation: Activation::Linear,
        };
        for ((isa, vectors), expected) in VectorShape::ALL.into_iter().zip(expected) {
            let chosen = name(&dense, *n, vectors);
            if chosen != *expected {
                wrong.push(format!(
                    "{inputs}x{units}, n {n}, {isa}: {chosen}, not {expected}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn forward_products() {
    const MM: &str = "matrixmultiply";
    let cases = [
        ([784, 512], 1, [MM, "gemm", "gemm"]),
        ([784, 512], 12, [MM, "gemm", "gemm"]),
        ([784, 512], 13, [MM, "blocked gemm", "blocked gemm"]),
        ([784, 64], 64, [MM, "gemm", "gemm"]),
        ([784, 65], 64, [MM, "blocked gemm", "blocked gemm"]),
    ];
    check_choice(&cases, |dense, n, vectors| {
        choice::forward(dense, n, false, vectors).name()
    });
    let packed = [([784, 512], 64, [MM, "packed gemm", "packed gemm"])];
    check_choice(&packed, |dense, n, vectors| {
        choice::forward(dense, n, true, vectors).name()
    });
}

/// The borders of each threshold.
#[test]
fn kernel_gradient_products() {
    const MM: &str = "matrixmultiply";
    const PACKED: &str = "packed gemm";
    let cases = [
        // Lanes that stay idle.
        ([1600, 8], 128, [MM, MM, MM]),
        ([1600, 9], 128, [MM, MM, PACKED]),
        ([1600, 15], 128, [MM, MM, PACKED]),
        ([1600, 16], 128, [MM, PACKED, PACKED]),
        ([1600, 24], 128, [MM, MM, MM]),
        ([1600, 25], 128, [MM, MM, PACKED]),
        ([1600, 31], 128, [MM, MM, PACKED]),
        ([1600, 32], 128, [MM, PACKED, PACKED]),
        // Few examples.
        ([1600, 62], 4, [MM, MM, MM]),
        ([1600, 62], 5, [MM, MM, PACKED]),
        ([1600, 63], 4, [MM, MM, PACKED]),
        ([400, 120], 2, [MM, MM, MM]),
        ([400, 120], 3, [MM, MM, PACKED]),
        ([400, 121], 2, [MM, MM, PACKED]),
        ([1600, 48], 12, [MM, MM, PACKED]),
        ([1600, 48], 13, [MM, PACKED, PACKED]),
        ([1600, 40], 16, [MM, MM, PACKED]),
        ([1600, 40], 17, [MM, PACKED, PACKED]),
        ([1600, 41], 32, [MM, MM, PACKED]),
        ([1600, 45], 32, [MM, MM, PACKED]),
        ([1600, 45], 33, [MM, PACKED, PACKED]),
        ([1600, 46], 17, [MM, PACKED, PACKED]),
        // Rows that share sets of a cache.
        ([784, 512], 1, [MM, PACKED, PACKED]),
        ([784, 256], 1, [MM, PACKED, PACKED]),
        ([784, 256], 2, [MM, MM, PACKED]),
        ([784, 256], 12, [MM, MM, PACKED]),
        ([784, 256], 13, [MM, PACKED, PACKED]),
        ([784, 768], 3, [MM, PACKED, PACKED]),
        ([784, 768], 4, [MM, MM, PACKED]),
    ];
    check_choice(&cases, |dense, n, vectors| {
        choice::kernel_gradient(dense, n, vectors).name()
    });
}

#[test]
fn input_gradient_products() {
    const MM: &str = "matrixmultiply";
    const KERNEL: &str = "gemm, transposed kernel";
    const EXAMPLES: &str = "gemm, transposed examples";
    let cases = [
        ([1600, 1], 8, [MM, MM, MM]),
        ([1600, 1], 7, [MM, KERNEL, KERNEL]),
        ([1600, 2], 8, [MM, MM, KERNEL]),
        ([1600, 10], 8, [MM, MM, KERNEL]),
        ([1600, 11], 8, [MM, EXAMPLES, KERNEL]),
        ([1600, 64], 64, [MM, KERNEL, KERNEL]),
        ([784, 512], 8, [MM, EXAMPLES, EXAMPLES]),
        ([784, 512], 512, [MM, KERNEL, KERNEL]),
    ];
    check_choice(&cases, |dense, n, vectors| {
        choice::input_gradient(dense, n, vectors).name()
    });
}

/// What the table of a plan says is what a call chooses with the kernel that it is given.
#[test]
fn the_plan_says_what_runs() {
    let sizes = [[784, 512], [1600, 64], [1600, 10], [400, 120], [84, 1]];
    let cases = sizes.map(|size| [1, 8, 64].map(|n| (size, n)));
    for ([inputs, units], n) in cases.into_iter().flatten() {
        let dense = Dense {
            inputs,
            units,
            activation: Activation::Linear,
        };
        for (name, vectors) in VectorShape::ALL {
            let forward = |pass| {
                let is_packed = dense.packs(pass, Wanted::default());
                choice::forward(&dense, n, is_packed, vectors).name()
            };
            let chosen = [
                forward(Pass::Inference),
                forward(Pass::Forward),
                choice::kernel_gradient(&dense, n, vectors).name(),
                choice::input_gradient(&dense, n, vectors).name(),
            ];
            let said = [
                Direction::Inference,
                Direction::Forward,
                Direction::KernelGradient,
                Direction::InputGradient,
            ]
            .map(|direction| dense.kernel_name(direction, n, vectors));
            assert_eq!(said, chosen.map(Some), "{inputs}x{units}, n {n}, {name}");
        }
    }
}

/// Without matrixmultiply, nothing is left to it.
#[test]
fn products_without_matrixmultiply() {
    let dense = Dense {
        inputs: 1600,
        units: 8,
        activation: Activation::Linear,
    };
    for (name, vectors) in VectorShape::ALL {
        let vectors = VectorShape {
            has_matrixmultiply: false,
            ..vectors
        };
        let chosen = [
            choice::forward(&dense, 64, false, vectors).name(),
            choice::kernel_gradient(&dense, 64, vectors).name(),
            choice::input_gradient(&dense, 64, vectors).name(),
        ];
        assert_eq!(
            chosen,
            ["gemm", "packed gemm", "gemm, transposed kernel"],
            "{name}"
        );
    }
}
