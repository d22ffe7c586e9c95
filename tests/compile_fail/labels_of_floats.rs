//! Class labels are integers.

use cnn::Examples;
use cnn::ndarray::{Array1, Array2};

fn main() {
    let inputs = Array2::<f32>::zeros((3, 2));
    let _ = Examples::labelled(&inputs, Array1::<f32>::zeros(3));
    let _ = Examples::labelled(&inputs, ["cat", "dog", "cat"]);
}
