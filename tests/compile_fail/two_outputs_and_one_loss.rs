cnn::network! {
    network TwoOutputs {
        input(4);
        digit: dense(3, activation = softmax);
        parity: dense(1, activation = sigmoid, from = input);
        output(digit, parity);
        train { loss = categorical_crossentropy; }
    }
}

fn main() {
    let net = TwoOutputs::new(0);
    let outputs = net.predict(&[0.0; 4]);
    println!("{:?} {:?}", outputs.digit, outputs.parity);
}
