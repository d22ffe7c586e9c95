//! Batch normalization by its definition, for any [`Real`] type.

use crate::reference::Real;
use cnn_ir::operation::BatchNormalization;
use std::vec::Vec;

/// Mean and biased variance of each channel of rows.
pub fn moments<T: Real>(channels: usize, x: &[T]) -> [Vec<T>; 2] {
    let rows = T::from_f64((x.len() / channels) as f64);
    let mean_of = |value: &dyn Fn(usize, T) -> T| -> Vec<T> {
        let sums = (0..channels).map(|channel| {
            let values = x.iter().skip(channel).step_by(channels);
            values.map(|x| value(channel, *x)).sum::<T>() / rows
        });
        sums.collect()
    };
    let mean = mean_of(&|_, x| x);
    let variance = mean_of(&|channel, x| (x - mean[channel]) * (x - mean[channel]));
    [mean, variance]
}

/// Rows normalized by these statistics, scaled and shifted, without activation. `tensors` are those of the layer:
/// gamma and beta, of which either may be missing.
pub fn normalize<T: Real>(
    layer: &BatchNormalization,
    mean: &[T],
    variance: &[T],
    tensors: &[&[T]],
    x: &[T],
) -> Vec<T> {
    let channels = layer.channels();
    let gamma = layer.scale.then(|| tensors[0]);
    let beta = layer.center.then(|| tensors[usize::from(layer.scale)]);
    let rows = x.iter().enumerate();
    let values = rows.map(|(place, x)| {
        let channel = place % channels;
        let deviation = (variance[channel] + T::from_f64(layer.epsilon.into())).sqrt();
        let gamma = gamma.map_or(T::from_f64(1.0), |gamma| gamma[channel]);
        let beta = beta.map_or(T::from_f64(0.0), |beta| beta[channel]);
        gamma * ((*x - mean[channel]) / deviation) + beta
    });
    values.collect()
}
