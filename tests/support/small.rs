//! Two small networks that the tests of training and files share, and data for them.
#![allow(dead_code, reason = "each test file uses its share")]

use cnn::Examples;
use cnn::Network;
use cnn::runtime::spec::Spec;
use ndarray::{Array2, Array4, array};
use std::sync::LazyLock;

cnn::network! {
    pub network Xor {
        input(2);
        dense(8, activation = tanh);
        dense(1, activation = sigmoid);

        train {
            loss = binary_crossentropy;
            optimizer = adam(learning_rate = 0.05);
            metrics = [accuracy];
            epochs = 300;
            batch_size = 4;
        }
    }
}

cnn::network! {
    network Stripes {
        input(8x8x1);
        conv2d(4, 3x3, activation = relu);
        max_pool2d(2x2);
        dropout(0.25);
        flatten;
        dense(3, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 0.01);
            metrics = [accuracy, mean_absolute_error];
            epochs = 5;
            batch_size = 16;
            seed = 3;
        }
    }
}

pub static XOR: LazyLock<Spec> = LazyLock::new(|| *Xor::spec());
pub static STRIPES: LazyLock<Spec> = LazyLock::new(|| *Stripes::spec());

/// [`XOR`] without its `train` block.
pub static UNTRAINABLE: LazyLock<Spec> = LazyLock::new(|| Spec {
    training: None,
    ..*XOR
});

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
