//! Examples are arrays of `f32`, `f64` or `u8`.

use cnn::Examples;
use cnn::ndarray::Array2;

fn main() {
    let _ = Examples::labelled(&Array2::<i32>::zeros((3, 2)), [0, 1, 0]);
    let _ = Examples::labelled(vec![0.0_f32; 6], [0, 1, 0]);
    let _ = Examples::with_values(Array2::<f32>::zeros((3, 2)), &[0.0, 1.0, 0.0]);
}
