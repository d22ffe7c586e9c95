//! Rounds of steps on a clock, through the public API.

use std::fmt;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cnn::ndarray::{ArrayD, Axis, Slice};
use cnn::{Error, Examples, Model};

/// What is timed.
#[derive(Clone, Copy, PartialEq)]
pub enum Work {
    /// Steps of `fit`.
    Train,
    /// `predict_batch`.
    Infer,
    /// `predict`, of one image.
    Predict,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::Train => "training step",
            Work::Infer => "predict_batch",
            Work::Predict => "predict",
        })
    }
}

/// A round of steps.
#[derive(Clone, Copy, Default)]
pub struct Timing {
    pub steps: usize,
    pub seconds: f64,
}

impl Timing {
    /// Of one step.
    pub fn microseconds(self) -> f64 {
        self.seconds / self.steps as f64 * 1e6
    }
}

/// Repeats `work` on batches of `batch` images for about `seconds`, after one step that does not count.
///
/// There are at least `batch` examples. `model` stays as it is: every round of training begins with the same weights.
pub fn run(
    work: Work,
    model: &Model,
    examples: &Examples<'_>,
    batch: usize,
    threads: usize,
    seconds: f64,
) -> Result<Timing, Error> {
    cnn::set_threads(threads);
    let images = examples.inputs();
    match work {
        Work::Train => train(&mut model.clone(), examples, batch, seconds),
        Work::Infer => {
            let batches: Vec<_> = (0..images.shape()[0] / batch)
                .map(|index| Slice::from(index * batch..(index + 1) * batch))
                .map(|range| images.slice_axis(Axis(0), range))
                .collect();
            let mut error = None;
            let timing = repeat(seconds, &batches, |batch| {
                let output: Result<ArrayD<f32>, _> = model.predict_batch(batch.view());
                match black_box(output) {
                    Ok(_) => {}
                    Err(source) => error = Some(source),
                }
            });
            error.map_or(Ok(timing), Err)
        }
        Work::Predict => {
            let size = model.spec().input.iter().product();
            let mut output = vec![0.0; model.spec().output.iter().product()];
            let flat = images.as_slice().expect("examples are contiguous");
            let images: Vec<&[f32]> = flat.chunks_exact(size).collect();
            Ok(repeat(seconds, &images, |image| {
                model.predict(image, black_box(&mut output));
            }))
        }
    }
}

/// Steps of `fit`; the clock is the one of its epochs, so that buffers are made outside it.
fn train(
    model: &mut Model,
    examples: &Examples<'_>,
    batch: usize,
    seconds: f64,
) -> Result<Timing, Error> {
    let fit = |model: &mut Model, steps: usize, seconds: f64| {
        let mut timing = Timing::default();
        let stop = AtomicBool::new(false);
        let data = examples.slice(0..steps * batch);
        let trainer = model.trainer().batch_size(batch).shuffle(false);
        trainer
            .threads(cnn::threads())
            .progress(false)
            .epochs(usize::MAX)
            .stop(&stop)
            .on_epoch(|epoch, _| {
                timing.steps += steps;
                timing.seconds += epoch.seconds;
                stop.store(timing.seconds >= seconds, Ordering::Relaxed);
            })
            .fit(&data)?;
        Ok::<Timing, Error>(timing)
    };
    // Epochs of a quarter of the round at most: a round ends only between two.
    let warm_up = fit(model, 1, 0.0)?;
    let steps = (seconds / 4.0 / warm_up.seconds) as usize;
    fit(model, steps.clamp(1, examples.len() / batch), seconds)
}

/// Calls `step` with one of `inputs` after the other.
fn repeat<T>(seconds: f64, inputs: &[T], mut step: impl FnMut(&T)) -> Timing {
    step(&inputs[0]);
    let start = Instant::now();
    let mut steps = 0;
    for input in inputs.iter().cycle() {
        step(input);
        steps += 1;
        if start.elapsed().as_secs_f64() >= seconds {
            break;
        }
    }
    Timing {
        steps,
        seconds: start.elapsed().as_secs_f64(),
    }
}

/// The middle value, or the mean of the two in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}
