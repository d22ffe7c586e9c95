//! Training and evaluation of two small networks.

#[path = "support/optimizers.rs"]
mod optimizers;
#[path = "support/small.rs"]
mod small;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use cnn::runtime::spec::{Spec, Train, Training, TrainingPass};
use cnn::runtime::{Dataset, Error, Examples, Model};
use cnn::{Clip, Network, Optimizer, Schedule};
use ndarray::{Array2, Array4, Axis};
use optimizers::{optimizers, sgd};
use small::{STRIPES, XOR, Xor, bits, stripe_images, stripes, xor};

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
fn the_history_tells_the_learning_rate_of_the_last_step() {
    // Three steps an epoch.
    let data = stripes(45);
    let schedule = Schedule::polynomial_decay(0.01, 6).with_warmup(4);
    let mut model = Model::new(&STRIPES, 5);
    let trainer = model.trainer().learning_rate(schedule).epochs(3);
    let history = trainer.fit(&data).unwrap();
    let found: Vec<_> = (history.epochs.iter())
        .map(|epoch| epoch.learning_rate)
        .collect();
    let line = |steps: f64| 1e-4 + (0.01 - 1e-4) * (1.0 - steps / 6.0);
    let expected = [0.01 * 2.0 / 4.0, line(1.0), line(4.0)];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{found}, not {expected}");
    }
    assert_eq!(found.len(), 3);
}

/// One step of gradient descent, by hand: kernels decay, biases only where that is asked for, and frozen tensors do not.
#[test]
fn weight_decay_is_for_kernels() {
    let data = stripes(15);
    let sgd = Optimizer::sgd().with_learning_rate(0.1);
    for decay_biases in [false, true] {
        let optimizer = Optimizer {
            decay_biases,
            ..sgd.with_weight_decay(0.5)
        };
        let fit = |optimizer| {
            let mut model = Model::new(frozen::Frozen::spec(), 5);
            model
                .parameters_mut()
                .iter_mut()
                .for_each(|value| *value += 0.25);
            let before = model.clone();
            let trainer = model.trainer().optimizer(optimizer).batch_size(15);
            trainer.epochs(1).fit(&data).unwrap();
            (before, model)
        };
        let (before, decayed) = fit(optimizer);
        let (_, plain) = fit(sgd);
        for ((name, before), ((_, decayed), (_, plain))) in
            before.tensors().zip(decayed.tensors().zip(plain.tensors()))
        {
            let is_frozen = ["conv2d_1.", "dense_1."]
                .iter()
                .any(|of| name.starts_with(of));
            let share = match name.ends_with("kernel") || decay_biases {
                true if !is_frozen => 0.5 * 0.1,
                _ => 0.0,
            };
            for ((before, decayed), plain) in before.iter().zip(&decayed).zip(&plain) {
                let expected = plain - share * before;
                assert!(
                    (decayed - expected).abs() < 1e-6,
                    "{name}: {decayed}, not {expected}"
                );
            }
        }
    }
}

/// Batches that are accumulated are one batch, also where the last one is smaller and the last step has one alone.
#[test]
fn accumulated_batches_are_one_batch() {
    let data = stripes(45);
    let optimizer = sgd(0.9, false).with_clip(Clip::GlobalNorm(0.5));
    let fit = |batch_size, accumulate, threads| {
        let mut model = Model::new(frozen::Frozen::spec(), 5);
        let trainer = model.trainer().optimizer(optimizer).epochs(3);
        let trainer = trainer.batch_size(batch_size).accumulate(accumulate);
        let history = trainer.threads(threads).fit(&data).unwrap();
        (model, history)
    };
    for (batch_size, accumulate) in [(4, 5), (7, 3), (20, 2), (45, 2)] {
        let (large, expected) = fit(batch_size * accumulate, 1, 1);
        let (model, history) = fit(batch_size, accumulate, 1);
        let case = format!("{accumulate} batches of {batch_size}");
        for (found, expected) in model.parameters().iter().zip(large.parameters()) {
            assert!(
                (found - expected).abs() < 1e-5,
                "{case}: {found}, not {expected}"
            );
        }
        for (found, expected) in history.epochs.iter().zip(&expected.epochs) {
            let deviation = (found.scores.loss - expected.scores.loss).abs();
            assert!(deviation < 1e-5, "{case}: {found:?}, not {expected:?}");
            assert_eq!(found.examples, 45);
        }
        let (threaded, _) = fit(batch_size, accumulate, 3);
        assert_eq!(
            bits(threaded.parameters()),
            bits(model.parameters()),
            "{case}"
        );
    }
    let (one, _) = fit(16, 1, 1);
    let (two, _) = fit(16, 2, 1);
    assert_ne!(bits(one.parameters()), bits(two.parameters()));
}

/// One step of gradient descent, by hand.
#[test]
fn clipping_is_that_of_the_batch() {
    let (model, data) = (Model::new(&XOR, 1), xor());
    let (_, gradients) = model.gradients(&data, 0).unwrap();
    let norm = |values: &[f32]| {
        let squares = values.iter().map(|value| f64::from(*value).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let most = 0.5 * norm(&gradients);
    let ranges: Vec<_> = XOR.parameters.iter().map(|tensor| tensor.range()).collect();
    for clip in [
        Clip::Value(0.01),
        Clip::Norm(most / 4.0),
        Clip::GlobalNorm(most),
    ] {
        let mut expected = model.parameters().to_vec();
        for range in &ranges {
            for index in range.clone() {
                let g = f64::from(gradients[index]);
                let clipped = match clip {
                    Clip::None => g,
                    Clip::Value(most) => g.clamp(-most, most),
                    Clip::Norm(most) => g * (most / norm(&gradients[range.clone()])).min(1.0),
                    Clip::GlobalNorm(most) => g * (most / norm(&gradients)).min(1.0),
                };
                expected[index] -= (0.1 * clipped) as f32;
            }
        }
        let mut trained = model.clone();
        let optimizer = Optimizer::sgd().with_learning_rate(0.1).with_clip(clip);
        let trainer = trained.trainer().optimizer(optimizer).shuffle(false);
        trainer.epochs(1).fit(&data).unwrap();
        for (found, expected) in trained.parameters().iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{clip:?}: {found}, not {expected}"
            );
        }
        assert_ne!(bits(&expected), bits(model.parameters()));
    }
}

#[test]
fn the_moving_average_of_the_weights_is_shown_between_epochs() {
    let data = stripes(45);
    let optimizer = Optimizer::adam().with_ema(0.75);
    let mut averages = Vec::new();
    let mut shown = Vec::new();
    let mut model = Model::new(&STRIPES, 5);
    let trainer = model
        .trainer()
        .optimizer(optimizer)
        .epochs(3)
        .validation(&data);
    let history = trainer
        .on_step(|_, model| {
            let weights = model.parameters();
            if averages.is_empty() {
                averages = weights.to_vec();
            } else {
                for (average, weight) in averages.iter_mut().zip(weights) {
                    *average = 0.75 * *average + 0.25 * weight;
                }
            }
        })
        .on_epoch(|_, model| shown.push(model.parameters().to_vec()))
        .fit(&data)
        .unwrap();
    assert_eq!(bits(model.parameters()), bits(&averages));
    assert_eq!(bits(&shown[2]), bits(&averages));
    // The validation is that of the average.
    let scores = history.epochs[2].validation.as_ref();
    assert_eq!(scores, Some(&model.evaluate(&data).unwrap()));
    // The weights aside are those of a training without an average.
    let mut plain = Model::new(&STRIPES, 5);
    let fit = |model: &mut Model, optimizer, epochs| {
        let trainer = model.trainer().optimizer(optimizer).epochs(epochs);
        trainer.fit(&data).unwrap().epochs[0].scores.loss
    };
    fit(&mut plain, Optimizer::adam(), 3);
    assert_ne!(bits(plain.parameters()), bits(model.parameters()));
    let next = fit(&mut plain, Optimizer::adam(), 1);
    assert_eq!(fit(&mut model.clone(), optimizer, 1), next);
    // Without an average, training goes on from what the parameters are; so it does after they were changed.
    let mut changed = model.clone();
    changed.parameters_mut()[0] += 0.0;
    let from_average = fit(&mut model, Optimizer::adam(), 1);
    assert_ne!(from_average, next);
    assert_eq!(fit(&mut changed, optimizer, 1), from_average);
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
fn another_kind_of_optimizer_begins_anew() {
    let data = stripes(45);
    let adam = Optimizer::adam();
    let with_momentum = sgd(0.9, false);
    let without = sgd(0.0, false);
    let mut model = Model::new(&STRIPES, 5);
    for optimizer in [adam, with_momentum, without, with_momentum, adam] {
        let before = bits(model.parameters());
        model
            .trainer()
            .optimizer(optimizer)
            .epochs(1)
            .fit(&data)
            .unwrap();
        assert_ne!(bits(model.parameters()), before, "{optimizer:?}");
    }
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

/// Notes the order in which the examples are read; on one thread that is the order of training.
struct Recording<'a> {
    inner: Examples<'a>,
    order: Mutex<Vec<usize>>,
}

impl Dataset for Recording<'_> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.inner.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.order.lock().unwrap().push(index);
        self.inner.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.inner.read_target(index, out);
    }
}

#[test]
fn every_epoch_takes_another_order() {
    let data = Recording {
        inner: stripes(45),
        order: Mutex::default(),
    };
    let mut model = Model::new(&STRIPES, 1);
    for _ in 0..2 {
        let trainer = model.trainer().threads(1).epochs(2);
        trainer.fit(&data).unwrap();
    }
    let order = data.order.into_inner().unwrap();
    let epochs: Vec<_> = order.chunks(45).collect();
    assert_eq!(epochs.len(), 4);
    for (i, epoch) in epochs.iter().enumerate() {
        let mut sorted = epoch.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..45), "epoch {i} is no permutation");
        assert!(!epochs[..i].contains(epoch), "epoch {i} repeats an order");
    }
}

#[test]
fn every_example_is_read_once_an_epoch() {
    for batch_size in [1, 7, 8, 9, 45, 1000, usize::MAX] {
        let data = Recording {
            inner: stripes(45),
            order: Mutex::default(),
        };
        let mut model = Model::new(&STRIPES, 1);
        let trainer = model.trainer().batch_size(batch_size).epochs(1);
        trainer.fit(&data).unwrap();
        let mut order = data.order.into_inner().unwrap();
        order.sort_unstable();
        assert!(order.into_iter().eq(0..45), "batches of {batch_size}");
    }
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

#[test]
fn a_step_follows_the_gradient_of_the_mean_loss() {
    for examples in [1, 5, 8, 13] {
        let data = Examples::labelled(
            Array2::from_shape_fn((examples, 2), |(i, j)| (i * 2 + j) as f32 / 10.0),
            (0..examples).map(|i| i % 2),
        )
        .unwrap();
        let mut model = Model::new(&XOR, 1);

        // Plain gradient descent by hand.
        let (_, gradients) = model.gradients(&data, 0).unwrap();
        let expected: Vec<f32> = model
            .parameters()
            .iter()
            .zip(&gradients)
            .map(|(weight, gradient)| weight - 0.1 * gradient)
            .collect();

        let sgd = Optimizer::sgd().with_learning_rate(0.1);
        let trainer = model
            .trainer()
            .optimizer(sgd)
            .batch_size(examples)
            .epochs(1);
        trainer.fit(&data).unwrap();
        let worst = model
            .parameters()
            .iter()
            .zip(&expected)
            .map(|(found, expected)| (found - expected).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-6, "{examples} examples: off by {worst}");
    }
}

#[test]
fn the_stop_flag_ends_training_between_epochs() {
    let data = stripes(45);
    let flag = AtomicBool::new(false);
    let mut model = Model::new(&STRIPES, 1);
    let mut seen = Vec::new();
    let history = model
        .trainer()
        .epochs(10)
        .stop(&flag)
        .on_epoch(|epoch, model| {
            assert_eq!(model.spec().name, "Stripes");
            seen.push(epoch.number);
            flag.store(epoch.number == 2, Ordering::Relaxed);
        })
        .fit(&data)
        .unwrap();
    assert_eq!(seen, [1, 2]);
    assert!(history.stopped);
    assert_eq!(history.epochs.len(), 2);

    // Set before the start: nothing happens.
    let before = bits(model.parameters());
    let history = model.trainer().stop(&flag).fit(&data).unwrap();
    assert!(history.stopped && history.epochs.is_empty());
    assert_eq!(bits(model.parameters()), before);
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

/// Sets a flag once an example is read.
struct Tripwire<'a> {
    inner: Examples<'a>,
    index: usize,
    flag: &'a AtomicBool,
}

impl Dataset for Tripwire<'_> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.inner.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        if index == self.index {
            self.flag.store(true, Ordering::Relaxed);
        }
        self.inner.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.inner.read_target(index, out);
    }
}

#[test]
fn the_stop_flag_ends_training_after_the_step() {
    let flag = AtomicBool::new(false);
    let data = Tripwire {
        inner: stripes(45),
        index: 20,
        flag: &flag,
    };
    let mut stopped = Model::new(&STRIPES, 1);
    let trainer = stopped
        .trainer()
        .shuffle(false)
        .stop(&flag)
        .validation(&data);
    let history = trainer.fit(&data).unwrap();
    assert!(history.stopped);
    assert_eq!(history.epochs.len(), 1);
    assert_eq!(history.epochs[0].examples, 32);
    assert_eq!(history.epochs[0].validation, None);

    let mut two_steps = Model::new(&STRIPES, 1);
    let first = data.inner.take(32);
    two_steps
        .trainer()
        .shuffle(false)
        .epochs(1)
        .fit(&first)
        .unwrap();
    assert_eq!(bits(stopped.parameters()), bits(two_steps.parameters()));
}

#[test]
fn a_loss_that_is_not_finite_ends_training_before_its_step() {
    for poison in [f32::NAN, f32::INFINITY] {
        let mut images = stripe_images(45);
        images[[35, 4, 4, 0]] = poison;
        let data = Examples::labelled(images, (0..45).map(|i| i % 3)).unwrap();
        let mut model = Model::new(&STRIPES, 1);
        let result = model.trainer().shuffle(false).fit(&data);
        match result {
            Err(Error::NonFiniteLoss {
                epoch: 1,
                step: 3,
                loss,
                ..
            }) => assert!(!loss.is_finite()),
            other => panic!("{poison}: {other:?}"),
        }
        let mut two_steps = Model::new(&STRIPES, 1);
        let first = data.take(32);
        two_steps
            .trainer()
            .shuffle(false)
            .epochs(1)
            .fit(&first)
            .unwrap();
        assert_eq!(bits(model.parameters()), bits(two_steps.parameters()));
    }
}

/// Panics on one example.
struct Broken<'a>(Examples<'a>);

impl Dataset for Broken<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.0.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        assert_ne!(index, 40, "a broken example");
        self.0.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.0.read_target(index, out);
    }
}

#[test]
fn a_panic_of_the_dataset_reaches_the_caller_and_harms_nothing() {
    let broken = Broken(stripes(45));
    let mut model = Model::new(&STRIPES, 1);
    for threads in [1, 3] {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = model.trainer().threads(threads).fit(&broken);
        }));
        assert!(panic.is_err());
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = model.evaluate(&broken);
        }));
        assert!(panic.is_err());
    }
    model.fit(&stripes(45)).unwrap();
    model.evaluate(&stripes(45)).unwrap();
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
