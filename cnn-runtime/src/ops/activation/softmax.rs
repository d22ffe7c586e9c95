//! Softmax, row by row.

use super::map;
use crate::kernels::math;

/// Adds the bias and turns each row of logits into probabilities.
#[inline(always)]
pub(super) fn forward(units: usize, bias: &[f32], y: &mut [f32]) {
    if !bias.is_empty() {
        map(bias, y, |z| z);
    }
    for row in y.chunks_exact_mut(units) {
        subtract_maximum(row);
    }
    // Over all rows at once: rows are often shorter than a vector.
    map(&[], y, math::exp);
    for row in y.chunks_exact_mut(units) {
        normalise(row);
    }
}

/// `dz_j = y_j * (dy_j - sum_i dy_i * y_i)`.
#[inline(always)]
pub(super) fn backward(units: usize, y: &[f32], dy: &mut [f32]) {
    for (dy, y) in dy.chunks_exact_mut(units).zip(y.chunks_exact(units)) {
        let mean = sum(dy.iter().zip(y).map(|(d, y)| d * y));
        for (d, y) in dy.iter_mut().zip(y) {
            *d = y * (*d - mean);
        }
    }
}

/// The first step: shifts a row so that its maximum is 0, which no exponential overflows. A +∞ becomes
/// NaN, as does everything where there is nothing but -∞.
#[inline(always)]
pub(crate) fn subtract_maximum(row: &mut [f32]) {
    let mut maximum = f32::NEG_INFINITY;
    for z in &*row {
        maximum = if *z > maximum { *z } else { maximum };
    }
    for z in row {
        *z -= maximum;
    }
}

/// The last step: turns exponentials into probabilities. Returns the sum of the exponentials.
#[inline(always)]
pub(crate) fn normalise(row: &mut [f32]) -> f32 {
    let total = sum(row.iter().copied());
    for e in row {
        *e /= total;
    }
    total
}

/// The sum in order.
#[inline(always)]
pub(super) fn sum(values: impl Iterator<Item = f32>) -> f32 {
    let mut sum = 0.0;
    for value in values {
        sum += value;
    }
    sum
}
