//! Images that are copied into the frame of another size, row by row: padding and cropping.
//!
//! ```text
//! forward:   y[row, column] = x[row - before[0], column - before[1]], 0 beside the image
//! backward:  dx[row, column] = dy[row + before[0], column + before[1]], 0 where that was cropped
//! ```
//!
//! Both are one function with input and output exchanged.

use core::ops::Range;

/// Copies each image of `x`, `[n, ..input]`, into one of `y`, `[n, ..output]`, which is overwritten. Its first cell
/// comes to lie so many rows and columns behind the first cell of `y`, or before it, where the offset is negative.
/// What of it lies outside is left out, and what it leaves of `y` is zero.
///
/// # Panics
/// If the channels differ, or the slices are no whole numbers of images, as many of the one as of the other.
pub(crate) fn copy(
    input: [usize; 3],
    output: [usize; 3],
    before: [isize; 2],
    x: &[f32],
    y: &mut [f32],
) {
    assert_eq!(input[2], output[2], "channels of both images");
    let [from, to] = [input, output].map(|shape| shape.iter().product::<usize>());
    assert!(
        x.len().is_multiple_of(from) && y.len().is_multiple_of(to),
        "whole images"
    );
    assert_eq!(x.len() / from, y.len() / to, "as many images");
    if input == output && before == [0, 0] {
        return y.copy_from_slice(x);
    }
    let [rows, columns] = [0, 1].map(|axis| Part::new(input[axis], output[axis], before[axis]));
    let [width, row] = [input[1], output[1]].map(|columns| columns * input[2]);
    let columns = columns.times(input[2]);
    let images = x.chunks_exact(from).zip(y.chunks_exact_mut(to));
    for (x, y) in images {
        let (above, y) = y.split_at_mut(rows.to.start * row);
        let (y, below) = y.split_at_mut(rows.to.len() * row);
        above.fill(0.0);
        below.fill(0.0);
        let x = &x[rows.from.start * width..rows.from.end * width];
        if width == row && columns.to.len() == row {
            // Whole rows lie side by side.
            y.copy_from_slice(x);
            continue;
        }
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(row)) {
            y[..columns.to.start].fill(0.0);
            y[columns.to.clone()].copy_from_slice(&x[columns.from.clone()]);
            y[columns.to.end..].fill(0.0);
        }
    }
}

/// The cells of an axis that both images have.
struct Part {
    from: Range<usize>,
    to: Range<usize>,
}

impl Part {
    fn new(input: usize, output: usize, before: isize) -> Self {
        let (padded, cropped) = match before {
            0.. => (before.unsigned_abs(), 0),
            _ => (0, before.unsigned_abs()),
        };
        let len = input
            .saturating_sub(cropped)
            .min(output.saturating_sub(padded));
        let [from, to] = match len {
            0 => [0, 0],
            _ => [cropped, padded],
        };
        Self {
            from: from..from + len,
            to: to..to + len,
        }
    }

    /// The same in values, of cells of so many.
    fn times(&self, channels: usize) -> Self {
        let times = |cells: &Range<usize>| cells.start * channels..cells.end * channels;
        Self {
            from: times(&self.from),
            to: times(&self.to),
        }
    }
}

#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod tests;
