//! The share classified rightly.
//!
//! The loss decides what that means. Outputs are yes/no answers where it takes them as such, and under
//! losses of numbers where there is only one; else the largest output of an example wins.

use cnn_ir::Loss;
use cnn_ir::loss::Output;

pub(super) fn sum(loss: Loss, units: usize, output: &[f32], target: &[f32]) -> f64 {
    match loss.properties().output {
        Output::Binary => sides(units, output, target),
        Output::Values if units == 1 => sides(units, output, target),
        Output::Values | Output::Classes => {
            let rows = output.chunks_exact(units).zip(target.chunks_exact(units));
            rows.filter(|(y, t)| argmax(y) == argmax(t)).count() as f64
        }
    }
}

/// Outputs on the target's side of 0.5.
fn sides(units: usize, output: &[f32], target: &[f32]) -> f64 {
    let pairs = output.iter().zip(target);
    let right = pairs.filter(|(y, t)| (**y > 0.5) == (**t > 0.5)).count();
    right as f64 / units as f64
}

/// The place of the largest value, the first one on ties.
fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = i;
        }
    }
    best
}

/// By definition, of one example.
#[cfg(any(test, feature = "reference"))]
pub(super) fn twin(loss: Loss, y: &[f64], t: &[f64]) -> f64 {
    let is_binary = match loss.properties().output {
        Output::Binary => true,
        Output::Values => y.len() == 1,
        Output::Classes => false,
    };
    if is_binary {
        let same_side = |y: f64, t: f64| f64::from((y > 0.5) == (t > 0.5));
        return super::reference::mean(y, t, same_side);
    }
    let first_largest =
        |row: &[f64]| (0..row.len()).find(|i| row.iter().all(|other| row[*i] >= *other));
    f64::from(first_largest(y) == first_largest(t))
}
