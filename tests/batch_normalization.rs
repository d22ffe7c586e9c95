//! Batch normalization in whole networks: what depends on the whole batch must not depend on how it is cut, and
//! running statistics are part of a step.

use cnn::runtime::spec::{Gradient, Spec};
use cnn::{Error, Examples, Model, Network as _};
use ndarray::{Array2, Array4};

cnn::network! {
    network Normalized {
        input(6x5x2);
        conv2d(4, 3x3, padding = same, use_bias = false);
        batch_normalization(momentum = 0.75);
        relu;
        dropout(0.1);
        max_pool2d(2x2);
        conv2d(9, 2x2);
        batch_normalization;
        tanh;
        flatten;
        dense(7);
        batch_normalization(scale = false);
        relu;
        dense(3, activation = softmax);
        train { loss = categorical_crossentropy; optimizer = adam; batch_size = 20; }
    }
}

// Large enough that a step is worth several threads, with everything between which they meet.
cnn::network! {
    network Shared {
        input(20x20x3);
        stem: conv2d(16, 3x3, padding = same);
        batch_normalization;
        relu;
        depthwise_conv2d(3x3, padding = same);
        batch_normalization;
        dropout(0.1);
        conv2d(16, 3x3, padding = same);
        batch_normalization;
        add(stem);
        silu;
        max_pool2d(2x2);
        conv2d(16, 3x3, padding = same);
        batch_normalization;
        relu;
        max_pool2d(2x2);
        flatten;
        dense(24);
        batch_normalization;
        relu;
        dense(3, activation = softmax);
        train { loss = categorical_crossentropy; optimizer = adam; batch_size = 32; }
    }
}

// The first layer, so that the statistics are those of the input.
cnn::network! {
    network First {
        input(2);
        batch_normalization(momentum = 0.75);
        dense(1);
        train { loss = mse; optimizer = sgd(learning_rate = 0.1); batch_size = 4; }
    }
}

// Frozen: training uses the running statistics, too.
cnn::network! {
    network Frozen {
        input(2);
        dense(3);
        batch_normalization(trainable = false);
        relu;
        dense(1);
        train { loss = mse; optimizer = sgd(learning_rate = 0.1); epochs = 3; batch_size = 4; }
    }
}

// Every layer with weights may be frozen; what nothing trainable stands before has no gradient.
cnn::network! {
    network AllFrozen {
        input(5x4x2);
        conv2d(3, 2x2, trainable = false);
        depthwise_conv2d(2x2, trainable = false);
        batch_normalization(trainable = false);
        relu;
        flatten;
        dense(4, trainable = false);
        dense(1);
        train { loss = mse; batch_size = 4; }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Images without a pattern, far from 0, and classes that follow from them.
fn examples(count: usize) -> Examples<'static> {
    let images = Array4::from_shape_fn((count, 6, 5, 2), |(i, y, x, c)| {
        let place = ((i * 6 + y) * 5 + x) * 2 + c;
        3.0 + ((place * 7919) % 1009) as f32 / 1009.0 + (i % 3) as f32 * c as f32
    });
    let classes: Vec<usize> = (0..count).map(|i| i % 3).collect();
    Examples::labelled(images, classes).unwrap()
}

#[test]
fn any_number_of_threads_leaves_the_same_bits() {
    // 77 = 2 * 32 + 13: the last batch is ragged, and 13 do not divide by any number of partials.
    let images = Array4::from_shape_fn((77, 20, 20, 3), |(i, y, x, c)| {
        2.0 + ((i * 31 + y * 17 + x * 7 + c * 5 + y * x * (i % 3)) % 23) as f32 * 0.05
    });
    let data = Examples::labelled(images, (0..77).map(|i| i % 3)).unwrap();
    let fit = |threads| {
        let mut model = Model::new(Shared::spec(), 1);
        let trainer = model.trainer().threads(threads).epochs(2).progress(false);
        let losses: Vec<_> = (trainer.fit(&data).unwrap().epochs.iter())
            .map(|epoch| epoch.scores.loss.to_bits())
            .collect();
        (bits(model.parameters()), losses)
    };
    let expected = fit(1);
    for threads in [2, 3, 7, 64] {
        assert!(fit(threads) == expected, "{threads} threads");
    }
}

#[test]
fn running_statistics_follow_those_of_the_batches() {
    let inputs = ndarray::array![[1.0, 100.0], [2.0, 100.0], [3.0, 100.0], [6.0, 104.0]];
    let targets = Array2::<f32>::zeros((4, 1));
    let data = Examples::with_values(inputs, targets).unwrap();
    let mut net = First::new(1);
    net.trainer().epochs(1).progress(false).fit(&data).unwrap();
    let layer = net.batch_normalization_1();
    // Mean 3 and variance (4 + 1 + 0 + 9) / 4, mean 101 and variance (3 + 9) / 4: a quarter of both is new.
    assert_eq!(layer.moving_mean().as_slice(), Some(&[0.75, 25.25][..]));
    assert_eq!(
        layer.moving_variance().as_slice(),
        Some(&[0.75 + 3.5 / 4.0, 0.75 + 3.0 / 4.0][..])
    );
    assert!(layer.gamma().is_some() && layer.beta().is_some());
    assert!(Normalized::new(1).batch_normalization_3().gamma().is_none());
}

#[test]
fn a_step_that_is_rejected_leaves_the_running_statistics() {
    let inputs = ndarray::array![[1.0, 2.0], [3.0, 5.0], [4.0, f32::MAX], [1.0, f32::MAX]];
    let targets = Array2::<f32>::zeros((4, 1));
    let data = Examples::with_values(inputs, targets).unwrap();
    let mut net = First::new(1);
    let before = bits(net.parameters());
    let error = net.trainer().progress(false).fit(&data).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NonFiniteLoss { .. }
                | Error::NonFiniteGradient { .. }
                | Error::NonFiniteUpdate { .. }
        ),
        "{error}"
    );
    assert_eq!(bits(net.parameters()), before);
}

/// A step of two batches: the statistics follow both, one after the other, or neither where the second one fails.
#[test]
fn accumulated_batches_are_seen_one_by_one() {
    let inputs = ndarray::array![[1.0, 100.0], [3.0, 100.0], [3.0, 100.0], [7.0, 104.0]];
    let targets = Array2::<f32>::zeros((4, 1));
    let mut net = First::new(1);
    let mut fit = |inputs| {
        let data = Examples::with_values(inputs, targets.clone()).unwrap();
        let trainer = net.trainer().batch_size(2).accumulate(2).shuffle(false);
        let result = trainer.epochs(1).progress(false).fit(&data);
        (result, net.clone())
    };
    let (result, trained) = fit(inputs.clone());
    result.unwrap();
    // A quarter of the first batch's means 2 and 100, then a quarter of the second one's 5 and 102.
    let expected = [0.75 * 0.5 + 1.25, 0.75 * 25.0 + 25.5];
    let found = trained.batch_normalization_1().moving_mean().to_vec();
    assert_eq!(found, expected);

    let mut bad = inputs;
    bad[[3, 1]] = f32::MAX;
    let (result, rejected) = fit(bad);
    assert!(result.is_err());
    assert_eq!(bits(rejected.parameters()), bits(trained.parameters()));
}

/// A single value for each channel: variance 0, so the output is beta and nothing flows back.
#[test]
fn a_batch_of_one_is_no_error() {
    let data = Examples::with_values(ndarray::array![[1.0, 2.0]], ndarray::array![[1.0]]).unwrap();
    let spec: &'static Spec = First::spec();
    let (loss, gradients) = Model::new(spec, 1).gradients(&data, 0).unwrap();
    assert_eq!(loss, 1.0);
    assert!(gradients.iter().all(|gradient| gradient.is_finite()));
    let kernel = &spec.parameters[4];
    assert_eq!(kernel.name, "dense_1.kernel");
    assert_eq!(gradients[kernel.range()], [0.0, 0.0]);
}

/// What was learned comes back, running statistics included.
#[test]
fn saved_and_loaded() {
    let path = std::env::temp_dir().join(format!("normalized-{}.safetensors", std::process::id()));
    let mut net = Normalized::new(1);
    net.trainer()
        .epochs(1)
        .progress(false)
        .fit(&examples(40))
        .unwrap();
    net.save(&path).unwrap();
    let loaded = Normalized::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(bits(loaded.parameters()), bits(net.parameters()));
    assert_ne!(
        net.batch_normalization_1().moving_mean(),
        Normalized::new(1).batch_normalization_1().moving_mean()
    );
}

/// Prediction folds the normalizations into the layers before them: made anew from weights that have changed.
#[test]
fn predictions_follow_changed_parameters() {
    let data = examples(40);
    let mut net = Normalized::new(1);
    let image = [[[0.5, 3.25]; 5]; 6];
    let infer = |net: &Normalized| {
        let parameters = net.parameters().try_into().unwrap();
        Normalized::infer(parameters, &image, &mut [f32::NAN; Normalized::WORKSPACE])
    };
    let mut before = net.predict(&image);
    let mut wrong = Vec::new();
    let mut check = |what: &str, net: &Normalized| {
        let fresh = Normalized::from_parameters(net.parameters().try_into().unwrap());
        let (found, expected) = (net.predict(&image), fresh.predict(&image));
        if found == before || bits(&found) != bits(&expected) {
            wrong.push(format!("{what}: {found:?}, expected {expected:?}"));
        }
        let pairs = infer(net).into_iter().zip(expected);
        if pairs
            .into_iter()
            .any(|(a, b)| (a - b).abs() > 1e-5 || a.is_nan())
        {
            wrong.push(format!("{what}: without packed weights"));
        }
        before = found;
    };
    net.trainer().epochs(1).progress(false).fit(&data).unwrap();
    check("training", &net);
    for name in [
        "batch_normalization_1.gamma",
        "batch_normalization_1.beta",
        "batch_normalization_2.moving_mean",
        "batch_normalization_2.moving_variance",
        "conv2d_2.bias",
    ] {
        let mut tensor = net.model_mut().tensor_mut(name).unwrap();
        tensor.mapv_inplace(|value| 0.75 * value + 0.5);
        check(name, &net);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the constants say of a prediction, and of a step of training.
#[test]
fn the_plan_says_what_is_folded() {
    for line in [
        "prediction: folded into conv2d_1",
        "prediction: folded into conv2d_2",
        "prediction: folded into dense_1",
    ] {
        assert!(Normalized::PLAN.contains(line), "{}", Normalized::PLAN);
    }
    assert!(!First::PLAN.contains("folded"));
}

/// Three steps, with the values of Keras 3.15 (its backend was PyTorch).
#[test]
fn a_frozen_normalization_trains_as_in_keras() {
    let parameters = [
        0.5, -0.25, 1.0, 0.75, 1.5, -0.5, 0.1, 0.2, -0.3, // the first layer
        1.5, -0.5, 2.0, 0.25, 0.5, -0.25, // gamma and beta
        0.5, -0.25, 0.125, 2.0, 0.5, 1.25, // mean and variance
        1.0, -2.0, 0.5, 0.25, // the last layer
    ];
    let mut net = Frozen::from_parameters(&parameters);
    let inputs = ndarray::array![[1.0, 2.0], [-1.0, 0.5], [0.25, -0.75], [2.0, 1.0]];
    let targets = ndarray::array![[1.0], [0.0], [-1.0], [2.0]];
    let data = Examples::with_values(inputs.view(), targets).unwrap();
    net.trainer().progress(false).fit(&data).unwrap();
    let dense = [
        0.374_764_2,
        -0.218_389_2,
        0.991_081_5,
        0.555_738_57,
        1.405_167_6,
        -0.571_413_3,
        -0.006_499_078,
        0.326_443_25,
        -0.237_505_26,
    ];
    let last = [0.809_501_23, -1.911_588_7, 0.485_827_45, 0.208_461_33];
    let expected = [&dense[..], &parameters[9..21], &last].concat();
    let outputs = [1.251_838_7, 0.208_461_33, -1.314_586_6, 1.885_673_5];
    let found: ndarray::Array2<f32> = net.predict_batch(inputs.view()).unwrap();
    let pairs = net.parameters().iter().zip(&expected);
    let pairs = pairs.chain(found.iter().zip(&outputs)).enumerate();
    let wrong: Vec<_> = pairs.filter(|(_, (a, b))| (*a - *b).abs() > 2e-6).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Nothing of it was trained, to the bit.
    assert_eq!(bits(&net.parameters()[9..21]), bits(&parameters[9..21]));
}

/// One pass without a meeting of threads, and gradients of the last layer alone.
#[test]
fn frozen_layers_cost_no_meeting_and_have_no_gradients() {
    let training = |spec: &'static Spec| spec.training.expect("a train block");
    assert_eq!(training(Frozen::spec()).passes.len(), 1);
    // Three meetings forward, and three backward.
    assert_eq!(training(Normalized::spec()).passes.len(), 7);
    let spec = AllFrozen::spec();
    assert_eq!(training(spec).passes.len(), 1);
    assert!(training(spec).packed_backward.is_empty());
    let trained = spec.parameters.iter();
    let trained = trained.filter(|tensor| !matches!(tensor.gradient, Gradient::Frozen));
    let names: Vec<_> = trained.map(|tensor| tensor.name).collect();
    assert_eq!(names, ["dense_2.kernel", "dense_2.bias"]);
    // 5 of the last layer; 27 + 15 + 12 + 76 before it.
    for line in [
        "Total params: 135 ",
        "Trainable params: 5 ",
        "Non-trainable params: 130 ",
    ] {
        assert!(AllFrozen::SUMMARY.contains(line), "{}", AllFrozen::SUMMARY);
    }
}
