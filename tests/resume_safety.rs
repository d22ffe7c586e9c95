//! Checkpoints of a training when things go wrong: killed processes, full disks, files that are not what they should be.

#[path = "support/child.rs"]
mod child;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;

use std::fs;
use std::path::Path;

use cnn::callbacks::{Checkpoint, EarlyStopping, ReduceOnPlateau};
use cnn::runtime::{CheckpointError, Error, Model};
use cnn::{Examples, History};
use folder::Folder;
use safetensors::SafeTensors;
use small::{STRIPES, XOR, Xor, bits, stripes, xor};

/// Three steps an epoch.
fn data() -> Examples<'static> {
    stripes(45)
}

fn steps(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let text = record(&bytes);
    let (_, rest) = text.split_once("\"steps\":").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

fn record(bytes: &[u8]) -> String {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    metadata.metadata().as_ref().unwrap()["cnn_training"].clone()
}

#[cfg(unix)]
mod unix {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    use std::{env, thread};

    use super::child::{child, child_folder, succeeds};
    use super::*;

    /// A process that trains for ever is killed again and again, at any moment, and goes on each time. Whatever was
    /// trained in the end is what a process that was never killed would have.
    #[test]
    fn a_training_survives_being_killed_200_times() {
        const EPOCHS_AT_ONCE: usize = 1_000_000;
        if let Some(folder) = child_folder() {
            let path = folder.join("run.safetensors");
            let mut model = Model::new(&STRIPES, 7);
            let mut trainer = model.trainer().epochs(EPOCHS_AT_ONCE).progress(false);
            if path.exists() {
                trainer = trainer.resume_from(&path);
            }
            let trainer = trainer.checkpoint(Checkpoint::new(&path).every_steps(1));
            let trainer = trainer.on_step(|_, _| thread::sleep(Duration::from_micros(300)));
            trainer.fit(&data()).unwrap();
        }
        let folder = Folder::new("killed");
        let path = folder.file("run.safetensors");
        let test = "unix::a_training_survives_being_killed_200_times";
        let (mut before, mut left) = (0, 0);
        for round in 0..200_u64 {
            let mut command = child(test, &folder);
            let mut process = command.stdout(Stdio::null()).spawn().unwrap();
            // Each has trained on by a step at least, however slow the machine is.
            let begun = Instant::now();
            while !path.exists() || steps(&path) == before {
                assert!(begun.elapsed() < Duration::from_secs(60), "round {round}");
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(round * 7919 % 25_000));
            process.kill().unwrap();
            process.wait().unwrap();
            let now = steps(&path);
            assert!(now >= before, "round {round}: {now} steps after {before}");
            before = now;
            left += folder.names().len() - 1;
        }
        assert!(before > 200, "{before} steps");
        assert!(left > 0, "no process was killed while it wrote");

        let epochs = 1 + before.div_ceil(3) as usize;
        let mut resumed = Model::new(&STRIPES, 1);
        let trainer = resumed.trainer().epochs(epochs).progress(false);
        trainer.resume_from(&path).fit(&data()).unwrap();
        let mut whole = Model::new(&STRIPES, 7);
        whole
            .trainer()
            .epochs(epochs)
            .progress(false)
            .fit(&data())
            .unwrap();
        assert_eq!(bits(resumed.parameters()), bits(whole.parameters()));
    }

    /// A process that may write only short files, as if the disk were full.
    fn limited(test: &str, folder: &Folder) -> Command {
        let inner = child(test, folder);
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]);
        command.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            command.env(name, value.unwrap());
        }
        command
    }

    #[test]
    fn a_full_disk_leaves_the_old_file() {
        if let Some(folder) = child_folder() {
            let path = folder.join("run.safetensors");
            let fit = |goes_on| {
                let (mut model, mut history) = (Model::new(&STRIPES, 1), History::default());
                let trainer = model
                    .trainer()
                    .epochs(4)
                    .resume_from(&path)
                    .history(&mut history);
                let checkpoint = Checkpoint::new(&path).continue_on_error(goes_on);
                let result = trainer.checkpoint(checkpoint).fit(&data());
                (result.map(drop), history, model)
            };
            let (result, history, _) = fit(false);
            assert!(matches!(result, Err(Error::Io { .. })), "{result:?}");
            assert!(history.epochs.len() >= 3, "{history:?}");

            let (result, history, model) = fit(true);
            result.unwrap();
            let error = history.checkpoint_error.unwrap();
            assert!(error.contains("File too large"), "{error}");
            let mut expected = Model::new(&STRIPES, 5);
            expected.trainer().epochs(4).fit(&data()).unwrap();
            assert_eq!(bits(model.parameters()), bits(expected.parameters()));
            return;
        }
        if env::consts::OS != "linux" {
            return;
        }
        let folder = Folder::new("full");
        let path = folder.file("run.safetensors");
        let mut model = Model::new(&STRIPES, 5);
        model
            .trainer()
            .epochs(2)
            .checkpoint(&path)
            .fit(&data())
            .unwrap();
        let before = fs::read(&path).unwrap();
        succeeds(&mut limited(
            "unix::a_full_disk_leaves_the_old_file",
            &folder,
        ));
        assert!(fs::read(&path).unwrap() == before);
        assert_eq!(folder.names(), ["run.safetensors"]);
    }
}

/// A file in the middle of the second epoch, with all that a record may hold.
fn interrupted(folder: &Folder) -> Vec<u8> {
    let path = folder.file("interrupted.safetensors");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut model = Model::new(&STRIPES, 5);
    let early_stopping = EarlyStopping::new().patience(9).restore_best_weights(true);
    let trainer = model
        .trainer()
        .epochs(4)
        .progress(false)
        .stop(&stop)
        .checkpoint(&path);
    let trainer = trainer
        .early_stopping(early_stopping)
        .reduce_on_plateau(ReduceOnPlateau::new());
    let trainer = trainer.on_step(|step, _| {
        let is_last = (step.epoch, step.number) == (2, 2);
        stop.store(is_last, std::sync::atomic::Ordering::Relaxed);
    });
    trainer.fit(&data()).unwrap();
    fs::read(path).unwrap()
}

/// Resumes from a file with these bytes.
fn resume(folder: &Folder, bytes: &[u8]) -> Result<History, Error> {
    let path = folder.file("run.safetensors");
    fs::write(&path, bytes).unwrap();
    let early_stopping = EarlyStopping::new().patience(9).restore_best_weights(true);
    let mut model = Model::new(&STRIPES, 1);
    let trainer = model
        .trainer()
        .epochs(4)
        .progress(false)
        .early_stopping(early_stopping);
    let trainer = trainer.reduce_on_plateau(ReduceOnPlateau::new()).threads(1);
    trainer.resume_from(&path).fit(&data())
}

/// The file with another header.
fn with_header(bytes: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = change(str::from_utf8(&bytes[8..8 + length]).unwrap());
    let mut changed = (header.len() as u64).to_le_bytes().to_vec();
    changed.extend_from_slice(header.as_bytes());
    changed.extend_from_slice(&bytes[8 + length..]);
    changed
}

#[test]
fn records_that_are_not_what_they_should_be_are_refused() {
    let folder = Folder::new("hostile");
    let bytes = interrupted(&folder);
    assert!(resume(&folder, &bytes).is_ok());
    // What is replaced in the record, and the beginning of the error.
    let damaged = "the state of training in the file is damaged: ";
    let cases = [
        (
            r#""version":1"#,
            r#""version":2"#,
            "the file has version 2, but only 1 can be read",
        ),
        (r#""version":1"#, r#""version":-1"#, damaged),
        (r#""version":1,"#, "", damaged),
        (r#"{"version""#, r#"["version""#, damaged),
        (r#""progress""#, r#""regress""#, damaged),
        (r#""epoch":2"#, r#""epoch":0"#, damaged),
        (r#""epoch":2"#, r#""epoch":18446744073709551615"#, damaged),
        (r#""epoch":2"#, r#""epoch":184467440737095516150"#, damaged),
        (r#""epoch":2"#, r#""epoch":"2""#, damaged),
        (r#""epoch":2"#, r#""epoch":2.5"#, damaged),
        (r#""epochs":2"#, r#""epochs":0"#, damaged),
        (r#""epochs":2"#, r#""epochs":-2"#, damaged),
        (r#""epochs":2"#, r#""epochs":18446744073709551615"#, damaged),
        (r#""steps":5"#, r#""steps":1"#, damaged),
        (r#""steps":5"#, r#""steps":18446744073709551615"#, damaged),
        (r#""steps":2"#, r#""steps":0"#, damaged),
        (r#""steps":2"#, r#""steps":18446744073709551615"#, damaged),
        (r#""examples":32"#, r#""examples":0"#, damaged),
        (r#""examples":32"#, r#""examples":4500"#, damaged),
        (
            r#""iteration":5"#,
            r#""iteration":18446744073709551615"#,
            damaged,
        ),
        (r#""iteration":5"#, r#""iteration":null"#, damaged),
        (
            r#""sums":["#,
            r#""sums":["1.0","#,
            "training began with the metrics of 4 sums, but shall be resumed with those of 3",
        ),
        (r#""sums":["#, r#""sums":["one","#, damaged),
        (r#""sums":["#, r#""sums":[1.0,"#, damaged),
        (
            r#""learning_rate":"0.01""#,
            r#""learning_rate":"NaN""#,
            damaged,
        ),
        (
            r#""learning_rate":"0.01""#,
            r#""learning_rate":"-1""#,
            damaged,
        ),
        (
            r#""learning_rate":"0.01""#,
            r#""learning_rate":"inf""#,
            damaged,
        ),
        (r#""scores":["#, r#""scores":["1.0","#, damaged),
        (r#""scores":["#, r#""losses":["#, damaged),
        (
            r#""slots":["square"]"#,
            r#""slots":["square","a","b","c"]"#,
            damaged,
        ),
        (
            r#""slots":["square"]"#,
            r#""slots":["mean"]"#,
            "the tensor `training/mean/conv2d_1.kernel` is missing",
        ),
        (
            r#""slots":["square"]"#,
            r#""slots":[]"#,
            "training began with the optimizer `rmsprop`, which remembers nothing",
        ),
        (
            r#""rule":"rmsprop""#,
            r#""rule":"adam""#,
            "training began with the optimizer `adam`, which remembers `square`",
        ),
        (
            r#""batch_size":16"#,
            r#""batch_size":0"#,
            "training began with the `batch_size` 0, but",
        ),
        (r#""batch_size":16"#, r#""batch_size":-1"#, damaged),
        (
            r#""shuffle":true"#,
            r#""shuffle":false"#,
            "training began with the `shuffle` false, but",
        ),
        (r#""shuffle":true"#, r#""shuffle":1"#, damaged),
        (
            r#""layers":["#,
            r#""layers":[{"name":"a","kind":"b","output":[]},"#,
            "layer 1 of the network",
        ),
        (r#""layers":["#, r#""layers":[7,"#, damaged),
        (
            r#""output":[6,6,4]"#,
            r#""output":[6,6,5]"#,
            "layer 1 of the network that was trained was `conv2d_1`",
        ),
        (r#""output":[6,6,4]"#, r#""output":[6,6,-4]"#, damaged),
        (
            r#""kind":"max_pool2d""#,
            r#""kind":"avg_pool2d""#,
            "layer 2 of the network",
        ),
    ];
    let mut wrong = Vec::new();
    for (from, to, expected) in cases {
        let quoted = |text: &str| text.replace('"', "\\\"");
        let (from, to) = (quoted(from), quoted(to));
        let changed = with_header(&bytes, |header| {
            assert!(header.contains(&from), "{from}: {header}");
            header.replacen(&from, &to, 1)
        });
        match resume(&folder, &changed) {
            Err(Error::Checkpoint { source, .. }) if source.to_string().starts_with(expected) => {}
            result => wrong.push((to, result.map(|_| ()).map_err(|error| error.to_string()))),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn tensors_of_training_that_do_not_fit_are_named() {
    let folder = Folder::new("tensors");
    let bytes = interrupted(&folder);
    let cases = [
        (
            "training/square/dense_1.bias",
            "training/square/dense_1",
            "is missing",
        ),
        (
            "training/best/conv2d_1.kernel",
            "training/beast/conv2d_1.kernel",
            "is missing",
        ),
        (
            "training/square/dense_1.bias",
            "square/dense_1.bias",
            "the network has no tensor `square/dense_1.bias`",
        ),
    ];
    for (from, to, expected) in cases {
        let changed = with_header(&bytes, |header| header.replacen(from, to, 1));
        let error = resume(&folder, &changed).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Values that are not finite are a matter of the next step.
    let mut infinite = bytes.clone();
    let end = infinite.len();
    infinite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let result = resume(&folder, &infinite);
    assert!(
        matches!(result, Ok(_) | Err(Error::NonFiniteLoss { .. })),
        "{result:?}"
    );
    // Cut off anywhere.
    for length in (0..bytes.len()).step_by(97) {
        let result = resume(&folder, &bytes[..length]);
        let format = matches!(
            result,
            Err(Error::Checkpoint {
                source: CheckpointError::Format(_),
                ..
            })
        );
        assert!(format, "{length}: {result:?}");
    }
}

/// Bytes that change by chance: an error or a training, but no panic.
#[test]
fn changed_bytes_do_no_harm() {
    let folder = Folder::new("changed");
    let bytes = interrupted(&folder);
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..1000 {
        let mut changed = bytes.clone();
        for _ in 0..=next(3) {
            // Mostly in the header, and there mostly by what JSON is made of.
            let place = match next(4) {
                0 => next(changed.len()),
                _ => 8 + next(length),
            };
            changed[place] = match next(3) {
                0 => next(256) as u8,
                _ => b"0123456789-.eE[]{},:\"\\nulltrue "[next(31)],
            };
        }
        match resume(&folder, &changed) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        refused > 300 && taken > 3,
        "{refused} refused, {taken} taken"
    );
}

/// A file of version 1, as it was written when checkpoints came to be: it stays loadable.
#[test]
fn an_old_file_is_resumed() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/golden/xor_training_1.safetensors"
    );
    if std::env::var_os("CNN_UPDATE").is_some() && !Path::new(path).exists() {
        let mut model = Model::new(&XOR, 1);
        model
            .trainer()
            .epochs(20)
            .checkpoint(path)
            .fit(&xor())
            .unwrap();
    }
    let mut model = Model::new(&XOR, 0);
    let trainer = model.trainer().epochs(40).progress(false).resume_from(path);
    let history = trainer.fit(&xor()).unwrap();
    assert_eq!(history.epochs.len(), 40);
    let mut expected = Model::new(&XOR, 1);
    expected
        .trainer()
        .epochs(40)
        .progress(false)
        .fit(&xor())
        .unwrap();
    // Instruction sets round differently.
    for (found, expected) in model.parameters().iter().zip(expected.parameters()) {
        assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
    }
    // Whoever wants the weights alone gets them.
    let embedded = cnn::weights!(Xor, "golden/xor_training_1.safetensors");
    let loaded = Model::load(&XOR, path).unwrap();
    assert_eq!(bits(loaded.parameters()), bits(embedded));
}
