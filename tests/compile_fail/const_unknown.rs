cnn::network! {
    network Small {
        const WIDTH = 16;
        input(8);
        dense(WITDH * 2);
        dense(HIDDEN / 2);
    }
}

fn main() {
    let net = Small::new(0);
    let _ = net.parameters();
}
