//! A mistake in a `.cnn` file is shown with the file's own line and column.

cnn::network_file!("mistake.cnn");

fn main() {
    let _ = Mistake::new(1);
}
