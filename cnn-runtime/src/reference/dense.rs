//! Fully connected layers as nested loops over examples, inputs and units.

use super::{Real, activation};
use cnn_ir::operation::Dense;

/// `activation(x * kernel + bias)`, `[n, units]`; an empty bias means none.
pub fn forward<T: Real>(dense: &Dense, n: usize, x: &[T], kernel: &[T], bias: &[T]) -> Vec<T> {
    let mut z = vec![T::from_f64(0.0); n * dense.units];
    for_each_weight(dense, n, |from, weight, to| {
        z[to] += x[from] * kernel[weight]
    });
    for (i, z) in z.iter_mut().enumerate().filter(|_| !bias.is_empty()) {
        *z += bias[i % dense.units];
    }
    activation::forward(dense.activation, dense.units, &z)
}

/// The gradients of kernel and bias, from `dy` with respect to the result before the activation.
pub fn backward_parameters<T: Real>(
    dense: &Dense,
    n: usize,
    x: &[T],
    dy: &[T],
) -> (Vec<T>, Vec<T>) {
    let mut kernel_gradient = vec![T::from_f64(0.0); dense.inputs * dense.units];
    for_each_weight(dense, n, |from, weight, to| {
        kernel_gradient[weight] += x[from] * dy[to]
    });
    let mut bias_gradient = vec![T::from_f64(0.0); dense.units];
    for (i, dy) in dy.iter().enumerate() {
        bias_gradient[i % dense.units] += *dy;
    }
    (kernel_gradient, bias_gradient)
}

/// The gradient with respect to the input, from `dy` as in [`backward_parameters`].
pub fn backward_input<T: Real>(dense: &Dense, n: usize, dy: &[T], kernel: &[T]) -> Vec<T> {
    let mut dx = vec![T::from_f64(0.0); n * dense.inputs];
    for_each_weight(dense, n, |from, weight, to| {
        dx[from] += dy[to] * kernel[weight]
    });
    dx
}

/// Calls `f(place in x, place in the kernel, place in y)` for each product.
fn for_each_weight(dense: &Dense, n: usize, mut f: impl FnMut(usize, usize, usize)) {
    for i in 0..n {
        for input in 0..dense.inputs {
            for unit in 0..dense.units {
                f(
                    i * dense.inputs + input,
                    input * dense.units + unit,
                    i * dense.units + unit,
                );
            }
        }
    }
}
