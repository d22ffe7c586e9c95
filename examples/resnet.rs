//! A residual network: ResNet-8 of MLPerf Tiny, on images of 28x28, with batch normalization and shortcuts.
//!
//! ```text
//! cargo run --release --example resnet
//! cargo run --release --example resnet -- --data /usr/share/datasets/fashion-mnist --epochs 10
//! ```
//!
//! `--data` takes any folder with four files of MNIST's format, as Fashion-MNIST has them.

mod stop;

use clap::Parser;
use cnn::Schedule;
use std::error::Error;
use std::path::PathBuf;

cnn::network! {
    /// ResNet-8 for images of 28x28.
    pub network ResNet8 {
        const WIDTH = 16;

        block conv_bn(filters, strides = 1) {
            conv2d(filters, 3x3, strides = strides, padding = same);
            batch_normalization;
        }
        block residual(filters) {
            conv_bn(filters);
            relu;
            conv_bn(filters);
            add(input);
            relu;
        }
        block downsample(filters) {
            conv_bn(filters, strides = 2);
            relu;
            main: conv_bn(filters);
            shortcut: conv2d(filters, 1x1, strides = 2, padding = same, from = input);
            add(main, shortcut);
            relu;
        }

        input(28x28x1);
        conv_bn(WIDTH);
        relu;
        residual(WIDTH);
        downsample(WIDTH * 2);
        downsample(WIDTH * 4);
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

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    println!("{}", ResNet8::SUMMARY);
    let (train, test) = cnn::data::mnist(&options.data)?;
    let steps = (train.len().div_ceil(64) * options.epochs) as u64;
    let stop = stop::on_ctrl_c()?;
    let mut net = ResNet8::new(options.seed);
    net.trainer()
        .epochs(options.epochs)
        .seed(options.seed)
        .learning_rate(Schedule::cosine_decay(1e-3, steps))
        .stop(&stop)
        .fit(&train)?;
    println!("on the test images: {}", net.evaluate(&test)?);
    let stem = net.conv_bn_1().batch_normalization_1();
    println!(
        "running means of the first layer: {:.2}",
        stem.moving_mean()
    );
    Ok(())
}
