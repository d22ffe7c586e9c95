cnn::network! {
    network Small {
        block head(units, depth = 2) { repeat depth { dense(units); } }
        input(8);
        head;
        head(2, 3, 4);
        head(unit = 3);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
