cnn::network! {
    network Small {
        block residual(filters) {
            conv2d(filters, 3x3, padding = same);
            relu;
            add(input);
        }
        input(8x8x3);
        residual(16);
        flatten;
        dense(2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
