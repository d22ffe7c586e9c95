//! How long a training step and a prediction take, for twelve networks.
//!
//! ```text
//! cargo run --release --example bench
//! cargo run --release --example bench -- --networks tutorial --batches 1,64 --threads 1
//! cargo run --release --example bench -- --plans
//! cargo run --release --example bench -- --watched --rounds 15 --seconds 1
//! ```
//!
//! ```text
//! networks ──▶ measure ──▶ table (here)
//!                  ├─────▶ serve, which answers `tests/peers/compare.py`
//!                  ╰─────▶ watched: what progress, metrics and callbacks cost
//! pictures ──▶
//! ```
//!
//! Everything is timed through the public API, on images in memory. A training step is all that
//! `fit` does for one: copying the batch, forward, loss, metrics, backward and update. Inference is
//! `predict_batch`, which returns a new array, and for one image also `predict`. The whole table takes three minutes.
//! Its last column says how long a cache line takes from one core to another one. Cores that share a cache are the
//! nearest; a virtual machine may move to farther ones while it runs.

mod measure;
mod networks;
mod pictures;
mod serve;
mod watched;

use clap::Parser;
use cnn::Model;
use std::error::Error;
use std::path::PathBuf;

use measure::Work;
use networks::NETWORKS;

/// Times training steps and predictions of twelve networks.
#[derive(Parser)]
struct Options {
    /// Which networks [default: all]
    #[arg(long, value_delimiter = ',')]
    networks: Vec<String>,
    /// Images in a step
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    batches: Vec<usize>,
    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Rounds of each measurement; the table has their median
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a round
    #[arg(long, default_value_t = 0.2)]
    seconds: f64,
    /// Folder of the four MNIST files
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist"), hide_default_value = true)]
    data: PathBuf,
    /// Prints how each network is computed instead
    #[arg(long)]
    plans: bool,
    /// Compares training steps with progress, metrics and callbacks to bare ones instead
    #[arg(long)]
    watched: bool,
    /// Answers commands on standard input instead, for a comparison with other libraries
    #[arg(long)]
    serve: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if options.serve {
        let threads = options.threads.first().copied().unwrap_or(1);
        return serve::serve(threads);
    }
    let networks = match &options.networks[..] {
        [] => NETWORKS.to_vec(),
        names => (names.iter())
            .map(|name| networks::find(name))
            .collect::<Result<_, _>>()?,
    };
    if options.plans {
        networks
            .iter()
            .for_each(|network| println!("{}", network.plan));
        return Ok(());
    }
    let digits = pictures::Digits::read(&options.data)?;

    if options.watched {
        return watched::run(&digits, &options.threads, options.rounds, options.seconds);
    }
    println!("medians of {} rounds", options.rounds);
    println!(
        "{:<13} {:<14} {:>5} {:>7} {:>12} {:>12}  distance of the cores",
        "network", "work", "batch", "threads", "µs/step", "images/s"
    );
    for network in networks {
        let model = Model::new((network.spec)(), 0);
        let examples = digits.pictures(network)?;
        for &batch in &options.batches {
            let works: &[Work] = match batch {
                1 => &[Work::Train, Work::Infer, Work::Predict],
                _ => &[Work::Train, Work::Infer],
            };
            for &work in works {
                for &threads in &options.threads {
                    let round =
                        || measure::run(work, &model, &examples, batch, threads, options.seconds);
                    let mut rounds = (0..options.rounds.max(1))
                        .map(|_| Ok(round()?.microseconds()))
                        .collect::<Result<Vec<f64>, cnn::Error>>()?;
                    let median = measure::median(&mut rounds);
                    let distance = match threads {
                        1 => String::new(),
                        _ => format!("{} ns", cnn::runtime::cores::distance()),
                    };
                    println!(
                        "{:<13} {:<14} {batch:>5} {threads:>7} {median:>12.1} {:>12.0}  {distance}",
                        network.name,
                        work.to_string(),
                        batch as f64 / median * 1e6,
                    );
                }
            }
        }
    }
    Ok(())
}
