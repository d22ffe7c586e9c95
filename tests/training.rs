//! Training and evaluation of small networks.

#[path = "support/optimizers.rs"]
mod optimizers;
#[path = "training/order.rs"]
mod order;
#[path = "support/small.rs"]
mod small;
#[path = "training/stopping.rs"]
mod stopping;
#[path = "training/updates.rs"]
mod updates;

use std::sync::{LazyLock, Mutex};

use cnn::Network;
use cnn::runtime::spec::{Spec, Train, Training, TrainingPass};
use cnn::runtime::{Examples, Model};
use ndarray::{Array2, Array4, Axis};
use optimizers::optimizers;
use small::{STRIPES, XOR, Xor, bits, stripes, xor};

#[test]
fn xor_is_learnt() {
    let mut failed = Vec::new();
    for seed in 0..5 {
        let mut model = Model::new(&XOR, seed);
        let trainer = model.trainer().seed(seed).progress(false);
        let history = trainer.fit(&xor()).unwrap();
        let scores = model.evaluate(&xor()).unwrap();
        if scores.loss >= 0.05 || scores.accuracy() != Some(1.0) || history.epochs.len() != 300 {
            failed.push((seed, scores));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn stripes_are_learnt_with_dropout() {
    let mut model = Model::new(&STRIPES, 1);
    let train = stripes(300);
    let (train, validation) = train.split_at(240);
    let history = model
        .trainer()
        .epochs(20)
        .validation(&validation)
        .fit(&train)
        .unwrap();
    assert_eq!(
        history.validation(),
        Some(&model.evaluate(&validation).unwrap())
    );
    assert!(
        history.validation().unwrap().accuracy().unwrap() > 0.95,
        "{history:?}"
    );
    assert!(history.loss().unwrap() < history.epochs[0].scores.loss);
    let numbers: Vec<_> = history.epochs.iter().map(|epoch| epoch.number).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    assert!(history.epochs.iter().all(|epoch| epoch.examples == 240));
}

/// Layers of every kind of gradient, and enough work that threads pay.
mod wide {
    cnn::network! {
        pub network Wide {
            input(20x20x3);
            conv2d(16, 3x3, padding = same, activation = relu);
            conv2d(24, 3x3, padding = same, activation = relu);
            max_pool2d(2x2);
            conv2d(17, 3x3, strides = 2, padding = same, activation = tanh);
            conv2d(9, 1x1);
            avg_pool2d(5x5);
            dropout(0.25);
            flatten;
            dense(40, activation = relu);
            dense(3, activation = softmax);

            train {
                loss = categorical_crossentropy;
                optimizer = adam;
                metrics = [accuracy];
                batch_size = 32;
            }
        }
    }
}

/// Dense layers whose results and gradients could lie where something longer was before: what the passes leave for
/// the kernel gradients is read as that of a whole batch.
mod dropped {
    cnn::network! {
        pub network Dropped {
            input(20x20x3);
            flatten;
            dense(128);
            dropout(0.2);
            relu;
            dense(64);
            dense(48, trainable = false);
            dense(3, activation = softmax);

            train { loss = categorical_crossentropy; optimizer = sgd; batch_size = 32; }
        }
    }
}

mod pooled {
    cnn::network! {
        pub network Pooled {
            input(20x20x3);
            conv2d(8, 3x3);
            max_pool2d(2x2);
            flatten;
            dense(32, activation = relu, trainable = false);
            dense(3, activation = softmax);

            train { loss = categorical_crossentropy; optimizer = sgd; batch_size = 32; }
        }
    }
}

/// Values with several readers, whose gradients are passed on, added up and copied, within a stage and from one to another.
mod joined {
    cnn::network! {
        pub network Joined {
            input(20x20x3);
            a: conv2d(8, 3x3, strides = 2, padding = same);
            b: conv2d(8, 3x3, padding = same, activation = relu);
            c: add(a);
            d: add(a, b, c);
            relu;
            e: dropout(0.2);
            add(d, a, e);
            conv2d(8, 1x1);
            f: batch_normalization;
            add(d);
            g: relu;
            concat(f, b, g);
            conv2d(8, 1x1, activation = tanh);
            h: subtract(g);
            add(a, f, h);
            avg_pool2d(5x5);
            flatten;
            i: dense(32);
            dense(32, activation = relu);
            add(i);
            dense(3, activation = softmax);

            train { loss = categorical_crossentropy; optimizer = sgd; batch_size = 32; }
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    // 77 = 2 * 32 + 13: the last batch is ragged, and 13 do not divide by any number of partials.
    let images = Array4::from_shape_fn((77, 20, 20, 3), |(i, y, x, c)| {
        ((i * 31 + y * 17 + x * 7 + c * 5 + y * x * (i % 3)) % 23) as f32 * 0.05
    });
    let data = Examples::labelled(images, (0..77).map(|i| i % 3)).unwrap();
    let run = |spec, threads| {
        let mut model = Model::new(spec, 7);
        let trainer = model.trainer().threads(threads).epochs(2).validation(&data);
        let history = trainer.fit(&data).unwrap();
        let scores: Vec<_> = history
            .epochs
            .into_iter()
            .map(|epoch| (epoch.scores, epoch.validation))
            .collect();
        (bits(model.parameters()), scores)
    };
    for spec in [
        wide::Wide::spec(),
        dropped::Dropped::spec(),
        pooled::Pooled::spec(),
        joined::Joined::spec(),
    ] {
        let one = run(spec, 1);
        for threads in [2, 3, 7, 64, 0] {
            assert!(
                run(spec, threads) == one,
                "{}, {threads} threads",
                spec.name
            );
        }
    }
}

#[test]
fn every_step_sees_the_weights_of_the_one_before() {
    // The first step of a call packs the weights that it finds, so two calls of an epoch show whether one call of
    // two packs them after each step.
    let images = Array4::from_shape_fn((40, 20, 20, 3), |(i, y, x, c)| {
        ((i * 31 + y * 17 + x * 7 + c * 5) % 23) as f32 * 0.05
    });
    let data = Examples::labelled(images, (0..40).map(|i| i % 3)).unwrap();
    for spec in [wide::Wide::spec(), pooled::Pooled::spec()] {
        for threads in [1, 3] {
            let mut once = Model::new(spec, 7);
            once.trainer()
                .threads(threads)
                .epochs(2)
                .fit(&data)
                .unwrap();
            let mut twice = Model::new(spec, 7);
            for _ in 0..2 {
                twice
                    .trainer()
                    .threads(threads)
                    .epochs(1)
                    .fit(&data)
                    .unwrap();
            }
            assert_eq!(
                bits(once.parameters()),
                bits(twice.parameters()),
                "{}",
                spec.name
            );
        }
    }
}

mod frozen {
    cnn::network! {
        pub network Frozen {
            input(8x8x1);
            conv2d(4, 3x3, activation = relu, trainable = false);
            conv2d(5, 3x3, activation = relu);
            max_pool2d(2x2);
            flatten;
            dense(6, activation = relu, trainable = false);
            dense(3, activation = softmax);

            train { loss = categorical_crossentropy; optimizer = sgd(momentum = 0.9); }
        }
    }
}

#[test]
fn frozen_layers_stay_as_they_were() {
    let mut model = Model::new(frozen::Frozen::spec(), 3);
    let before = model.clone();
    model.fit(&stripes(45)).unwrap();
    let changed: Vec<_> = (model.tensors().zip(before.tensors()))
        .filter(|((_, after), (_, before))| after != before)
        .map(|((name, _), _)| name)
        .collect();
    let trained = [
        "conv2d_2.kernel",
        "conv2d_2.bias",
        "dense_2.kernel",
        "dense_2.bias",
    ];
    assert_eq!(changed, trained);
}

#[test]
fn calls_of_fit_continue_each_other() {
    let data = stripes(45);
    let fit = |model: &mut Model, epochs, threads, optimizer| {
        let trainer = model.trainer().optimizer(optimizer).progress(false);
        trainer.epochs(epochs).threads(threads).fit(&data).unwrap()
    };
    let mut wrong = Vec::new();
    for optimizer in optimizers() {
        let mut once = Model::new(&STRIPES, 5);
        let history = fit(&mut once, 4, 1, optimizer);
        let mut twice = Model::new(&STRIPES, 5);
        fit(&mut twice, 2, 3, optimizer);
        let mut copy = twice.clone();
        let rest = fit(&mut twice, 2, 1, optimizer);
        if bits(once.parameters()) != bits(twice.parameters()) {
            wrong.push(format!("{optimizer:?}"));
        }
        for (epoch, again) in history.epochs[2..].iter().zip(&rest.epochs) {
            assert_eq!(epoch.learning_rate, again.learning_rate, "{optimizer:?}");
        }
        fit(&mut copy, 2, 2, optimizer);
        if bits(once.parameters()) != bits(copy.parameters()) {
            wrong.push(format!("a clone, {optimizer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_small_last_batch_knows_nothing_of_the_one_before() {
    // 3 examples are fewer partials than 16: the others still hold the gradients of the step before.
    let data = stripes(19);
    let fit = |model: &mut Model, data: &Examples<'_>| {
        model.trainer().shuffle(false).epochs(1).fit(data).unwrap();
    };
    let mut together = Model::new(&STRIPES, 5);
    fit(&mut together, &data);
    let mut apart = Model::new(&STRIPES, 5);
    fit(&mut apart, &data.slice(0..16));
    fit(&mut apart, &data.slice(16..19));
    assert_eq!(bits(together.parameters()), bits(apart.parameters()));
}

#[test]
fn seeds_decide() {
    let data = stripes(45);
    let run = |initial, seed, shuffle| {
        let mut model = Model::new(&STRIPES, initial);
        let trainer = model.trainer().seed(seed).shuffle(shuffle).epochs(2);
        trainer.fit(&data).unwrap();
        bits(model.parameters())
    };
    let runs = [
        run(1, 1, true),
        run(2, 1, true),
        run(1, 2, true),
        run(1, 1, false),
    ];
    for (i, a) in runs.iter().enumerate() {
        for b in &runs[..i] {
            assert_ne!(a, b);
        }
    }
    assert_eq!(run(1, 1, true), runs[0]);
}

#[test]
fn every_step_drops_by_a_seed_of_its_own() {
    static SEEDS: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    fn record(call: Train<'_, '_>) {
        SEEDS.lock().unwrap().push(call.seed);
        call.losses.fill(0.0);
    }
    const PASSES: &[TrainingPass] = &[TrainingPass {
        run: record,
        meetings: &[],
    }];
    static RECORDED: LazyLock<Spec> = LazyLock::new(|| Spec {
        training: XOR.training.map(|training| Training {
            passes: PASSES,
            ..training
        }),
        ..*XOR
    });
    let inputs = Array2::<f32>::zeros((45, 2));
    let data = Examples::labelled(&inputs, [0; 45]).unwrap();
    let mut model = Model::new(&RECORDED, 1);
    for _ in 0..2 {
        let trainer = model.trainer().threads(1).batch_size(16).epochs(2);
        trainer.fit(&data).unwrap();
    }
    let mut seeds = SEEDS.lock().unwrap();
    assert_eq!(seeds.len(), 2 * 2 * 3);
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 2 * 2 * 3);
}

#[test]
fn the_loss_of_an_epoch_is_the_mean_over_its_examples() {
    // Without dropout, and with steps that change nothing, it is what `evaluate` finds.
    let inputs = Array2::from_shape_fn((45, 2), |(i, j)| ((i * 7 + j * 3) % 10) as f32 / 5.0);
    let data = Examples::labelled(inputs, (0..45).map(|i| i % 2)).unwrap();
    let mut model = Model::new(&XOR, 1);
    let expected = model.evaluate(&data).unwrap();
    let trainer = model
        .trainer()
        .learning_rate(1e-30)
        .batch_size(16)
        .epochs(1);
    let history = trainer.fit(&data).unwrap();
    let found = &history.epochs[0].scores;
    assert!(
        (found.loss - expected.loss).abs() < 1e-7,
        "{found} and {expected}"
    );
    assert_eq!(found.accuracy(), expected.accuracy());
}

/// The callback sees the network as its users know it.
#[test]
fn on_epoch_sees_the_network_itself() {
    let mut net = Xor::new(1);
    let mut seen: Vec<(f32, Xor)> = Vec::new();
    let trainer = net.trainer().epochs(3);
    let trainer = trainer.on_epoch(|_, net: &Xor| {
        let [probability] = net.predict(&[0.0, 1.0]);
        seen.push((probability, net.clone()));
    });
    trainer.fit(&xor()).unwrap();
    assert_eq!(seen.len(), 3);
    assert_ne!(seen[0].0, seen[1].0);
    assert_eq!(seen[2].0, net.predict(&[0.0, 1.0])[0]);
    assert_eq!(bits(seen[2].1.parameters()), bits(net.parameters()));
}

#[test]
fn values_serve_as_targets() {
    let inputs = ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0_f32]];
    let column = ndarray::array![[0.0], [1.0], [1.0], [0.0_f32]];
    let plain = column.index_axis(Axis(1), 0);
    let of_column = Examples::with_values(&inputs, column.view()).unwrap();
    let of_plain = Examples::with_values(&inputs, plain).unwrap();
    let model = Model::new(&XOR, 1);
    let expected = model.evaluate(&xor()).unwrap();
    assert_eq!(model.evaluate(&of_column).unwrap(), expected);
    assert_eq!(model.evaluate(&of_plain).unwrap(), expected);
}
