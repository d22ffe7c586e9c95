//! Convolution in groups as nested loops over examples, output cells, filters, taps and the channels of their group.

use crate::reference::{Real, inside, pixel};
use cnn_ir::operation::GroupedConv2d;
use std::vec;
use std::vec::Vec;

/// `x * kernel + bias` without activation; an empty bias means none.
pub fn forward<T: Real>(
    grouped: &GroupedConv2d,
    n: usize,
    x: &[T],
    kernel: &[T],
    bias: &[T],
) -> Vec<T> {
    let [rows, columns, _] = grouped.conv.output;
    let filters = grouped.filters();
    let mut y = vec![T::from_f64(0.0); n * rows * columns * filters];
    for_each_tap(grouped, n, |from, tap, to| y[to] += x[from] * kernel[tap]);
    for (i, y) in y.iter_mut().enumerate().filter(|_| !bias.is_empty()) {
        *y += bias[i % filters];
    }
    y
}

/// The gradients of the kernel and of the input, from `dy`.
pub fn backward<T: Real>(
    grouped: &GroupedConv2d,
    n: usize,
    x: &[T],
    kernel: &[T],
    dy: &[T],
) -> [Vec<T>; 2] {
    let mut dk = vec![T::from_f64(0.0); kernel.len()];
    let mut dx = vec![T::from_f64(0.0); x.len()];
    for_each_tap(grouped, n, |from, tap, to| {
        dk[tap] += x[from] * dy[to];
        dx[from] += kernel[tap] * dy[to];
    });
    [dk, dx]
}

/// Calls `visit` with the places of an input value, of a weight and of the output value that they add to.
fn for_each_tap(grouped: &GroupedConv2d, n: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let conv = &grouped.conv;
    let [height, width, channels] = conv.input;
    let [rows, columns, filters] = conv.output;
    let input = [height, width, grouped.channels()];
    let output = [rows, columns, grouped.filters()];
    let at = |axis: usize, step: usize, tap: usize| {
        let offset = tap * conv.dilation[axis];
        let size = conv.input[axis];
        inside(step, conv.strides[axis], offset, conv.padding[axis], size)
    };
    for i in 0..n {
        for row in 0..rows {
            for column in 0..columns {
                for filter in 0..output[2] {
                    for tap_row in 0..conv.kernel[0] {
                        for tap_column in 0..conv.kernel[1] {
                            let (Some(y), Some(x)) =
                                (at(0, row, tap_row), at(1, column, tap_column))
                            else {
                                continue;
                            };
                            for channel in 0..channels {
                                let tap = (tap_row * conv.kernel[1] + tap_column) * channels;
                                let group = filter / filters;
                                visit(
                                    pixel(input, i, y, x, group * channels + channel),
                                    (tap + channel) * output[2] + filter,
                                    pixel(output, i, row, column, filter),
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
