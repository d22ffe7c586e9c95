cnn::network! {
    network Arguments {
        input(28x28x1);
        conv2d(32, kernel_size = 3, activaton = relu);
        flatten;
        dense(10, 5, true, relu, 7);
    }
}

fn main() {}
