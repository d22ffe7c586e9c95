cnn::network_file!("does_not_exist.cnn");

fn main() {}
