cnn::network! {
    network Tiny {
        input(8x8x3);
        conv2d(8, 5x5);
        max_pool2d(2x2);
        conv2d(16, 3x3);
        flatten;
        dense(2);
    }
}

fn main() {}
