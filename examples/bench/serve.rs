//! Commands of `tests/peers/compare.py` on standard input, one a line, one line of JSON back.
//!
//! ```text
//! load NETWORK FOLDER          weights.safetensors, images.f32, labels.u8 or targets.f32
//! infer BATCH FILE             writes the outputs for the first BATCH images
//! step sgd|rmsprop BATCH FILE  one step on them; writes the parameters, answers with the losses
//! time train|infer BATCH SECONDS
//! ```
//!
//! Every command begins with the weights that were loaded. Files of numbers are `f32`, little
//! endian, without a header; paths have no spaces.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;

use cnn::ndarray::ArrayD;
use cnn::{Examples, Model, Optimizer};

use crate::measure::{self, Work};
use crate::networks::{self, Targets};

/// What `load` read.
struct Loaded {
    model: Model,
    examples: Examples<'static>,
}

/// Answers commands until the standard input ends.
pub fn serve(threads: usize) -> Result<(), Box<dyn Error>> {
    cnn::set_threads(threads);
    let mut loaded = None;
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match answer(&words, &mut loaded, threads) {
            Ok(json) => writeln!(out, "{json}")?,
            Err(error) => writeln!(out, r#"{{"error": {:?}}}"#, error.to_string())?,
        }
        out.flush()?;
    }
    Ok(())
}

fn answer(
    words: &[&str],
    loaded: &mut Option<Loaded>,
    threads: usize,
) -> Result<String, Box<dyn Error>> {
    if let ["load", network, folder] = words {
        *loaded = Some(Loaded::read(network, Path::new(folder))?);
        return Ok(format!(r#"{{"version": {:?}}}"#, env!("CARGO_PKG_VERSION")));
    }
    let loaded = loaded.as_ref().ok_or("nothing is loaded yet")?;
    match words {
        ["infer", batch, file] => {
            let output: ArrayD<f32> = match batch.parse()? {
                1 => loaded.predict_one(),
                batch => {
                    let first = loaded.examples.take(batch);
                    loaded.model.predict_batch(first.inputs().view())?
                }
            };
            let bytes: Vec<u8> = output
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            fs::write(file, bytes)?;
            Ok("{}".into())
        }
        ["step", optimizer, batch, file] => {
            let optimizer = match *optimizer {
                "sgd" => Optimizer::sgd().with_learning_rate(0.1),
                "rmsprop" => Optimizer::rmsprop(),
                other => return Err(format!("no optimizer `{other}`").into()),
            };
            let [before, after] = loaded.step(optimizer, batch.parse()?, Path::new(file))?;
            Ok(format!(r#"{{"loss": {before}, "loss_after": {after}}}"#))
        }
        ["time", work, batch, seconds] => {
            let batch = batch.parse()?;
            let work = match (*work, batch) {
                ("train", _) => Work::Train,
                ("infer", 1) => Work::Predict,
                ("infer", _) => Work::Infer,
                (other, _) => return Err(format!("no work `{other}`").into()),
            };
            let timing = measure::run(
                work,
                &loaded.model,
                &loaded.examples,
                batch,
                threads,
                seconds.parse()?,
            )?;
            Ok(format!(
                r#"{{"steps": {}, "seconds": {}}}"#,
                timing.steps, timing.seconds
            ))
        }
        _ => Err(format!("no command `{}`", words.join(" ")).into()),
    }
}

impl Loaded {
    fn read(network: &str, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let network = networks::find(network)?;
        let spec = (network.spec)();
        let images = floats(&folder.join("images.f32"), spec.input)?;
        let examples = match network.targets {
            Targets::Labels => Examples::labelled(images, fs::read(folder.join("labels.u8"))?)?,
            Targets::Inputs => {
                let targets = floats(&folder.join("targets.f32"), spec.output)?;
                Examples::with_values(images, targets)?
            }
        };
        Ok(Self {
            model: Model::load(spec, folder.join("weights.safetensors"))?,
            examples,
        })
    }

    /// The output for the first image, by what is timed for one.
    fn predict_one(&self) -> ArrayD<f32> {
        let mut output = ArrayD::zeros(self.model.spec().output);
        let image = self.examples.input(0);
        self.model.predict(
            image.as_slice().expect("images are contiguous"),
            output.as_slice_mut().expect("new arrays are contiguous"),
        );
        output
    }

    /// One step on the first `batch` images, written to `file`, and another one; returns the losses of both.
    fn step(
        &self,
        optimizer: Optimizer,
        batch: usize,
        file: &Path,
    ) -> Result<[f64; 2], Box<dyn Error>> {
        let examples = self.examples.take(batch);
        let mut model = self.model.clone();
        let mut step = || -> Result<(f64, Model), Box<dyn Error>> {
            let trainer = model.trainer().optimizer(optimizer).batch_size(batch);
            let history = trainer
                .threads(cnn::threads())
                .epochs(1)
                .shuffle(false)
                .progress(false)
                .fit(&examples)?;
            Ok((history.epochs[0].scores.loss, model.clone()))
        };
        let (before, trained) = step()?;
        // The loss of a step is the one before it, with a batch's own statistics where there is a normalization.
        let (after, _) = step()?;
        trained.save(file)?;
        Ok([before, after])
    }
}

/// The numbers of a file, as an array of values of `shape`.
fn floats(file: &Path, shape: &[usize]) -> Result<ArrayD<f32>, Box<dyn Error>> {
    let bytes = fs::read(file)?;
    let (words, _) = bytes.as_chunks();
    let values: Vec<f32> = words.iter().copied().map(f32::from_le_bytes).collect();
    let count = values.len() / shape.iter().product::<usize>();
    Ok(ArrayD::from_shape_vec([&[count], shape].concat(), values)?)
}
