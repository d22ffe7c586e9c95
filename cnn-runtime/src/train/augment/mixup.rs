//! Mixup (Zhang et al. 2018): an example and another one of its batch, and their targets, in the same shares.
//!
//! Partners are augmented as well, and may be another thread's. So the batch is read as a whole first, and copied; then
//! each example takes in its share of the copy of its partner.

use super::Augmentation;
use crate::model::parameters::Buffer;
use crate::train::batch::cut;

/// A copy of the batch before it is mixed.
pub(crate) struct Mixing {
    /// `[examples, …]` each.
    input: Buffer,
    target: Buffer,
    weights: Vec<f32>,
}

/// Some examples of a batch, of `[input, target, weights]` so many floats each.
pub(crate) struct Rows<'a> {
    pub(crate) input: &'a mut [f32],
    pub(crate) target: &'a mut [f32],
    pub(crate) weights: &'a mut [f32],
}

impl Rows<'_> {
    /// Copies the values of as many examples.
    pub(crate) fn copy_from(&mut self, input: &[f32], target: &[f32], weights: &[f32]) {
        self.input.copy_from_slice(input);
        self.target.copy_from_slice(target);
        self.weights.copy_from_slice(weights);
    }
}

impl Mixing {
    /// For batches of up to so many examples, `[input, target, weights]` floats each.
    pub(crate) fn new(examples: usize, [input, target, weights]: [usize; 3]) -> Self {
        Self {
            input: Buffer::zeros(examples * input),
            target: Buffer::zeros(examples * target),
            weights: vec![0.0; examples * weights],
        }
    }

    /// The copy, cut into parts of so many examples each.
    pub(crate) fn parts(
        &mut self,
        examples: impl Iterator<Item = usize>,
        [input, target, weights]: [usize; 3],
    ) -> impl Iterator<Item = Rows<'_>> {
        let (mut inputs, mut targets) = (&mut self.input[..], &mut self.target[..]);
        let mut all_weights = &mut self.weights[..];
        examples.map(move |examples| Rows {
            input: cut(&mut inputs, examples * input),
            target: cut(&mut targets, examples * target),
            weights: cut(&mut all_weights, examples * weights),
        })
    }

    /// Mixes some examples of a batch, `first` and those behind it, which are the numbers `batch` of the dataset. Whether
    /// all weights are 1 then.
    pub(crate) fn mix(
        &self,
        augmentation: &Augmentation,
        batch: &[usize],
        first: usize,
        rows: Rows<'_>,
        [input, target, weights]: [usize; 3],
    ) -> bool {
        let Some(alpha) = augmentation.recipe.mixup else {
            return rows.weights.iter().all(|weight| *weight == 1.0);
        };
        let inputs = rows.input.chunks_exact_mut(input);
        let targets = rows.target.chunks_exact_mut(target);
        let all_weights = rows.weights.chunks_exact_mut(weights);
        let mut are_even = true;
        for (((place, index), inputs), (targets, of_example)) in (batch.iter().enumerate())
            .skip(first)
            .zip(inputs)
            .zip(targets.zip(all_weights))
        {
            let mix = augmentation.mix(*index, batch.len(), alpha);
            if mix.partner == place {
                are_even &= of_example.iter().all(|weight| *weight == 1.0);
                continue;
            }
            let of = |len: usize| mix.partner * len..(mix.partner + 1) * len;
            blend(mix.share, inputs, &self.input[of(input)]);
            blend(mix.share, targets, &self.target[of(target)]);
            for (weight, other) in of_example.iter_mut().zip(&self.weights[of(weights)]) {
                // Where both are the same, nothing is rounded.
                if weight != other {
                    *weight = mix.share * *weight + (1.0 - mix.share) * other;
                }
                are_even &= *weight == 1.0;
            }
        }
        are_even
    }
}

/// `share * x + (1 - share) * other`.
fn blend(share: f32, values: &mut [f32], others: &[f32]) {
    for (value, other) in values.iter_mut().zip(others) {
        *value = share * *value + (1.0 - share) * other;
    }
}
