cnn::network_file!(lenet5.cnn);

fn main() {}
