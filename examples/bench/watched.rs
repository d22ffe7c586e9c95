//! What it costs to watch a training: steps with progress, metrics and callbacks beside bare ones.
//!
//! ```text
//! round ──▶ bare: no metric, no output           ──▶ wall time of `fit` by steps ──▶ median ╮
//!       ╰─▶ watched: metrics, progress, callbacks ──▶ the same                   ──▶ median ┴─▶ ratio
//! ```
//!
//! Both train the network of the tutorial from the same weights on the same images, one after the other in each round, so
//! that other load on the machine meets both. The clock runs around the whole call of `fit`: what callbacks take is not in
//! `Epoch::seconds`. A validation is work that is asked for, and is left out.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use cnn::callbacks::{Checkpoint, CsvLog, EarlyStopping, ReduceOnPlateau};
use cnn::{Examples, Model, Network};

use crate::measure::median;
use crate::networks::{self, Tutorial};
use crate::pictures::Digits;

cnn::network! {
    /// The tutorial's network with metrics.
    network Watched {
        input(28x28x1);
        conv2d(32, 3x3, activation = relu);
        max_pool2d(2x2);
        conv2d(64, 3x3, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(64, activation = relu);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = rmsprop(learning_rate = 1e-3);
            metrics = [accuracy, top_k_accuracy(k = 3), precision, recall];
            batch_size = 64;
        }
    }
}

/// Images in a step.
const BATCH: usize = 64;

/// Prints the medians of both for each number of threads, and their ratio.
pub fn run(
    digits: &Digits,
    threads: &[usize],
    rounds: usize,
    seconds: f64,
) -> Result<(), Box<dyn Error>> {
    let data = digits.pictures(networks::find("tutorial")?)?;
    let folder = std::env::temp_dir().join(format!("cnn-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("tutorial, batches of {BATCH}, medians of {rounds} rounds");
    println!("threads   bare µs/step   watched µs/step   throughput");
    for &threads in threads {
        let bare = |epochs| bare(&data, threads, epochs);
        let watched = |epochs| watched(&data, threads, epochs, &folder);
        // One epoch of each warms up, and says how many fill a round.
        let epoch = bare(1)?;
        watched(1)?;
        let steps = data.len().div_ceil(BATCH) as f64;
        let epochs = (seconds / (epoch * 1e-6 * steps)).ceil().max(1.0) as usize;
        let (mut of_bare, mut of_watched) = (Vec::new(), Vec::new());
        for round in 0..rounds.max(1) {
            // Each goes first in every other round.
            match round % 2 {
                0 => {
                    of_bare.push(bare(epochs)?);
                    of_watched.push(watched(epochs)?);
                }
                _ => {
                    of_watched.push(watched(epochs)?);
                    of_bare.push(bare(epochs)?);
                }
            }
        }
        let (bare, watched) = (median(&mut of_bare), median(&mut of_watched));
        let share = 100.0 * bare / watched;
        println!("{threads:>7} {bare:>14.1} {watched:>17.1} {share:>10.1} %");
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Microseconds of a step that nobody watches.
fn bare(data: &Examples<'_>, threads: usize, epochs: usize) -> Result<f64, cnn::Error> {
    let mut model = Model::new(Tutorial::spec(), 0);
    let trainer = model.trainer().threads(threads).batch_size(BATCH);
    let trainer = trainer.epochs(epochs).progress(false);
    let start = Instant::now();
    trainer.fit(data)?;
    Ok(per_step(start, data, epochs))
}

/// Microseconds of a step with all that there is to watch it, but a validation.
fn watched(
    data: &Examples<'_>,
    threads: usize,
    epochs: usize,
    folder: &Path,
) -> Result<f64, cnn::Error> {
    let mut net = Watched::new(0);
    let (mut losses, mut accuracies) = (0.0, Vec::new());
    let trainer = net.trainer().threads(threads).batch_size(BATCH);
    let trainer = trainer
        .epochs(epochs)
        .metric("confidence", |prediction, _| {
            f64::from(prediction.iter().copied().fold(0.0, f32::max))
        })
        .early_stopping(
            EarlyStopping::new()
                .monitor("accuracy")
                .patience(usize::MAX),
        )
        .reduce_on_plateau(ReduceOnPlateau::new().monitor("loss").patience(1000))
        .csv_log(CsvLog::new(folder.join("log.csv")))
        .checkpoint(Checkpoint::new(folder.join("run.safetensors")).every_minutes(1.0))
        .on_step(|step, _| losses += step.scores.loss)
        .on_epoch(|epoch, _| accuracies.push(epoch.scores.accuracy()));
    let start = Instant::now();
    trainer.fit(data)?;
    let time = per_step(start, data, epochs);
    assert!(losses > 0.0 && accuracies.len() == epochs, "watched steps");
    Ok(time)
}

fn per_step(start: Instant, data: &Examples<'_>, epochs: usize) -> f64 {
    let steps = epochs * data.len().div_ceil(BATCH);
    start.elapsed().as_secs_f64() * 1e6 / steps as f64
}
