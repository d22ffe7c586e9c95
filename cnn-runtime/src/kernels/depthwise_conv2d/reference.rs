//! Depthwise convolution as nested loops over examples, output cells, channels and taps.

use crate::reference::{Real, inside, pixel};
use cnn_ir::operation::DepthwiseConv2d;
use std::vec;
use std::vec::Vec;

/// `x * kernel + bias` without activation; an empty bias means none.
pub fn forward<T: Real>(
    conv: &DepthwiseConv2d,
    n: usize,
    x: &[T],
    kernel: &[T],
    bias: &[T],
) -> Vec<T> {
    let filters = conv.output[2];
    let mut y = vec![T::from_f64(0.0); n * conv.output.iter().product::<usize>()];
    for_each_tap(conv, n, |from, tap, to| y[to] += x[from] * kernel[tap]);
    for (i, y) in y.iter_mut().enumerate().filter(|_| !bias.is_empty()) {
        *y += bias[i % filters];
    }
    y
}

/// The gradients of the kernel and of the input, from `dy`.
pub fn backward<T: Real>(
    conv: &DepthwiseConv2d,
    n: usize,
    x: &[T],
    kernel: &[T],
    dy: &[T],
) -> [Vec<T>; 2] {
    let mut dk = vec![T::from_f64(0.0); kernel.len()];
    let mut dx = vec![T::from_f64(0.0); x.len()];
    for_each_tap(conv, n, |from, tap, to| {
        dk[tap] += x[from] * dy[to];
        dx[from] += kernel[tap] * dy[to];
    });
    [dk, dx]
}

/// Calls `visit` with the places of an input value, of a weight and of the output value that they add to.
fn for_each_tap(conv: &DepthwiseConv2d, n: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let ([rows, columns, filters], [kernel_rows, kernel_columns]) = (conv.output, conv.kernel);
    let at = |axis: usize, step: usize, tap: usize| {
        let offset = tap * conv.dilation[axis];
        inside(
            step,
            conv.strides[axis],
            offset,
            conv.padding[axis],
            conv.input[axis],
        )
    };
    for i in 0..n {
        for row in 0..rows {
            for column in 0..columns {
                for filter in 0..filters {
                    for tap_row in 0..kernel_rows {
                        for tap_column in 0..kernel_columns {
                            let (Some(y), Some(x)) =
                                (at(0, row, tap_row), at(1, column, tap_column))
                            else {
                                continue;
                            };
                            let channel = filter / conv.multiplier();
                            let from = pixel(conv.input, i, y, x, channel);
                            let tap = (tap_row * kernel_columns + tap_column) * filters + filter;
                            visit(from, tap, pixel(conv.output, i, row, column, filter));
                        }
                    }
                }
            }
        }
    }
}
