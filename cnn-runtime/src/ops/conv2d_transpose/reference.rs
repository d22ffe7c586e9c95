//! Transposed convolution as nested loops over examples, input cells, taps and channels.

use crate::reference::{Real, inside, pixel};
use cnn_ir::operation::Conv2dTranspose;
use std::vec;
use std::vec::Vec;

/// What the cells of `x` add to the output, and the bias, without activation; an empty bias means none.
pub fn forward<T: Real>(
    transpose: &Conv2dTranspose,
    n: usize,
    x: &[T],
    kernel: &[T],
    bias: &[T],
) -> Vec<T> {
    let [height, width, filters] = transpose.conv.input;
    let mut y = vec![T::from_f64(0.0); n * height * width * filters];
    for_each_tap(transpose, n, |from, tap, to| y[to] += x[from] * kernel[tap]);
    for (i, y) in y.iter_mut().enumerate().filter(|_| !bias.is_empty()) {
        *y += bias[i % filters];
    }
    y
}

/// The gradients of the kernel and of the input, from `dy`.
pub fn backward<T: Real>(
    transpose: &Conv2dTranspose,
    n: usize,
    x: &[T],
    kernel: &[T],
    dy: &[T],
) -> [Vec<T>; 2] {
    let mut dk = vec![T::from_f64(0.0); kernel.len()];
    let mut dx = vec![T::from_f64(0.0); x.len()];
    for_each_tap(transpose, n, |from, tap, to| {
        dk[tap] += x[from] * dy[to];
        dx[from] += kernel[tap] * dy[to];
    });
    [dk, dx]
}

/// Calls `visit` with the places of an input value, of a weight and of the output value that they add to.
fn for_each_tap(transpose: &Conv2dTranspose, n: usize, mut visit: impl FnMut(usize, usize, usize)) {
    // The convolution leads from the output to the input.
    let conv = &transpose.conv;
    let ([rows, columns, channels], [height, width, filters]) = (conv.output, conv.input);
    let at = |axis: usize, cell: usize, tap: usize, size: usize| {
        let offset = tap * conv.dilation[axis];
        inside(cell, conv.strides[axis], offset, conv.padding[axis], size)
    };
    for i in 0..n {
        for row in 0..rows {
            for column in 0..columns {
                for tap_row in 0..conv.kernel[0] {
                    for tap_column in 0..conv.kernel[1] {
                        let (y, x) = (
                            at(0, row, tap_row, height),
                            at(1, column, tap_column, width),
                        );
                        let (Some(y), Some(x)) = (y, x) else {
                            continue;
                        };
                        for filter in 0..filters {
                            for channel in 0..channels {
                                let tap = tap_row * conv.kernel[1] + tap_column;
                                visit(
                                    pixel(conv.output, i, row, column, channel),
                                    (tap * filters + filter) * channels + channel,
                                    pixel(conv.input, i, y, x, filter),
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
