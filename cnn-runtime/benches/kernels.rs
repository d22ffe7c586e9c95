//! Each kernel as a share of the machine's arithmetic, and beside matrixmultiply.
//!
//! ```text
//! cargo bench -p cnn-runtime --features reference
//! ```
//!
//! divan times every case on every instruction set. Items are floating point operations (two for each multiplication of
//! the definition, also if an algorithm needs fewer) or, for element by element work, values. The table at the end
//! measures the same cases again, and says what runs and how fast that is: as a share of the peak of multiply-adds on
//! registers, and relative to the portable instance, which is matrixmultiply (through im2col for convolutions).
//! Arguments are divan's; a filter applies to the table too. `docs/kernels-measured.md` has the figures behind decisions.

use cnn_runtime::ir::operation::{
    Conv2d, ConvAlgorithm, Dense, FusedPool, InputGradient, KernelGradient, Pool2d, PoolKind,
};
use cnn_runtime::ir::{Activation, Loss, UpdateRule};
use cnn_runtime::kernels::conv2d::choice::{self, Weights};
use cnn_runtime::kernels::dense::choice as dense_choice;
use cnn_runtime::kernels::{Isa, conv2d, dense, pool2d};
use cnn_runtime::loss;
use cnn_runtime::ops::{activation, dropout};
use divan::Bencher;
use divan::counter::ItemsCount;
use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Images or examples of a call.
const N: usize = 8;

fn main() {
    divan::main();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // As a test, divan runs each case once, and there is nothing to compare.
    if arguments.iter().any(|argument| argument == "--bench") {
        let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
        table(filter.map_or("", |filter| filter));
    }
}

/// One kernel on one instruction set.
struct Case {
    name: String,
    isa: Isa,
    /// What a call does: floating point operations, or values.
    items: usize,
    unit: Unit,
    /// What runs, where there is a choice.
    runs: Option<&'static str>,
    /// Allocates the operands and returns the call.
    prepare: Box<dyn Fn(Isa) -> Box<dyn FnMut()> + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Flops,
    Values,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.name, self.isa.name())
    }
}

impl Case {
    /// The case on every instruction set of this machine.
    fn all(
        cases: &mut Vec<Self>,
        name: String,
        unit: Unit,
        items: usize,
        runs: impl Fn(Isa) -> Option<&'static str>,
        prepare: impl Fn(Isa) -> Box<dyn FnMut()> + Clone + Send + Sync + 'static,
    ) {
        cases.extend(Isa::available().map(|isa| Self {
            name: name.clone(),
            isa,
            items,
            unit,
            runs: runs(isa),
            prepare: Box::new(prepare.clone()),
        }));
    }

    fn bench(&self, bencher: Bencher<'_, '_>) {
        let call = (self.prepare)(self.isa);
        bencher
            .counter(ItemsCount::new(self.items))
            .bench_local(call);
    }
}

#[divan::bench(args = convolutions(), max_time = 0.2)]
fn convolution(bencher: Bencher<'_, '_>, case: &Case) {
    case.bench(bencher);
}

#[divan::bench(args = dense_layers(), max_time = 0.2)]
fn dense(bencher: Bencher<'_, '_>, case: &Case) {
    case.bench(bencher);
}

#[divan::bench(args = elementwise(), max_time = 0.2)]
fn values(bencher: Bencher<'_, '_>, case: &Case) {
    case.bench(bencher);
}

/// The layers of the tutorial's convnet, of LeNet-5 and of a small VGG.
fn convolutions() -> Vec<Case> {
    let mut cases = Vec::new();
    for (network, input, filters, kernel, same, pooled) in [
        ("tutorial", [28, 28, 1], 32, 3, false, true),
        ("tutorial", [13, 13, 32], 64, 3, false, true),
        ("LeNet", [28, 28, 1], 6, 5, true, true),
        ("LeNet", [14, 14, 6], 16, 5, false, true),
        ("VGG", [32, 32, 3], 32, 3, true, false),
        ("VGG", [32, 32, 32], 32, 3, true, true),
        ("VGG", [16, 16, 32], 64, 3, true, false),
        ("VGG", [16, 16, 64], 64, 3, true, true),
        ("VGG", [8, 8, 128], 128, 3, true, true),
        ("1x1", [16, 16, 64], 128, 1, true, false),
    ] {
        let padding = if same { kernel / 2 } else { 0 };
        let output = [0, 1].map(|axis| input[axis] + 2 * padding - kernel + 1);
        let linear = Conv2d {
            input,
            output: [output[0], output[1], filters],
            kernel: [kernel; 2],
            strides: [1; 2],
            padding: [padding; 2],
            dilation: [1; 2],
            activation: Activation::Relu,
            pool: None,
            algorithm: ConvAlgorithm::Direct,
            kernel_gradient: KernelGradient::Direct,
            input_gradient: InputGradient::Direct,
        };
        let layer = format!("{network} {input:?} {kernel}x{kernel} {filters}");
        // An input gradient of a first layer is never asked for.
        let has_input_gradient = input[2] > 3;
        if kernel == 1 {
            let conv = Conv2d {
                algorithm: ConvAlgorithm::Pointwise,
                kernel_gradient: KernelGradient::Pointwise,
                input_gradient: InputGradient::Pointwise,
                ..linear
            };
            forward(&mut cases, format!("{layer}, product"), conv);
            kernel_gradient(&mut cases, format!("{layer}, product"), conv);
            input_gradient(&mut cases, format!("{layer}, product"), conv);
            continue;
        }
        let pool = pooled.then(|| FusedPool {
            output: output.map(|size| size / 2),
            size: [2; 2],
            strides: [2; 2],
            padding: [0; 2],
        });
        let fused = Conv2d { pool, ..linear };
        forward(&mut cases, format!("{layer}, direct"), fused);
        one_image(&mut cases, format!("{layer}, direct"), fused);
        let has_winograd = kernel == 3 && has_input_gradient;
        if has_winograd {
            for (tile, algorithm) in [
                ("2x2", ConvAlgorithm::Winograd),
                ("4x4", ConvAlgorithm::Winograd4),
                ("5x5", ConvAlgorithm::Winograd5),
            ] {
                let conv = Conv2d { algorithm, ..fused };
                forward(&mut cases, format!("{layer}, Winograd {tile}"), conv);
                one_image(&mut cases, format!("{layer}, Winograd {tile}"), conv);
            }
        }
        kernel_gradient(&mut cases, format!("{layer}, direct"), linear);
        if pooled {
            let conv = Conv2d {
                kernel_gradient: KernelGradient::PoolSparse,
                ..fused
            };
            kernel_gradient(&mut cases, format!("{layer}, sparse"), conv);
        }
        if has_input_gradient {
            input_gradient(&mut cases, format!("{layer}, direct"), linear);
        }
        if has_winograd {
            for (tile, algorithm) in [
                ("2x2", InputGradient::Winograd),
                ("4x4", InputGradient::Winograd4),
            ] {
                let conv = Conv2d {
                    input_gradient: algorithm,
                    ..linear
                };
                input_gradient(&mut cases, format!("{layer}, Winograd {tile}"), conv);
            }
        }
        if has_input_gradient && pooled {
            let conv = Conv2d {
                input_gradient: InputGradient::PoolSparse,
                ..fused
            };
            input_gradient(&mut cases, format!("{layer}, sparse"), conv);
        }
    }
    cases
}

/// Operations of a convolution of `N` images, in each direction.
fn conv_flops(conv: &Conv2d) -> usize {
    2 * N * conv.output.iter().product::<usize>() * patch(conv)
}

fn patch(conv: &Conv2d) -> usize {
    conv.kernel.iter().product::<usize>() * conv.input[2]
}

fn forward(cases: &mut Vec<Case>, name: String, conv: Conv2d) {
    let prepare = move |isa: Isa| -> Box<dyn FnMut()> {
        let x = floats(N * conv.input.iter().product::<usize>());
        let [kernel, bias] = [patch(&conv) * conv.output[2], conv.output[2]].map(floats);
        let mut packed = floats(conv2d::packed_forward(&conv));
        conv2d::pack_forward(&conv, isa, &kernel, &mut packed);
        let mut y = floats(N * conv.output_len());
        // As in training, where the argmax is kept.
        let mut argmax = vec![0; if conv.pool.is_some() { y.len() } else { 0 }];
        let mut scratch = floats(conv2d::forward_scratch(&conv, N));
        Box::new(move || {
            let (y, argmax, scratch) = (&mut y, &mut argmax, &mut scratch);
            conv2d::forward(
                &conv, isa, N, &x, &kernel, &bias, &packed, y, argmax, scratch,
            );
            black_box(y);
        })
    };
    let name = format!("forward, {name}");
    let runs = |isa: Isa| Some(choice::forward(&conv, Weights::Packed, isa.vectors()).name());
    Case::all(cases, name, Unit::Flops, conv_flops(&conv), runs, prepare);
}

/// As `predict` computes it.
fn one_image(cases: &mut Vec<Case>, name: String, conv: Conv2d) {
    let prepare = move |isa: Isa| -> Box<dyn FnMut()> {
        let x = floats(conv.input.iter().product::<usize>());
        let [kernel, bias] = [patch(&conv) * conv.output[2], conv.output[2]].map(floats);
        let mut packed = floats(conv2d::packed_forward(&conv));
        conv2d::pack_forward(&conv, isa, &kernel, &mut packed);
        let mut y = floats(conv.output_len());
        let mut scratch = floats(conv2d::forward_scratch(&conv, 1));
        Box::new(move || {
            let (y, scratch) = (&mut y, &mut scratch);
            conv2d::infer(&conv, isa, 1, &x, &kernel, &bias, &packed, y, scratch);
            black_box(y);
        })
    };
    let name = format!("one image, {name}");
    let runs = |isa: Isa| Some(choice::forward(&conv, Weights::Packed, isa.vectors()).name());
    Case::all(
        cases,
        name,
        Unit::Flops,
        conv_flops(&conv) / N,
        runs,
        prepare,
    );
}

/// The argmax of windows: random.
fn random_argmax(conv: &Conv2d) -> Vec<u8> {
    let windows = conv.pool.map_or(0, |_| N * conv.output_len());
    (0..windows).map(|i| (i * 7919 % 97 % 4) as u8).collect()
}

/// Gradients behind a relu: half of them are zero.
fn gradients(conv: &Conv2d) -> Vec<f32> {
    let mut gradients = floats(N * conv.output_len());
    for gradient in &mut gradients {
        *gradient = gradient.max(0.0);
    }
    gradients
}

fn kernel_gradient(cases: &mut Vec<Case>, name: String, conv: Conv2d) {
    let prepare = move |isa: Isa| -> Box<dyn FnMut()> {
        let x = floats(N * conv.input.iter().product::<usize>());
        let (dz, argmax) = (gradients(&conv), random_argmax(&conv));
        let mut gradient = vec![0.0; patch(&conv) * conv.output[2]];
        let mut bias = vec![0.0; conv.output[2]];
        let mut scratch = floats(conv2d::training_scratch(&conv, N));
        Box::new(move || {
            let (gradient, bias, scratch) = (&mut gradient, &mut bias, &mut scratch);
            conv2d::backward_parameters(&conv, isa, N, &x, &dz, &argmax, gradient, bias, scratch);
            black_box(gradient);
        })
    };
    let name = format!("kernel gradient, {name}");
    let runs = |isa: Isa| Some(choice::kernel_gradient(&conv, isa.vectors()).name());
    Case::all(cases, name, Unit::Flops, conv_flops(&conv), runs, prepare);
}

fn input_gradient(cases: &mut Vec<Case>, name: String, conv: Conv2d) {
    let prepare = move |isa: Isa| -> Box<dyn FnMut()> {
        let (dz, argmax) = (gradients(&conv), random_argmax(&conv));
        let kernel = floats(patch(&conv) * conv.output[2]);
        let mut packed = floats(conv2d::packed_backward(&conv));
        conv2d::pack_backward(&conv, isa, &kernel, &mut packed);
        let mut dx = floats(N * conv.input.iter().product::<usize>());
        let mut scratch = floats(conv2d::training_scratch(&conv, N));
        Box::new(move || {
            let (dx, scratch) = (&mut dx, &mut scratch);
            conv2d::backward_input(&conv, isa, N, &dz, &argmax, &packed, dx, scratch);
            black_box(dx);
        })
    };
    let name = format!("input gradient, {name}");
    let runs = |isa: Isa| Some(choice::input_gradient(&conv, isa.vectors()).name());
    Case::all(cases, name, Unit::Flops, conv_flops(&conv), runs, prepare);
}

fn dense_layers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (inputs, units) in [(784, 512), (512, 512), (1600, 64), (1600, 10)] {
        let dense = Dense {
            inputs,
            units,
            activation: Activation::Relu,
        };
        for n in [1, 8, 64] {
            let flops = 2 * n * inputs * units;
            type Runs = fn(&Dense, usize, Isa) -> &'static str;
            type Call = fn(Dense, usize, Isa) -> Box<dyn FnMut()>;
            let mut add = |pass: &str, runs: Runs, prepare: Call| {
                let name = format!("{pass}, {inputs}x{units}, n {n}");
                let runs = move |isa| Some(runs(&dense, n, isa));
                let prepare = move |isa| prepare(dense, n, isa);
                Case::all(&mut cases, name, Unit::Flops, flops, runs, prepare);
            };
            let forward: Runs =
                |dense, n, isa| dense_choice::forward(dense, n, false, isa.vectors()).name();
            add("forward", forward, |dense, n, isa| {
                let [x, kernel] = [n * dense.inputs, dense.inputs * dense.units].map(floats);
                let [bias, mut y] = [dense.units, n * dense.units].map(floats);
                let mut scratch = floats(dense::forward_scratch(&dense, n));
                Box::new(move || {
                    dense::forward(&dense, isa, n, &x, &kernel, &bias, &mut y, &mut scratch);
                    black_box(&mut y);
                })
            });
            let inference: Runs =
                |dense, n, isa| dense_choice::forward(dense, n, true, isa.vectors()).name();
            add("inference", inference, |dense, n, isa| {
                let [x, kernel] = [n * dense.inputs, dense.inputs * dense.units].map(floats);
                let [bias, mut y] = [dense.units, n * dense.units].map(floats);
                let mut packed = floats(dense::packed_inference(&dense));
                dense::pack_inference(&dense, isa, &kernel, &mut packed);
                let mut scratch = floats(dense::inference_scratch(&dense, n));
                Box::new(move || {
                    let (y, scratch) = (&mut y, &mut scratch);
                    dense::infer(&dense, isa, n, &x, &kernel, &bias, &packed, y, scratch);
                    black_box(y);
                })
            });
            let kernel_gradient: Runs =
                |dense, n, isa| dense_choice::kernel_gradient(dense, n, isa.vectors()).name();
            add("kernel gradient", kernel_gradient, |dense, n, isa| {
                let [x, dy] = [n * dense.inputs, n * dense.units].map(floats);
                let mut gradient = floats(dense.inputs * dense.units);
                let mut packed = floats(dense::packed_gradient(&dense, n));
                let mut scratch = floats(dense::gradient_scratch(n));
                Box::new(move || {
                    dense::pack_gradient(&dense, isa, n, &dy, &mut packed);
                    let (gradient, scratch) = (&mut gradient, &mut scratch);
                    let rows = 0..dense.inputs;
                    dense::backward_parameters(
                        &dense, isa, n, &x, &dy, &packed, rows, gradient, scratch,
                    );
                    black_box(gradient);
                })
            });
            let input_gradient: Runs =
                |dense, n, isa| dense_choice::input_gradient(dense, n, isa.vectors()).name();
            add("input gradient", input_gradient, |dense, n, isa| {
                let [dy, kernel] = [n * dense.units, dense.inputs * dense.units].map(floats);
                let mut dx = floats(n * dense.inputs);
                let mut scratch = floats(dense::training_scratch(&dense));
                Box::new(move || {
                    dense::backward_input(&dense, isa, n, &dy, &kernel, &mut dx, &mut scratch);
                    black_box(&mut dx);
                })
            });
        }
    }
    cases
}

/// Work that is bound by memory or by the exponential, on as many values as a second-level cache holds.
fn elementwise() -> Vec<Case> {
    const VALUES: usize = 32 * 1024;
    let mut cases = Vec::new();
    let mut add = |name: String, prepare: Prepare| {
        let prepare = move |isa| prepare.call(isa);
        Case::all(&mut cases, name, Unit::Values, VALUES, |_| None, prepare);
    };
    for activation in [
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Gelu { approximate: false },
        Activation::Silu,
        Activation::Mish,
        Activation::Softplus,
        Activation::Softmax,
    ] {
        add(
            format!("{activation:?}"),
            Prepare::new(move |isa| {
                let (z, mut y) = (floats(VALUES), floats(VALUES));
                Box::new(move || {
                    y.copy_from_slice(&z);
                    activation::forward(activation, isa, 16, &mut y);
                    black_box(&mut y);
                })
            }),
        );
        add(
            format!("{activation:?} backward"),
            Prepare::new(move |isa| {
                let [y, gradients, mut dy] = [VALUES; 3].map(floats);
                Box::new(move || {
                    // In place again and again it would fade to subnormal numbers.
                    dy.copy_from_slice(&gradients);
                    activation::backward(activation, isa, 16, &y, &mut dy);
                    black_box(&mut dy);
                })
            }),
        );
    }
    for loss in [
        Loss::categorical_crossentropy(),
        Loss::binary_crossentropy(),
        Loss::MeanSquaredError,
    ] {
        add(
            format!("{loss:?} and its gradient"),
            Prepare::new(move |isa| {
                let [z, target, mut y, mut dy] = [VALUES; 4].map(floats);
                let mut losses = floats(VALUES / 16);
                Box::new(move || {
                    y.copy_from_slice(&z);
                    loss::forward(loss, isa, &[16], &mut y, &target, &mut losses);
                    loss::backward(loss, isa, &[16], &y, &target, 0.1, &mut dy);
                    black_box(&mut dy);
                })
            }),
        );
    }
    for kind in [PoolKind::Max, PoolKind::Average] {
        let pool = Pool2d {
            kind,
            input: [32, 32, 32],
            output: [16, 16, 32],
            size: [2; 2],
            strides: [2; 2],
            padding: [0; 2],
        };
        add(
            format!("{kind:?} pool"),
            Prepare::new(move |isa| {
                let (x, mut y) = (floats(VALUES), floats(VALUES / 4));
                Box::new(move || {
                    pool2d::forward(&pool, isa, 1, &x, &mut y);
                    black_box(&mut y);
                })
            }),
        );
        add(
            format!("{kind:?} pool backward"),
            Prepare::new(move |isa| {
                let [x, mut dx] = [VALUES; 2].map(floats);
                let [mut y, dy] = [VALUES / 4; 2].map(floats);
                pool2d::forward(&pool, isa, 1, &x, &mut y);
                Box::new(move || {
                    pool2d::backward(&pool, isa, 1, &x, &y, &dy, &mut dx);
                    black_box(&mut dx);
                })
            }),
        );
    }
    add(
        "mask of a dropout".into(),
        Prepare::new(|isa| {
            let mut mask = floats(VALUES);
            Box::new(move || {
                dropout::mask(0.5, isa, 1, 0, &mut mask);
                black_box(&mut mask);
            })
        }),
    );
    let rules = [
        UpdateRule::Sgd {
            momentum: 0.9,
            nesterov: false,
        },
        UpdateRule::rmsprop(),
        UpdateRule::adam(),
        UpdateRule::adamax(),
        UpdateRule::adagrad(),
        UpdateRule::adadelta(),
        UpdateRule::lion(),
    ];
    for rule in rules {
        let name = format!("{rule:?}");
        let name = name.split(' ').next().unwrap_or_default();
        add(
            name.to_owned(),
            Prepare::new(move |isa| {
                let [mut parameters, gradients] = [VALUES; 2].map(floats);
                let count = cnn_runtime::optimizer::slots(&rule).len();
                let mut slots = vec![vec![cnn_runtime::optimizer::initial(&rule); VALUES]; count];
                let step = cnn_runtime::optimizer::Step::new(&rule.into(), 1);
                Box::new(move || {
                    let mut slots: Vec<&mut [f32]> = slots.iter_mut().map(|s| &mut s[..]).collect();
                    cnn_runtime::optimizer::update(
                        &rule,
                        isa,
                        step,
                        &mut parameters,
                        &gradients,
                        &mut slots,
                    );
                    black_box(&mut parameters);
                })
            }),
        );
    }
    cases
}

/// What a case calls, once for each instruction set.
#[derive(Clone)]
struct Prepare(std::sync::Arc<dyn Fn(Isa) -> Box<dyn FnMut()> + Send + Sync>);

impl Prepare {
    fn new(prepare: impl Fn(Isa) -> Box<dyn FnMut()> + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(prepare))
    }

    fn call(&self, isa: Isa) -> Box<dyn FnMut()> {
        (self.0)(isa)
    }
}

/// Values in -1.0..1.0, without order.
fn floats(length: usize) -> Vec<f32> {
    (0..length)
        .map(|i| (i * 7919 % 2003) as f32 / 1001.0 - 1.0)
        .collect()
}

/// The least time of a call, in seconds, of as many as fit 30 ms.
fn least_time(call: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    let mut least = f64::MAX;
    while start.elapsed() < Duration::from_millis(30) {
        let start = Instant::now();
        call();
        least = least.min(start.elapsed().as_secs_f64());
    }
    least
}

/// Prints billions of items in a second, the share of the peak, the relation to the portable instance, and what runs.
fn table(filter: &str) {
    let peak = |isa: Isa| {
        let mut flops = 0;
        let time = least_time(&mut || flops = isa.multiply_add(20_000));
        flops as f64 / time / 1e9
    };
    let groups = [
        ("convolution", convolutions()),
        ("dense", dense_layers()),
        ("values", elementwise()),
    ];
    println!("\nPeak of multiply-adds, GFLOP/s:");
    for isa in Isa::available() {
        println!("  {:<9}{:>8.1}", isa.name(), peak(isa));
    }
    for (group, cases) in groups {
        let cases: Vec<_> = cases
            .iter()
            .filter(|case| format!("{group} {case}").contains(filter))
            .collect();
        let Some(first) = cases.first() else {
            continue;
        };
        let [unit, relation] = match first.unit {
            Unit::Flops => ["GFLOP/s, share of the peak", "to matrixmultiply"],
            Unit::Values => ["10^9 values/s", "to portable"],
        };
        println!("\n{group}: {unit}, {relation}");
        for cases in cases.chunk_by(|a, b| a.name == b.name) {
            print!("  {:<54}", cases[0].name);
            let mut portable = None;
            for case in cases {
                let mut call = (case.prepare)(case.isa);
                let rate = case.items as f64 / least_time(&mut *call) / 1e9;
                print!(" {} {rate:>7.2}", case.isa.name());
                if case.isa == Isa::PORTABLE {
                    portable = Some(rate);
                } else {
                    if case.unit == Unit::Flops {
                        // The peak is measured right after the case, because the clock changes with time.
                        print!(" {:>4.0}%", 100.0 * rate / peak(case.isa));
                    }
                    if let Some(portable) = portable {
                        print!(" {:>5.2}x", rate / portable);
                    }
                    if let Some(runs) = case.runs {
                        print!(" ({runs})");
                    }
                }
            }
            println!();
        }
    }
}
