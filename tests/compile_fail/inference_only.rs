//! Without a `train` block there is nothing to train with: the message is where training is asked for, and
//! what a network does not have is not looked for in its private parts.

cnn::network! {
    network Inference {
        input(4);
        dense(2);
    }
}

fn train(examples: &cnn::Examples) {
    let mut net = Inference::new(1);
    let _ = net.fit(examples);
    let _ = net.trainer().epochs(3).fit(examples);
    let _ = net.evaluate(examples);
    let _ = net.tensor("dense_1.kernel");
}

fn main() {}
