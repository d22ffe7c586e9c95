//! The prediction of one example on several threads: layers that are large enough to be cut, of every kind.
//!
//! Results have the same bits on any number of threads, and are those of the naive network.

#[allow(dead_code, reason = "each test file uses its share")]
mod support;

use cnn::runtime::spec::Spec;
use cnn::{Model, Network};
use ndarray::ArrayD;
use support::batch::Batch;
use support::oracle::{self, Mode};

/// Rounding of `f32` over some thousand operations, relative to the largest value.
const ROUNDING: f64 = 2e-6;

macro_rules! described {
    ($list:ident: $($name:ident { $($layers:tt)* })*) => {
        $(cnn::network! { network $name { $($layers)* } })*

        const $list: &[(fn() -> &'static Spec, &str)] = &[$((
            $name::spec,
            concat!("network ", stringify!($name), " {", stringify!($($layers)*), "}"),
        )),*];
    };
}

described! {
    ONE_OUTPUT:
    Tiles {
        input(41x38x3); conv2d(32, 3x3, padding = same, activation = relu); conv2d(32, 3x3, padding = same, activation = relu);
        max_pool2d(2x2); conv2d(64, 3x3, activation = silu); conv2d(96, 3x3, padding = same, activation = relu);
        max_pool2d(2x2, padding = same); flatten; dense(10, activation = softmax);
    }
    SmallBatch {
        input(8x8x96); conv2d(128, 3x3, padding = same, activation = relu); max_pool2d(2x2); flatten;
        dense(300, activation = tanh); dense(1000, activation = softmax);
    }
    Strides {
        input(65x50x3); conv2d(24, 5x5, strides = 2, padding = same, activation = relu);
        conv2d(40, 3x3, strides = 2x1, activation = relu); conv2d(33, 3x3, dilation = 2, padding = same);
        max_pool2d(3x3, strides = 2); conv2d(17, 7x3, padding = same, activation = relu); global_avg_pool2d; dense(7);
    }
    Grey {
        input(71x90x1); conv2d(24, 5x5, padding = same, activation = relu); max_pool2d(2x2);
        conv2d(32, 3x3, padding = same, activation = relu); avg_pool2d(3x3, strides = 2, padding = same); global_avg_pool2d; dense(5);
    }
    Separable {
        input(61x64x8); depthwise_conv2d(3x3, padding = same); batch_normalization; relu;
        conv2d(96, 1x1); batch_normalization; relu;
        depthwise_conv2d(5x5, strides = 2, padding = same, activation = relu); conv2d(128, 1x1, activation = relu);
        global_avg_pool2d; dense(11, activation = softmax);
    }
    Chains {
        input(49x11x6); conv2d(40, 10x4, strides = 2, padding = same, activation = relu);
        depthwise_conv2d(3x3, padding = same); batch_normalization; relu; conv2d(64, 1x1); batch_normalization; a: relu;
        depthwise_conv2d(3x3, padding = same, activation = silu); conv2d(64, 1x1); add(a); relu;
        depthwise_conv2d(5x3, strides = 2, padding = same); conv2d(96, 1x1, activation = tanh);
        avg_pool2d(3x2, strides = 1); conv2d(130, 1x1, activation = relu); global_avg_pool2d; dense(12, activation = softmax);
    }
    Inverted {
        block bottleneck(filters) {
            conv2d(48, 1x1, activation = relu6); depthwise_conv2d(3x3, padding = same); batch_normalization; relu6;
            conv2d(filters, 1x1); batch_normalization;
        }
        block residual(filters) { bottleneck(filters); add(input); }
        input(27x30x8); residual(8); bottleneck(16); seen: residual(16); gate: global_avg_pool2d(keepdims = true);
        depthwise_conv2d(3x3, from = seen); conv2d(16, 1x1); multiply(gate); conv2d(40, 1x1); global_avg_pool2d; dense(5);
    }
    Grouped {
        input(33x32x16); conv2d(64, 3x3, groups = 4, padding = same, activation = relu);
        conv2d(64, 3x3, groups = 2, strides = 2, activation = relu);
        conv2d_transpose(24, 3x3, strides = 2, activation = relu); conv2d(8, 1x1); global_avg_pool2d; dense(3);
    }
    Joins {
        input(32x32x16); a: conv2d(48, 3x3, padding = same); b: batch_normalization; relu;
        conv2d(48, 3x3, padding = same); batch_normalization; add(b); c: relu;
        upsampling2d(2); max_pool2d(2x2); concat(c); conv2d(32, 1x1, activation = relu); global_avg_pool2d; dense(4);
    }
    Units {
        input(1201); dense(700, activation = relu); dense(513); batch_normalization; relu; dense(6, activation = log_softmax);
    }
}

described! {
    SEVERAL_PORTS:
    Ports {
        image: input(40x40x8); list: input(700);
        conv2d(48, 3x3, padding = same, activation = relu, from = image); max_pool2d(2x2); seen: conv2d(64, 3x3, activation = relu);
        told: dense(600, activation = relu, from = list);
        far: global_avg_pool2d(from = seen); side: concat(far, told); class: dense(400, activation = softmax);
        output(class, seen);
    }
    Inside {
        image: input(30x31x12); depthwise_conv2d(3x3, padding = same); near: conv2d(48, 1x1); depthwise_conv2d(3x3);
        far: conv2d(48, 1x1, activation = relu); global_avg_pool2d; class: dense(9, activation = softmax);
        output(class, near, far);
    }
}

/// The outputs of one example on some numbers of threads, alone and as a batch.
fn predictions(model: &Model, spec: &Spec, batch: &Batch) -> Vec<Vec<u32>> {
    let shape = [&[batch.examples], spec.input].concat();
    let inputs = ArrayD::from_shape_vec(shape, batch.input.clone()).unwrap();
    let mut found = Vec::new();
    for threads in [1, 2, 3, 7] {
        cnn::set_threads(threads);
        let mut output = vec![f32::NAN; spec.output.iter().product()];
        model.predict(&batch.input, &mut output);
        let batched: ArrayD<f32> = model.predict_batch(inputs.view()).unwrap();
        for values in [&output[..], batched.as_slice().unwrap()] {
            found.push(values.iter().map(|value| value.to_bits()).collect());
        }
    }
    cnn::set_threads(0);
    found
}

#[test]
fn one_example_has_the_same_bits_on_any_number_of_threads() {
    for (spec, description) in ONE_OUTPUT.iter().chain(SEVERAL_PORTS) {
        let spec = spec();
        let flops: u64 = spec.layers.iter().map(|layer| layer.flops).sum();
        assert!(flops > 2_000_000, "{} is not cut", spec.name);
        let batch = Batch::random(spec, 1);
        let mut model = Model::new(spec, 0);
        model.parameters_mut().copy_from_slice(&batch.parameters);
        let found = predictions(&model, spec, &batch);
        for other in &found[1..] {
            assert!(*other == found[0], "{}", spec.name);
        }

        if spec.outputs.len() == 1 {
            let network = cnn_dsl::check(description).unwrap();
            let doubles = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            let (parameters, input) = (doubles(&batch.parameters), doubles(&batch.input));
            let expected = oracle::output(&network, Mode::Inference, 1, &parameters, &input);
            let found: Vec<f32> = found[0].iter().copied().map(f32::from_bits).collect();
            let deviation = support::deviation(&found, &expected);
            assert!(deviation < ROUNDING, "{}: {deviation:.1e}", spec.name);
        }
    }
}

/// Predictions of several threads of the caller, which find the pool taken.
#[test]
fn predictions_at_the_same_time_have_the_same_bits() {
    let (spec, _) = ONE_OUTPUT[0];
    let spec = spec();
    let batch = Batch::random(spec, 1);
    let mut model = Model::new(spec, 0);
    model.parameters_mut().copy_from_slice(&batch.parameters);
    let predict = || {
        let mut output = vec![f32::NAN; spec.output.iter().product()];
        model.predict(&batch.input, &mut output);
        output
    };
    let alone = predict();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..20).map(|_| predict()).collect::<Vec<_>>()))
            .collect();
        for caller in callers {
            assert!(caller.join().unwrap().iter().all(|output| *output == alone));
        }
    });
}
