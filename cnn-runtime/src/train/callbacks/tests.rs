//! The decisions of Keras for sequences of scores, and which scores there are.

use std::fmt::Write as _;

use super::{Callback, EarlyStopping, EndOfEpoch, Mode, ReduceOnPlateau, Score};
use crate::error::Error;
use crate::model::Scores;
use crate::objective::custom::Custom;
use crate::train::history::{Epoch, History};
use cnn_ir::Metric;

/// Written by `tests/fixtures/callbacks.py`, which says what it holds.
const KERAS: &str = include_str!("keras.txt");

fn scores(loss: f64) -> Scores {
    Scores {
        loss,
        metrics: Vec::new(),
        custom: Vec::new(),
        outputs: Vec::new(),
    }
}

/// What a callback does with these losses of the validation: the learning rate of each epoch that is trained, and whether
/// the callback has stopped the training.
fn run(callback: &mut dyn Callback, losses: &[f64]) -> (Vec<f64>, bool) {
    let (mut learning_rate, mut stop) = (0.5, false);
    let mut rates = Vec::new();
    for (index, loss) in losses.iter().enumerate() {
        rates.push(learning_rate);
        let epoch = Epoch {
            number: index + 1,
            scores: scores(f64::NAN),
            validation: Some(scores(*loss)),
            learning_rate,
            examples: 1,
            seconds: 0.0,
        };
        let mut end = EndOfEpoch {
            epoch: &epoch,
            parameters: &[index as f32 + 1.0],
            learning_rate: &mut learning_rate,
            stop: &mut stop,
        };
        callback.end_of_epoch(&mut end).expect("no file is written");
        if stop {
            break;
        }
    }
    (rates, stop)
}

fn mode(name: &str) -> Mode {
    match name {
        "min" => Mode::Min,
        "max" => Mode::Max,
        name => panic!("no mode is called {name}"),
    }
}

fn numbers(text: &str) -> Vec<f64> {
    let words = text.split_whitespace();
    words.map(|word| word.parse().expect("a number")).collect()
}

fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = text.split_whitespace();
    words.map(|word| word.split_once('=').expect("a name and a value"))
}

fn early_stopping(text: &str) -> EarlyStopping {
    let callback = EarlyStopping::new().restore_best_weights(true);
    settings(text).fold(callback, |callback, (name, value)| match name {
        "patience" => callback.patience(value.parse().unwrap()),
        "min_delta" => callback.min_delta(value.parse().unwrap()),
        "baseline" => callback.baseline(value.parse().unwrap()),
        "start_from_epoch" => callback.start_from_epoch(value.parse().unwrap()),
        "mode" => callback.mode(mode(value)),
        name => panic!("no setting is called {name}"),
    })
}

fn reduce_on_plateau(text: &str) -> ReduceOnPlateau {
    settings(text).fold(
        ReduceOnPlateau::new(),
        |callback, (name, value)| match name {
            "patience" => callback.patience(value.parse().unwrap()),
            "min_delta" => callback.min_delta(value.parse().unwrap()),
            "cooldown" => callback.cooldown(value.parse().unwrap()),
            "factor" => callback.factor(value.parse().unwrap()),
            "min_lr" => callback.min_learning_rate(value.parse().unwrap()),
            "mode" => callback.mode(mode(value)),
            name => panic!("no setting is called {name}"),
        },
    )
}

#[test]
fn decisions_are_those_of_keras() {
    let all = Score::all(&scores(0.0), &Custom::default(), true);
    let mut wrong = String::new();
    for line in KERAS.lines() {
        let fields: Vec<_> = line.split('|').map(str::trim).collect();
        match fields[..] {
            ["early", settings, losses, ref expected @ ..] => {
                let losses = numbers(losses);
                let mut callback = early_stopping(settings).begin(&all).unwrap();
                let (rates, stop) = run(&mut *callback, &losses);
                let mut history = History::default();
                let restored = callback.end_of_training(&mut history);
                let restored = restored.map_or(losses.len() as f32, |parameters| parameters[0]);
                let found = [
                    rates.len().to_string(),
                    if stop { "yes" } else { "no" }.into(),
                    (history.best_epoch).map_or("-".into(), |number| number.to_string()),
                    restored.to_string(),
                ];
                if found != expected || history.stopped_early != stop {
                    writeln!(wrong, "{line}: {found:?}").unwrap();
                }
            }
            ["plateau", settings, losses, expected] => {
                let mut callback = reduce_on_plateau(settings).begin(&all).unwrap();
                let (rates, stop) = run(&mut *callback, &numbers(losses));
                // Keras rounds the learning rate to `f32` with each reduction.
                let same = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b;
                let expected = numbers(expected);
                if stop || rates.len() != expected.len() || !rates.iter().zip(&expected).all(same) {
                    writeln!(wrong, "{line}: {rates:?}").unwrap();
                }
            }
            _ => panic!("{line}"),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_not_a_number_is_worse_than_any_number() {
    let all = Score::all(&scores(0.0), &Custom::default(), true);
    let losses = [f64::NAN, f64::NAN, 3.0, f64::NAN, 2.0, f64::NAN, f64::NAN];
    for mode in [Mode::Min, Mode::Max] {
        let settings = EarlyStopping::new().patience(2).mode(mode);
        let mut callback = settings.begin(&all).unwrap();
        // Two epochs without a number end it at once.
        assert_eq!(run(&mut *callback, &losses).0.len(), 2, "{mode:?}");
        assert_eq!(callback.end_of_training(&mut History::default()), None);
        let mut callback = settings.patience(3).begin(&all).unwrap();
        run(&mut *callback, &losses);
        let mut history = History::default();
        callback.end_of_training(&mut history);
        let best = if mode == Mode::Min { 5 } else { 3 };
        assert_eq!(history.best_epoch, Some(best), "{mode:?}");
    }
}

#[test]
fn scores_have_the_direction_of_their_names() {
    let of_output = Scores {
        loss: 2.0,
        metrics: vec![(Metric::Accuracy, 3.0), (Metric::MeanAbsoluteError, 4.0)],
        custom: Vec::new(),
        outputs: Vec::new(),
    };
    let epoch = Epoch {
        number: 2,
        scores: Scores {
            loss: 1.0,
            metrics: Vec::new(),
            custom: Vec::new(),
            outputs: vec![("digit", of_output.clone())],
        },
        validation: None,
        learning_rate: 0.5,
        examples: 1,
        seconds: 0.0,
    };
    let all = Score::all(&epoch.scores, &Custom::default(), true);
    let names: Vec<_> = all.iter().map(|score| score.name.as_str()).collect();
    let expected = ["loss", "digit_loss", "digit_accuracy", "digit_mae"];
    assert_eq!(names[..4], expected);
    assert_eq!(names[4..], expected.map(|name| format!("val_{name}")));

    // Of a score that rises, only the accuracy becomes better.
    let rising = |loss: f64| Epoch {
        number: loss as usize,
        scores: Scores {
            loss,
            metrics: Vec::new(),
            custom: Vec::new(),
            outputs: vec![(
                "digit",
                Scores {
                    loss,
                    metrics: (of_output.metrics.iter())
                        .map(|(metric, _)| (*metric, loss))
                        .collect(),
                    custom: Vec::new(),
                    outputs: Vec::new(),
                },
            )],
        },
        ..epoch.clone()
    };
    let all = Score::all(&epoch.scores, &Custom::default(), false);
    for (name, best) in [
        ("loss", 1),
        ("digit_loss", 1),
        ("digit_accuracy", 3),
        ("digit_mae", 1),
    ] {
        let settings = EarlyStopping::new().monitor(name).patience(9);
        let mut callback = settings.begin(&all).unwrap();
        for number in [1.0, 2.0, 3.0] {
            let epoch = rising(number);
            let mut end = EndOfEpoch {
                epoch: &epoch,
                parameters: &[],
                learning_rate: &mut 0.5,
                stop: &mut false,
            };
            callback.end_of_epoch(&mut end).unwrap();
        }
        let mut history = History::default();
        callback.end_of_training(&mut history);
        assert_eq!(history.best_epoch, Some(best), "{name}");
    }
}

#[test]
fn settings_without_sense_are_refused() {
    let all = Score::all(&scores(0.0), &Custom::default(), false);
    let (early, plateau) = (EarlyStopping::new, ReduceOnPlateau::new);
    let cases = [
        (
            early().monitor("val_loss").begin(&all),
            "there is no score `val_loss` to follow, but there are `loss`",
        ),
        (
            plateau().monitor("accuracy").begin(&all),
            "there is no score `accuracy` to follow, but there are `loss`",
        ),
        (
            early().min_delta(-0.5).begin(&all),
            "`min_delta` is -0.5, but must be zero or more and finite",
        ),
        (
            plateau().min_delta(f64::NAN).begin(&all),
            "`min_delta` is NaN, but must be zero or more and finite",
        ),
        (
            early().baseline(f64::INFINITY).begin(&all),
            "`baseline` is inf, but must be finite",
        ),
        (
            plateau().factor(1.0).begin(&all),
            "`factor` is 1.0, but must be above 0 and less than 1",
        ),
        (
            plateau().factor(0.0).begin(&all),
            "`factor` is 0.0, but must be above 0 and less than 1",
        ),
        (
            plateau().min_learning_rate(-1.0).begin(&all),
            "`min_learning_rate` is -1.0, but must be zero or more and finite",
        ),
    ];
    let message = |result: Result<Box<dyn Callback>, Error>| match result {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    };
    let found = cases.map(|(result, expected)| (message(result), expected));
    let wrong: Vec<_> = found.iter().filter(|(a, b)| a != b).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
