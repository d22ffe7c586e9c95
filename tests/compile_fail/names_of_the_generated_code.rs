//! Names that generated code keeps for itself, and keywords.

cnn::network! {
    network __CnnNetwork {
        input(4);
        dense(2);
    }
}

cnn::network! {
    network Labels {
        input(4);
        type: dense(2);
        r#match: dense(2);
        into: dense(2);
        __cnn: dense(2);
    }
}

fn main() {
    let _ = Labels::new(1).r#match();
}
