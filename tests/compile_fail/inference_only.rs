//! Without a `train` block there is nothing to train with.

cnn::network! {
    network Inference {
        input(4);
        dense(2);
    }
}

fn train(examples: &cnn::Examples) {
    let _ = Inference::new(1).fit(examples);
}

fn main() {}
