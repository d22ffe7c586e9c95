//! The outputs of a tile whose patch is all zeros: the background of a drawing, or cells that a relu has cleared.
//!
//! Large tiles leave a rounding error of about 1e-7 where products cancel out, also at an output that sees zeros alone
//! but has neighbours that do not. The sign of such an output should be that of the bias, because it decides whether a
//! relu behind it is active. So these outputs are set to the bias.

use super::geometry::{Geometry, Tile};

/// The most pixels down and across a tile.
const MAX_EDGE: usize = 7;

/// A bit for each output of the tile, row by row. `x` is `[images, ..input]`.
pub(super) fn mask_of(geometry: &Geometry, x: &[f32], tile: Tile) -> u32 {
    let outputs = geometry.size.outputs();
    let edge = outputs + 2;
    let [height, width, channels] = geometry.input;
    let image = tile.image * height * width;
    // Above and left of an image these wrap to numbers greater than its size.
    let top = (outputs * tile.row).wrapping_sub(geometry.padding[0]);
    let left = (outputs * tile.column).wrapping_sub(geometry.padding[1]);
    let is_zero = |i: usize, j: usize| {
        let (row, column) = (top.wrapping_add(i), left.wrapping_add(j));
        if row >= height || column >= width {
            return true;
        }
        let pixel = (image + row * width + column) * channels;
        x[pixel..pixel + channels].iter().all(|value| *value == 0.0)
    };
    // Every 3x3 patch has one of these pixels: if none is zero, no patch is.
    let mut some = (2..edge).step_by(3);
    if !some.any(|i| (2..edge).step_by(3).any(|j| is_zero(i, j))) {
        return 0;
    }
    // A bit for each row and column: whether one of the three pixels from there on is not zero.
    let mut rows = [0_u32; MAX_EDGE];
    for (i, row) in rows.iter_mut().enumerate().take(edge) {
        let pixels = (0..edge).fold(0, |bits, j| bits | u32::from(!is_zero(i, j)) << j);
        *row = pixels | pixels >> 1 | pixels >> 2;
    }
    let all = (1 << outputs) - 1;
    (0..outputs).fold(0, |bits, i| {
        let seen = rows[i] | rows[i + 1] | rows[i + 2];
        bits | (!seen & all) << (i * outputs)
    })
}
