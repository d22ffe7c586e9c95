//! Trains a small network on a part of MNIST and writes a report of it, one HTML file.
//!
//! ```text
//! cargo run --release --features plots,gzip --example report
//! cargo run --release --features plots,gzip --example report -- --help
//! ```
//!
//! It takes less than a minute. With `--pictures`, the pictures are also written to files of their own:
//! `docs/pictures` was made so.

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use cnn::plots::{self, FeatureMap, Node, Picture, Report};

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
        body: residual(16);
        pooled: max_pool2d(2x2);
        flatten;
        dense(10, activation = softmax);
        expose(stem, body, pooled);

        train {
            loss = categorical_crossentropy;
            optimizer = adam;
            metrics = [accuracy];
            epochs = 6;
            batch_size = 32;
        }
    }
}

/// What each layer reads, by its place; 0 is the input.
const READS: [&[usize]; Digits::LAYERS.len() + 1] =
    [&[], &[0], &[1], &[2], &[3], &[4, 2], &[5], &[6], &[7], &[8]];

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
    let nodes = nodes();
    // One image, and what the layers that the network exposes make of it.
    let examples = test.slice(0..1);
    let image = examples.inputs();
    let values = [
        ("input", image.to_owned()),
        ("stem", net.predict_batch_stem(image.view())?.into_dyn()),
        ("body", net.predict_batch_body(image.view())?.into_dyn()),
        ("pooled", net.predict_batch_pooled(image.view())?.into_dyn()),
        ("dense_1", net.predict_batch(image.view())?.into_dyn()),
    ];
    let maps = values.iter().filter_map(|(name, values)| {
        Some(FeatureMap {
            name,
            // Without the axis of the batch.
            shape: &values.shape()[1..],
            values: values.as_slice()?,
        })
    });
    let maps: Vec<FeatureMap<'_>> = maps.collect();

    Report::new("A small residual network on MNIST")
        .train_block(&net)
        .summary(Digits::SUMMARY)
        .graph(&nodes)?
        .history(&history)
        .confusion_matrix(&matrix)
        .mistakes(&test, scores.view(), &[])?
        .filters("stem", kernel)
        .feature_maps(&maps)?
        .weights(net.tensors())
        .save(&options.output)?;
    println!("the report is in {}", options.output.display());

    if let Some(folder) = options.pictures {
        let pictures: [(&str, Picture); 7] = [
            ("learning_curves", plots::learning_curves(&history)),
            ("confusion_matrix", plots::confusion_matrix(&matrix)),
            ("mistakes", plots::mistakes(&test, scores.view(), &[])?),
            ("filters", plots::filters(kernel)),
            ("feature_maps", plots::feature_maps(&maps)?),
            ("weights", plots::weights(net.tensors())),
            ("graph", plots::graph(&nodes)?),
        ];
        for (name, picture) in pictures {
            picture.save(folder.join(name).with_extension("svg"))?;
        }
    }
    Ok(())
}

/// The layers of the network, in front of them its input.
fn nodes() -> Vec<Node<'static>> {
    let input = Node {
        name: "input",
        keyword: "input",
        shape: &Digits::INPUT,
        reads: READS[0],
        parameters: 0,
    };
    let layers = Digits::LAYERS.iter().zip(&READS[1..]);
    let layers = layers.map(|(layer, reads)| Node {
        name: layer.name,
        keyword: layer.kind,
        shape: layer.output,
        reads,
        parameters: layer.parameters,
    });
    std::iter::once(input).chain(layers).collect()
}
