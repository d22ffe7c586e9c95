cnn::network! {
    network Zero {
        input(28x28x1);
        conv2d(32, 0x3);
        flatten;
        dense(10);
    }
}

fn main() {}
