cnn::network! {
    network Semicolon {
        input(28x28x1);
        conv2d(32, 3x3)
        flatten;
        dense(10);
    }
}

fn main() {}
