//! Losses as they are defined, by way of the outputs behind their activation.

use super::{Function, with_function};
use crate::reference::{Real, activation};
use cnn_ir::Loss;

/// The sum of the losses of all examples, and the outputs, `[n, ..shape]`: behind the activation that is
/// part of the loss, of which `output` are the logits.
pub fn forward<T: Real>(loss: Loss, shape: &[usize], output: &[T], target: &[T]) -> (T, Vec<T>) {
    let (units, classes) = (super::units(shape), super::classes(shape));
    let y = activation::forward(loss.properties().activation, classes, output);
    let rows = y.chunks(units).zip(target.chunks(units));
    let sum = with_function!(loss, shape, function => rows.map(|(y, t)| function.twin(y, t)).sum());
    (sum, y)
}

/// `scale` times the gradient with respect to `output`, by the chain rule: the derivative of the
/// loss with respect to the outputs, then that of the activation.
pub fn backward<T: Real>(
    loss: Loss,
    shape: &[usize],
    output: &[T],
    target: &[T],
    scale: T,
) -> Vec<T> {
    let (units, classes) = (super::units(shape), super::classes(shape));
    let fused = loss.properties().activation;
    let y = activation::forward(fused, classes, output);
    let rows = y.chunks(units).zip(target.chunks(units));
    let dy: Vec<T> = with_function!(loss, shape, function => {
        rows.flat_map(|(y, t)| function.slope(y, t)).collect()
    });
    let dy: Vec<T> = dy.into_iter().map(|d| scale * d).collect();
    activation::backward(fused, classes, output, &dy)
}

/// `x^exponent` of a number from 0 on, where `0^0` is 1.
pub(super) fn power<T: Real>(x: T, exponent: T) -> T {
    let zero = T::from_f64(0.0);
    match x > zero || exponent > zero {
        true => (exponent * x.ln()).exp(),
        false => T::from_f64(1.0),
    }
}
