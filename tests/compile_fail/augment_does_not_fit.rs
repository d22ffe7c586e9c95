cnn::network! {
    network Turned {
        input(28x28x1);
        flatten;
        dense(1);

        train {
            loss = hinge;
            augment = [shift(28), rotate(10), mixup(0.2)];
        }
    }
}

fn main() {
    let net = Turned::new(1);
    let [score] = net.predict(&[[[0.0; 1]; 28]; 28]);
    println!("{score}");
}
