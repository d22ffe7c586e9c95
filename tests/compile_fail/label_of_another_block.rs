cnn::network! {
    network Small {
        block stem { first: dense(8); relu; }
        input(8);
        stem;
        dense(8);
        add(first);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
