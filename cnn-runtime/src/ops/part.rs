//! One input of a network of several: a copy of its part of each example.

use super::{Backward, Execute, Forward, Infer, Sizes, crop};
use cnn_ir::operation::Part;

pub(super) const fn sizes(_: &Part, _micro_batch: usize) -> Sizes {
    Sizes::NONE
}

impl Execute for Part {
    fn infer(&self, call: Infer<'_>) {
        copy(self, call.inputs[0], call.output);
    }

    fn forward(&self, call: Forward<'_>) {
        copy(self, call.inputs[0], call.output);
    }

    /// An input has no gradient.
    fn backward(&self, _call: Backward<'_>) {}
}

/// The part of each row of `x`, `[n, row]`, to `y`, `[n, ..output]`.
fn copy(part: &Part, x: &[f32], y: &mut [f32]) {
    let (input, output): (usize, usize) =
        (part.input.iter().product(), part.output.iter().product());
    let rows = x.chunks_exact(part.row).zip(y.chunks_exact_mut(output));
    for (row, y) in rows {
        let values = &row[part.offset..part.offset + input];
        crop::copy(part.input, part.output, values, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_each_row_is_cropped() {
        let part = Part {
            row: 9,
            offset: 2,
            input: [2, 3, 1],
            output: [2, 2, 1],
        };
        let x: Vec<f32> = (0..18_u8).map(f32::from).collect();
        let mut y = [0.0; 8];
        copy(&part, &x, &mut y);
        assert_eq!(y, [2.0, 3.0, 5.0, 6.0, 11.0, 12.0, 14.0, 15.0]);
    }
}
