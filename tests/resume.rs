//! A training that is stopped and resumed from its checkpoint ends with the same bits as one that is not.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/optimizers.rs"]
mod optimizers;
#[path = "support/small.rs"]
mod small;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cnn::callbacks::{Checkpoint, CsvLog, EarlyStopping, ReduceOnPlateau};
use cnn::runtime::{CheckpointError, Error, Model};
use cnn::{Augment, Examples, Flip, History, Network, Optimizer, Trainer};
use folder::Folder;
use optimizers::optimizers;
use small::{STRIPES, XOR, bits, stripes, xor};

mod networks {
    cnn::network! {
        /// State of every kind: running statistics, dropout, an optimizer with slots.
        pub network Normalized {
            input(8x8x1);
            conv2d(4, 3x3);
            batch_normalization;
            relu;
            max_pool2d(2x2);
            dropout(0.25);
            flatten;
            dense(3, activation = softmax);

            train {
                loss = categorical_crossentropy;
                optimizer = adam(learning_rate = 0.01);
                metrics = [accuracy];
                epochs = 3;
                batch_size = 16;
                seed = 3;
            }
        }
    }

    cnn::network! {
        /// The same layers but one.
        pub network Wider {
            input(8x8x1);
            conv2d(4, 3x3);
            batch_normalization;
            tanh;
            max_pool2d(2x2);
            dropout(0.25);
            flatten;
            dense(3, activation = softmax);

            train { loss = categorical_crossentropy; optimizer = adam; }
        }
    }
}
use networks::{Normalized, Wider};

static VALIDATION: LazyLock<Examples<'static>> = LazyLock::new(|| stripes(30));

/// Three steps an epoch.
fn data() -> Examples<'static> {
    stripes(45)
}

/// Trains with a checkpoint, and sets the stop flag after `steps` steps.
fn train_for<'a>(
    trainer: Trainer<'a, Normalized>,
    steps: usize,
    path: &Path,
    stop: &'a AtomicBool,
) -> Result<History, Error> {
    let mut done = 0;
    let trainer = trainer.progress(false).checkpoint(path).stop(stop);
    let trainer = trainer.on_step(move |_, _| {
        done += 1;
        stop.store(done >= steps, Ordering::Relaxed);
    });
    trainer.fit(&data())
}

/// A history without what differs from run to run.
fn timeless(history: &History) -> History {
    let mut history = history.clone();
    history
        .epochs
        .iter_mut()
        .for_each(|epoch| epoch.seconds = 0.0);
    history
}

/// What a training is like that is stopped after each number of `steps` in turn and resumed by another model each time,
/// and one that is not stopped.
#[track_caller]
fn compare(
    name: &str,
    steps: &[usize],
    set: impl Fn(Trainer<'_, Normalized>) -> Trainer<'_, Normalized>,
) {
    let folder = Folder::new("resume");
    let path = folder.file("run.safetensors");
    let mut whole = Normalized::new(5);
    let expected = set(whole.trainer().progress(false)).fit(&data()).unwrap();

    let stop = AtomicBool::new(false);
    let mut net = Normalized::new(5);
    let mut history = History::default();
    for (part, &steps) in steps.iter().chain([&usize::MAX]).enumerate() {
        stop.store(false, Ordering::Relaxed);
        if part > 0 {
            // Whatever it held is replaced.
            net = Normalized::new(100 + part as u64);
        }
        let mut trainer = set(net.trainer());
        if part > 0 {
            trainer = trainer.resume_from(&path).threads(1 + part % 3);
        }
        history = train_for(trainer, steps, &path, &stop).unwrap();
    }
    assert_eq!(timeless(&history), timeless(&expected), "{name}, {steps:?}");
    let same = bits(net.model().parameters()) == bits(whole.model().parameters());
    assert!(same, "{name}, {steps:?}");

    // Also what is not seen: the next calls go on alike.
    for net in [&mut net, &mut whole] {
        set(net.trainer().progress(false))
            .epochs(1)
            .fit(&data())
            .unwrap();
    }
    let same = bits(net.model().parameters()) == bits(whole.model().parameters());
    assert!(same, "{name}, {steps:?}, one epoch later");
}

#[test]
fn every_optimizer_and_schedule_goes_on_to_the_same_bits() {
    for optimizer in optimizers() {
        // Within the first epoch, and between the first and the second.
        for steps in [&[2][..], &[3]] {
            compare(&format!("{optimizer:?}"), steps, |trainer| {
                trainer.optimizer(optimizer)
            });
        }
    }
}

#[test]
fn a_training_may_be_stopped_after_any_step_and_any_number_of_times() {
    for steps in 1..9 {
        compare("once", &[steps], |trainer| trainer);
    }
    compare("every step", &[1; 8], |trainer| trainer);
    compare("an epoch and a step", &[4, 3, 1], |trainer| trainer);
    compare("accumulated", &[1, 1, 1], |trainer| {
        trainer.batch_size(8).accumulate(2)
    });
    compare("in order", &[2, 2], |trainer| trainer.shuffle(false));
    compare("a part of the data", &[1, 2], |trainer| {
        trainer.steps_per_epoch(2)
    });
    compare("numbered from 3", &[4], |trainer| {
        trainer.initial_epoch(2).epochs(5)
    });
    compare("held back", &[2, 3], |trainer| {
        trainer.validation_split(0.25)
    });
}

#[test]
fn an_augmented_epoch_goes_on_to_the_same_bits() {
    let all = [
        Augment::shift(2),
        Augment::rotate(10.0),
        Augment::zoom(0.1),
        Augment::flip(Flip::Both),
        Augment::brightness(0.2),
        Augment::contrast(0.2),
        Augment::noise(0.05),
        Augment::cutout(3),
        Augment::mixup(0.2),
        Augment::elastic(5.0, 2.0),
    ];
    for steps in 1..9 {
        compare("augmented", &[steps], |trainer| trainer.augment(all));
    }
    compare("augmented, every step", &[1; 8], |trainer| {
        trainer.augment(all)
    });
    compare("augmented, accumulated", &[1, 1, 1], |trainer| {
        trainer.augment(all).batch_size(8).accumulate(2)
    });
    compare("augmented, held back", &[2, 3], |trainer| {
        trainer.augment(all).validation_split(0.25)
    });
    for augment in all {
        compare(&augment.to_string(), &[2, 3], |trainer| {
            trainer.augment([augment])
        });
    }
}

#[test]
fn callbacks_go_on_with_what_they_have_seen() {
    let folder = Folder::new("callbacks");
    let (log, best) = (folder.file("log.csv"), folder.file("best.safetensors"));
    let expected = {
        let mut net = Normalized::new(5);
        let trainer = net
            .trainer()
            .epochs(12)
            .validation(&*VALIDATION)
            .csv_log(&log);
        trainer.fit(&data()).unwrap();
        without_seconds(&log)
    };
    for steps in [&[2][..], &[4, 5], &[7], &[6, 6, 6], &[31]] {
        compare("callbacks", steps, |trainer| {
            let early_stopping = EarlyStopping::new().patience(3).restore_best_weights(true);
            let plateau = ReduceOnPlateau::new()
                .patience(1)
                .factor(0.3)
                .min_delta(0.05);
            (trainer.epochs(12).validation(&*VALIDATION))
                .early_stopping(early_stopping.min_delta(0.01))
                .reduce_on_plateau(plateau)
                .checkpoint(Checkpoint::new(&best).best_only(true))
        });
    }
    for steps in [1, 3, 5] {
        compare("a log", &[steps], |trainer| {
            let trainer = trainer.epochs(12).validation(&*VALIDATION);
            trainer.csv_log(&log)
        });
        // One more epoch was trained after that, in a call of its own.
        let found = without_seconds(&log);
        assert_eq!(found.lines().count(), 2, "{found}");
    }

    // A process that was killed has logged an epoch of which no checkpoint was written.
    let path = folder.file("run.safetensors");
    let mut net = Normalized::new(5);
    let trainer = net
        .trainer()
        .epochs(3)
        .validation(&*VALIDATION)
        .csv_log(&log);
    trainer.checkpoint(&path).fit(&data()).unwrap();
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text + "4,0.1,0.2\n5,0.1").unwrap();
    let mut resumed = Normalized::new(6);
    let trainer = resumed
        .trainer()
        .epochs(12)
        .validation(&*VALIDATION)
        .csv_log(&log);
    trainer.resume_from(&path).fit(&data()).unwrap();
    assert_eq!(without_seconds(&log), expected);
    let other = CsvLog::new(&path);
    let error = resumed
        .trainer()
        .csv_log(other)
        .resume_from(&path)
        .fit(&data());
    assert!(matches!(error, Err(Error::Setting { .. })), "{error:?}");
}

fn without_seconds(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().map(|line| line.rsplit_once(',').unwrap().0);
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn checkpoints_are_written_when_they_are_due() {
    let folder = Folder::new("due");
    let path = folder.file("run.safetensors");
    // How many steps the file knows of, after each step: what is expected, once the thread that writes has come to it.
    let seen = |checkpoint: Checkpoint, expected: &[u64; 13]| {
        let _ = fs::remove_file(&path);
        let (mut net, mut seen) = (Normalized::new(1), Vec::new());
        let trainer = net
            .trainer()
            .epochs(4)
            .progress(false)
            .checkpoint(checkpoint);
        let trainer = trainer.on_step(|_, _| {
            let expected = expected[seen.len()];
            // A file too many would be there by then.
            thread::sleep(Duration::from_millis(20));
            let begun = Instant::now();
            while steps_of(&path) < expected && begun.elapsed() < Duration::from_secs(20) {
                thread::sleep(Duration::from_millis(1));
            }
            seen.push(steps_of(&path));
        });
        trainer.fit(&data()).unwrap();
        seen.push(steps_of(&path));
        assert_eq!(seen, expected);
    };
    let of = |path| Checkpoint::new(path);
    // The callback of a step comes before the checkpoint of the same step.
    seen(of(&path), &[0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9, 12]);
    seen(
        of(&path).every_epochs(3),
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 12],
    );
    seen(
        of(&path).every_steps(2),
        &[0, 0, 2, 2, 2, 5, 5, 5, 8, 8, 8, 11, 12],
    );
    seen(
        of(&path).every_minutes(1e-6),
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    );
    seen(
        of(&path).every_minutes(10.0),
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12],
    );
}

/// A state that waits for the disk is written as soon as the one before is, not only after the next step.
#[test]
fn the_newest_state_is_written_while_a_step_runs() {
    let folder = Folder::new("newest");
    for round in 0..20 {
        let path = folder.file(&format!("{round}.safetensors"));
        let mut net = Normalized::new(1);
        let checkpoint = Checkpoint::new(&path).every_steps(1);
        let trainer = net.trainer().epochs(4).progress(false);
        let mut done = 0;
        let trainer = trainer.checkpoint(checkpoint).on_step(|_, _| {
            done += 1;
            // The steps until then have taken less time than the disk does.
            let begun = Instant::now();
            while done == 12 && steps_of(&path) < 11 {
                let seen = steps_of(&path);
                assert!(begun.elapsed() < Duration::from_secs(20), "{seen} steps");
                thread::sleep(Duration::from_millis(1));
            }
        });
        trainer.fit(&data()).unwrap();
        assert_eq!(steps_of(&path), 12);
    }
}

/// The steps that a file knows of; 0 where there is none.
fn steps_of(path: &Path) -> u64 {
    let Ok(bytes) = fs::read(path) else { return 0 };
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let record = &metadata.metadata().as_ref().unwrap()["cnn_training"];
    let (_, rest) = record.split_once("\"steps\":").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn the_best_epoch_has_a_file_of_its_own() {
    let folder = Folder::new("best");
    let best = folder.file("best.safetensors");
    let mut net = Normalized::new(5);
    let trainer = net
        .trainer()
        .epochs(8)
        .validation(&*VALIDATION)
        .progress(false);
    let checkpoint = Checkpoint::new(&best)
        .best_only(true)
        .monitor("val_accuracy");
    let history = trainer.checkpoint(checkpoint).fit(&data()).unwrap();
    let accuracy = |epoch: &cnn::Epoch| epoch.validation.as_ref().unwrap().accuracy().unwrap();
    let accuracies: Vec<_> = history.epochs.iter().map(accuracy).collect();
    let most = accuracies.iter().copied().fold(0.0, f64::max);
    // The weights of a checkpoint are loaded like those of any file.
    let loaded = Normalized::load(&best).unwrap();
    assert_eq!(
        loaded.evaluate(&*VALIDATION).unwrap().accuracy(),
        Some(most)
    );
    let first = accuracies
        .iter()
        .position(|accuracy| *accuracy == most)
        .unwrap();
    let mut again = Normalized::new(5);
    again.trainer().epochs(first + 1).fit(&data()).unwrap();
    assert_eq!(
        bits(loaded.model().parameters()),
        bits(again.model().parameters())
    );
    let report = again.model_mut().load_matching(&best).unwrap();
    assert!(report.only_in_file.is_empty(), "{report}");
}

#[test]
fn a_training_that_is_done_stays_as_it_is_until_there_are_more_epochs() {
    let folder = Folder::new("done");
    let path = folder.file("run.safetensors");
    let mut net = Normalized::new(5);
    let expected = net.trainer().checkpoint(&path).fit(&data()).unwrap();
    let mut again = Normalized::new(6);
    let found = again.trainer().resume_from(&path).fit(&data()).unwrap();
    assert_eq!(found, expected);
    assert_eq!(
        bits(net.model().parameters()),
        bits(again.model().parameters())
    );

    let history = again
        .trainer()
        .epochs(5)
        .resume_from(&path)
        .fit(&data())
        .unwrap();
    let numbers: Vec<_> = history.epochs.iter().map(|epoch| epoch.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    net.trainer().epochs(2).fit(&data()).unwrap();
    assert_eq!(
        bits(net.model().parameters()),
        bits(again.model().parameters())
    );
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let folder = Folder::new("refused");
    let path = folder.file("run.safetensors");
    let stop = AtomicBool::new(false);
    let mut net = Normalized::new(5);
    train_for(net.trainer(), 4, &path, &stop).unwrap();
    let weights = folder.file("weights.safetensors");
    net.save(&weights).unwrap();

    let mut other = Normalized::new(6);
    let before = bits(other.model().parameters());
    let mut refused = |set: &dyn Fn(Trainer<'_, Normalized>) -> Trainer<'_, Normalized>| {
        let trainer = other.trainer().progress(false).resume_from(&path);
        set(trainer).fit(&data()).unwrap_err().to_string()
    };
    let cases: [(String, &str); 8] = [
        (
            refused(&|trainer| trainer.resume_from("missing.safetensors")),
            "`missing.safetensors`: No such file or directory (os error 2)",
        ),
        (
            refused(&|trainer| trainer.resume_from(&weights)),
            "the file holds weights, but no state of training to resume",
        ),
        (
            refused(&|trainer| trainer.batch_size(15)),
            "training began with the `batch_size` 16, but shall be resumed with 15",
        ),
        (
            refused(&|trainer| trainer.accumulate(2)),
            "training began with the `accumulate` 1, but shall be resumed with 2",
        ),
        (
            refused(&|trainer| trainer.seed(4)),
            "training began with the `seed` 3, but shall be resumed with 4",
        ),
        (
            refused(&|trainer| trainer.augment([Augment::shift(1), Augment::rotate(5.0)])),
            "training began with the `augment` [], but shall be resumed with [rotate(5.0), shift(1)]",
        ),
        (
            refused(&|trainer| trainer.validation_split(0.1)),
            "training began with the number of examples 45, but shall be resumed with 40",
        ),
        (
            refused(&|trainer| trainer.optimizer(Optimizer::sgd())),
            "training began with the optimizer `adam`, which remembers `mean`, `square`, but shall be resumed with `sgd`, which \
             remembers nothing",
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(found, expected)| !found.ends_with(expected))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(bits(other.model().parameters()), before);

    let error = Wider::new(1)
        .trainer()
        .resume_from(&path)
        .fit(&data())
        .unwrap_err();
    assert!(
        error.to_string().ends_with(
            "layer 3 of the network that was trained was `relu_1`, a `relu` of 6x6x4, but now is `tanh_1`, a `tanh` of 6x6x4"
        ),
        "{error}"
    );
    let error = Model::new(&XOR, 0).trainer().resume_from(&path).fit(&xor());
    assert!(
        matches!(
            error,
            Err(Error::Checkpoint {
                source: CheckpointError::TensorShape { .. },
                ..
            })
        ),
        "{error:?}"
    );

    // Between two epochs, the way through the data may change.
    let mut net = Normalized::new(5);
    net.trainer()
        .epochs(1)
        .checkpoint(&path)
        .fit(&data())
        .unwrap();
    let trainer = net
        .trainer()
        .epochs(2)
        .batch_size(5)
        .seed(9)
        .augment([Augment::mixup(0.2)])
        .resume_from(&path);
    assert_eq!(trainer.fit(&stripes(20)).unwrap().epochs[1].examples, 20);
}

#[test]
fn settings_without_sense_are_refused() {
    let data = data();
    let mut net = Normalized::new(5);
    let mut refused = |checkpoint: Checkpoint| {
        let trainer = net.trainer().checkpoint(checkpoint);
        trainer.fit(&data).unwrap_err().to_string()
    };
    let of = || Checkpoint::new("never.safetensors");
    let cases = [
        (
            refused(of().every_epochs(0)),
            "`every_epochs` is 0, but must be at least 1",
        ),
        (
            refused(of().every_steps(0)),
            "`every_steps` is 0, but must be at least 1",
        ),
        (
            refused(of().every_minutes(f64::NAN)),
            "`every_minutes` is NaN, but must be above 0 and finite",
        ),
        (
            refused(of().best_only(true).monitor("val_loss")),
            "there is no score `val_loss` to follow, but there are `loss`, `accuracy`",
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(found, expected)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let error = net.trainer().steps_per_epoch(0).fit(&data).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`steps_per_epoch` is 0, but must be at least 1"
    );
}

#[test]
fn one_step_is_trained_on_a_batch() {
    let (mut one, mut expected) = (Model::new(&STRIPES, 1), Model::new(&STRIPES, 1));
    let data = stripes(20);
    for _ in 0..3 {
        let scores = one.trainer().train_on_batch(&data).unwrap();
        let trainer = expected.trainer().epochs(1).batch_size(20).shuffle(false);
        assert_eq!(scores, trainer.fit(&data).unwrap().epochs[0].scores);
    }
    assert_eq!(bits(one.parameters()), bits(expected.parameters()));
}

#[test]
fn every_step_is_told() {
    let mut steps = Vec::new();
    let mut net = Normalized::new(5);
    let history = {
        let trainer = net.trainer().epochs(2).progress(false);
        trainer
            .on_step(|step, _| steps.push(step.clone()))
            .fit(&data())
            .unwrap()
    };
    let numbers: Vec<_> = steps
        .iter()
        .map(|step| (step.epoch, step.number, step.steps))
        .collect();
    assert_eq!(
        numbers,
        [
            (1, 1, 3),
            (1, 2, 3),
            (1, 3, 3),
            (2, 1, 3),
            (2, 2, 3),
            (2, 3, 3)
        ]
    );
    let losses = steps[..3].iter().zip([16.0, 16.0, 13.0]);
    let mean = losses
        .map(|(step, examples)| step.scores.loss * examples)
        .sum::<f64>()
        / 45.0;
    assert!((mean - history.epochs[0].scores.loss).abs() < 1e-12);
}
