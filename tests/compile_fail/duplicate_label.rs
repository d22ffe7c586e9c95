cnn::network! {
    network Labels {
        input(8);
        hidden: dense(4);
        hidden: dense(4);
        dense(4);
        dense_1: dense(4);
        type: dense(4);
        predict: dense(1);
    }
}

fn main() {}
