cnn::network! {
    network Names {
        input(28x28x1);
        Conv2D(32, 3x3);
        flatten;
        Linear(10);
    }
}

fn main() {}
