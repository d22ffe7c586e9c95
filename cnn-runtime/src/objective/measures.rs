//! All that is measured of the outputs: the objectives of the description, and what a trainer adds.
//!
//! ```text
//! sums over examples: losses, metrics of the description, output by output ──▶ Scores
//!                     metrics of one's own                                 ──▶ the same, by name
//! ```

use super::custom::Custom;
use super::{Objective, columns, sum};
use crate::model::Scores;
use crate::spec::Port;

/// All that is measured: what the description asks, and what a trainer adds.
#[derive(Clone, Copy)]
pub(crate) struct Measures<'a> {
    pub(crate) objectives: &'a [Objective],
    pub(crate) outputs: &'a [Port],
    pub(crate) custom: &'a Custom<'a>,
}

impl Measures<'_> {
    /// How many sums there are over examples: of the losses, of the metrics, and of those of one's own.
    pub(crate) fn columns(self) -> usize {
        columns(self.objectives, self.outputs) + self.custom.columns()
    }

    /// The sums over examples, [`Self::columns`] of them, from what [`forward`](super::forward) left.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub(crate) fn sum(self, output: &[f32], target: &[f32], losses: &[f32], sums: &mut [f64]) {
        let (own, added) = sums.split_at_mut(columns(self.objectives, self.outputs));
        sum(self.objectives, self.outputs, output, target, losses, own);
        self.custom.sum(self.outputs, output, target, added);
    }

    /// The mean losses and the metrics, from the sums over so many examples.
    pub(crate) fn scores(self, sums: &[f64], examples: usize) -> Scores {
        let (own, added) = sums.split_at(columns(self.objectives, self.outputs));
        let mut scores = Scores::of_sums(self.outputs, self.objectives, own, examples);
        for (output, name, value) in self.custom.values(added, examples) {
            let of_output = match scores.outputs.get_mut(output) {
                Some((_, scores)) => scores,
                None => &mut scores,
            };
            of_output.custom.push((name.to_owned(), value));
        }
        scores
    }
}
