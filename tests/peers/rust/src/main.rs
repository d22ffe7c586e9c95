//! The Rust peers of `compare.py`: `cnn-peers candle` and `cnn-peers tract`.
//!
//! ```text
//! stdin ──▶ answer (here) ──▶ Peer: candle or tract
//!                  ▲
//! folder ──▶ network (what `load` names)
//! ```
//!
//! Commands and answers are those of `../peer.py`.

mod candle;
mod network;
mod tract;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use serde_json::{Value, json};

use network::Network;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A step on batch `i`; returns the outputs of a prediction, or the loss before a training step.
type Step<'a> = Box<dyn FnMut(usize) -> Result<Vec<f32>> + 'a>;

/// A library with a network loaded.
trait Peer {
    fn version(&self) -> &'static str;

    /// Predicts batches of `batch` images.
    fn infer(&mut self, batch: usize) -> Result<Step<'_>>;

    /// Goes back to the loaded weights and trains on batches of `batch` images; `None` if it cannot.
    fn train(&mut self, batch: usize, optimizer: &str) -> Result<Option<Step<'_>>>;

    /// Writes the parameters as training left them.
    fn save(&self, file: &Path) -> Result<()>;
}

fn main() -> Result<()> {
    let library = env::args().nth(1).unwrap_or_default();
    let threads = env::var("PEER_THREADS").map_or(Ok(1), |count| count.parse())?;
    let load: fn(Network, usize) -> Result<Box<dyn Peer>> = match library.as_str() {
        "candle" => |network, _| Ok(Box::new(candle::Candle::load(network)?)),
        "tract" => |network, threads| Ok(Box::new(tract::Tract::load(network, threads))),
        _ => return Err("expected `candle` or `tract`".into()),
    };
    let mut peer = None;
    let mut count = 0;
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let reply = if let ["load", _, folder] = words[..] {
            Network::read(Path::new(folder)).and_then(|network| {
                count = network.count();
                let loaded = load(network, threads)?;
                let reply = json!({"version": loaded.version(), "epsilon": "inside"});
                peer = Some(loaded);
                Ok(reply)
            })
        } else {
            match &mut peer {
                Some(peer) => answer(&words, peer.as_mut(), count),
                None => Err("nothing is loaded yet".into()),
            }
        };
        let reply = reply.unwrap_or_else(|error| json!({"error": error.to_string()}));
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(words: &[&str], peer: &mut dyn Peer, count: usize) -> Result<Value> {
    let unsupported = || json!({"unsupported": "the library does not train"});
    match *words {
        ["infer", batch, file] => {
            let output = peer.infer(batch.parse()?)?(0)?;
            let bytes: Vec<u8> = output
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            fs::write(file, bytes)?;
            Ok(json!({}))
        }
        ["step", optimizer, batch, file] => {
            let Some(mut step) = peer.train(batch.parse()?, optimizer)? else {
                return Ok(unsupported());
            };
            let loss = step(0)?[0];
            drop(step);
            peer.save(Path::new(file))?;
            // Once more from the beginning: the loss before the second step is the one after the first.
            let mut step = peer.train(batch.parse()?, optimizer)?.expect("it trained");
            step(0)?;
            Ok(json!({"loss": loss, "loss_after": step(0)?[0]}))
        }
        ["time", work, batch, seconds] => {
            let batch = batch.parse()?;
            let step = match work {
                "train" => peer.train(batch, "rmsprop")?,
                _ => Some(peer.infer(batch)?),
            };
            match step {
                Some(step) => repeat(step, count / batch, seconds.parse()?),
                None => Ok(unsupported()),
            }
        }
        _ => Err(format!("no command `{}`", words.join(" ")).into()),
    }
}

/// Repeats `step` for about `seconds`, after one that does not count.
fn repeat(mut step: Step<'_>, batches: usize, seconds: f64) -> Result<Value> {
    step(0)?;
    let start = Instant::now();
    let mut steps = 0;
    loop {
        step(steps % batches)?;
        steps += 1;
        let elapsed = start.elapsed().as_secs_f64();
        if elapsed >= seconds {
            return Ok(json!({"steps": steps, "seconds": elapsed}));
        }
    }
}
