//! Batch normalization, see Ioffe & Szegedy 2015.
//!
//! ```text
//! prediction   y = act(x a + b)                a = gamma / sqrt(running variance + epsilon), b = beta - running mean a
//! training     statistics of each partial ──merge (Chan, Golub & LeVeque 1979)──▶ mean, variance of the batch
//!              y = act(gamma x̂ + beta)         x̂ = (x - mean) / sqrt(variance + epsilon)
//! backward     Σ dy x̂, Σ dy ──▶ dgamma, dbeta, and both divided by the count
//!              dx = gamma / sqrt(variance + epsilon) (dy - mean of dy - x̂ mean of dy x̂)
//! ```
//!
//! With a max pool behind it, the values of a window are computed where the pool compares them: see
//! [`kernels::pooled`]. A second input, if there is one, is added before the activation. Its gradient is `dy`, so the
//! gradient of the output is left as it is.
//!
//! A layer that is frozen at run time has its running statistics in the total of the forward pass, and its backward pass
//! leaves the means out; with `trainable = false` in its description, no statistics are computed at all.
//!
//! The variance is the biased one, also in the running statistics, as Keras has it.

#[cfg(test)]
mod tests;

use super::stripes::{self, Striped};
use super::{
    Backward, Direction, Execute, Forward, GradientStatistics, Infer, Sizes, Statistics,
    activation, crop,
};
use crate::kernels::batch_normalization::pooled::{self, Pooled};
use crate::kernels::{Isa, batch_normalization as kernels};
use cnn_ir::Activation;
use cnn_ir::activation::Saved;
use cnn_ir::choice::stripes::Cut;
use cnn_ir::operation::{BatchNormalization, Rows};

pub(super) const fn sizes(layer: &BatchNormalization, _micro_batch: usize) -> Sizes {
    // The coefficients of each channel.
    let channels = layer.channels();
    Sizes {
        inference: [2 * channels, 2 * channels],
        training: 3 * channels,
        ..Sizes::NONE
    }
}

/// The tensors of a call, and what follows them: totals of statistics.
struct Tensors<'a> {
    gamma: Option<&'a [f32]>,
    beta: Option<&'a [f32]>,
    running_mean: &'a [f32],
    running_variance: &'a [f32],
    totals: &'a [&'a [f32]],
}

impl<'a> Tensors<'a> {
    fn of(layer: &BatchNormalization, tensors: &'a [&'a [f32]]) -> Self {
        let gamma = if layer.scale { 1 } else { 0 };
        let place = layer.running_mean();
        Self {
            gamma: layer.scale.then(|| tensors[0]),
            beta: layer.center.then(|| tensors[gamma]),
            running_mean: tensors[place],
            running_variance: tensors[place + 1],
            totals: &tensors[place + 2..],
        }
    }

    fn gamma(&self, channel: usize) -> f32 {
        self.gamma.map_or(1.0, |gamma| gamma[channel])
    }

    /// Writes the factor and the summand of each channel that normalise, scale and shift it. `scale` is one over its
    /// standard deviation.
    fn affine<'b>(
        &self,
        mean: &[f32],
        scale: impl Fn(usize) -> f32,
        scratch: &'b mut [f32],
    ) -> [&'b [f32]; 2] {
        let channels = mean.len();
        let (factor, rest) = scratch.split_at_mut(channels);
        let summand = &mut rest[..channels];
        for channel in 0..channels {
            factor[channel] = self.gamma(channel) * scale(channel);
            let beta = self.beta.map_or(0.0, |beta| beta[channel]);
            summand[channel] = beta - mean[channel] * factor[channel];
        }
        [factor, summand]
    }

    /// The same by the running statistics.
    fn affine_by_running<'b>(&self, epsilon: f32, scratch: &'b mut [f32]) -> [&'b [f32]; 2] {
        let scale =
            |channel: usize| inverse_deviation(self.running_variance[channel].into(), epsilon);
        self.affine(self.running_mean, scale, scratch)
    }
}

/// One over the standard deviation.
fn inverse_deviation(variance: f64, epsilon: f32) -> f32 {
    (1.0 / kernels::square_root(variance + f64::from(epsilon))) as f32
}

/// Writes the factor of each channel and the bias that an operation needs to compute what the layer makes of its result
/// by the running statistics. An empty bias is one of zeros; `tensors` are the layer's.
pub(super) fn fold(
    layer: &BatchNormalization,
    tensors: &[&[f32]],
    bias: &[f32],
    factor: &mut [f32],
    folded_bias: &mut [f32],
) {
    let tensors = Tensors::of(layer, tensors);
    for channel in 0..layer.channels() {
        let variance = tensors.running_variance[channel].into();
        factor[channel] = tensors.gamma(channel) * inverse_deviation(variance, layer.epsilon);
        let bias = bias.get(channel).map_or(0.0, |bias| f64::from(*bias));
        let beta = tensors.beta.map_or(0.0, |beta| f64::from(beta[channel]));
        let mean = f64::from(tensors.running_mean[channel]);
        folded_bias[channel] = ((bias - mean) * f64::from(factor[channel]) + beta) as f32;
    }
}

/// What the total of the forward pass is made of, a value for each channel.
struct Total<'a> {
    mean: &'a [f32],
    variance: &'a [f32],
    /// One over the standard deviation.
    scale: &'a [f32],
    /// Whether they are the running statistics, which do not depend on the batch.
    are_running: bool,
}

impl<'a> Total<'a> {
    fn of(total: &'a [f32], channels: usize) -> Self {
        let (mean, rest) = total.split_at(channels);
        let (variance, rest) = rest.split_at(channels);
        let (scale, are_running) = rest.split_at(channels);
        Self {
            mean,
            variance,
            scale,
            are_running: are_running[0] != 0.0,
        }
    }
}

impl Execute for BatchNormalization {
    fn infer(&self, call: Infer<'_>) {
        stripes::infer(self, call);
    }

    fn forward(&self, call: Forward<'_>) {
        let (isa, channels) = (call.run.isa, self.channels());
        let tensors = Tensors::of(self, call.tensors);
        let coefficients = match tensors.totals.first() {
            Some(total) => {
                let Total { mean, scale, .. } = Total::of(total, channels);
                tensors.affine(mean, |channel| scale[channel], call.scratch)
            }
            None => tensors.affine_by_running(self.epsilon, call.scratch),
        };
        normalize(
            self,
            isa,
            coefficients,
            call.inputs,
            call.output,
            call.argmax,
        );
        if !call.saved.is_empty() {
            call.saved.copy_from_slice(call.output);
        }
        activate(self, isa, call.output);
    }

    fn backward(&self, call: Backward<'_>) {
        let (isa, channels) = (call.run.isa, self.channels());
        let tensors = Tensors::of(self, call.tensors);
        let dy = call.gradient;
        let [dx, others @ ..] = call.input_gradients else {
            return;
        };
        // Where it does not share a place with the gradient of the output.
        if let [addend] = others
            && !addend.is_empty()
        {
            addend.copy_from_slice(dy);
        }
        if let [forward, backward] = tensors.totals {
            if dx.is_empty() {
                return;
            }
            let total = Total::of(forward, channels);
            let Total { mean, scale, .. } = total;
            if total.are_running {
                let (factor, rest) = call.scratch.split_at_mut(channels);
                for channel in 0..channels {
                    factor[channel] = tensors.gamma(channel) * scale[channel];
                }
                let zeros = &mut rest[..channels];
                zeros.fill(0.0);
                if let Some(pooled) = pooled(self) {
                    let coefficients = [&*factor, &*zeros, &*zeros];
                    let argmax = call.argmax;
                    return pooled::input_gradient(isa, pooled, coefficients, None, argmax, dy, dx);
                }
                return kernels::affine(isa, [factor, zeros], None, false, dy, dx);
            }
            let means = &backward[self.trained() * channels..];
            let (mean_of_products, mean_of_gradients) = means.split_at(channels);
            let (factor, rest) = call.scratch.split_at_mut(channels);
            let (slope, rest) = rest.split_at_mut(channels);
            let summand = &mut rest[..channels];
            for channel in 0..channels {
                let a = tensors.gamma(channel) * scale[channel];
                factor[channel] = a;
                slope[channel] = -a * mean_of_products[channel] * scale[channel];
                summand[channel] = -a * mean_of_gradients[channel] - slope[channel] * mean[channel];
            }
            let coefficients = [&*factor, &*slope, &*summand];
            if let Some(pooled) = pooled(self) {
                let (x, argmax) = (Some(call.inputs[0]), call.argmax);
                return pooled::input_gradient(isa, pooled, coefficients, x, argmax, dy, dx);
            }
            return kernels::input_gradient(isa, coefficients, call.inputs[0], dy, dx);
        }
        undo_activation(self, isa, call.output, call.saved, dy);
        let [factor, _] = tensors.affine_by_running(self.epsilon, call.scratch);
        kernels::scale(isa, factor, dy);
        if !dx.is_empty() {
            crop::scatter(self.input, self.output, dy, dx);
        }
    }

    fn statistics(&self, call: Statistics<'_>) {
        kernels::add_moments(call.run.isa, self.channels(), call.input, call.statistics);
    }

    fn gradient_statistics(&self, call: GradientStatistics<'_>) {
        let (isa, dy) = (call.run.isa, call.gradient);
        let Total { mean, scale, .. } = Total::of(call.total, self.channels());
        if let Some(pooled) = pooled(self) {
            undo_activation(self, isa, call.output, call.saved, dy);
            let (x, argmax) = (call.input, call.argmax);
            let statistics = call.statistics;
            return pooled::add_gradient_sums(
                isa,
                pooled,
                [mean, scale],
                x,
                argmax,
                dy,
                statistics,
            );
        }
        // A relu is undone in the same pass.
        let outputs = (self.activation == Activation::Relu).then_some(call.output);
        if outputs.is_none() {
            undo_activation(self, isa, call.output, call.saved, dy);
        }
        kernels::add_gradient_sums(isa, mean, scale, call.input, outputs, dy, call.statistics);
    }

    fn merge(&self, direction: Direction, examples: usize, partials: &[&[f32]], total: &mut [f32]) {
        match direction {
            Direction::Forward => merge_moments(self, partials, total),
            Direction::Backward => merge_sums(self, examples, partials, total),
        }
    }

    fn update_state(&self, tensor: usize, total: &[f32], values: &mut [f32]) {
        let Total { mean, variance, .. } = Total::of(total, self.channels());
        let batch = if tensor == self.running_mean() {
            mean
        } else {
            variance
        };
        for (value, batch) in values.iter_mut().zip(batch) {
            *value = *value * self.momentum + batch * (1.0 - self.momentum);
        }
    }

    fn take_state(&self, tensor: usize, values: &[f32], total: &mut [f32]) {
        let channels = self.channels();
        let place = tensor - self.running_mean();
        total[place * channels..][..channels].copy_from_slice(values);
        if place == 1 {
            for (scale, variance) in total[2 * channels..].iter_mut().zip(values) {
                *scale = inverse_deviation(f64::from(*variance), self.epsilon);
            }
            total[3 * channels] = 1.0;
        }
    }
}

impl Striped for BatchNormalization {
    fn cut(&self, _isa: Isa, _packed: usize, [most, _]: [usize; 2]) -> Cut {
        match self.pool {
            // Its rows are not those of the normalized image.
            Some(_) => Cut::Whole,
            None => Cut::all_rows(self.rows(), most),
        }
    }

    fn channels(&self) -> usize {
        self.output[2]
    }

    fn scratch(&self) -> usize {
        2 * self.channels()
    }

    fn infer_whole(&self, call: Infer<'_>) {
        let tensors = Tensors::of(self, call.tensors);
        let coefficients = tensors.affine_by_running(self.epsilon, call.scratch);
        let isa = call.run.isa;
        normalize(self, isa, coefficients, call.inputs, call.output, &mut []);
        activate(self, isa, call.output);
    }
}

/// Applies to the output of [`normalize`] what that has not.
fn activate(layer: &BatchNormalization, isa: Isa, y: &mut [f32]) {
    if layer.activation != Activation::Relu {
        activation::forward(layer.activation, isa, layer.channels(), y);
    }
}

/// The max pool behind a layer, if it takes one along.
fn pooled(layer: &BatchNormalization) -> Option<Pooled> {
    let image = layer.input;
    layer.pool.map(|pool| Pooled { pool, image })
}

/// The normalized rows; the second input is added, the maxima of windows are taken, and a relu is applied in the same
/// pass.
fn normalize(
    layer: &BatchNormalization,
    isa: Isa,
    coefficients: [&[f32]; 2],
    inputs: &[&[f32]],
    y: &mut [f32],
    argmax: &mut [u8],
) {
    let relu = layer.activation == Activation::Relu;
    let (x, addend) = match *inputs {
        [x, addend] => (x, Some(addend)),
        _ => (inputs[0], None),
    };
    if let Some(pooled) = pooled(layer) {
        return pooled::forward(isa, pooled, coefficients, relu, x, y, argmax);
    }
    if layer.input == layer.output {
        return kernels::affine(isa, coefficients, addend, relu, x, y);
    }
    // Only a frozen one reads more than it writes, and that adds nothing.
    let lines = y.chunks_exact_mut(layer.output[1] * layer.output[2]);
    for (row, line) in crop::rows(layer.input, layer.output, x).zip(lines) {
        kernels::affine(isa, coefficients, None, relu, row, line);
    }
}

/// The gradient before the activation.
fn undo_activation(
    layer: &BatchNormalization,
    isa: Isa,
    output: &[f32],
    saved: &[f32],
    dy: &mut [f32],
) {
    if layer.activation == Activation::Linear {
        return;
    }
    let saved = match layer.activation.properties().saves {
        Saved::Output => output,
        Saved::PreActivation => saved,
    };
    activation::backward(layer.activation, isa, layer.channels(), saved, dy);
}

/// Mean, variance and one over the standard deviation of the batch, and that they are its own.
fn merge_moments(layer: &BatchNormalization, partials: &[&[f32]], total: &mut [f32]) {
    let channels = layer.channels();
    for channel in 0..channels {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for partial in partials {
            let places = [0, 1 + channel, 1 + channels + channel];
            let [added, mean_of, squares_of] = places.map(|place| f64::from(partial[place]));
            let all = count + added;
            let delta = mean_of - mean;
            mean += delta * (added / all);
            squares += squares_of + delta * delta * (count * (added / all));
            count = all;
        }
        let variance = squares / count;
        total[channel] = mean as f32;
        total[channels + channel] = variance as f32;
        total[2 * channels + channel] = inverse_deviation(variance, layer.epsilon);
    }
    total[3 * channels] = 0.0;
}

/// The gradients of gamma and beta, and the means that they come from.
fn merge_sums(layer: &BatchNormalization, examples: usize, partials: &[&[f32]], total: &mut [f32]) {
    let [height, width, channels] = layer.input;
    let count = (examples * height * width) as f64;
    let (gradients, means) = total.split_at_mut(layer.trained() * channels);
    // Products first, then gradients: as gamma and beta, of which one may be missing.
    for place in 0..2 * channels {
        // In `f32`, as those partials were added that came early: how many these are depends on the number of threads.
        let sum: f32 = partials.iter().map(|partial| partial[place]).sum();
        means[place] = (f64::from(sum) / count) as f32;
        let is_gamma = place < channels;
        let gradient = match (is_gamma, layer.scale, layer.center) {
            (true, true, _) => Some(place),
            (false, true, true) => Some(place),
            (false, false, true) => Some(place - channels),
            (true, false, _) | (false, _, false) => None,
        };
        if let Some(place) = gradient {
            gradients[place] = sum;
        }
    }
}
