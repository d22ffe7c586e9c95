//! Freezing at run time: the same bits as `trainable = false` in the description, and nothing that is frozen changes.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cnn::{Error, Model, Network, Optimizer};
use folder::Folder;
use small::{bits, stripes};

mod networks {
    cnn::network! {
        pub network Trained {
            block stem() {
                conv2d(4, 3x3, padding = same, kernel_regularizer = l2(0.01), kernel_constraint = max_norm(0.5));
                batch_normalization;
                relu;
            }
            input(8x8x1);
            backbone: stem();
            max_pool2d(2x2);
            conv2d(5, 3x3, use_bias = false);
            batch_normalization(scale = false);
            silu;
            dropout(0.2);
            flatten;
            dense(6, activation = relu, kernel_regularizer = l1(0.001));
            dense(3, activation = softmax);
            train { loss = categorical_crossentropy; optimizer = adam(learning_rate = 0.01); batch_size = 16; epochs = 2; }
        }
    }

    cnn::network! {
        pub network WithoutBackbone {
            block stem() {
                conv2d(
                    4, 3x3, padding = same, kernel_regularizer = l2(0.01), kernel_constraint = max_norm(0.5),
                    trainable = false,
                );
                batch_normalization(trainable = false);
                relu;
            }
            input(8x8x1);
            backbone: stem();
            max_pool2d(2x2);
            conv2d(5, 3x3, use_bias = false);
            batch_normalization(scale = false);
            silu;
            dropout(0.2);
            flatten;
            dense(6, activation = relu, kernel_regularizer = l1(0.001));
            dense(3, activation = softmax);
            train { loss = categorical_crossentropy; optimizer = adam(learning_rate = 0.01); batch_size = 16; epochs = 2; }
        }
    }

    cnn::network! {
        /// A normalization in the middle, through which gradients flow, and a dense layer.
        pub network WithoutMiddle {
            block stem() {
                conv2d(4, 3x3, padding = same, kernel_regularizer = l2(0.01), kernel_constraint = max_norm(0.5));
                batch_normalization;
                relu;
            }
            input(8x8x1);
            backbone: stem();
            max_pool2d(2x2);
            conv2d(5, 3x3, use_bias = false);
            batch_normalization(scale = false, trainable = false);
            silu;
            dropout(0.2);
            flatten;
            dense(6, activation = relu, kernel_regularizer = l1(0.001), trainable = false);
            dense(3, activation = softmax);
            train { loss = categorical_crossentropy; optimizer = adam(learning_rate = 0.01); batch_size = 16; epochs = 2; }
        }
    }

    cnn::network! {
        /// Normalizations that take along what stands behind them. Windows cover the image, so that both compute all of it.
        pub network Joined {
            input(8x8x1);
            stem: conv2d(4, 3x3, padding = same);
            conv2d(4, 1x1);
            n: batch_normalization;
            add(stem);
            relu;
            dropout(0.2);
            conv2d(5, 1x1);
            m: batch_normalization;
            max_pool2d(4x4, strides = 2);
            flatten;
            dense(3, activation = softmax);
            train { loss = categorical_crossentropy; optimizer = adam(learning_rate = 0.01); batch_size = 16; epochs = 2; }
        }
    }

    cnn::network! {
        /// The same apart: frozen ones take nothing along.
        pub network Apart {
            input(8x8x1);
            stem: conv2d(4, 3x3, padding = same);
            conv2d(4, 1x1);
            n: batch_normalization(trainable = false);
            add(stem);
            relu;
            dropout(0.2);
            conv2d(5, 1x1);
            m: batch_normalization(trainable = false);
            max_pool2d(4x4, strides = 2);
            flatten;
            dense(3, activation = softmax);
            train { loss = categorical_crossentropy; optimizer = adam(learning_rate = 0.01); batch_size = 16; epochs = 2; }
        }
    }

    cnn::network! { pub network Untrained { input(2); dense(1); } }
}
use networks::{Apart, Joined, Trained, Untrained, WithoutBackbone, WithoutMiddle};

/// The tensors of a model whose names begin with one of `prefixes`.
fn of(model: &Model, prefixes: &[&str]) -> Vec<(&'static str, Vec<u32>)> {
    let within = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let tensors = model.tensors().filter(|(name, _)| within(name));
    tensors
        .map(|(name, values)| (name, bits(values.as_slice().expect("contiguous"))))
        .collect()
}

/// Parameters of which no tensor is at its start, as after a training.
fn start() -> Model {
    let mut model = Model::new(Trained::spec(), 4);
    model.trainer().progress(false).fit(&stripes(45)).unwrap();
    Model::from_slice(Trained::spec(), model.parameters())
}

#[test]
fn freezing_is_as_in_the_description() {
    let optimizers = [
        Optimizer::adam().with_weight_decay(0.01),
        Optimizer::sgd().with_clip(cnn::Clip::GlobalNorm(0.1)),
        Optimizer::adam().with_ema(0.5),
    ];
    let start = start();
    let cases = [
        (&["backbone"][..], WithoutBackbone::spec()),
        (&["batch_normalization_1", "dense_1"], WithoutMiddle::spec()),
    ];
    let mut wrong = Vec::new();
    for (layers, twin) in cases {
        for optimizer in optimizers {
            let fit = |model: &mut Model, threads, accumulate| {
                let trainer = model
                    .trainer()
                    .optimizer(optimizer)
                    .epochs(3)
                    .threads(threads);
                let trainer = trainer.accumulate(accumulate).validation_split(0.2);
                let history = trainer.progress(false).fit(&stripes(45)).unwrap();
                let scores = history.epochs.into_iter();
                let scores = scores.map(|epoch| (epoch.scores, epoch.validation));
                (bits(model.parameters()), scores.collect::<Vec<_>>())
            };
            for (threads, accumulate) in [(1, 1), (3, 2)] {
                let mut twin = Model::from_slice(twin, start.parameters());
                let expected = fit(&mut twin, threads, accumulate);
                let mut model = start.clone();
                layers.iter().for_each(|layer| model.freeze(layer).unwrap());
                assert_eq!(model.trainable_parameters(), twin.trainable_parameters());
                let found = fit(&mut model, threads, accumulate);
                if found != expected {
                    wrong.push(format!("{layers:?}, {optimizer:?}, {threads} threads"));
                }
                let data = stripes(20);
                let gradients = |model: &Model| {
                    let (loss, gradients) = model.gradients(&data, 1).unwrap();
                    (loss.to_bits(), bits(&gradients))
                };
                if gradients(&model) != gradients(&twin) {
                    wrong.push(format!("the gradients of {layers:?}"));
                }
                assert_eq!(
                    model.evaluate(&data).unwrap(),
                    twin.evaluate(&data).unwrap()
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a normalization takes along is computed to the same bits, and as much is dropped.
#[test]
fn freezing_what_takes_other_layers_along_is_as_in_the_description() {
    let mut model = Model::new(Joined::spec(), 4);
    let fit = |model: &mut Model, threads| {
        let trainer = model.trainer().threads(threads).progress(false);
        trainer.fit(&stripes(45)).unwrap();
        bits(model.parameters())
    };
    let trained = fit(&mut model, 1);
    let [mut model, mut twin] =
        [Joined::spec(), Apart::spec()].map(|spec| Model::from_slice(spec, model.parameters()));
    model.freeze("n").unwrap();
    model.freeze("m").unwrap();
    for threads in [1, 3] {
        let found = fit(&mut model, threads);
        assert!(found == fit(&mut twin, threads), "{threads} threads");
        assert_ne!(found, trained);
    }
}

/// The tensors of a checkpoint whose names end with one of the network that begins with `prefix`.
fn remembered(path: &Path, prefix: &str) -> HashMap<String, Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter();
    let within = |name: &String| name.rsplit('/').next().unwrap().starts_with(prefix);
    tensors
        .filter(|(name, _)| within(name))
        .map(|(name, tensor)| (name, tensor.data().to_vec()))
        .collect()
}

/// With momentum, moments and an average left from before, which come back with the first step after unfreezing.
#[test]
fn nothing_of_a_frozen_layer_changes() {
    let folder = Folder::new("frozen");
    let path = folder.file("run.safetensors");
    let prefixes = ["backbone.", "dense_1."];
    for optimizer in [
        Optimizer::adam().with_ema(0.9).with_weight_decay(0.1),
        Optimizer::from(cnn::UpdateRule::Sgd {
            momentum: 0.9,
            nesterov: true,
        }),
    ] {
        let mut net = Trained::new(3);
        let fit = |net: &mut Trained| {
            let trainer = net.trainer().optimizer(optimizer).progress(false);
            trainer
                .epochs(2)
                .checkpoint(&path)
                .fit(&stripes(45))
                .unwrap();
        };
        fit(&mut net);
        net.freeze("backbone").unwrap();
        net.freeze("dense_1").unwrap();
        let state = || prefixes.map(|prefix| remembered(&path, prefix));
        let (before, before_state) = (of(net.model(), &prefixes), state());
        // Parameters, running statistics, slots, and the weights behind the average.
        assert!(before_state[0].len() > before.len(), "{before_state:?}");
        let others = of(net.model(), &["conv2d_1", "batch_normalization_1"]);
        fit(&mut net);
        assert_eq!(of(net.model(), &prefixes), before);
        assert_eq!(state(), before_state);
        let trained = of(net.model(), &["conv2d_1", "batch_normalization_1"]);
        assert!(trained.iter().zip(&others).all(|(a, b)| a != b));

        net.unfreeze("backbone").unwrap();
        fit(&mut net);
        let pairs = of(net.model(), &["backbone."]).into_iter().zip(&before);
        let stood: Vec<_> = pairs.filter(|(a, b)| a == *b).map(|(a, _)| a.0).collect();
        assert_eq!(stood, [""; 0]);
        assert_eq!(of(net.model(), &["dense_1."]), before[before.len() - 2..]);
    }
}

/// To freeze and to unfreeze changes nothing by itself.
#[test]
fn unfreezing_goes_on() {
    let fit = |model: &mut Model| {
        model.trainer().progress(false).fit(&stripes(45)).unwrap();
    };
    let mut expected = Model::new(Trained::spec(), 3);
    fit(&mut expected);
    let mut model = expected.clone();
    fit(&mut expected);
    model.freeze("backbone").unwrap();
    model.freeze("backbone").unwrap();
    model.freeze("conv2d_1").unwrap();
    model.unfreeze("backbone.conv2d_1").unwrap();
    model.unfreeze("backbone").unwrap();
    model.unfreeze("conv2d_1").unwrap();
    model.unfreeze("dense_2").unwrap();
    assert_eq!(model.frozen().count(), 0);
    fit(&mut model);
    assert_eq!(bits(model.parameters()), bits(expected.parameters()));
}

/// A part of a block is unfrozen by itself.
#[test]
fn names_are_those_of_layers_and_blocks() {
    let mut net = Trained::new(3);
    let all = net.trainable_parameters();
    net.freeze("backbone").unwrap();
    let frozen: Vec<_> = net.model().frozen().collect();
    let expected = [
        "backbone.conv2d_1.kernel",
        "backbone.conv2d_1.bias",
        "backbone.batch_normalization_1.gamma",
        "backbone.batch_normalization_1.beta",
        "backbone.batch_normalization_1.moving_mean",
        "backbone.batch_normalization_1.moving_variance",
    ];
    assert_eq!(frozen, expected);
    assert_eq!(all - net.trainable_parameters(), 36 + 4 + 8);
    net.unfreeze("backbone.conv2d_1").unwrap();
    assert_eq!(net.model().frozen().collect::<Vec<_>>(), expected[2..]);
    assert_eq!(net.clone().trainable_parameters(), all - 8);

    let text = |error: Result<(), Error>| error.unwrap_err().to_string();
    for (name, expected) in [
        (
            "bakcbone",
            "there is no layer or block `bakcbone`; did you mean `backbone`?",
        ),
        (
            "backbone.conv2d",
            "there is no layer or block `backbone.conv2d`; did you mean `backbone.conv2d_1`?",
        ),
        (
            "something_else",
            "there is no layer or block `something_else`",
        ),
        (
            "conv2d_1.kernel",
            "there is no layer or block `conv2d_1.kernel`",
        ),
        ("backbone.relu_1", "`backbone.relu_1` has no tensors"),
        ("flatten_1", "`flatten_1` has no tensors"),
    ] {
        assert_eq!(text(net.freeze(name)), expected);
        assert_eq!(text(net.unfreeze(name)), expected);
    }
    let mut twin = WithoutBackbone::new(3);
    assert_eq!(twin.trainable_parameters(), all - 48);
    twin.freeze("backbone").unwrap();
    let error = twin.unfreeze("backbone").unwrap_err();
    assert!(
        matches!(&error, Error::NotTrained { name } if name == "backbone"),
        "{error}"
    );
    let error = Model::new(Untrained::spec(), 1)
        .freeze("dense_1")
        .unwrap_err();
    assert!(matches!(error, Error::NotTrainable { .. }), "{error}");
}

/// A checkpoint holds what is frozen, and a file of weights does not.
#[test]
fn a_resumed_training_is_frozen_as_before() {
    let folder = Folder::new("frozen");
    let path = folder.file("run.safetensors");
    let frozen = || {
        let mut net = Trained::new(3);
        net.freeze("backbone").unwrap();
        net
    };
    let mut whole = frozen();
    let trainer = whole.trainer().epochs(4).progress(false);
    trainer.fit(&stripes(45)).unwrap();

    let stop = AtomicBool::new(false);
    let mut net = frozen();
    let mut steps = 0;
    let trainer = net
        .trainer()
        .epochs(4)
        .progress(false)
        .checkpoint(&path)
        .stop(&stop);
    let trainer = trainer.on_step(|_, _| {
        steps += 1;
        stop.store(steps == 4, Ordering::Relaxed);
    });
    trainer.fit(&stripes(45)).unwrap();

    // Whatever was frozen before is replaced.
    let mut resumed = Trained::new(8);
    resumed.freeze("dense_1").unwrap();
    let trainer = resumed.trainer().epochs(4).progress(false);
    trainer.resume_from(&path).fit(&stripes(45)).unwrap();
    assert_eq!(bits(resumed.parameters()), bits(whole.parameters()));
    assert!(resumed.model().frozen().eq(whole.model().frozen()));
    assert_eq!(resumed.model().frozen().count(), 6);

    assert_eq!(Trained::load(&path).unwrap().model().frozen().count(), 0);
    let weights = folder.file("weights.safetensors");
    resumed.save(&weights).unwrap();
    let loaded = Trained::load(&weights).unwrap();
    assert_eq!(loaded.model().frozen().count(), 0);
}
