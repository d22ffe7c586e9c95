cnn::network! {
    network Commas {
        input(28, 28, 1);
        flatten;
        dense(10);
    }
}

fn main() {}
