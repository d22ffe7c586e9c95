cnn::network! {}

fn main() {}
