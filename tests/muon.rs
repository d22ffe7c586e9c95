//! Muon in whole networks: which tensors it takes for matrices, and that threads do not change its bits.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;

use std::sync::atomic::{AtomicBool, Ordering};

use cnn::{Model, Network, Optimizer, Schedule, UpdateRule};
use folder::Folder;
use small::{bits, stripes};

mod networks {
    cnn::network! {
        pub network Mixed {
            input(8x8x1);
            conv2d(4, 3x3, use_bias = false);
            depthwise_conv2d(3x3, use_bias = false);
            batch_normalization;
            relu;
            flatten;
            dense(12, activation = tanh);
            dense(3, activation = softmax);
            train {
                loss = categorical_crossentropy;
                optimizer = muon(learning_rate = 0.01, weight_decay = 0, adam_weight_decay = 0, flatten_kernels = true);
                batch_size = 45;
                epochs = 1;
            }
        }
    }
}
use networks::Mixed;

const LEARNING_RATE: f64 = 0.01;

/// The rule of the description, flattening the kernels of convolutions or not.
fn muon(flatten: bool) -> Optimizer {
    let UpdateRule::Muon {
        adam_beta_1,
        adam_beta_2,
        epsilon,
        muon_a,
        muon_b,
        muon_c,
        adam_lr_ratio,
        momentum,
        ns_steps,
        nesterov,
        rms_rate,
        ..
    } = UpdateRule::muon()
    else {
        panic!("the rule that it names");
    };
    let rule = UpdateRule::Muon {
        adam_beta_1,
        adam_beta_2,
        adam_weight_decay: 0.0,
        epsilon,
        muon_a,
        muon_b,
        muon_c,
        adam_lr_ratio,
        momentum,
        ns_steps,
        nesterov,
        rms_rate,
        flatten_kernels: flatten,
    };
    Optimizer::from(rule)
        .with_learning_rate(LEARNING_RATE)
        .with_weight_decay(0.0)
}

/// The first step of Adam has the size of the learning rate in each place. That of Muon has singular values near
/// `learning_rate * rms_rate * sqrt(max(rows, columns))`.
#[test]
fn kernels_are_matrices_and_other_tensors_are_not() {
    let description = Mixed::spec().training.unwrap().optimizer;
    assert_eq!(description, muon(true));
    assert_eq!(Optimizer::muon().learning_rate, Schedule::constant(1e-3));
    for flatten in [false, true] {
        let mut model = Model::new(Mixed::spec(), 1);
        let before = model.clone();
        let trainer = model.trainer().optimizer(muon(flatten)).progress(false);
        trainer.fit(&stripes(45)).unwrap();
        let mut matrices = Vec::new();
        for ((name, new), (_, old)) in model.tensors().zip(before.tensors()) {
            if name.contains("moving") {
                continue;
            }
            let moves = new.iter().zip(&old).map(|(a, b)| f64::from(a - b));
            let moves: Vec<f64> = moves.collect();
            // Where there is no gradient, Adam takes no step.
            let is_adam =
                |by: &f64| by.abs() < 1e-6 || (by.abs() / LEARNING_RATE - 1.0).abs() < 0.05;
            if moves.iter().all(is_adam) {
                continue;
            }
            let columns = *new.shape().last().unwrap();
            let rows = new.len() / columns;
            let rate = LEARNING_RATE * 0.2 * (rows.max(columns) as f64).sqrt();
            // The sum of the squares of the singular values, of which there are so many.
            let squares: f64 = moves.iter().map(|by| (by / rate).powi(2)).sum();
            let rank = rows.min(columns) as f64;
            assert!(
                squares > 0.3 * rank && squares < 1.5 * rank,
                "{name}: {squares} of {rank}"
            );
            matrices.push(name);
        }
        let expected: &[_] = match flatten {
            true => &["conv2d_1.kernel", "dense_1.kernel", "dense_2.kernel"],
            false => &["dense_1.kernel", "dense_2.kernel"],
        };
        assert_eq!(matrices, expected);
    }
}

/// As Keras advises for the last layer: its kernel is updated as by AdamW, and the others as before.
#[test]
fn layers_can_be_excluded() {
    let fit = |optimizer, excluded: Option<&str>| {
        let mut model = Model::new(Mixed::spec(), 1);
        let mut trainer = model.trainer().optimizer(optimizer).progress(false);
        if let Some(layer) = excluded {
            trainer = trainer.exclude_layers(layer).unwrap();
        }
        trainer.fit(&stripes(45)).unwrap();
        let tensors = model
            .tensors()
            .map(|(_, values)| bits(values.as_slice().unwrap()));
        tensors.collect::<Vec<_>>()
    };
    // One step, so that no layer sees what another one became.
    let (plain, excluded) = (fit(muon(true), None), fit(muon(true), Some("dense_2")));
    let adam = fit(Optimizer::adam().with_learning_rate(LEARNING_RATE), None);
    let names: Vec<_> = Model::new(Mixed::spec(), 1)
        .tensors()
        .map(|(name, _)| name)
        .collect();
    for (place, name) in names.into_iter().enumerate() {
        let expected = match name {
            "dense_2.kernel" => &adam,
            _ => &plain,
        };
        assert_eq!(excluded[place], expected[place], "{name}");
    }
    assert_ne!(plain, excluded);
    let mut model = Model::new(Mixed::spec(), 1);
    let error = model
        .trainer()
        .exclude_layers("dens_2")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "there is no layer or block `dens_2`; did you mean `dense_2`?"
    );
}

#[test]
fn any_number_of_threads_leaves_the_same_bits() {
    let fit = |threads| {
        let mut model = Model::new(Mixed::spec(), 1);
        let trainer = model.trainer().epochs(20).threads(threads).progress(false);
        let history = trainer.batch_size(16).fit(&stripes(45)).unwrap();
        let losses = history.epochs.iter().map(|epoch| epoch.scores.loss);
        (bits(model.parameters()), losses.collect::<Vec<_>>())
    };
    let (expected, losses) = fit(1);
    assert!(losses[19] < 0.2 * losses[0], "{losses:?}");
    for threads in [2, 3, 8] {
        assert!(fit(threads).0 == expected, "{threads} threads");
    }
}

/// What is excluded is compared within an epoch.
#[test]
fn a_resumed_training_excludes_the_same_layers() {
    let folder = Folder::new("muon");
    let path = folder.file("run.safetensors");
    let train = |stop_after, resume, excluded: bool| {
        let mut model = Model::new(Mixed::spec(), 1 + u64::from(resume));
        let stop = AtomicBool::new(false);
        let mut steps = 0;
        let trainer = model.trainer().batch_size(16).epochs(2).progress(false);
        let mut trainer = trainer.stop(&stop).on_step(|_, _| {
            steps += 1;
            stop.store(steps == stop_after, Ordering::Relaxed);
        });
        if excluded {
            trainer = trainer.exclude_layers("dense_2").unwrap();
        }
        trainer = match resume {
            true => trainer.resume_from(&path),
            false => trainer.checkpoint(&path),
        };
        trainer.fit(&stripes(45)).map(|_| bits(model.parameters()))
    };
    let whole = train(0, false, true).unwrap();
    train(2, false, true).unwrap();
    assert!(train(0, true, true).unwrap() == whole);
    let error = train(0, true, false).unwrap_err().to_string();
    let expected =
        "the `exclude_layers` `dense_2.kernel`, `dense_2.bias`, but shall be resumed with none";
    assert!(error.ends_with(expected), "{error}");
}
