//! A batch is an array of `f32` with a batch axis.

use cnn::data::IntoBatch;
use cnn::ndarray::{Array2, Array3, Array4};

fn images<'a>(_: impl IntoBatch<'a, 4>) {}

fn main() {
    images(&Array4::<f32>::zeros((1, 8, 8, 1)));
    images(&Array3::<f32>::zeros((8, 8, 1)));
    images(&Array4::<f64>::zeros((1, 8, 8, 1)));
    images(Array4::<f32>::zeros((1, 8, 8, 1)));
    images(vec![0.0_f32; 64]);
    images(&Array2::<f32>::zeros((1, 64)));
}
