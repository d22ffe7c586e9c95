//! Weights for a device: trains a small network on MNIST and writes the file that `device/` takes into its program.
//!
//! ```text
//! cargo run --release --example firmware
//! cd examples/firmware/device && cargo build --release --target thumbv7em-none-eabihf
//! ```

cnn::network_file!("digits.cnn");

fn main() -> Result<(), cnn::Error> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let (train, test) = cnn::data::mnist(format!("{folder}/data/mnist"))?;
    let mut net = Digits::new(0);
    for epoch in &net.fit(&train)?.epochs {
        println!("epoch {}: {}", epoch.number, epoch.scores);
    }
    println!("on the test images: {}", net.evaluate(&test)?);
    net.save(format!("{folder}/firmware/digits.safetensors"))?;
    println!(
        "the device needs {} bytes of weights in its flash, and {} bytes of workspace in its memory",
        4 * Digits::PARAMETERS,
        Digits::WORKSPACE_BYTES
    );
    Ok(())
}
