//! The share classified rightly, of all positions of an output: pixels of `HxWxC`, or the one of `C`.
//!
//! The loss decides what that means. Outputs are yes/no answers where it takes them as such, and under
//! losses of numbers where there is only one on the last axis; else the largest value along the last axis
//! wins. A yes is above 0.5, or above 0 under the losses whose outputs have a sign. An output of NaN is no
//! answer, and a target of NaN, or of no class at all, has none: both count as wrong.

use super::Function;
use crate::argmax::place;
use cnn_ir::Loss;
use cnn_ir::loss::Output;

pub(super) struct Accuracy {
    pub(super) loss: Loss,
    /// The length of the last axis.
    pub(super) classes: usize,
    /// The values of an example.
    pub(super) units: usize,
}

impl Function for Accuracy {
    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]) {
        let Self {
            loss,
            classes,
            units,
        } = *self;
        let rows = output
            .chunks_exact(classes)
            .zip(target.chunks_exact(classes));
        let (right, positions) = match loss.properties().output {
            Output::Binary => (sides(output, target, 0.5), units),
            Output::Signs => (sides(output, target, 0.0), units),
            Output::Values if classes == 1 => (sides(output, target, 0.5), units),
            Output::Values => {
                let right = rows.filter(|(y, t)| is_same_class(y, t)).count();
                (right, units / classes)
            }
            Output::Classes => {
                // Targets of zeros are those of an example without a label.
                let right = rows.filter(|(y, t)| is_same_class(y, t) && t.iter().any(|t| *t > 0.0));
                (right.count(), units / classes)
            }
        };
        sums[0] += right as f64 / positions as f64;
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, y: &[f64], t: &[f64]) -> f64 {
        let loss_output = self.loss.properties().output;
        let has_nan = |row: &[f64]| row.iter().any(|value| value.is_nan());
        let border = match loss_output {
            Output::Binary => Some(0.5),
            Output::Signs => Some(0.0),
            Output::Values => (self.classes == 1).then_some(0.5),
            Output::Classes => None,
        };
        if let Some(border) = border {
            let same_side =
                |y: f64, t: f64| f64::from(!has_nan(&[y, t]) && (y > border) == (t > border));
            return super::reference::mean(y, t, same_side);
        }
        let first_largest =
            |row: &[f64]| (0..row.len()).find(|i| row.iter().all(|other| row[*i] >= *other));
        let has_label = |t: &[f64]| loss_output == Output::Values || t.iter().sum::<f64>() > 0.0;
        let positions = y.chunks(self.classes).zip(t.chunks(self.classes));
        let right: Vec<f64> = positions
            .map(|(y, t)| {
                let answered = !has_nan(y) && !has_nan(t) && has_label(t);
                f64::from(answered && first_largest(y) == first_largest(t))
            })
            .collect();
        right.iter().sum::<f64>() / right.len() as f64
    }
}

/// Outputs on the target's side of a border.
fn sides(output: &[f32], target: &[f32], border: f32) -> usize {
    // Without a branch, so that LLVM may use vectors.
    let is_right = |y: f32, t: f32| ((y > border) == (t > border)) & !y.is_nan() & !t.is_nan();
    let pairs = output.iter().zip(target);
    pairs.filter(|(y, t)| is_right(**y, **t)).count()
}

/// Whether the largest values of two rows stand in the same place, and neither holds NaN.
pub(super) fn is_same_class(output: &[f32], target: &[f32]) -> bool {
    let [y, t] = [output, target].map(class);
    y.is_some() && y == t
}

/// The place of the largest value of a row without NaN.
pub(super) fn class(row: &[f32]) -> Option<usize> {
    place(row).filter(|place| !row[*place].is_nan())
}
