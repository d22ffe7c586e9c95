//! Trains a small network on a part of MNIST and writes a report of it, one HTML file.
//!
//! ```text
//! cargo run --release --features plots,gzip --example report
//! ```
//!
//! It takes less than a minute. The report goes to `report.html`, or to the file that is named as the argument.

use std::env;
use std::error::Error;

use cnn::plots::{FeatureMap, Node, Report};

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
        conv2d(16, 3x3, activation = relu);
        max_pool2d(2x2);
        residual(16);
        max_pool2d(2x2);
        flatten;
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adam;
            metrics = [accuracy];
            epochs = 3;
            batch_size = 32;
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).unwrap_or("report.html".to_owned());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist");
    let (train, test) = cnn::data::mnist(folder)?;
    let train = train.take(12_000);

    let mut net = Digits::new(0);
    let history = net.trainer().validation(&test).fit(&train)?;

    let scores = net.predict_dataset(&test)?;
    let image = test.input(0);
    let values = image.iter().copied().collect::<Vec<f32>>();
    let probabilities = scores.row(0).to_vec();
    let maps = [
        FeatureMap {
            name: "input",
            shape: &Digits::INPUT,
            values: &values,
        },
        FeatureMap {
            name: "output",
            shape: &Digits::OUTPUT,
            values: &probabilities,
        },
    ];

    Report::new("A small residual network on MNIST")
        .train_block(&net)
        .summary(Digits::SUMMARY)
        .history(&history)
        .confusion_matrix(&net.confusion_matrix(&test)?)
        .mistakes(&test, scores.view(), &[])?
        .filters("conv2d_1", net.conv2d_1().kernel())
        .feature_maps(&maps)?
        .weights(net.tensors())
        .save(&path)?;
    println!("{}", net.evaluate(&test)?);
    println!("the report is in {path}");
    Ok(())
}
