cnn::network! {
    network Small {
        block halve(filters) { conv2d(filters / 2, 3x3, padding = same); }
        input(8x8x1);
        halve(16);
        halve(15);
        flatten;
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
