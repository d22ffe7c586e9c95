//! A macro sees names, not what they stand for.

const HIDDEN: usize = 16;

cnn::network! {
    network Tiny {
        input(4);
        dense(HIDDEN, activation = relu);
        dense(2);
    }
}

fn main() {
    assert_eq!(Tiny::new(1).dense_1().bias().unwrap().len(), HIDDEN);
}
