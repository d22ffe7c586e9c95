//! Networks of blocks: their methods, their files, and the same bits as the same layers written out.

use cnn::data::Examples;
use ndarray::Array4;

cnn::network! {
    /// Of blocks within blocks.
    pub network Blocks {
        const WIDTH = 4;

        /// A convolution and its normalization.
        block conv_bn(filters, kernel = 3x3) {
            conv2d(filters, kernel, padding = same);
            batch_normalization;
        }
        block residual(filters) {
            conv_bn(filters);
            relu;
            last: conv_bn(filters, kernel = 1x1);
            add(input);
        }

        input(6x5x3);
        conv_bn(WIDTH);
        /// The first stage.
        stage: residual(WIDTH);
        // Would be the identifier of a layer of the call.
        stage_conv_bn_1_conv2d_1: conv2d(WIDTH, 1x1);
        repeat 2 { residual(WIDTH); relu; }
        flatten;
        dense(3, activation = softmax);

        train { loss = categorical_crossentropy; optimizer = adam(0.01); batch_size = 7; epochs = 2; }
    }
}

cnn::network! {
    pub network Flat {
        input(6x5x3);
        conv2d(4, 3x3, padding = same);
        a: batch_normalization;
        conv2d(4, 3x3, padding = same);
        batch_normalization;
        relu;
        conv2d(4, 1x1, padding = same);
        batch_normalization;
        add(a);
        b: conv2d(4, 1x1);
        conv2d(4, 3x3, padding = same);
        batch_normalization;
        relu;
        conv2d(4, 1x1, padding = same);
        batch_normalization;
        add(b);
        c: relu;
        conv2d(4, 3x3, padding = same);
        batch_normalization;
        relu;
        conv2d(4, 1x1, padding = same);
        batch_normalization;
        add(c);
        relu;
        flatten;
        dense(3, activation = softmax);

        train { loss = categorical_crossentropy; optimizer = adam(0.01); batch_size = 7; epochs = 2; }
    }
}

fn examples() -> Examples<'static> {
    let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 50.0;
    let images = Array4::from_shape_fn((20, 6, 5, 3), |(n, y, x, c)| {
        value(n * 90 + y * 15 + x * 3 + c)
    });
    let labels = (0..20).map(|n| n % 3);
    Examples::labelled(images, labels).expect("as many images as labels")
}

#[test]
fn blocks_train_as_their_layers_do() {
    let (mut blocks, mut flat) = (Blocks::new(3), Flat::new(3));
    assert_eq!(blocks.parameters(), flat.parameters());
    blocks.fit(&examples()).expect("good examples");
    flat.fit(&examples()).expect("good examples");
    assert!(blocks.parameters() == flat.parameters(), "other bits");
    assert_ne!(blocks.parameters(), Blocks::new(3).parameters());
}

#[test]
fn calls_are_methods() {
    let net = Blocks::new(1);
    let stage = net.stage();
    // The views outlive the group's value.
    let kernel = net.stage().last().conv2d_1();
    assert_eq!(kernel.kernel().dim(), (1, 1, 4, 4));
    assert_eq!(stage.conv_bn_1().conv2d_1().kernel().dim(), (3, 3, 4, 4));
    assert_eq!(net.conv_bn_1().conv2d_1().kernel().dim(), (3, 3, 3, 4));
    let round = net.repeat_1_2().residual_1();
    assert_eq!(
        round
            .last()
            .batch_normalization_1()
            .gamma()
            .map(|gamma| gamma.len()),
        Some(4)
    );
    assert_eq!(net.stage_conv_bn_1_conv2d_1().kernel().dim(), (1, 1, 4, 4));
    assert_eq!(net.dense_1().kernel().dim(), (120, 3));
}

#[test]
fn tensors_have_the_names_of_their_calls() {
    let names: Vec<_> = Blocks::TENSORS.iter().map(|tensor| tensor.name).collect();
    let expected = [
        "conv_bn_1.conv2d_1.kernel",
        "stage.conv_bn_1.batch_normalization_1.gamma",
        "stage.last.conv2d_1.bias",
        "repeat_1_2.residual_1.conv_bn_1.conv2d_1.kernel",
        "dense_1.bias",
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|name| !names.contains(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {names:?}");
}
