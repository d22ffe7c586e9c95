//! Recipes: networks with augmentation and a schedule that reach an accuracy, each for several seeds.
//!
//! ```text
//! cargo run --release --example recipes -- fast
//! cargo run --release --example recipes -- accurate --seeds 3
//! cargo run --release --example recipes -- fashion --data /usr/share/datasets/fashion-mnist
//! ```
//!
//! `fast` trains a network like that of the Keras tutorial for one epoch, with a better schedule. `accurate` and `fashion` take
//! minutes. No recipe looks at the test images before the end, so none picks its best epoch by them.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use cnn::{Examples, Network, Scores, Trainer};

cnn::network! {
    /// The network of the Keras tutorial with a larger first kernel, once through the images in one cycle of the
    /// learning rate.
    network Fast {
        input(28x28x1);
        conv2d(32, 5x5, activation = relu);
        max_pool2d(2x2);
        conv2d(64, 3x3, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(64, activation = relu);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adam(learning_rate = one_cycle(4e-3, 1875));
            metrics = [accuracy];
            epochs = 1;
            batch_size = 32;
        }
    }
}

cnn::network! {
    /// Pairs of convolutions between pools, with dropout, on digits that are moved, turned and scaled.
    network Accurate {
        input(28x28x1);
        conv2d(32, 3x3, activation = relu);
        conv2d(32, 3x3, activation = relu);
        max_pool2d(2x2);
        dropout(0.25);
        conv2d(64, 3x3, activation = relu);
        conv2d(64, 3x3, activation = relu);
        max_pool2d(2x2);
        dropout(0.25);
        flatten;
        dense(256, activation = relu);
        dropout(0.5);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adamw(learning_rate = one_cycle(2e-3, 28140), weight_decay = 0.01);
            augment = [shift(2), rotate(10), zoom(0.1)];
            metrics = [accuracy];
            epochs = 30;
            batch_size = 64;
        }
    }
}

cnn::network! {
    /// The same with more filters, on clothes that are moved and mirrored.
    network Fashion {
        input(28x28x1);
        conv2d(32, 3x3, padding = same, activation = relu);
        conv2d(64, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        dropout(0.1);
        conv2d(128, 3x3, padding = same, activation = relu);
        conv2d(128, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        dropout(0.1);
        flatten;
        dense(256, activation = relu);
        dropout(0.4);
        dense(10, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adamw(learning_rate = one_cycle(2e-3, 13132), weight_decay = 0.01);
            augment = [shift(2), flip(horizontal)];
            metrics = [accuracy];
            epochs = 14;
            batch_size = 64;
        }
    }
}

/// What is trained.
#[derive(Clone, Copy, ValueEnum)]
enum Recipe {
    /// MNIST in one epoch
    Fast,
    /// MNIST in thirty
    Accurate,
    /// Fashion-MNIST
    Fashion,
}

/// Trains a recipe with several seeds and prints the accuracy on the test images.
#[derive(Parser)]
struct Options {
    #[arg(value_enum)]
    recipe: Recipe,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds, from `--seed` on
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Folder of the four files
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist"), hide_default_value = true)]
    data: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let (train, test) = cnn::data::mnist(&options.data)?;
    let mut accuracies = Vec::new();
    for seed in options.seed..options.seed.saturating_add(options.seeds) {
        let start = Instant::now();
        let scores = match options.recipe {
            Recipe::Fast => trained(Fast::new(seed), seed, &train, &test),
            Recipe::Accurate => trained(Accurate::new(seed), seed, &train, &test),
            Recipe::Fashion => trained(Fashion::new(seed), seed, &train, &test),
        }?;
        let seconds = start.elapsed().as_secs_f64();
        println!("seed {seed}: {scores}, {seconds:.1} s");
        accuracies.extend(scores.accuracy());
    }
    let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
    println!("mean accuracy on the test images: {mean:.4}");
    Ok(())
}

/// The scores of a new network on the test images, after a training as its description says.
fn trained<N: Network>(
    mut net: N,
    seed: u64,
    train: &Examples<'_>,
    test: &Examples<'_>,
) -> Result<Scores, cnn::Error> {
    Trainer::new(&mut net).seed(seed).fit(train)?;
    net.model().evaluate(test)
}
