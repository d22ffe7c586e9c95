//! Dropout with a given mask of 0 and `1 / (1 - rate)`.

use crate::reference::Real;

/// `x * mask`; the backward pass is the same function of the gradient.
pub fn forward<T: Real>(x: &[T], mask: &[T]) -> Vec<T> {
    x.iter().zip(mask).map(|(x, mask)| *x * *mask).collect()
}
