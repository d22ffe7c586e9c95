//! Activations value by value; softmax row by row.

use super::functions;
use crate::reference::Real;
use cnn_ir::Activation;

/// The activation of `z`, `[.., units]`.
pub fn forward<T: Real>(activation: Activation, units: usize, z: &[T]) -> Vec<T> {
    if activation == Activation::Softmax {
        return z.chunks(units).flat_map(softmax).collect();
    }
    z.iter().map(|z| functions::twin(activation, *z)).collect()
}

/// The gradient with respect to `z` from the one with respect to the activation of `z`.
pub fn backward<T: Real>(activation: Activation, units: usize, z: &[T], dy: &[T]) -> Vec<T> {
    if activation == Activation::Softmax {
        return z
            .chunks(units)
            .zip(dy.chunks(units))
            .flat_map(|(z, dy)| softmax_backward(z, dy))
            .collect();
    }
    z.iter()
        .zip(dy)
        .map(|(z, dy)| *dy * functions::slope(activation, *z))
        .collect()
}

fn softmax<T: Real>(z: &[T]) -> Vec<T> {
    // Shifted by the maximum: the result is the same, and nothing overflows.
    let maximum = z
        .iter()
        .copied()
        .reduce(|m, z| if z > m { z } else { m })
        .expect("a class");
    let total: T = z.iter().map(|z| (*z - maximum).exp()).sum();
    z.iter().map(|z| (*z - maximum).exp() / total).collect()
}

/// `dz_j = sum_i dy_i * y_i * ((i == j) - y_j)`.
fn softmax_backward<T: Real>(z: &[T], dy: &[T]) -> Vec<T> {
    let y = softmax(z);
    let entry = |i: usize, j: usize| dy[i] * y[i] * (T::from_f64(f64::from(i == j)) - y[j]);
    (0..z.len())
        .map(|j| (0..z.len()).map(|i| entry(i, j)).sum())
        .collect()
}
