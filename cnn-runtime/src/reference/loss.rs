//! Losses as they are defined, by way of the probabilities.

use super::{Real, activation};
use crate::kernels::{Activation, Loss};

/// The sum of the losses of all examples, and the outputs: probabilities of the logits
/// `output`, `[n, units]`, for cross-entropies, the outputs themselves for the mean squared error.
pub fn forward<T: Real>(loss: Loss, units: usize, output: &[T], target: &[T]) -> (T, Vec<T>) {
    let y = activation::forward(fused(loss), units, output);
    let [one, mean] = [1.0, 1.0 / units as f64].map(T::from_f64);
    let pairs = y.iter().zip(target);
    let sum = match loss {
        Loss::CategoricalCrossentropy => pairs.map(|(p, t)| -*t * p.ln()).sum(),
        Loss::BinaryCrossentropy => pairs
            .map(|(p, t)| -(*t * p.ln() + (one - *t) * (one - *p).ln()) * mean)
            .sum(),
        Loss::MeanSquaredError => pairs.map(|(y, t)| (*y - *t) * (*y - *t) * mean).sum(),
    };
    (sum, y)
}

/// `scale` times the gradient with respect to `output`, by the chain rule: the derivative of the
/// loss with respect to the probabilities, then that of the activation.
pub fn backward<T: Real>(loss: Loss, units: usize, output: &[T], target: &[T], scale: T) -> Vec<T> {
    let y = activation::forward(fused(loss), units, output);
    let [one, two, mean] = [1.0, 2.0, 1.0 / units as f64].map(T::from_f64);
    let slope = |(y, t): (&T, &T)| match loss {
        Loss::CategoricalCrossentropy => -scale * *t / *y,
        Loss::BinaryCrossentropy => scale * mean * ((one - *t) / (one - *y) - *t / *y),
        Loss::MeanSquaredError => scale * mean * two * (*y - *t),
    };
    let dy: Vec<T> = y.iter().zip(target).map(slope).collect();
    activation::backward(fused(loss), units, output, &dy)
}

/// The activation that is part of the loss.
fn fused(loss: Loss) -> Activation {
    match loss {
        Loss::CategoricalCrossentropy => Activation::Softmax,
        Loss::BinaryCrossentropy => Activation::Sigmoid,
        Loss::MeanSquaredError => Activation::Linear,
    }
}
