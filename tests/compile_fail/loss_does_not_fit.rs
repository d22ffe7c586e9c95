cnn::network! {
    network Unfit {
        input(4);
        dense(3, activation = relu);

        train { loss = categorical_crossentropy; }
    }
}

fn main() {
    let net = Unfit::new(1);
    let [a, b, c] = net.predict(&[0.0; 4]);
    println!("{a} {b} {c}");
}
