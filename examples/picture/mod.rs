//! Pictures in the format PGM (<https://netpbm.sourceforge.net/doc/pgm.html>), for the examples whose outputs are images.

use cnn::ndarray::{Array2, ArrayViewD, Axis, s};
use std::io;
use std::path::Path;

/// Images in a row.
const COUNT: usize = 10;
/// Pixels between images.
const GAP: usize = 2;
/// A pixel of an image is a square of so many in the picture.
const ZOOM: usize = 4;

/// Writes one row of images for each of `rows`, `[N, H, W, 1]` with values from 0 to 1: the first [`COUNT`] of them. All
/// rows have one shape.
///
/// # Errors
///
/// Where the file cannot be written.
pub fn write(path: &Path, rows: &[ArrayViewD<'_, f32>]) -> io::Result<()> {
    let Some(&[count, height, width, _]) = rows.first().map(|row| row.shape()) else {
        return Err(io::Error::other("rows are `[N, H, W, 1]`"));
    };
    let count = count.min(COUNT);
    let size = |count: usize, side: usize| count * (side + GAP) + GAP;
    let mut picture = Array2::from_elem((size(rows.len(), height), size(count, width)), 0.3_f32);
    for (y, row) in rows.iter().enumerate() {
        for (x, image) in row.axis_iter(Axis(0)).take(count).enumerate() {
            let (top, left) = (size(y, height), size(x, width));
            picture
                .slice_mut(s![top..top + height, left..left + width])
                .assign(&image.index_axis(Axis(2), 0));
        }
    }
    let (height, width) = picture.dim();
    let mut file = format!("P5 {} {} 255\n", width * ZOOM, height * ZOOM).into_bytes();
    for y in 0..height * ZOOM {
        let row = (0..width * ZOOM).map(|x| picture[[y / ZOOM, x / ZOOM]]);
        file.extend(row.map(|value| (value * 255.0).round() as u8));
    }
    std::fs::write(path, file)
}
