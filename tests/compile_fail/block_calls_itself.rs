cnn::network! {
    network Small {
        block residual { relu; residual; }
        input(8);
        residual;
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
