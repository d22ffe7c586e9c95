//! What a trainer does at the end of each epoch, and the examples that it holds back for it.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use cnn::callbacks::{CsvLog, EarlyStopping, ReduceOnPlateau};
use cnn::runtime::Model;
use cnn::{Dataset, Error, Examples, History, Network, Schedule};
use folder::Folder;
use ndarray::{Array2, array};
use small::{STRIPES, XOR, Xor, bits, stripe_images, stripes, xor};

cnn::network! {
    network Normalized {
        input(2);
        dense(4);
        batch_normalization;
        dense(1, activation = sigmoid);
        train { loss = binary_crossentropy; optimizer = adam(learning_rate = 0.05); metrics = [accuracy]; batch_size = 2; }
    }
}

/// The opposite of what is learnt, so that its loss rises sooner or later.
fn opposite() -> Examples<'static> {
    let inputs: Array2<f32> = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    Examples::labelled(inputs, [1, 0, 0, 1]).unwrap()
}

#[test]
fn the_best_weights_come_back_bit_for_bit() {
    let (data, validation) = (xor(), opposite());
    for restore in [true, false] {
        let mut net = Normalized::new(3);
        let mut seen = Vec::new();
        let history = net
            .trainer()
            .epochs(100)
            .validation(&validation)
            .early_stopping(
                EarlyStopping::new()
                    .patience(4)
                    .restore_best_weights(restore),
            )
            .on_epoch(|_, net: &Normalized| seen.push(bits(net.model().parameters())))
            .fit(&data)
            .unwrap();
        assert!(history.stopped_early && !history.stopped);
        let best = history.best_epoch.unwrap();
        assert_eq!(history.epochs.len(), best + 4);
        let kept = if restore { best } else { best + 4 };
        assert_eq!(bits(net.model().parameters()), seen[kept - 1]);
        // What was derived from the weights before is forgotten, and running statistics are among them.
        let scores = history.epochs[kept - 1].validation.as_ref();
        assert_eq!(scores, Some(&net.evaluate(&validation).unwrap()));
        assert_ne!(seen[best - 1], seen[best + 3]);
    }
}

#[test]
fn the_best_weights_come_back_when_training_ends_otherwise() {
    let (data, validation) = (xor(), opposite());
    let flag = AtomicBool::new(false);
    for by_flag in [true, false] {
        flag.store(false, Ordering::Relaxed);
        let mut net = Normalized::new(3);
        let mut seen = Vec::new();
        let early_stopping = EarlyStopping::new()
            .patience(1000)
            .restore_best_weights(true);
        let history = net
            .trainer()
            .epochs(60)
            .validation(&validation)
            .stop(&flag)
            .early_stopping(early_stopping)
            .on_epoch(|epoch, net: &Normalized| {
                seen.push(bits(net.model().parameters()));
                flag.store(by_flag && epoch.number == 50, Ordering::Relaxed);
            })
            .fit(&data)
            .unwrap();
        assert_eq!((history.stopped, history.stopped_early), (by_flag, false));
        let best = history.best_epoch.unwrap();
        assert!(best < 50);
        assert_eq!(bits(net.model().parameters()), seen[best - 1]);
    }
}

#[test]
fn each_call_of_fit_begins_anew_and_goes_on_where_the_weights_are() {
    // With a patience that does not run out, callbacks change nothing: two calls are one.
    let data = stripes(30);
    let (mut once, mut twice) = (Model::new(&STRIPES, 1), Model::new(&STRIPES, 1));
    once.trainer().epochs(4).fit(&data).unwrap();
    for _ in 0..2 {
        let trainer = twice
            .trainer()
            .epochs(2)
            .reduce_on_plateau(ReduceOnPlateau::new());
        let history = trainer
            .early_stopping(EarlyStopping::new().patience(9))
            .fit(&data)
            .unwrap();
        assert!(!history.stopped_early);
        assert!(history.best_epoch.is_some_and(|number| number <= 2));
    }
    assert_eq!(bits(once.parameters()), bits(twice.parameters()));

    // A plateau in the first call is forgotten in the second.
    let never = || {
        ReduceOnPlateau::new()
            .patience(1)
            .factor(0.5)
            .min_delta(1e9)
    };
    let mut model = Model::new(&XOR, 1);
    for _ in 0..2 {
        let trainer = model
            .trainer()
            .epochs(4)
            .learning_rate(0.5)
            .reduce_on_plateau(never());
        let history = trainer.fit(&xor()).unwrap();
        let rates: Vec<_> = history
            .epochs
            .iter()
            .map(|epoch| epoch.learning_rate)
            .collect();
        assert_eq!(rates, [0.5, 0.5, 0.25, 0.125]);
    }
}

#[test]
fn settings_without_sense_are_refused_before_the_first_step() {
    let mut net = Xor::new(1);
    let before = bits(net.model().parameters());
    let (data, validation) = (xor(), xor());
    let expect = |found: Result<History, Error>, expected: &str| {
        assert_eq!(found.unwrap_err().to_string(), expected);
    };
    let unknown = EarlyStopping::new().monitor("val_accuracy");
    let trainer = net.trainer().early_stopping(unknown.clone());
    let found = trainer.fit(&data);
    assert!(matches!(&found, Err(Error::Monitor { name, .. }) if name == "val_accuracy"));
    expect(
        found,
        "there is no score `val_accuracy` to follow, but there are `loss`, `accuracy`",
    );
    let history = net
        .trainer()
        .epochs(0)
        .validation(&validation)
        .early_stopping(unknown)
        .fit(&data);
    assert_eq!(history.unwrap(), History::default());

    let trainer = net.trainer().reduce_on_plateau(ReduceOnPlateau::new());
    expect(
        trainer
            .learning_rate(Schedule::cosine_decay(0.1, 10))
            .fit(&data),
        "`learning_rate` is the schedule `cosine_decay`, but must be a number for `reduce_on_plateau` to change",
    );
    for (share, expected) in [
        (0.0, "above 0 and less than 1"),
        (1.0, "above 0 and less than 1"),
        (f64::NAN, "above 0 and less than 1"),
        (0.9, "such that an example or more is on either side"),
    ] {
        let found = net.trainer().validation_split(share).fit(&data);
        expect(
            found,
            &format!("`validation_split` is {share:?}, but must be {expected}"),
        );
    }
    let trainer = net.trainer().validation(&validation).validation_split(0.5);
    expect(
        trainer.fit(&data),
        "`validation_split` is 0.5, but must be left out where `validation` has the examples",
    );
    assert_eq!(bits(net.model().parameters()), before);
}

#[test]
fn a_log_has_a_line_for_each_epoch() {
    let folder = Folder::new("csv");
    let path = folder.file("log.csv");
    fs::write(&path, "what was there before\n").unwrap();
    let (data, validation) = (xor(), opposite());
    let mut net = Xor::new(1);
    let history = net
        .trainer()
        .epochs(3)
        .validation(&validation)
        .csv_log(&path)
        .fit(&data)
        .unwrap();
    let log = fs::read_to_string(&path).unwrap();
    let header = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds";
    let mut expected = format!("{header}\n");
    for epoch in &history.epochs {
        let scores = [&epoch.scores, epoch.validation.as_ref().unwrap()];
        let [a, b] = scores.map(|scores| format!("{},{}", scores.loss, scores.accuracy().unwrap()));
        let (number, rate, seconds) = (epoch.number, epoch.learning_rate, epoch.seconds);
        expected += &format!("{number},{a},{b},{rate},{seconds}\n");
    }
    assert_eq!(log, expected);

    // Appended to lines, one of them cut off; without another header.
    fs::write(&path, format!("{expected}4,0.5")).unwrap();
    let append = CsvLog::new(&path).append(true);
    let trainer = net.trainer().epochs(2).validation(&validation);
    trainer.csv_log(append.clone()).fit(&data).unwrap();
    let log = fs::read_to_string(&path).unwrap();
    let added = log.strip_prefix(&format!("{expected}4,0.5\n")).unwrap();
    let starts: Vec<_> = added.lines().map(|line| &line[..2]).collect();
    assert_eq!(starts, ["1,", "2,"]);
    assert!(log.ends_with('\n'));

    // Not to other columns, and nothing in no epochs.
    let error = net.trainer().csv_log(append).fit(&data).unwrap_err();
    let expected = format!(
        "`csv_log` is the columns `{header}` of the file, but must be the names of the scores, to append to them"
    );
    assert_eq!(error.to_string(), expected);
    net.trainer().epochs(0).csv_log(&path).fit(&data).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), log);

    let error = net
        .trainer()
        .csv_log(folder.file("none/log.csv"))
        .fit(&data);
    assert!(matches!(error, Err(Error::Io { .. })), "{error:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_training_after_the_epoch() {
    let data = stripes(30);
    let mut history = History::default();
    let (mut full, mut expected) = (Model::new(&STRIPES, 1), Model::new(&STRIPES, 1));
    let trainer = full
        .trainer()
        .epochs(3)
        .csv_log("/dev/full")
        .history(&mut history);
    let error = trainer.fit(&data).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    expected.trainer().epochs(1).fit(&data).unwrap();
    assert_eq!(history.epochs.len(), 1);
    assert_eq!(bits(full.parameters()), bits(expected.parameters()));
}

#[test]
fn the_last_share_is_held_back() {
    let data = stripes(31);
    // floor(31 * 0.8)
    let (train, validation) = data.split_at(24);
    let (mut split, mut expected) = (Model::new(&STRIPES, 1), Model::new(&STRIPES, 1));
    let found = split
        .trainer()
        .epochs(2)
        .validation_split(0.2)
        .fit(&data)
        .unwrap();
    let trainer = expected.trainer().epochs(2).validation(&validation);
    let history = trainer.fit(&train).unwrap();
    for (found, expected) in found.epochs.iter().zip(&history.epochs) {
        assert_eq!(
            (&found.scores, &found.validation),
            (&expected.scores, &expected.validation)
        );
        assert_eq!(found.examples, 24);
    }
    assert_eq!(bits(split.parameters()), bits(expected.parameters()));
}

/// A dataset that is read lazily; the target of one example is wrong.
struct Lazy {
    images: Vec<f32>,
    wrong: usize,
}

impl Dataset for Lazy {
    fn len(&self) -> usize {
        self.images.len() / 64
    }

    fn input_shape(&self) -> &[usize] {
        &[8, 8, 1]
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        out.copy_from_slice(&self.images[index * 64..][..64]);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        out.fill(0.0);
        out[index % 3] = if index == self.wrong { 7.0 } else { 1.0 };
    }
}

#[test]
fn a_wrong_target_has_its_number_in_the_whole_dataset() {
    let images = stripe_images(20).into_raw_vec_and_offset().0;
    for (wrong, whose) in [(17, "validation"), (3, "training")] {
        let data = Lazy {
            images: images.clone(),
            wrong,
        };
        let mut model = Model::new(&STRIPES, 1);
        let error = model
            .trainer()
            .validation_split(0.25)
            .fit(&data)
            .unwrap_err();
        let expected = format!("{whose} data: a target of example {wrong} is 7,");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
