cnn::network! {
    network Small {
        const WIDTH = 15;
        input(8x8x1);
        conv2d(WIDTH / 2, 3x3);
        flatten;
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
