//! Moving pixels: flips, shifts, rotations and zooms as one map, and one resampling.
//!
//! A pixel of the result lies at `p`, rows down and columns to the right. It is read at
//!
//! ```text
//! q = c + F z R (p - c - d)        c the centre of the image, d the shift, R the rotation, z the zoom, F the flips
//! ```
//!
//! That is: the image is mirrored, then turned and scaled about its centre, then moved. Where `q` lies between pixels, the
//! value is interpolated between four of them; pixels outside of the image are 0. The image is copied into a frame of
//! zeros first, so that the loop over the pixels looks at no border.
//!
//! With elastic distortions, each pixel is read beside `q`, by its displacement. Without these, a rotation and a zoom,
//! pixels are copied.

use super::draw::Drawn;
use crate::kernels::math;
use crate::kernels::resample2d::{self, Affine};

/// The map that was drawn, for an image of so many rows and columns.
pub(super) fn map(drawn: &Drawn, sides: [usize; 2]) -> Affine {
    let (sin, cos) = math::sin_cos_of_turns(drawn.angle * (1.0 / 360.0));
    let rotation = [[cos, sin], [-sin, cos]];
    let centre = sides.map(|side| 0.5 * (side - 1) as f32);
    let (mut linear, mut origin) = ([[0.0; 2]; 2], centre);
    for axis in [0, 1] {
        let sign = if drawn.flip[axis] { -1.0 } else { 1.0 };
        for of in [0, 1] {
            let factor = sign * drawn.zoom * rotation[axis][of];
            linear[axis][of] = factor;
            origin[axis] -= factor * (centre[of] + drawn.shift[of] as f32);
        }
    }
    Affine { linear, origin }
}

/// Puts an image into its frame. What lies around it stays 0.
pub(super) fn frame(shape: [usize; 3], image: &[f32], framed: &mut [f32]) {
    let [_, width, channels] = shape;
    let rows = resample2d::rows_mut(shape, framed);
    for (from, to) in image.chunks_exact(width * channels).zip(rows) {
        to.copy_from_slice(from);
    }
}

/// Mirrors and moves the image in the frame by whole pixels, and overwrites `result`.
pub(super) fn copy(drawn: &Drawn, shape: [usize; 3], framed: &[f32], result: &mut [f32]) {
    let [height, width, channels] = shape;
    let [down, right] = drawn.shift;
    let inside = |place: i64, side: usize| (0..side as i64).contains(&place);
    // The columns of the result that are columns of the image.
    let first = right.clamp(0, width as i64) as usize;
    let end = (width as i64 + right).clamp(first as i64, width as i64) as usize;
    for (y, result) in result.chunks_exact_mut(width * channels).enumerate() {
        let from = y as i64 - down;
        if !inside(from, height) {
            result.fill(0.0);
            continue;
        }
        let from = match drawn.flip[0] {
            true => height - 1 - from as usize,
            false => from as usize,
        };
        let image = resample2d::row(shape, framed, from);
        let (before, rest) = result.split_at_mut(first * channels);
        let (moved, after) = rest.split_at_mut((end - first) * channels);
        before.fill(0.0);
        after.fill(0.0);
        let start = (first as i64 - right) as usize * channels;
        if !drawn.flip[1] {
            let len = moved.len();
            moved.copy_from_slice(&image[start..][..len]);
            continue;
        }
        let image = &image[..image.len() - start];
        let pixels = image.chunks_exact(channels).rev();
        for (to, from) in moved.chunks_exact_mut(channels).zip(pixels) {
            to.copy_from_slice(from);
        }
    }
}
