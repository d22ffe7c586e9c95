//! Trains a small network on a part of MNIST and writes a report of it, one HTML file.
//!
//! ```text
//! cargo run --release --features plots,inspect,gzip --example report
//! cargo run --release --features plots,inspect,gzip --example report -- --help
//! ```
//!
//! It takes less than a minute. With `--pictures`, the pictures are also written to files of their own:
//! `docs/pictures` was made so.

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use cnn::Dataset;
use cnn::plots::{self, Picture, Report};

cnn::network! {
    /// A small residual network for digits.
    pub network Digits {
        block residual(filters) {
            conv2d(filters, 3x3, padding = same, activation = relu);
            conv2d(filters, 3x3, padding = same);
            add(input);
            relu;
        }

        input(28x28x1);
        stem: conv2d(16, 3x3, activation = relu);
        max_pool2d(2x2);
        residual(16);
        max_pool2d(2x2);
        flatten;
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adam;
            metrics = [accuracy];
            epochs = 6;
            batch_size = 32;
        }
    }
}

/// Trains a small network on a part of MNIST and writes a report of it
#[derive(Parser)]
struct Options {
    /// Training images
    #[arg(long, default_value_t = 12_000)]
    examples: usize,
    /// Where the report is saved
    #[arg(long, default_value = "report.html")]
    output: PathBuf,
    /// A folder for the pictures
    #[arg(long)]
    pictures: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist");
    let (train, test) = cnn::data::mnist(folder)?;
    let train = train.take(options.examples);

    let mut net = Digits::new(0);
    let history = net.trainer().validation(&test).fit(&train)?;
    println!("{}", net.evaluate(&test)?);

    let scores = net.predict_dataset(&test)?;
    let matrix = net.confusion_matrix(&test)?;
    let kernel = net.stem().kernel();
    // One image, and what every layer makes of it.
    let mut image = [[[0.0; 1]; 28]; 28];
    test.read_input(0, image.as_flattened_mut().as_flattened_mut());
    let inspection = net.inspect(&image);

    Report::new("A small residual network on MNIST")
        .train_block(&net)
        .summary(Digits::SUMMARY)
        .history(&history)
        .confusion_matrix(&matrix)
        .mistakes(&test, scores.view(), &[])?
        .filters("stem", kernel)
        .inspection(&net, &inspection)?
        .weights(net.tensors())
        .save(&options.output)?;
    println!("the report is in {}", options.output.display());

    if let Some(folder) = options.pictures {
        let pictures: [(&str, Picture); 7] = [
            ("learning_curves", plots::learning_curves(&history)),
            ("confusion_matrix", plots::confusion_matrix(&matrix)),
            ("mistakes", plots::mistakes(&test, scores.view(), &[])?),
            ("filters", plots::filters(kernel)),
            ("feature_maps", plots::inspected_maps(&inspection)?),
            ("weights", plots::weights(net.tensors())),
            ("graph", plots::inspected_graph(&net, &inspection)?),
        ];
        for (name, picture) in pictures {
            picture.save(folder.join(name).with_extension("svg"))?;
        }
    }
    Ok(())
}
