//! The logarithm of softmax, row by row: also where a probability rounds to 0, its logarithm is finite.

use super::map;
use super::softmax::{subtract_maximum, sum};
use crate::kernels::math;

/// Adds the bias and turns each row of logits into logarithms of probabilities.
#[inline(always)]
pub(super) fn forward(units: usize, bias: &[f32], y: &mut [f32]) {
    if !bias.is_empty() {
        map(bias, y, |z| z);
    }
    for row in y.chunks_exact_mut(units) {
        subtract_maximum(row);
        let logarithm = math::ln(sum_of_exponentials(row));
        for z in row {
            *z -= logarithm;
        }
    }
}

/// `dz_j = dy_j - exp(y_j) * sum_i dy_i`.
#[inline(always)]
pub(super) fn backward(units: usize, y: &[f32], dy: &mut [f32]) {
    for (dy, y) in dy.chunks_exact_mut(units).zip(y.chunks_exact(units)) {
        let total = sum(dy.iter().copied());
        for (d, y) in dy.iter_mut().zip(y) {
            *d -= math::exp(*y) * total;
        }
    }
}

/// The exponentials are computed in whole vectors, also of a row that is shorter than one.
#[inline(always)]
fn sum_of_exponentials(row: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut total = 0.0;
    for piece in row.chunks(LANES) {
        let mut exponentials = [0.0; LANES];
        exponentials[..piece.len()].copy_from_slice(piece);
        map(&[], &mut exponentials, math::exp);
        total += sum(exponentials[..piece.len()].iter().copied());
    }
    total
}
