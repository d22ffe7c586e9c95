cnn::network! {
    network Small {
        input(8);
        repeat 0 { dense(8); }
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
