//! The smallest whole program, a network that learns XOR: `cargo run --release --example quickstart`
use cnn::Examples;
use cnn::ndarray::arr2;

cnn::network! {
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
    let mut net = Xor::new(1);
    let examples = Examples::labelled(arr2(&bits), [0, 1, 1, 0])?;
    net.trainer().progress(false).fit(&examples)?;
    for [a, b] in bits {
        println!("{a} xor {b} = {:.3}", net.predict(&[a, b])[0]);
    }
    Ok(())
}
