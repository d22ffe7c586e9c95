//! A program with a trained network inside: it says which digit a picture shows, and needs no other file.
//!
//! ```text
//! cargo run --release --example classify --features images -- examples/data/seven.png
//! ```
//!
//! The weights are those of the example `firmware`. They are checked against the network while this compiles.

cnn::network_file!("firmware/digits.cnn");

static WEIGHTS: &[f32; Digits::PARAMETERS] = cnn::weights!(Digits, "firmware/digits.safetensors");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let picture = std::env::args().nth(1).ok_or("usage: classify PICTURE")?;
    // 28x28 pixels, a white digit on black as in MNIST; pictures of other sizes and colours are converted.
    let image = cnn::data::images::read(picture)?;
    let scores = Digits::from_parameters(WEIGHTS).predict(&image);
    let digit = cnn::argmax(&scores);
    println!("{digit}, with probability {:.3}", scores[digit]);
    Ok(())
}
