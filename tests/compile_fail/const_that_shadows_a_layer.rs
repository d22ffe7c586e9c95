cnn::network! {
    network Small {
        const dense = 16;
        input(8);
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
