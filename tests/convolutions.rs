//! Transposed, separable and grouped convolutions in a whole network: counts, views, and training on any number of
//! threads.

use cnn::{Examples, Model, Network as _};
use ndarray::Array4;

// Large enough that a step is worth several threads.
cnn::network! {
    network Autoencoder {
        input(20x20x4);
        conv2d(16, 3x3, strides = 2, padding = same, groups = 2, activation = relu);
        separable_conv2d(12, 3x3, padding = same, depth_multiplier = 2, activation = silu);
        conv2d_transpose(16, 3x3, strides = 2, padding = same, activation = relu);
        conv2d(8, 3x3, padding = same, groups = 8, trainable = false);
        u: conv2d_transpose(6, 2x2, strides = 2, use_bias = false);
        conv2d(4, 2x2, strides = 2);
        train { loss = mse; optimizer = adam(learning_rate = 3e-3); batch_size = 32; }
    }
}

/// Waves of two directions.
fn images(count: usize) -> Array4<f32> {
    Array4::from_shape_fn((count, 20, 20, 4), |(i, y, x, c)| {
        let [i, y, x, c] = [i, y, x, c].map(|place| place as f32);
        (0.3 * y + i).sin() + (0.4 * x - 0.2 * y + 0.5 * c).cos()
    })
}

#[test]
fn any_number_of_threads_leaves_the_same_bits() {
    // The last batch is ragged.
    let images = images(45);
    let data = Examples::with_values(images.view(), images.view()).unwrap();
    let fit = |threads| {
        let mut model = Model::new(Autoencoder::spec(), 1);
        let trainer = model.trainer().threads(threads).epochs(3).progress(false);
        let losses: Vec<_> = (trainer.fit(&data).unwrap().epochs.iter())
            .map(|epoch| epoch.scores.loss)
            .collect();
        let parameters = model.parameters().iter();
        let bits: Vec<u32> = parameters.map(|value| value.to_bits()).collect();
        (bits, losses)
    };
    let expected = fit(1);
    for threads in [2, 3, 7] {
        assert!(fit(threads) == expected, "{threads} threads");
    }
}

#[test]
fn an_autoencoder_learns() {
    let images = images(32);
    let data = Examples::with_values(images.view(), images.view()).unwrap();
    let mut model = Model::new(Autoencoder::spec(), 1);
    let trainer = model.trainer().epochs(100).progress(false);
    let epochs = trainer.fit(&data).unwrap().epochs;
    let [first, .., last] = &epochs[..] else {
        panic!("{} epochs", epochs.len());
    };
    let [first, last] = [first, last].map(|epoch| epoch.scores.loss);
    assert!(last < 0.2 * first, "from {first} to {last}");
}

#[test]
fn parameters_and_operations_are_counted() {
    let found: Vec<_> = Autoencoder::LAYERS
        .iter()
        .map(|layer| (layer.name, layer.output, layer.parameters, layer.flops))
        .collect();
    // Two for each multiplication and addition, one for each bias and activation.
    let expected: [(&str, &[usize], usize, u64); 6] = [
        (
            "conv2d_1",
            &[10, 10, 16],
            9 * 2 * 16 + 16,
            1600 * (2 * 18 + 2),
        ),
        (
            "separable_conv2d_1",
            &[10, 10, 12],
            9 * 32 + 32 * 12 + 12,
            3200 * 18 + 1200 * (2 * 32 + 2),
        ),
        (
            "conv2d_transpose_1",
            &[20, 20, 16],
            9 * 16 * 12 + 16,
            2 * 9 * 1200 * 16 + 6400 * 2,
        ),
        ("conv2d_2", &[20, 20, 8], 9 * 2 * 8 + 8, 3200 * (2 * 18 + 1)),
        ("u", &[40, 40, 6], 4 * 6 * 8, 2 * 4 * 3200 * 6),
        ("conv2d_3", &[20, 20, 4], 4 * 6 * 4 + 4, 1600 * (2 * 24 + 1)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn views_have_the_shapes_of_keras() {
    let net = Autoencoder::new(0);
    assert_eq!(net.conv2d_1().kernel().dim(), (3, 3, 2, 16));
    let separable = net.separable_conv2d_1();
    assert_eq!(separable.depthwise_kernel().dim(), (3, 3, 16, 2));
    assert_eq!(separable.pointwise_kernel().dim(), (1, 1, 32, 12));
    assert_eq!(separable.bias().map(|bias| bias.dim()), Some(12));
    assert_eq!(net.conv2d_transpose_1().kernel().dim(), (3, 3, 16, 12));
    assert_eq!(net.conv2d_2().kernel().dim(), (3, 3, 2, 8));
    assert!(net.u().bias().is_none());
}
