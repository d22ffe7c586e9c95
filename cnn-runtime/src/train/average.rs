//! The moving average of the weights, which is what is validated and saved.
//!
//! ```text
//! steps:     model ◀── weights        aside ◀── average = momentum * average + (1 - momentum) * weights
//! between:   model ◀── average        aside ◀── weights, from which the next step goes on
//! ```
//!
//! The two change places at the beginning and at the end of the steps of an epoch. Tensors that the optimizer does not
//! change, as running statistics, are the same in both. As in Keras, the average begins with the weights after the first
//! step.

use crate::kernels::thread_pool::for_each;
use crate::model::Model;
use crate::model::parameters::Buffer;
use crate::spec::{Gradient, Spec};
use crate::thread_count::worthwhile;
use crate::train::state::{MovingAverage, TrainingState};

/// Values that a thread takes at once.
const PIECE: usize = 16 * 1024;

/// What keeps the average up in a call of `fit`.
pub(crate) struct Average {
    spec: &'static Spec,
    momentum: f32,
    /// The most threads to use.
    pub(super) threads: usize,
}

impl Average {
    /// Of an optimizer with this `momentum`; none if that is 0.
    pub(crate) fn new(spec: &'static Spec, momentum: f64, threads: usize) -> Option<Self> {
        (momentum > 0.0).then_some(Self {
            spec,
            momentum: momentum as f32,
            threads,
        })
    }

    /// Takes the weights after a step into the average.
    pub(crate) fn advance(&self, weights: &Buffer, state: &mut TrainingState) {
        let frozen = &state.frozen;
        let Some(MovingAverage { aside, .. }) = &mut state.average else {
            state.average = Some(MovingAverage {
                aside: weights.clone(),
                is_in_model: false,
            });
            return;
        };
        // The average of a frozen tensor stands still, wherever it was when the tensor was frozen.
        let standing: Vec<_> = (self.spec.parameters.iter().enumerate())
            .filter(|(place, _)| frozen.contains(*place))
            .map(|(_, tensor)| (tensor.range(), aside[tensor.range()].to_vec()))
            .collect();
        let mut pieces: Vec<_> = aside.chunks_mut(PIECE).zip(weights.chunks(PIECE)).collect();
        let threads = worthwhile(self.threads, 4 * weights.len() as u64);
        let new = 1.0 - self.momentum;
        for_each(threads, &mut pieces, |_, (averages, weights)| {
            for (average, weight) in averages.iter_mut().zip(*weights) {
                *average = self.momentum * *average + new * weight;
            }
        });
        let others = self.spec.parameters.iter();
        for tensor in others.filter(|tensor| matches!(tensor.gradient, Gradient::Frozen)) {
            aside[tensor.range()].copy_from_slice(&weights[tensor.range()]);
        }
        for (range, values) in standing {
            aside[range].copy_from_slice(&values);
        }
    }
}

impl Model {
    /// Makes the parameters the weights that the next step goes on from. Without `has_average` they stay what they are,
    /// and the weights that are aside are forgotten.
    pub(crate) fn take_up_weights(&mut self, has_average: bool) {
        if !has_average {
            self.forget_average();
        }
        self.show(false);
    }

    /// Makes the parameters the average, if there is one.
    pub(crate) fn show_average(&mut self) {
        self.show(true);
    }

    fn show(&mut self, show_average: bool) {
        let (parameters, state) = self.trained();
        if let Some(average) = &mut state.average
            && average.is_in_model != show_average
        {
            std::mem::swap(parameters, &mut average.aside);
            average.is_in_model = show_average;
        }
    }

    /// The parameters to save, and the weights that the next step goes on from if they are others.
    pub(crate) fn saved(&self) -> (&[f32], Option<&[f32]>) {
        let parameters = self.parameters();
        match &self.training().average {
            None => (parameters, None),
            Some(MovingAverage { aside, is_in_model }) => match is_in_model {
                true => (parameters, Some(aside)),
                false => (aside, Some(parameters)),
            },
        }
    }
}
