//! Padding and cropping cell by cell, for any [`Real`] type.

use crate::reference::{Real, pixel};
use cnn_ir::operation::Pad2d;
use std::vec::Vec;

/// The output, `[n, ..output]`.
pub fn forward<T: Real>(pad: &Pad2d, n: usize, x: &[T]) -> Vec<T> {
    let mut y = Vec::new();
    for_each_cell(pad, n, |cell| {
        y.push(cell.map_or(T::from_f64(0.0), |cell| x[cell]));
    });
    y
}

/// The gradient with respect to the input.
pub fn backward<T: Real>(pad: &Pad2d, n: usize, dy: &[T]) -> Vec<T> {
    let mut dx = vec![T::from_f64(0.0); n * pad.input.iter().product::<usize>()];
    let mut dy = dy.iter();
    for_each_cell(pad, n, |cell| {
        let dy = *dy.next().expect("a gradient for each output");
        if let Some(cell) = cell {
            dx[cell] += dy;
        }
    });
    dx
}

/// Calls `f` with the place in the input of each value of the output, in its order; none in the padding.
fn for_each_cell(pad: &Pad2d, n: usize, mut f: impl FnMut(Option<usize>)) {
    let [height, width, channels] = pad.input;
    for i in 0..n {
        for row in 0..pad.output[0] {
            for column in 0..pad.output[1] {
                for c in 0..channels {
                    let y = row.checked_add_signed(-pad.before[0]);
                    let x = column.checked_add_signed(-pad.before[1]);
                    f(match (y, x) {
                        (Some(y), Some(x)) if y < height && x < width => {
                            Some(pixel(pad.input, i, y, x, c))
                        }
                        _ => None,
                    });
                }
            }
        }
    }
}
