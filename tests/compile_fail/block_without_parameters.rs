cnn::network! {
    network Small {
        block head { dense(2); }
        input(8);
        head(10);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
