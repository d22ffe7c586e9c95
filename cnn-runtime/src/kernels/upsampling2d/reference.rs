//! Upsampling value by value, for any [`Real`] type: each output is a weighted sum over four cells.

use crate::reference::{Real, pixel};
use cnn_ir::operation::{Interpolation, UpSampling2d};
use std::vec::Vec;

/// The output, `[n, ..output]`.
pub fn forward<T: Real>(layer: &UpSampling2d, n: usize, x: &[T]) -> Vec<T> {
    let mut y = Vec::new();
    for_each_value(layer, n, |cells| {
        let terms = cells.iter().map(|(cell, weight)| x[*cell] * *weight);
        y.push(terms.sum::<T>());
    });
    y
}

/// The gradient with respect to the input.
pub fn backward<T: Real>(layer: &UpSampling2d, n: usize, dy: &[T]) -> Vec<T> {
    let mut dx = vec![T::from_f64(0.0); n * layer.input.iter().product::<usize>()];
    let mut dy = dy.iter();
    for_each_value(layer, n, |cells| {
        let dy = *dy.next().expect("a gradient for each output");
        for (cell, weight) in cells {
            dx[*cell] += dy * *weight;
        }
    });
    dx
}

/// Calls `f` with the cells of each value of the output and their weights, in its order.
fn for_each_value<T: Real>(layer: &UpSampling2d, n: usize, mut f: impl FnMut(&[(usize, T)])) {
    let [height, width, channels] = layer.output;
    for i in 0..n {
        for row in 0..height {
            for column in 0..width {
                for c in 0..channels {
                    let mut cells = Vec::new();
                    for (y, of_row) in axis(layer, 0, row) {
                        for (x, of_column) in axis(layer, 1, column) {
                            let cell = pixel(layer.input, i, y, x, c);
                            cells.push((cell, T::from_f64(of_row * of_column)));
                        }
                    }
                    f(&cells);
                }
            }
        }
    }
}

/// The two cells of an axis that an output reads, and their weights.
fn axis(layer: &UpSampling2d, axis: usize, output: usize) -> [(usize, f64); 2] {
    let size = layer.size[axis];
    if layer.interpolation == Interpolation::Nearest {
        return [(output / size, 1.0), (output / size, 0.0)];
    }
    let last = layer.input[axis] - 1;
    let center = (output as f64 + 0.5) / size as f64 - 0.5;
    let part = center - center.floor();
    let inside = |cell: f64| (cell.max(0.0) as usize).min(last);
    [
        (inside(center.floor()), 1.0 - part),
        (inside(center.floor() + 1.0), part),
    ]
}
