//! The main job: the convnet of the Keras MNIST tutorial, trained on the real data.
//!
//! ```text
//! cargo run --release --example mnist
//! cargo run --release --example mnist -- --help
//! ```
//!
//! Prints the summary, trains on all 60,000 images, prints the test accuracy after each epoch,
//! saves the weights, loads them into a new network and shows ten test digits with their
//! predictions. Ctrl-C stops after the step in progress; what was learned is saved. With `--resume`, the state of the
//! training is kept in a file after each epoch and when it is stopped, and the next run goes on from there. With
//! `--report`, which needs the features `plots` and `inspect`, it writes a page about the training:
//!
//! ```text
//! cargo run --release --features plots,inspect --example mnist -- --augment --report report.html
//! ```

mod digits;
mod stop;

use clap::Parser;
use cnn::{Augment, Examples, History};
use std::error::Error;
use std::path::{Path, PathBuf};

cnn::network! {
    /// The convnet of the Keras MNIST tutorial.
    pub network Mnist {
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
            metrics = [accuracy];
            epochs = 5;
            batch_size = 64;
        }
    }
}

/// Trains the convnet of the Keras MNIST tutorial and shows what it learned.
#[derive(Parser)]
struct Options {
    /// Passes over the 60,000 images
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Threads; the result is the same for any number [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Of the first weights and of the order of the images
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Step size of rmsprop
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    /// Changes the images at random while training: moved by up to 2 pixels, turned by 10 degrees, scaled by 10 %
    #[arg(long)]
    augment: bool,
    /// Keeps the state of the training in this file, and goes on from it if it is there
    #[arg(long)]
    resume: Option<PathBuf>,
    /// Writes a page about the training, one HTML file
    #[arg(long)]
    report: Option<PathBuf>,
    /// Folder of the four MNIST files
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist"), hide_default_value = true)]
    data: PathBuf,
    /// Where the weights are saved
    #[arg(long, default_value = "mnist.safetensors")]
    output: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if let Some(threads) = options.threads {
        cnn::set_threads(threads);
    }
    println!("{}", Mnist::SUMMARY);
    let (train, test) = cnn::data::mnist(&options.data)?;

    let stop = stop::on_ctrl_c()?;
    let mut net = Mnist::new(options.seed);
    // Digits are not mirrored: a mirrored 2 is none.
    let augment = [Augment::shift(2), Augment::rotate(10.0), Augment::zoom(0.1)];
    let mut trainer = net.trainer();
    if let Some(path) = &options.resume {
        trainer = trainer.checkpoint(path);
        if path.exists() {
            trainer = trainer.resume_from(path);
        }
    }
    let history = trainer
        .augment(augment.into_iter().filter(|_| options.augment))
        .epochs(options.epochs)
        .seed(options.seed)
        .learning_rate(options.learning_rate)
        .validation(&test)
        .stop(&stop)
        .on_epoch(|epoch, _| {
            let accuracy = epoch.validation.as_ref().and_then(cnn::Scores::accuracy);
            println!(
                "epoch {}: {}, test accuracy {:.4}, {:.1} s, {:.0} images/s",
                epoch.number,
                epoch.scores,
                accuracy.unwrap_or(f64::NAN),
                epoch.seconds,
                epoch.examples_per_second(),
            );
        })
        .fit(&train)?;
    if history.stopped {
        println!("stopped; what was learned so far is kept");
    }

    net.save(&options.output)?;
    let net = Mnist::load(&options.output)?;
    println!(
        "saved to {} and loaded again: {}",
        options.output.display(),
        net.evaluate(&test)?
    );
    if let Some(path) = &options.report {
        report(path, &options, &net, &history, &test)?;
        println!("the report is in {}", path.display());
    }
    digits::show(&test, 10, |image| net.predict(image));
    Ok(())
}

#[cfg(not(all(feature = "plots", feature = "inspect")))]
fn report(
    _: &Path,
    _: &Options,
    _: &Mnist,
    _: &History,
    _: &Examples<'_>,
) -> Result<(), Box<dyn Error>> {
    Err("a report needs `cargo run --release --features plots,inspect --example mnist`".into())
}

/// Writes what the training did, what the network takes for what, and what its layers make of a digit.
#[cfg(all(feature = "plots", feature = "inspect"))]
fn report(
    path: &Path,
    options: &Options,
    net: &Mnist,
    history: &History,
    test: &Examples<'_>,
) -> Result<(), Box<dyn Error>> {
    use cnn::Dataset;

    let mut digit = [[[0.0; 1]; 28]; 28];
    test.read_input(0, digit.as_flattened_mut().as_flattened_mut());
    cnn::plots::Report::new("The convnet of the Keras tutorial on MNIST")
        .settings([
            ("optimizer", "rmsprop".to_owned()),
            ("learning rate", options.learning_rate.to_string()),
            ("epochs", options.epochs.to_string()),
            ("seed", options.seed.to_string()),
            ("augmentation", options.augment.to_string()),
        ])
        .summary(Mnist::SUMMARY)
        .history(history)
        .confusion_matrix(&net.confusion_matrix(test)?)
        .mistakes(test, net.predict_dataset(test)?.view(), &[])?
        .filters("conv2d_1", net.conv2d_1().kernel())
        .inspection(net, &net.inspect(&digit))?
        .weights(net.tensors())
        .save(path)?;
    Ok(())
}
