//! A description in a file of its own: LeNet-5, two epochs on MNIST.
//!
//! ```text
//! cargo run --release --example lenet5
//! ```

cnn::network_file!("lenet5.cnn");

fn main() -> Result<(), cnn::Error> {
    println!("{}", LeNet5::SUMMARY);
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/mnist");
    let (train, test) = cnn::data::mnist(data)?;
    let mut net = LeNet5::new(0);
    for epoch in &net.fit(&train)?.epochs {
        println!("epoch {}: {}", epoch.number, epoch.scores);
    }
    println!("on the test images: {}", net.evaluate(&test)?);

    // What the first layer looks for: six kernels of 5x5.
    let stem = net.conv2d_1();
    println!("kernel of conv2d_1: {:?}", stem.kernel().shape());
    Ok(())
}
