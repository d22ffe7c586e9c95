//! Every mistake is reported in one build; what follows from one stays silent.

cnn::network! {
    network Several {
        input(28x28x1);
        conv2d(32, 3x3, activation = rellu);
        max_pool2d(2x2, stride = 2);
        conv2d(0, 3x3);
        flatten
        dense(10.5);
        dense(10, activation = softmax);

        train {
            loss = cross_entropy;
            optimizer = adamm;
            epochs = 0;
        }
    }
}

fn main() {
    let _ = Several::new(1);
}
