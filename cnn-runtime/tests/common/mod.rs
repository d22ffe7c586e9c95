//! Two small networks as the code generator writes them, and data for them.
#![allow(dead_code)] // Each test file uses its share.

use cnn_runtime::Examples;
use cnn_runtime::kernels::{
    Activation, Conv2d, ConvAlgorithm, Dense, Dropout, Loss, Metric, Optimizer, Pool2d, PoolKind,
};
use cnn_runtime::ndarray::{Array2, Array4, array};
use cnn_runtime::spec::{
    Forward, Initializer, Parameter, Spec, Train, Training, Workspace, split_mut,
};

/// 2 inputs → 8 tanh → 1 sigmoid, binary cross-entropy.
pub static XOR: Spec = Spec {
    name: "Xor",
    input: &[2],
    output: &[1],
    layers: &[],
    parameters: &[
        Parameter {
            name: "dense_1.kernel",
            shape: &[2, 8],
            offset: 0,
            initializer: Initializer::GlorotUniform {
                fan_in: 2,
                fan_out: 8,
            },
        },
        Parameter {
            name: "dense_1.bias",
            shape: &[8],
            offset: 16,
            initializer: Initializer::Zeros,
        },
        Parameter {
            name: "dense_2.kernel",
            shape: &[8, 1],
            offset: 24,
            initializer: Initializer::GlorotUniform {
                fan_in: 8,
                fan_out: 1,
            },
        },
        Parameter {
            name: "dense_2.bias",
            shape: &[1],
            offset: 32,
            initializer: Initializer::Zeros,
        },
    ],
    parameter_count: 33,
    forward: xor_forward,
    output_activation: Activation::Sigmoid,
    workspace: Workspace {
        per_example: 8,
        fixed: 0,
    },
    training: Some(Training {
        train: xor_train,
        workspace: Workspace {
            per_example: 8 + 8 + 1,
            fixed: 0,
        },
        loss: Loss::BinaryCrossentropy,
        optimizer: Optimizer::Adam {
            learning_rate: 0.05,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
        },
        metrics: &[Metric::Accuracy],
        epochs: 300,
        batch_size: 4,
        seed: 0,
    }),
};

/// The same network without a `train` block.
pub static UNTRAINABLE: Spec = Spec {
    training: None,
    ..XOR
};

const XOR_1: Dense = Dense {
    inputs: 2,
    units: 8,
    activation: Activation::Tanh,
};
const XOR_2: Dense = Dense {
    inputs: 8,
    units: 1,
    activation: Activation::Linear,
};

fn xor_forward(call: Forward<'_>) {
    let (n, p) = (call.examples, call.parameters);
    let [hidden] = split_mut(call.workspace, [n * 8]);
    XOR_1.forward(n, call.input, &p[0..16], &p[16..24], hidden);
    XOR_2.forward(n, hidden, &p[24..32], &p[32..33], call.output);
}

fn xor_train(call: Train<'_>) -> f64 {
    let (n, p) = (call.examples, call.parameters);
    let [hidden, d_hidden, d_output] = split_mut(call.workspace, [n * 8, n * 8, n]);
    let [kernel_1, bias_1, kernel_2, bias_2] = split_mut(call.gradients, [16, 8, 8, 1]);
    let loss = Loss::BinaryCrossentropy;

    XOR_1.forward(n, call.input, &p[0..16], &p[16..24], hidden);
    XOR_2.forward(n, hidden, &p[24..32], &p[32..33], call.output);
    let sum = loss.forward(1, call.output, call.target);
    loss.backward(1, call.output, call.target, call.scale, d_output);
    XOR_2.backward_parameters(n, hidden, d_output, kernel_2, bias_2);
    XOR_2.backward_input(n, d_output, &p[24..32], d_hidden);
    Activation::Tanh.backward(8, hidden, d_hidden);
    XOR_1.backward_parameters(n, call.input, d_hidden, kernel_1, bias_1);
    sum
}

/// 8x8x1 → conv2d(4, 3x3, relu) → max_pool2d(2x2) → dropout(0.25) → flatten → dense(3, softmax),
/// categorical cross-entropy.
pub static STRIPES: Spec = Spec {
    name: "Stripes",
    input: &[8, 8, 1],
    output: &[3],
    layers: &[],
    parameters: &[
        Parameter {
            name: "conv2d_1.kernel",
            shape: &[3, 3, 1, 4],
            offset: 0,
            initializer: Initializer::GlorotUniform {
                fan_in: 9,
                fan_out: 36,
            },
        },
        Parameter {
            name: "conv2d_1.bias",
            shape: &[4],
            offset: 36,
            initializer: Initializer::Zeros,
        },
        Parameter {
            name: "dense_1.kernel",
            shape: &[36, 3],
            offset: 40,
            initializer: Initializer::GlorotUniform {
                fan_in: 36,
                fan_out: 3,
            },
        },
        Parameter {
            name: "dense_1.bias",
            shape: &[3],
            offset: 148,
            initializer: Initializer::Zeros,
        },
    ],
    parameter_count: 151,
    forward: stripes_forward,
    output_activation: Activation::Softmax,
    workspace: Workspace {
        per_example: 144 + 36,
        fixed: CONV.scratch(),
    },
    training: Some(Training {
        train: stripes_train,
        workspace: Workspace {
            per_example: 2 * 144 + 4 * 36 + 36 + 3,
            fixed: CONV.scratch(),
        },
        loss: Loss::CategoricalCrossentropy,
        optimizer: Optimizer::RmsProp {
            learning_rate: 0.01,
            rho: 0.9,
            momentum: 0.0,
            epsilon: 1e-7,
        },
        metrics: &[Metric::Accuracy, Metric::MeanAbsoluteError],
        epochs: 5,
        batch_size: 16,
        seed: 3,
    }),
};

const CONV: Conv2d = Conv2d {
    input: [8, 8, 1],
    output: [6, 6, 4],
    kernel: [3, 3],
    strides: [1, 1],
    padding: [0, 0],
    dilation: [1, 1],
    activation: Activation::Relu,
    algorithm: ConvAlgorithm::Im2col,
};
const POOL: Pool2d = Pool2d {
    kind: PoolKind::Max,
    input: [6, 6, 4],
    output: [3, 3, 4],
    size: [2, 2],
    strides: [2, 2],
    padding: [0, 0],
};
const DROPOUT: Dropout = Dropout { rate: 0.25 };
const DENSE: Dense = Dense {
    inputs: 36,
    units: 3,
    activation: Activation::Linear,
};

fn stripes_forward(call: Forward<'_>) {
    let (n, p) = (call.examples, call.parameters);
    let [conv, pool, scratch] = split_mut(call.workspace, [n * 144, n * 36, CONV.scratch()]);
    CONV.forward(n, call.input, &p[0..36], &p[36..40], conv, scratch);
    POOL.forward(n, conv, pool);
    DENSE.forward(n, pool, &p[40..148], &p[148..151], call.output);
}

fn stripes_train(call: Train<'_>) -> f64 {
    let (n, p) = (call.examples, call.parameters);
    let [
        conv,
        d_conv,
        pool,
        d_pool,
        dropped,
        d_dropped,
        mask,
        d_output,
        scratch,
    ] = split_mut(
        call.workspace,
        [
            n * 144,
            n * 144,
            n * 36,
            n * 36,
            n * 36,
            n * 36,
            n * 36,
            n * 3,
            CONV.scratch(),
        ],
    );
    let [kernel_1, bias_1, kernel_2, bias_2] = split_mut(call.gradients, [36, 4, 108, 3]);
    let loss = Loss::CategoricalCrossentropy;

    CONV.forward(n, call.input, &p[0..36], &p[36..40], conv, scratch);
    POOL.forward(n, conv, pool);
    DROPOUT.forward(call.seed, pool, dropped, mask);
    DENSE.forward(n, dropped, &p[40..148], &p[148..151], call.output);
    let sum = loss.forward(3, call.output, call.target);
    loss.backward(3, call.output, call.target, call.scale, d_output);
    DENSE.backward_parameters(n, dropped, d_output, kernel_2, bias_2);
    DENSE.backward_input(n, d_output, &p[40..148], d_dropped);
    DROPOUT.backward(mask, d_dropped, d_pool);
    POOL.backward(n, conv, pool, d_pool, d_conv);
    Activation::Relu.backward(4, conv, d_conv);
    CONV.backward_parameters(n, call.input, d_conv, kernel_1, bias_1, scratch);
    sum
}

/// The four cases of exclusive or.
pub fn xor() -> Examples<'static> {
    let inputs: Array2<f32> = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    Examples::labelled(inputs, [0, 1, 1, 0]).unwrap()
}

/// `n` images of stripes: class 0 horizontal, 1 vertical, 2 a chessboard; with some noise.
pub fn stripes(n: usize) -> Examples<'static> {
    Examples::labelled(stripe_images(n), (0..n).map(|i| i % 3)).unwrap()
}

pub fn stripe_images(n: usize) -> Array4<f32> {
    Array4::from_shape_fn((n, 8, 8, 1), |(i, y, x, _)| {
        let shift = i / 3;
        let light = match i % 3 {
            0 => (y + shift) % 2,
            1 => (x + shift) % 2,
            _ => (x + y + shift) % 2,
        };
        light as f32 + ((i * 31 + y * 17 + x * 7) % 11) as f32 * 0.02
    })
}

/// The bits of floats: NaN equals itself, and 0.0 is not -0.0.
pub fn bits(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|float| float.to_bits()).collect()
}
