cnn::network! {
    network Small {
        input(32x32x1);
        repeat 5 { conv2d(4, 3x3, strides = 2); relu; }
        flatten;
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
