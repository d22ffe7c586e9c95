//! Prediction with a model, and access to its tensors.

#[path = "support/small.rs"]
mod small;

use cnn::Metric;
use cnn::runtime::{Error, Model};
use ndarray::{ArrayD, Axis, Ix2, s};
use std::sync::LazyLock;

use cnn::runtime::spec::Spec;
use small::{STRIPES, XOR, bits, stripe_images, stripes};

#[test]
fn predictions_and_scores_do_not_depend_on_the_number_of_threads() {
    let model = Model::new(&STRIPES, 7);
    let images = stripe_images(100).into_dyn();
    let data = stripes(100);
    let run = |threads| {
        cnn::runtime::set_threads(threads);
        assert_eq!(cnn::runtime::threads(), threads);
        (
            model.predict_batch::<_, Ix2>(images.view()).unwrap(),
            model.evaluate(&data).unwrap(),
        )
    };
    let one = run(1);
    for threads in [2, 3, 7] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
    cnn::runtime::set_threads(0);
    assert!(cnn::runtime::threads() >= 1);
}

#[test]
fn batches_are_single_predictions_one_after_the_other() {
    let model = Model::new(&STRIPES, 1);
    let images = stripe_images(70);
    let outputs = model
        .predict_batch::<_, Ix2>(images.view().into_dyn())
        .unwrap();
    assert_eq!(outputs.shape(), [70, 3]);
    for (image, output) in images.outer_iter().zip(outputs.outer_iter()) {
        let mut single = [0.0; 3];
        model.predict(image.as_slice().unwrap(), &mut single);
        let sum: f32 = single.iter().sum();
        assert!((sum - 1.0).abs() < 1e-6, "{single:?}");
        for (single, batched) in single.iter().zip(output) {
            assert!((single - batched).abs() < 1e-6);
        }
    }

    // Every other image, mirrored: the elements do not lie in order.
    let strided = images.slice(s![..;2, .., ..;-1, ..]);
    let copy = strided.to_owned();
    assert!(strided.as_slice().is_none());
    assert_eq!(
        model.predict_batch::<_, Ix2>(strided.into_dyn()).unwrap(),
        model
            .predict_batch::<_, Ix2>(copy.view().into_dyn())
            .unwrap()
    );

    let none = model.predict_batch::<_, Ix2>(images.slice(s![..0, .., .., ..]).into_dyn());
    assert_eq!(none.unwrap().shape(), [0, 3]);
}

#[test]
fn batches_of_a_wrong_shape_are_refused() {
    let model = Model::new(&STRIPES, 1);
    let cases: [(&[usize], &str); 4] = [
        (
            &[5, 8, 8],
            "the network's input is 8x8x1, but an example is 8x8",
        ),
        (
            &[8, 8, 1],
            "the network's input is 8x8x1, but an example is 8x1",
        ),
        (
            &[0, 8, 9, 1],
            "the network's input is 8x8x1, but an example is 8x9x1",
        ),
        (&[], "an array without axes holds no examples"),
    ];
    for (shape, expected) in cases {
        let error = model
            .predict_batch::<_, Ix2>(ArrayD::zeros(shape).view())
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
#[should_panic(expected = "floats of one input")]
fn a_single_input_of_a_wrong_length_is_a_bug_of_the_caller() {
    Model::new(&STRIPES, 1).predict(&[0.0; 63], &mut [0.0; 3]);
}

#[test]
fn a_model_predicts_on_many_threads_at_once() {
    let model = Model::new(&STRIPES, 1);
    let images = stripe_images(64);
    let predict = |index: usize| {
        let mut output = [0.0; 3];
        model.predict(
            images.index_axis(Axis(0), index).as_slice().unwrap(),
            &mut output,
        );
        output
    };
    let expected: Vec<_> = (0..64).map(predict).collect();
    let batch = model
        .predict_batch::<_, Ix2>(images.view().into_dyn())
        .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (expected, model, images, batch) = (&expected, &model, &images, &batch);
            scope.spawn(move || {
                for round in 0..50 {
                    let index = (thread * 11 + round * 5) % 64;
                    assert_eq!(predict(index), expected[index]);
                    if round % 10 == 0 {
                        let again = model
                            .predict_batch::<_, Ix2>(images.view().into_dyn())
                            .unwrap();
                        assert_eq!(again, *batch);
                    }
                }
            });
        }
    });
}

#[test]
fn tensors_are_found_by_name_and_by_place() {
    let mut model = Model::new(&STRIPES, 1);
    let names: Vec<_> = model
        .tensors()
        .map(|(name, view)| (name, view.shape().to_vec()))
        .collect();
    let expected = [
        ("conv2d_1.kernel", vec![3, 3, 1, 4]),
        ("conv2d_1.bias", vec![4]),
        ("dense_1.kernel", vec![36, 3]),
        ("dense_1.bias", vec![3]),
    ];
    assert_eq!(names, expected);
    model.tensor_mut("dense_1.kernel").unwrap()[[35, 2]] = 42.0;
    assert_eq!(model.tensor("dense_1.kernel").unwrap()[[35, 2]], 42.0);
    assert_eq!(model.array2(2)[[35, 2]], 42.0);
    assert_eq!(model.parameters()[147], 42.0);
    assert_eq!(model.array4(0).shape(), [3, 3, 1, 4]);
    assert_eq!(model.array1(3).len(), 3);
    assert!(model.tensor("dense_2.kernel").is_none());
    for (_, mut tensor) in model.tensors_mut() {
        tensor.fill(1.0);
    }
    assert!(model.parameters().iter().all(|&value| value == 1.0));
    assert_eq!(
        format!("{model:?}"),
        "Model { network: \"Stripes\", parameters: 151, .. }"
    );
}

#[test]
fn parameters_begin_as_in_keras() {
    let model = Model::new(&STRIPES, 1);
    for (name, tensor) in model.tensors() {
        let limit = match name {
            "conv2d_1.kernel" => (6.0_f32 / 45.0).sqrt(),
            "dense_1.kernel" => (6.0_f32 / 39.0).sqrt(),
            _ => {
                assert!(tensor.iter().all(|&value| value == 0.0), "{name}");
                continue;
            }
        };
        let largest = tensor.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
        assert!(
            largest <= limit && largest > 0.8 * limit,
            "{name}: {largest} of {limit}"
        );
        assert!(tensor.mean().unwrap().abs() < 0.25 * limit, "{name}");
    }
    // Tensors have streams of their own: what stands behind a tensor does not change it.
    static SHORT: LazyLock<Spec> = LazyLock::new(|| Spec {
        parameters: XOR.parameters.split_at(2).0,
        parameter_count: 24,
        ..*XOR
    });
    let (long, short) = (Model::new(&XOR, 9), Model::new(&SHORT, 9));
    assert_eq!(bits(&long.parameters()[..24]), bits(short.parameters()));
    assert_ne!(
        bits(Model::new(&XOR, 10).parameters()),
        bits(long.parameters())
    );
}

#[test]
fn metrics_come_in_the_order_of_the_train_block() {
    let scores = Model::new(&STRIPES, 1).evaluate(&stripes(45)).unwrap();
    let names: Vec<_> = scores.metrics.iter().map(|(metric, _)| *metric).collect();
    assert_eq!(names, [Metric::Accuracy, Metric::MeanAbsoluteError]);
    assert_eq!(scores.metric(Metric::MeanSquaredError), None);
}

#[test]
fn models_can_be_shared_and_sent() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Model>();
    is_send_and_sync::<Error>();
}

mod begun {
    cnn::network! {
        pub network Begun {
            input(9x8x4);
            conv2d(6, 3x3, kernel_initializer = he_normal, bias_initializer = constant(0.25));
            batch_normalization(beta_initializer = random_uniform(-2, -1), gamma_initializer = constant(value = 3));
            depthwise_conv2d(3x3, depthwise_initializer = orthogonal(gain = 2), bias_initializer = ones);
            conv2d(3, 2x2, kernel_initializer = variance_scaling(2, mode = fan_out, distribution = uniform));
            flatten;
            dense(5, kernel_initializer = truncated_normal(stddev = 0.5), bias_initializer = lecun_uniform);
            dense(2);
        }
    }
}

#[test]
fn tensors_begin_as_their_initializers_say() {
    let net = begun::Begun::new(3);
    let limit = (3.0_f32 * 2.0 / 12.0).sqrt();
    // Two standard deviations of a truncated normal distribution.
    let he = 2.0 * (2.0_f32 / 36.0).sqrt() / 0.8796;
    let glorot = (6.0_f32 / 7.0).sqrt();
    let ranges = [
        ("conv2d_1.kernel", -he, he),
        ("conv2d_1.bias", 0.25, 0.25),
        ("batch_normalization_1.gamma", 3.0, 3.0),
        ("batch_normalization_1.beta", -2.0, -1.0),
        ("batch_normalization_1.moving_mean", 0.0, 0.0),
        ("batch_normalization_1.moving_variance", 1.0, 1.0),
        ("depthwise_conv2d_1.kernel", -1.0, 1.0),
        ("depthwise_conv2d_1.bias", 1.0, 1.0),
        ("conv2d_2.kernel", -limit, limit),
        ("conv2d_2.bias", 0.0, 0.0),
        ("dense_1.kernel", -1.0, 1.0),
        // Of a single axis both fans are its length.
        (
            "dense_1.bias",
            -(3.0_f32 / 5.0).sqrt(),
            (3.0_f32 / 5.0).sqrt(),
        ),
        ("dense_2.kernel", -glorot, glorot),
        ("dense_2.bias", 0.0, 0.0),
    ];
    let mut wrong = Vec::new();
    for ((name, values), (expected, least, most)) in net.tensors().zip(ranges) {
        let [found_least, found_most] =
            [f32::min, f32::max].map(|choose| values.iter().copied().reduce(choose).unwrap());
        let spread = (found_most - found_least) / (most - least);
        let fills = least == most || spread > 0.3;
        if name != expected || found_least < least || found_most > most || !fills {
            wrong.push(format!(
                "{name}: {found_least} to {found_most}, not {least} to {most}"
            ));
        }
    }
    assert_eq!(net.tensors().count(), ranges.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The matrix of 54 rows and one column has the length of its gain.
    let kernel = net
        .tensors()
        .find(|(name, _)| *name == "depthwise_conv2d_1.kernel");
    let square: f32 = kernel.unwrap().1.iter().map(|value| value * value).sum();
    assert!((square - 4.0).abs() < 1e-5, "{square}");
    // Another seed gives other numbers, the same one the same.
    assert_eq!(begun::Begun::new(3).parameters(), net.parameters());
    assert_ne!(begun::Begun::new(4).parameters(), net.parameters());
}
