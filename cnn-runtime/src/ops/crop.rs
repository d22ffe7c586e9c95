//! The rows and columns of an image that are needed, among those that are stored.
//!
//! An operation that hands values through may read more than it writes: its input is the caller's, or
//! has another reader that needs more of it.

use crate::kernels::pad2d;

/// The rows of `x`, `[n, ..input]`, that are needed, each without the columns that are not.
///
/// # Panics
/// If the slice is no whole number of images, or the output is larger than the input.
pub(super) fn rows(
    input: [usize; 3],
    output: [usize; 3],
    x: &[f32],
) -> impl Iterator<Item = &[f32]> {
    let ([height, width, channels], [rows, columns, _]) = (input, output);
    assert!(
        rows <= height && columns <= width && channels == output[2],
        "a part of the input"
    );
    let image = height * width * channels;
    assert!(x.len().is_multiple_of(image), "whole images");
    x.chunks_exact(image).flat_map(move |image| {
        let lines = image.chunks_exact(width * channels).take(rows);
        lines.map(move |line| &line[..columns * channels])
    })
}

/// Copies the first rows and columns of each image of `x`, `[n, ..input]`, to `y`, `[n, ..output]`.
///
/// # Panics
/// If a slice is of another length, or the output is larger than the input.
pub(super) fn copy(input: [usize; 3], output: [usize; 3], x: &[f32], y: &mut [f32]) {
    pad2d::copy(input, output, [0, 0], x, y);
}

/// The rows of `x`, `[n, ..input]`, that are needed, to write.
///
/// # Panics
/// If the slice is no whole number of images, or the output is larger than the input.
pub(super) fn rows_mut(
    input: [usize; 3],
    output: [usize; 3],
    x: &mut [f32],
) -> impl Iterator<Item = &mut [f32]> {
    let ([height, width, channels], [rows, columns, _]) = (input, output);
    assert!(
        rows <= height && columns <= width && channels == output[2],
        "a part of the input"
    );
    let image = height * width * channels;
    assert!(x.len().is_multiple_of(image), "whole images");
    x.chunks_exact_mut(image).flat_map(move |image| {
        let lines = image.chunks_exact_mut(width * channels).take(rows);
        lines.map(move |line| &mut line[..columns * channels])
    })
}

/// The other way for gradients: what was not copied has none.
///
/// # Panics
/// If a slice is of another length, or the output is larger than the input.
pub(super) fn scatter(input: [usize; 3], output: [usize; 3], dy: &[f32], dx: &mut [f32]) {
    pad2d::copy(output, input, [0, 0], dy, dx);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corner_is_copied_and_gets_the_gradient() {
        // Two images of 2x3 cells with one channel, of which 1x2 are needed.
        let x: [f32; 12] = core::array::from_fn(|i| i as f32);
        let (input, output) = ([2, 3, 1], [1, 2, 1]);
        let mut y = [f32::NAN; 4];
        copy(input, output, &x, &mut y);
        assert_eq!(y, [0.0, 1.0, 6.0, 7.0]);
        let mut dx = [f32::NAN; 12];
        scatter(input, output, &[1.0, 2.0, 3.0, 4.0], &mut dx);
        let expected = [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(dx, expected);
    }
}
