//! An autoencoder: each image through 32 numbers and back, by convolutions with strides and their transposes.
//!
//! ```text
//! cargo run --release --example autoencoder
//! ```
//!
//! Writes `autoencoder.pgm`: ten test images over their reconstructions.

mod picture;
mod stop;

use clap::Parser;
use cnn::Examples;
use std::error::Error;
use std::path::PathBuf;

cnn::network! {
    /// Images of 28x28 through 32 numbers.
    pub network Autoencoder {
        const CODE = 32;

        input(28x28x1);
        conv2d(16, 3x3, strides = 2, padding = same, activation = relu);           // 14x14
        conv2d(32, 3x3, strides = 2, padding = same, activation = relu);           // 7x7
        flatten;
        code: dense(CODE);
        dense(7 * 7 * 32, activation = relu);
        reshape(7x7x32);
        conv2d_transpose(16, 3x3, strides = 2, padding = same, activation = relu); // 14x14
        conv2d_transpose(1, 3x3, strides = 2, padding = same, activation = sigmoid);

        train {
            loss = binary_crossentropy;
            optimizer = adam;
            metrics = [mse];
            epochs = 3;
            batch_size = 64;
        }
    }
}

/// Trains an autoencoder on MNIST and draws what it makes of ten digits.
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
    /// Where the picture goes
    #[arg(long, default_value = "autoencoder.pgm")]
    output: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    println!("{}", Autoencoder::SUMMARY);
    let (train, test) = cnn::data::mnist(&options.data)?;
    let (train, test) = (train.inputs(), test.inputs());

    let stop = stop::on_ctrl_c()?;
    let mut net = Autoencoder::new(options.seed);
    net.trainer()
        .epochs(options.epochs)
        .seed(options.seed)
        .stop(&stop)
        .fit(&Examples::with_values(&train, &train)?)?;
    let scores = net.evaluate(&Examples::with_values(&test, &test)?)?;
    println!("on the test images: {scores}");

    let reconstructed = net.predict_batch(&test)?.into_dyn();
    picture::write(&options.output, &[test.view(), reconstructed.view()])?;
    println!(
        "ten images over their reconstructions: {}",
        options.output.display()
    );
    Ok(())
}
