//! A network that is left out leaves nothing behind, no mistake and no struct.

cnn::network! {
    #[cfg(any())]
    network LeftOut {
        input(4x4);
        dense(2);
    }
}

fn main() {
    let _ = LeftOut::new(1);
}
