//! MobileNetV1 with a quarter of its filters, as blocks of a depthwise and a pointwise convolution, on 28x28 digits.
//!
//! ```text
//! cargo run --release --example mobilenet
//! ```
//!
//! Howard et al. 2017, <https://arxiv.org/abs/1704.04861>, table 1, where images are 224x224. Those of 28x28 are small
//! before the last stage, which therefore keeps its strides 1.

mod stop;

use clap::Parser;
use cnn::Schedule;
use std::error::Error;
use std::path::PathBuf;

cnn::network! {
    /// MobileNetV1 0.25 for images of 28x28.
    pub network MobileNet {
        const SHRINK = 4;                 // 1 / alpha

        block separable(filters, strides = 1) {
            depthwise_conv2d(3x3, strides = strides, padding = same, use_bias = false);
            batch_normalization(momentum = 0.9);
            relu;
            conv2d(filters / SHRINK, 1x1, use_bias = false);
            batch_normalization(momentum = 0.9);
            relu;
        }

        input(28x28x1);
        conv2d(32 / SHRINK, 3x3, strides = 2, padding = same, use_bias = false);
        batch_normalization(momentum = 0.9);
        relu;
        separable(64);
        separable(128, strides = 2);      // 7x7
        separable(128);
        separable(256, strides = 2);      // 4x4
        separable(256);
        separable(512, strides = 2);      // 2x2
        repeat 5 { separable(512); }
        repeat 2 { separable(1024); }
        global_avg_pool2d;
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adam;
            metrics = [accuracy];
            epochs = 2;
            batch_size = 64;
        }
    }
}

/// Steps in which the learning rate rises.
const WARMUP: u64 = 100;

/// Trains MobileNetV1 0.25 on MNIST, or on another folder of its format.
#[derive(Parser)]
struct Options {
    /// Passes over the training images
    #[arg(long, default_value_t = 2)]
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
    println!("{}", MobileNet::SUMMARY);
    let (train, test) = cnn::data::mnist(&options.data)?;

    // The learning rate rises for `WARMUP` steps, then falls to 0 by the end of the training, however long that is.
    let steps = (train.len().div_ceil(64) * options.epochs) as u64;
    let decay = steps.saturating_sub(WARMUP).max(1);
    let stop = stop::on_ctrl_c()?;
    let mut net = MobileNet::new(options.seed);
    net.trainer()
        .epochs(options.epochs)
        .seed(options.seed)
        .learning_rate(Schedule::cosine_decay(3e-3, decay).with_warmup(WARMUP))
        .stop(&stop)
        .fit(&train)?;
    println!("on the test images: {}", net.evaluate(&test)?);

    let first = net.separable_1().depthwise_conv2d_1();
    println!(
        "kernel of the first depthwise convolution: {:?}",
        first.kernel().shape()
    );
    Ok(())
}
