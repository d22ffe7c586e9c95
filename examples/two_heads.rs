//! Two outputs: of one image the digit and whether it is odd, each with its own loss and metric.
//!
//! ```text
//! cargo run --release --example two_heads
//! ```

mod stop;

use clap::Parser;
use cnn::{Dataset, Examples};
use std::error::Error;
use std::path::PathBuf;

cnn::network! {
    /// The digit in an image, and whether it is odd.
    pub network TwoHeads {
        input(28x28x1);
        conv2d(16, 3x3, activation = relu);
        max_pool2d(2x2);
        conv2d(32, 3x3, activation = relu);
        max_pool2d(2x2);
        flatten;
        features: dense(64, activation = relu);
        digit: dense(10, activation = softmax);
        parity: dense(1, activation = sigmoid, from = features);
        output(digit, parity);

        train {
            // What is trained is the loss of `digit` plus half of that of `parity`.
            loss = [digit = categorical_crossentropy, parity = binary_crossentropy(weight = 0.5)];
            optimizer = adam;
            metrics = [digit = accuracy, parity = accuracy];
            epochs = 3;
            batch_size = 64;
        }
    }
}

/// Trains a network that tells the digit and whether it is odd.
#[derive(Parser)]
struct Options {
    /// Passes over the training images
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Of the first weights and of the order of the images
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder of the four MNIST files
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist"), hide_default_value = true)]
    data: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    println!("{}", TwoHeads::SUMMARY);
    let (train, test) = cnn::data::mnist(&options.data)?;
    let (train, test) = (with_parity(train)?, with_parity(test)?);

    let stop = stop::on_ctrl_c()?;
    let mut net = TwoHeads::new(options.seed);
    net.trainer()
        .epochs(options.epochs)
        .seed(options.seed)
        .stop(&stop)
        .fit(&train)?;

    let scores = net.evaluate(&test)?;
    for output in ["digit", "parity"] {
        let accuracy = scores.output(output).and_then(|scores| scores.accuracy());
        println!(
            "accuracy of `{output}` on the test images: {:.4}",
            accuracy.unwrap_or(f64::NAN)
        );
    }

    // One image: the outputs are a struct with a field for each.
    let mut image = [[[0.0; 1]; 28]; 28];
    test.read_input(0, image.as_flattened_mut().as_flattened_mut());
    let outputs = net.predict(&image);
    let digit = cnn::argmax(&outputs.digit);
    let probability = outputs.digit[digit];
    let [odd] = outputs.parity;
    println!("the first test image: {digit} with probability {probability:.3}, odd with {odd:.3}");

    // Both heads are trained together, so they should agree.
    let all = net.predict_dataset(&test)?;
    let agree = (cnn::argmax(&all.digit).iter().zip(all.parity.column(0)))
        .filter(|(digit, odd)| (*digit % 2 == 1) == (**odd > 0.5))
        .count();
    println!("digit and parity agree on {agree} of {} images", test.len());
    Ok(())
}

/// The same examples with a second target: 1 for odd digits.
fn with_parity(digits: Examples<'static>) -> Result<Examples<'static>, cnn::Error> {
    let labels = digits.labels().expect("MNIST has labels");
    let parity = labels.mapv(|digit| digit % 2);
    digits.and_labels(parity)
}
