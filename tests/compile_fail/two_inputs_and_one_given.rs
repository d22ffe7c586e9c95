cnn::network! {
    network TwoInputs {
        image: input(4x4x1);
        meta: input(3);
        seen: flatten(from = image);
        concat(seen, meta);
        dense(2);
    }
}

fn main() {
    let net = TwoInputs::new(0);
    let _ = net.predict(TwoInputsInputs { image: &[[[0.0]; 4]; 4] });
    let _ = net.predict(TwoInputsInputs { image: &[0.0; 3], meta: &[[[0.0]; 4]; 4] });
}
