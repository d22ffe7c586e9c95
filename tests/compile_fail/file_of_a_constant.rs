//! The path is needed while the program is read.

const PATH: &str = "mistake.cnn";

cnn::network_file!(PATH);
cnn::network_file!(concat!("compile_", PATH));
cnn::network_file!(env!("NO_SUCH_VARIABLE_OF_CNN"));
cnn::network_file!();
cnn::network_file!("a.cnn", "b.cnn");
cnn::network_file!("a.cnn" concat!("b"));

fn main() {}
