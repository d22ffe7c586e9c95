//! An attribute that is wrong is shown where it stands.

cnn::network! {
    #[derive(Default)]
    #[no_such_attribute]
    network Attributed {
        input(4);
        dense(2);
    }
}

fn main() {
    let _ = Attributed::new(1);
}
