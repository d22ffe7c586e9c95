//! Merged values by their definition, for any [`Real`] type.

use crate::reference::Real;
use cnn_ir::operation::MergeKind;
use std::vec::Vec;

/// The values of cells of so many channels each, without activation.
pub fn forward<T: Real>(kind: MergeKind, inputs: &[Vec<T>], channels: &[usize]) -> Vec<T> {
    if kind == MergeKind::Concat {
        let cells = inputs[0].len() / channels[0];
        let of_cell = |cell: usize| {
            let parts = inputs.iter().zip(channels);
            parts.flat_map(move |(x, channels)| x[cell * channels..(cell + 1) * channels].to_vec())
        };
        return (0..cells).flat_map(of_cell).collect();
    }
    let value = |place: usize| {
        let values = || inputs.iter().map(|x| x[place]);
        let all = |combine: fn(T, T) -> T| values().reduce(combine).expect("an input");
        match kind {
            MergeKind::Add => all(|a, b| a + b),
            MergeKind::Subtract => all(|a, b| a - b),
            MergeKind::Multiply => all(|a, b| a * b),
            MergeKind::Average => all(|a, b| a + b) / T::from_f64(inputs.len() as f64),
            MergeKind::Maximum => all(|a, b| if b > a { b } else { a }),
            MergeKind::Minimum => all(|a, b| if b < a { b } else { a }),
            MergeKind::Concat => unreachable!("side by side"),
        }
    };
    (0..inputs[0].len()).map(value).collect()
}
