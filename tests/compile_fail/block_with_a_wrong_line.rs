cnn::network! {
    network Small {
        block head(units) {
            flattern;
            dense(units, activaton = relu);
        }
        input(8x8x3);
        head(16);
        head(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
