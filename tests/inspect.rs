//! Inspections: every value of a network, and the first that is not finite; and the same of a training that stops.

use cnn::inspect::{Inspection, NonFinite, Value};
use cnn::{Error, Examples, Network as _};
use ndarray::{Array2, Array4, ArrayView4, ArrayViewMutD};

mod nested {
    cnn::network! {
        pub network Nested {
            block conv_bn(filters, strides = 1) {
                conv2d(filters, 3x3, strides = strides, padding = same);
                batch_normalization;
            }
            image: input(8x6x2);
            meta: input(3);
            stem: conv_bn(4, from = image);
            relu;
            repeat 2 { conv_bn(4); gelu; }
            body: add(stem);
            separable_conv2d(5, 3x3, activation = tanh);
            seen: global_avg_pool2d;
            told: dense(5, activation = relu, from = meta);
            joined: multiply(seen, told);
            kind: softmax;
            size: dense(1, from = joined);
            output(size, kind);
            expose(told);
            train { loss = [kind = categorical_crossentropy, size = mse]; }
        }
    }
}

mod image {
    cnn::network! {
        /// Convolutions and dense layers, nothing that looks at a batch.
        pub network Image {
            input(6x5x2);
            conv2d(3, 3x3, activation = relu);
            max_pool2d(2x2);
            second: conv2d(4, 1x1);
            flatten;
            dense(3, activation = tanh);
            last: dense(2);
            train { loss = mse; optimizer = sgd(learning_rate = 1e-3); batch_size = 4; }
        }
    }
}

mod normalized {
    cnn::network! {
        pub network Normalized {
            input(4);
            dense(5);
            batch_normalization;
            relu;
            dense(2);
            train { loss = mse; batch_size = 6; }
        }
    }
}

use image::Image;
use nested::{Nested, NestedInputs};

/// Numbers without a pattern, from -1 to 1.
fn number(place: usize) -> f32 {
    ((place * 7919 + 104_729) % 2003) as f32 / 1001.5 - 1.0
}

fn picture() -> [[[f32; 2]; 5]; 6] {
    let mut places = 0..;
    [[[(); 2]; 5]; 6].map(|row| row.map(|cell| cell.map(|()| number(places.next().unwrap()))))
}

fn close(found: &[f32], expected: &[f32]) -> bool {
    let pairs = found.iter().zip(expected);
    found.len() == expected.len() && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5)
}

#[test]
fn every_value_has_its_layer_keyword_shape_and_readers() {
    let net = Nested::new(3);
    let image = [[[0.25, -0.5]; 6]; 8];
    let meta = [0.5, 1.0, -0.25];
    let inspection = net.inspect(NestedInputs {
        image: &image,
        meta: &meta,
    });
    let found: Vec<(String, &str, String)> = (inspection.values().iter())
        .map(|value| {
            let shape: Vec<_> = value.shape().iter().map(ToString::to_string).collect();
            let reads: Vec<_> = inspection.reads(value).map(Value::name).collect();
            let named = format!("{} {}", value.name(), shape.join("x"));
            (named, value.keyword(), reads.join(", "))
        })
        .collect();
    let expected = [
        ("image 8x6x2", "input", ""),
        ("meta 3", "input", ""),
        ("stem.conv2d_1 8x6x4", "conv2d", "image"),
        (
            "stem.batch_normalization_1 8x6x4",
            "batch_normalization",
            "stem.conv2d_1",
        ),
        ("relu_1 8x6x4", "relu", "stem.batch_normalization_1"),
        ("repeat_1_1.conv_bn_1.conv2d_1 8x6x4", "conv2d", "relu_1"),
        (
            "repeat_1_1.conv_bn_1.batch_normalization_1 8x6x4",
            "batch_normalization",
            "repeat_1_1.conv_bn_1.conv2d_1",
        ),
        (
            "repeat_1_1.gelu_1 8x6x4",
            "gelu",
            "repeat_1_1.conv_bn_1.batch_normalization_1",
        ),
        (
            "repeat_1_2.conv_bn_1.conv2d_1 8x6x4",
            "conv2d",
            "repeat_1_1.gelu_1",
        ),
        (
            "repeat_1_2.conv_bn_1.batch_normalization_1 8x6x4",
            "batch_normalization",
            "repeat_1_2.conv_bn_1.conv2d_1",
        ),
        (
            "repeat_1_2.gelu_1 8x6x4",
            "gelu",
            "repeat_1_2.conv_bn_1.batch_normalization_1",
        ),
        (
            "body 8x6x4",
            "add",
            "repeat_1_2.gelu_1, stem.batch_normalization_1",
        ),
        (
            "separable_conv2d_1 (depthwise) 6x4x4",
            "separable_conv2d",
            "body",
        ),
        (
            "separable_conv2d_1 (pre_activation) 6x4x5",
            "separable_conv2d",
            "separable_conv2d_1 (depthwise)",
        ),
        (
            "separable_conv2d_1 6x4x5",
            "separable_conv2d",
            "separable_conv2d_1 (pre_activation)",
        ),
        ("seen 5", "global_avg_pool2d", "separable_conv2d_1"),
        ("told (pre_activation) 5", "dense", "meta"),
        ("told 5", "dense", "told (pre_activation)"),
        ("joined 5", "multiply", "seen, told"),
        ("kind 5", "softmax", "joined"),
        ("size 1", "dense", "joined"),
    ];
    let found: Vec<_> = found.iter().map(|(a, b, c)| (&a[..], *b, &c[..])).collect();
    assert_eq!(found, expected);

    let blocks = ["stem.conv2d_1", "repeat_1_2.conv_bn_1.conv2d_1", "body"];
    let blocks = blocks.map(|layer| inspection.get(layer).unwrap().block());
    assert_eq!(blocks, [Some("stem"), Some("repeat_1_2.conv_bn_1"), None]);
    assert!(inspection.get("outputs").is_none() && inspection.get("told.kernel").is_none());
}

#[test]
fn values_are_those_of_prediction() {
    let net = Nested::new(3);
    let image = [[[0.25, -0.5]; 6]; 8];
    let meta = [-0.5, 1.0, -0.75];
    let inputs = NestedInputs {
        image: &image,
        meta: &meta,
    };
    let inspection = net.inspect(inputs);
    let data = |layer| inspection.get(layer).unwrap().data();
    let outputs = net.predict(inputs);
    assert!(close(data("kind"), &outputs.kind));
    assert!(close(data("size"), &outputs.size));
    assert!(close(data("told"), &net.predict_told(inputs)));
    let before = inspection
        .get_part("told", "pre_activation")
        .unwrap()
        .data();
    let after: Vec<f32> = before.iter().map(|value| value.max(0.0)).collect();
    assert_eq!(data("told"), after);
    assert!(
        before.iter().any(|value| *value < 0.0),
        "relu changes something"
    );
    assert_eq!(inspection.get("image").unwrap().array()[[2, 3, 1]], -0.5);

    // By hand: the mean of each channel.
    let maps = inspection.get("separable_conv2d_1").unwrap().array();
    for (channel, seen) in data("seen").iter().enumerate() {
        let sum: f32 = maps.iter().skip(channel).step_by(5).sum();
        assert!((sum / 24.0 - seen).abs() < 1e-6);
    }
}

#[test]
fn a_network_of_a_file_is_inspected_too() {
    cnn::network_file!("network_file/digits.cnn");
    let net = Digits::new(1);
    let image = [[[0.5; 1]; 28]; 28];
    let inspection = net.inspect(&image);
    let last = inspection.values().last().unwrap();
    assert!(close(last.data(), &net.predict(&image)));
}

#[test]
fn slices_of_another_length_are_refused() {
    let net = Image::new(0);
    let model = net.model();
    let error = model.inspect(&[&[0.0; 59]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the network's input is 6x5x2, 60 floats, but the slice has 59"
    );
    let error = model.inspect(&[]).unwrap_err();
    assert!(matches!(
        error,
        Error::Parts {
            what: "inputs",
            expected: 1,
            found: 0
        }
    ));
    assert!(model.inspect(&[&[0.0; 60]]).is_ok());
}

fn tensor<'n>(net: &'n mut Image, name: &str) -> ArrayViewMutD<'n, f32> {
    net.model_mut().tensor_mut(name).unwrap()
}

#[track_caller]
fn first(inspection: &Inspection) -> &NonFinite {
    inspection
        .first_not_finite()
        .expect("something is not finite")
}

#[test]
fn the_first_that_is_not_finite_is_named() {
    let mut net = Image::new(1);
    let mut picture = picture();
    assert_eq!(net.inspect(&picture).first_not_finite(), None);

    // A weight behind a value that is finite, and one before it.
    tensor(&mut net, "last.kernel")[[2, 1]] = f32::NEG_INFINITY;
    let said = first(&net.inspect(&picture)).to_string();
    assert_eq!(said, "`last.kernel` is -inf at [2, 1]");
    tensor(&mut net, "second.bias")[[3]] = f32::NAN;
    let inspection = net.inspect(&picture);
    let found = first(&inspection);
    assert_eq!(found.layer(), "second");
    assert_eq!(found.to_string(), "`second.bias` is NaN at [3]");

    // A value that overflows before both.
    tensor(&mut net, "conv2d_1.kernel").fill(3e38);
    let inspection = net.inspect(&[[[3.0; 2]; 5]; 6]);
    let NonFinite::Value {
        layer,
        part,
        example: None,
        position,
        value,
    } = first(&inspection)
    else {
        panic!("{inspection}");
    };
    assert_eq!((&layer[..], *part), ("conv2d_1", Some("pre_activation")));
    assert_eq!((&position[..], *value), (&[0, 0, 0][..], f32::INFINITY));

    // The input comes before everything.
    picture[4][1][1] = f32::INFINITY;
    let inspection = net.inspect(&picture);
    let said = first(&inspection).to_string();
    assert_eq!(said, "`input` is inf at row 4, column 1, channel 1");
    let table = inspection.to_string();
    assert!(table.starts_with("input, input, 6x5x2: "), "{table}");
    assert!(table.contains(", 1 not finite\n"), "{table}");
    assert!(
        table.ends_with(&format!("first not finite: {said}\n")),
        "{table}"
    );
}

/// 10 images; the targets are 0.
fn images() -> (Array4<f32>, Array2<f32>) {
    let images = Array4::from_shape_fn((10, 6, 5, 2), |(i, y, x, c)| {
        number(i * 60 + y * 10 + x * 2 + c)
    });
    (images, Array2::zeros((10, 2)))
}

/// The error of a training in the order of the examples.
fn failure(
    net: &mut Image,
    images: ArrayView4<'_, f32>,
    targets: &Array2<f32>,
    threads: usize,
) -> Error {
    let data = Examples::with_values(images, targets).unwrap();
    let trainer = net.trainer().shuffle(false).epochs(1).threads(threads);
    trainer
        .learning_rate(1e-30)
        .progress(false)
        .fit(&data)
        .unwrap_err()
}

#[test]
fn a_loss_that_is_not_finite_names_the_value_of_the_input() {
    for threads in [1, 3] {
        let (mut images, targets) = images();
        images[[6, 5, 3, 1]] = f32::NAN;
        let error = failure(&mut Image::new(1), images.view(), &targets, threads);
        assert_eq!(
            error.to_string(),
            "the loss is NaN (`input` is NaN at row 5, column 3, channel 1 of example 6) in step 2 of epoch 1; \
             the weights are those before that step"
        );
    }
}

#[test]
fn a_loss_that_is_not_finite_names_the_tensor() {
    let (images, targets) = images();
    let mut net = Image::new(1);
    tensor(&mut net, "second.kernel")[[0, 0, 2, 1]] = f32::NAN;
    tensor(&mut net, "last.bias")[[0]] = f32::NAN;
    let error = failure(&mut net, images.view(), &targets, 2);
    assert_eq!(
        error.to_string(),
        "the loss is NaN (`second.kernel` is NaN at [0, 0, 2, 1]) in step 1 of epoch 1; \
         the weights are those before that step"
    );
}

#[test]
fn a_loss_that_is_not_finite_names_the_layer_that_overflows() {
    let (images, targets) = images();
    let mut net = Image::new(1);
    tensor(&mut net, "dense_1.kernel").fill(0.0);
    tensor(&mut net, "dense_1.bias").fill(2.0);
    tensor(&mut net, "last.kernel").fill(1e38);
    tensor(&mut net, "last.bias").fill(1e38);
    let error = failure(&mut net, images.view(), &targets, 2);
    assert_eq!(
        error.to_string(),
        "the loss is inf (the value of `last` becomes inf at [0] of example 0) in step 1 of epoch 1; \
         the weights are those before that step"
    );
}

#[test]
fn an_overflow_that_the_loss_does_not_show_is_named_all_the_same() {
    let (mut images, targets) = images();
    // Only example 9 is large, and a `tanh` makes 1 of the infinity.
    images.index_axis_mut(ndarray::Axis(0), 9).fill(8.0);
    let mut net = Image::new(1);
    tensor(&mut net, "conv2d_1.kernel").fill(1.0);
    tensor(&mut net, "second.kernel").fill(1e36);
    tensor(&mut net, "dense_1.kernel").fill(1e-36);
    let error = failure(&mut net, images.view(), &targets, 2);
    assert!(
        matches!(&error, Error::NonFiniteGradient { epoch: 1, step: 3, tensor, .. } if *tensor == "dense_1.kernel"),
        "{error:?}"
    );
    assert_eq!(
        error.origin(),
        Some(&NonFinite::Value {
            layer: "second".to_owned(),
            part: None,
            example: Some(9),
            position: vec![0, 0, 0],
            value: f32::INFINITY,
        })
    );
}

#[test]
fn a_loss_that_overflows_by_itself_is_named() {
    let (images, mut targets) = images();
    targets[[2, 1]] = 3e38;
    let error = failure(&mut Image::new(1), images.view(), &targets, 1);
    assert_eq!(
        error.to_string(),
        "the loss is inf (the loss of `last` is inf for example 2) in step 1 of epoch 1; \
         the weights are those before that step"
    );
}

#[test]
fn a_gradient_alone_is_named_in_the_order_of_the_backward_pass() {
    let (images, mut targets) = images();
    // Finite outputs, losses and gradients of the last layer; what the weights of the layers before make of them is not.
    let mut net = Image::new(1);
    tensor(&mut net, "last.kernel").fill(1e30);
    tensor(&mut net, "dense_1.kernel").fill(0.0);
    targets.fill(1e12);
    let error = failure(&mut net, images.view(), &targets, 2);
    let (Error::NonFiniteGradient { tensor, .. }, Some(NonFinite::Gradient { tensor: first, .. })) =
        (&error, error.origin())
    else {
        panic!("{error}");
    };
    assert_eq!((*tensor, &first[..]), ("conv2d_1.kernel", "dense_1.bias"));
    assert!(
        error
            .to_string()
            .contains("not finite (first that of `dense_1.bias`, which is ")
    );
}

#[test]
fn statistics_of_a_batch_are_those_of_training() {
    // Every value is finite, but the square of a deviation is not.
    let mut net = normalized::Normalized::new(2);
    let mut inputs = Array2::from_shape_fn((6, 4), |(i, j)| number(4 * i + j));
    inputs[[5, 2]] = 1e25;
    let data = Examples::with_values(inputs, Array2::<f32>::zeros((6, 2))).unwrap();
    let error = net
        .trainer()
        .shuffle(false)
        .epochs(1)
        .fit(&data)
        .unwrap_err();
    let said = error.to_string();
    let origin = "the variance of `batch_normalization_1` becomes inf at [0])";
    assert!(said.contains(origin), "{said}");
    // Prediction has the running statistics, with which nothing overflows.
    let inspection = net.inspect(&[0.0, 0.0, 1e25, 0.0]);
    assert_eq!(inspection.first_not_finite(), None);
}

#[test]
fn labels_are_those_of_several_inputs_and_outputs() {
    let mut model = cnn::Model::new(Nested::spec(), 3);
    model.tensor_mut("told.bias").unwrap()[[0]] = f32::NAN;
    let inspection = model.inspect(&[&[0.5; 96], &[0.5; 3]]).unwrap();
    assert_eq!(first(&inspection).to_string(), "`told.bias` is NaN at [0]");
    let inspection = model.inspect(&[&[0.5; 96], &[0.5, f32::NAN, 0.5]]).unwrap();
    assert_eq!(first(&inspection).to_string(), "`meta` is NaN at [1]");
}
