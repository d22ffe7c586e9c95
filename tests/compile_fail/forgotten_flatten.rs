//! The struct stays usable after an error: the mistake is the only thing on the screen.

cnn::network! {
    /// Digits.
    pub network Digits {
        input(28x28x1);
        conv2d(32, 3x3, activation = relu);
        max_pool2d(2x2);
        conv2d(64, 3x3, activation = relu);
        max_pool2d(2x2);
        dense(64, activation = relu);
        dense(10, activation = softmax);

        train { loss = categorical_crossentropy; }
    }
}

fn main() -> Result<(), cnn::Error> {
    let mut net = Digits::new(1);
    let image = [[[0.0; 1]; 28]; 28];
    let probabilities: [f32; 10] = net.predict(&image);
    println!("{} {:?} {:?}", Digits::SUMMARY, probabilities, net.dense_1().kernel());
    println!("{:?} {:?}", Digits::INPUT, net.parameters());
    let mut workspace = [0.0; 4];
    let probabilities: [f32; 10] = Digits::infer(&[0.0], &image, &mut workspace);
    println!("{probabilities:?}");
    let (train, test) = cnn::data::mnist("mnist")?;
    net.trainer().epochs(1).fit(&train)?;
    net.evaluate(&test)?;
    net.save("digits.safetensors")?;
    Digits::load("digits.safetensors")?;
    Ok(())
}
