cnn::network! {
    network Small {
        block stem {
            input(8);
            dense(8);
        }
        stem;
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
