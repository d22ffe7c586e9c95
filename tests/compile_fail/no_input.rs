cnn::network! {
    network NoInput {
        dense(10);
    }
}

fn main() {
    let _ = NoInput::new(1).predict(&[0.0; 4]);
}
