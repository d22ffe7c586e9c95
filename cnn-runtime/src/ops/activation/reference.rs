//! Activations value by value; softmax and its logarithm row by row.

use super::functions;
use crate::reference::Real;
use cnn_ir::Activation;

/// The activation of `z`, `[.., units]`.
pub fn forward<T: Real>(activation: Activation, units: usize, z: &[T]) -> Vec<T> {
    let rows = z.chunks(units);
    match activation {
        Activation::Softmax => rows.flat_map(softmax).collect(),
        Activation::LogSoftmax => rows.flat_map(log_softmax).collect(),
        elementwise => z.iter().map(|z| functions::twin(elementwise, *z)).collect(),
    }
}

/// The gradient with respect to `z` from the one with respect to the activation of `z`.
pub fn backward<T: Real>(activation: Activation, units: usize, z: &[T], dy: &[T]) -> Vec<T> {
    let rows = z.chunks(units).zip(dy.chunks(units));
    match activation {
        Activation::Softmax => rows.flat_map(|(z, dy)| softmax_backward(z, dy)).collect(),
        Activation::LogSoftmax => rows
            .flat_map(|(z, dy)| log_softmax_backward(z, dy))
            .collect(),
        elementwise => z
            .iter()
            .zip(dy)
            .map(|(z, dy)| *dy * functions::slope(elementwise, *z))
            .collect(),
    }
}

fn softmax<T: Real>(z: &[T]) -> Vec<T> {
    let (z, total) = shifted(z);
    z.iter().map(|z| z.exp() / total).collect()
}

fn log_softmax<T: Real>(z: &[T]) -> Vec<T> {
    let (z, total) = shifted(z);
    z.iter().map(|z| *z - total.ln()).collect()
}

/// The row less its maximum, and the sum of its exponentials: with them the results are the same, and nothing
/// overflows.
fn shifted<T: Real>(z: &[T]) -> (Vec<T>, T) {
    let maximum = z
        .iter()
        .copied()
        .reduce(|m, z| if z > m { z } else { m })
        .expect("a class");
    let z: Vec<T> = z.iter().map(|z| *z - maximum).collect();
    let total = z.iter().map(|z| z.exp()).sum();
    (z, total)
}

/// `dz_j = sum_i dy_i * y_i * ((i == j) - y_j)`.
fn softmax_backward<T: Real>(z: &[T], dy: &[T]) -> Vec<T> {
    let y = softmax(z);
    let entry = |i: usize, j: usize| dy[i] * y[i] * (T::from_f64(f64::from(i == j)) - y[j]);
    (0..z.len())
        .map(|j| (0..z.len()).map(|i| entry(i, j)).sum())
        .collect()
}

/// `dz_j = sum_i dy_i * ((i == j) - softmax(z)_j)`.
fn log_softmax_backward<T: Real>(z: &[T], dy: &[T]) -> Vec<T> {
    let p = softmax(z);
    let entry = |i: usize, j: usize| dy[i] * (T::from_f64(f64::from(i == j)) - p[j]);
    (0..z.len())
        .map(|j| (0..z.len()).map(|i| entry(i, j)).sum())
        .collect()
}
