//! A residual network: ResNet-8 of MLPerf Tiny, on images of 28x28, with batch normalization and shortcuts.
//!
//! ```text
//! cargo run --release --example resnet
//! cargo run --release --example resnet -- --data /usr/share/datasets/fashion-mnist --epochs 10
//! ```
//!
//! `--data` takes any folder with four files of MNIST's format, as Fashion-MNIST has them.

use clap::Parser;
use std::path::PathBuf;

cnn::network! {
    /// ResNet-8 for images of 28x28.
    pub network ResNet8 {
        input(28x28x1);
        conv2d(16, 3x3, padding = same);
        batch_normalization;
        stem: relu;

        conv2d(16, 3x3, padding = same);
        batch_normalization;
        relu;
        conv2d(16, 3x3, padding = same);
        batch_normalization;
        add(stem);
        stack1: relu;

        conv2d(32, 3x3, strides = 2, padding = same);
        batch_normalization;
        relu;
        conv2d(32, 3x3, padding = same);
        main2: batch_normalization;
        shortcut2: conv2d(32, 1x1, strides = 2, padding = same, from = stack1);
        add(main2, shortcut2);
        stack2: relu;

        conv2d(64, 3x3, strides = 2, padding = same);
        batch_normalization;
        relu;
        conv2d(64, 3x3, padding = same);
        main3: batch_normalization;
        shortcut3: conv2d(64, 1x1, strides = 2, padding = same, from = stack2);
        add(main3, shortcut3);
        relu;

        global_avg_pool2d;
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adam;
            metrics = [accuracy];
            epochs = 5;
            batch_size = 64;
        }
    }
}

/// Trains ResNet-8 on MNIST, or on another folder of its format.
#[derive(Parser)]
struct Options {
    /// Passes over the training images
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Of the first weights and of the order of the images
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder of the four files
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist"), hide_default_value = true)]
    data: PathBuf,
}

fn main() -> Result<(), cnn::Error> {
    let options = Options::parse();
    println!("{}", ResNet8::SUMMARY);
    let (train, test) = cnn::data::mnist(&options.data)?;
    let mut net = ResNet8::new(options.seed);
    net.trainer()
        .epochs(options.epochs)
        .seed(options.seed)
        .fit(&train)?;
    println!("on the test images: {}", net.evaluate(&test)?);
    let stem = net.batch_normalization_1();
    println!(
        "running means of the first layer: {:.2}",
        stem.moving_mean()
    );
    Ok(())
}
