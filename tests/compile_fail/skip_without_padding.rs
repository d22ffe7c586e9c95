cnn::network! {
    network Small {
        input(8x8x4);
        stem: relu;
        conv2d(4, 3x3);
        add(stem);
        flatten;
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
