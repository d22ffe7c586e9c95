cnn::network! {
    network TwoInputs {
        image: input(4x4x1);
        meta: input(3);
        conv2d(2, 3x3);
        flatten;
        concat(meta);
    }
}

fn main() {
    let net = TwoInputs::new(0);
    let _ = net.parameters();
}
