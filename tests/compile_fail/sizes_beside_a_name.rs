cnn::network! {
    network Small {
        const K = 3;
        input(8x8x1);
        conv2d(4, 3xK);
        conv2d(4, K*K);
        flatten;
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
