//! The smallest whole program: a network learns XOR.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

use cnn::Examples;
use cnn::ndarray::arr2;

cnn::network! {
    /// Two bits in, their exclusive or out.
    network Xor {
        input(2);
        dense(8, activation = tanh);
        dense(1, activation = sigmoid);

        train {
            loss = binary_crossentropy;
            optimizer = adam(learning_rate = 0.05);
            metrics = [accuracy];
            epochs = 200;
            batch_size = 4;
        }
    }
}

fn main() -> Result<(), cnn::Error> {
    let bits = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let examples = Examples::labelled(arr2(&bits), [0, 1, 1, 0])?;

    let mut net = Xor::new(1);
    println!("{}", Xor::SUMMARY);
    net.trainer().progress(false).fit(&examples)?;
    println!("after training: {}", net.evaluate(&examples)?);
    for input in &bits {
        let [probability] = net.predict(input);
        println!("{} xor {} = {probability:.3}", input[0], input[1]);
    }
    Ok(())
}
