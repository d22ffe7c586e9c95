//! The share of the positions whose class is among the `k` largest outputs: Keras' `TopKCategoricalAccuracy`.
//!
//! As there, outputs that tie at the border all count as among them. A position with an output of NaN, or without a
//! label, counts as wrong.

use super::Function;
use super::accuracy::class;

pub(super) struct TopKAccuracy {
    /// The length of the last axis.
    pub(super) classes: usize,
    /// The values of an example.
    pub(super) units: usize,
    pub(super) k: u64,
}

impl Function for TopKAccuracy {
    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]) {
        let rows = output.chunks_exact(self.classes);
        let rows = rows.zip(target.chunks_exact(self.classes));
        let is_right = |(y, t): &(&[f32], &[f32])| {
            let actual = class(t).filter(|place| t[*place] > 0.0);
            actual.is_some_and(|actual| {
                let ahead = y.iter().filter(|other| **other > y[actual]).count();
                (ahead as u64) < self.k && !y.iter().any(|y| y.is_nan())
            })
        };
        let positions = (self.units / self.classes) as f64;
        sums[0] += rows.filter(is_right).count() as f64 / positions;
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, output: &[f64], target: &[f64]) -> f64 {
        let rows = output.chunks(self.classes).zip(target.chunks(self.classes));
        let right: Vec<f64> = rows
            .map(|(y, t)| {
                if [y, t].concat().iter().any(|value| value.is_nan()) {
                    return 0.0;
                }
                let largest = t.iter().copied().fold(0.0, f64::max);
                let actual = t.iter().position(|t| *t > 0.0 && *t == largest);
                let mut descending = y.to_vec();
                descending.sort_by(|a, b| b.total_cmp(a));
                let least = descending[(self.k as usize).min(y.len()) - 1];
                f64::from(actual.is_some_and(|actual| y[actual] >= least))
            })
            .collect();
        right.iter().sum::<f64>() / right.len() as f64
    }
}
