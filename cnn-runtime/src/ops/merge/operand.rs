//! An operand as the output has it: an axis of one row, column or channel is repeated.
//!
//! ```text
//! forward    a row of the operand ─ repeat ─▶ a row as long as the output's
//! backward   a row of the gradient ─ sum over what was repeated ─▶ added to the operand's gradient
//! ```
//!
//! An axis is repeated where it is shorter than the output's. Where it is longer, the operand stores rows or columns
//! that nobody needs here.

use crate::kernels::Isa;
use crate::kernels::simd::Loop;

/// An operand and the output, both `[H, W, C]`.
#[derive(Clone, Copy)]
pub(super) struct Operand {
    stored: [usize; 3],
    output: [usize; 3],
}

impl Operand {
    pub(super) fn new(stored: [usize; 3], output: [usize; 3]) -> Self {
        Self { stored, output }
    }

    fn repeats(&self, axis: usize) -> bool {
        self.stored[axis] < self.output[axis]
    }

    /// Whether any axis is repeated.
    pub(super) fn is_repeated(&self) -> bool {
        (0..3).any(|axis| self.repeats(axis))
    }

    /// Image `n` of `[n, ..stored]`.
    pub(super) fn image<'a>(&self, values: &'a [f32], n: usize) -> &'a [f32] {
        let length = self.stored.iter().product::<usize>();
        &values[n * length..][..length]
    }

    /// The same, to write.
    pub(super) fn image_mut<'a>(&self, values: &'a mut [f32], n: usize) -> &'a mut [f32] {
        let length = self.stored.iter().product::<usize>();
        &mut values[n * length..][..length]
    }

    /// What is stored of a row of the output.
    fn stored_row(&self, row: usize) -> core::ops::Range<usize> {
        let [_, width, channels] = self.stored;
        let row = if self.repeats(0) { 0 } else { row };
        let columns = width.min(self.output[1]);
        let first = row * width * channels;
        first..first + columns * channels
    }

    /// A row as the output has it: a part of the image, or made in `buffer`, which is at least as long as a row of
    /// the output, where something is repeated. Where the rows are repeated, the buffer keeps what was made of the first
    /// row of the image for all others.
    pub(super) fn row<'a>(&self, image: &'a [f32], row: usize, buffer: &'a mut [f32]) -> &'a [f32] {
        let stored = &image[self.stored_row(row)];
        if !self.is_repeated() {
            return stored;
        }
        let is_made = row > 0 && self.repeats(0);
        match [self.repeats(1), self.repeats(2)] {
            [false, false] => return stored,
            [true, _] | [_, true] if is_made => {}
            [true, false] => {
                for cell in buffer.chunks_exact_mut(stored.len()) {
                    cell.copy_from_slice(stored);
                }
            }
            [false, true] => {
                for (cell, value) in buffer.chunks_exact_mut(self.output[2]).zip(stored) {
                    cell.fill(*value);
                }
            }
            [true, true] => buffer.fill(stored[0]),
        }
        buffer
    }

    /// The place of a row in an image of which nothing is repeated.
    pub(super) fn row_mut<'a>(&self, image: &'a mut [f32], row: usize) -> &'a mut [f32] {
        &mut image[self.stored_row(row)]
    }

    /// Adds a row of the gradient to that of the operand, summed over what was repeated. The row is used up.
    pub(super) fn add_row(&self, isa: Isa, row: usize, gradient: &mut [f32], dx: &mut [f32]) {
        isa.run_loop(AddSums {
            over: [self.repeats(1), self.repeats(2)],
            channels: self.output[2],
            gradient,
            dx: &mut dx[self.stored_row(row)],
        });
    }
}

/// Adds the sums over columns, channels, both or neither.
struct AddSums<'a> {
    over: [bool; 2],
    channels: usize,
    gradient: &'a mut [f32],
    dx: &'a mut [f32],
}

impl Loop for AddSums<'_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            over: [columns, channels],
            channels: cell,
            mut gradient,
            dx,
        } = self;
        if columns {
            add_up(gradient, cell);
            gradient = &mut gradient[..cell];
        }
        if channels {
            for (dx, cell) in dx.iter_mut().zip(gradient.chunks_exact_mut(cell)) {
                add_up(cell, 1);
                *dx += cell[0];
            }
        } else {
            for (dx, value) in dx.iter_mut().zip(gradient) {
                *dx += *value;
            }
        }
    }
}

/// Adds cells of so many values up, the second half to the first until one is left: sums of sums round less than one
/// sum after the other.
#[inline(always)]
fn add_up(values: &mut [f32], cell: usize) {
    let mut cells = values.len() / cell;
    while cells > 1 {
        let half = cells / 2;
        let (first, second) = values[..cells * cell].split_at_mut((cells - half) * cell);
        for (sum, value) in first.iter_mut().zip(second) {
            *sum += *value;
        }
        cells -= half;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: [usize; 3] = [3, 5, 7];

    /// Shapes that are repeated along each choice of axes, and one that stores more than is needed.
    const STORED: [[usize; 3]; 9] = [
        [3, 5, 7],
        [1, 5, 7],
        [3, 1, 7],
        [3, 5, 1],
        [1, 1, 7],
        [1, 5, 1],
        [3, 1, 1],
        [1, 1, 1],
        [4, 6, 7],
    ];

    fn stored_place([height, width, channels]: [usize; 3], at: [usize; 3]) -> usize {
        let [row, column, channel] = at;
        let within = |place: usize, side: usize| if side == 1 { 0 } else { place };
        (within(row, height) * width + within(column, width)) * channels + within(channel, channels)
    }

    #[test]
    fn rows_are_repeated_and_their_gradients_summed() {
        let [height, width, channels] = OUTPUT;
        for stored in STORED {
            let operand = Operand::new(stored, OUTPUT);
            let image: Vec<f32> = (0..stored.iter().product()).map(|i| i as f32).collect();
            let mut buffer = [f32::NAN; 35];
            let (mut dx, mut expected) = (vec![0.0; image.len()], vec![0.0; image.len()]);
            for y in 0..height {
                let row = operand.row(&image, y, &mut buffer).to_vec();
                let mut gradient: Vec<f32> = (0..35).map(|i| (100 * y + i) as f32).collect();
                for x in 0..width {
                    for c in 0..channels {
                        let place = stored_place(stored, [y, x, c]);
                        assert_eq!(
                            row[x * channels + c],
                            image[place],
                            "{stored:?} {y} {x} {c}"
                        );
                        expected[place] += gradient[x * channels + c];
                    }
                }
                operand.add_row(Isa::detect(), y, &mut gradient, &mut dx);
            }
            assert_eq!(dx, expected, "{stored:?}");
        }
    }
}
