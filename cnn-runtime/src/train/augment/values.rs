//! Changing values: contrast, brightness, noise, squares of zeros.

use super::draw::{Drawn, normals};
use super::philox::{LANES, Purpose, Stream};
use crate::kernels::math::clamp;

/// The pixels that are summed up side by side.
const SIDE_BY_SIDE: usize = 16;

/// The floats that [`contrast`] needs beside.
pub(super) const fn sums_len(channels: usize) -> usize {
    SIDE_BY_SIDE * channels
}

/// Cuts the values off at 0 and 1.
#[inline(always)]
fn clip(values: &mut [f32]) {
    for value in values {
        *value = clamp(*value, 0.0, 1.0);
    }
}

/// `(x - mean) * factor + mean` in each channel. The sums over the pixels are made in `sums`.
#[inline(always)]
pub(super) fn contrast(
    factor: f32,
    clips: bool,
    channels: usize,
    image: &mut [f32],
    sums: &mut [f32],
) {
    sums.fill(0.0);
    for pixels in image.chunks(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(pixels) {
            *sum += value;
        }
    }
    let pixels = (image.len() / channels) as f64;
    let (means, others) = sums.split_at_mut(channels);
    for (channel, mean) in means.iter_mut().enumerate() {
        let others = others.iter().skip(channel).step_by(channels);
        let sum = others.fold(f64::from(*mean), |sum, other| sum + f64::from(*other));
        *mean = (sum / pixels) as f32;
    }
    if let [mean] = *means {
        for value in image.iter_mut() {
            *value = (*value - mean) * factor + mean;
        }
    } else {
        for pixel in image.chunks_exact_mut(channels) {
            for (value, mean) in pixel.iter_mut().zip(&*means) {
                *value = (*value - mean) * factor + mean;
            }
        }
    }
    if clips {
        clip(image);
    }
}

/// Adds a number to all values.
#[inline(always)]
pub(super) fn brightness(change: f32, clips: bool, image: &mut [f32]) {
    for value in image.iter_mut() {
        *value += change;
    }
    if clips {
        clip(image);
    }
}

/// Adds a number from a normal distribution to each value: of block `b`, those of values `4 b` to `4 b + 3`.
#[inline(always)]
pub(super) fn noise(stddev: f32, stream: Stream, values: &mut [f32]) {
    for (group, values) in values.chunks_mut(4 * LANES).enumerate() {
        let words = stream.blocks(Purpose::Noise, (group * LANES) as u32);
        let mut drawn = [[0.0; 4]; LANES];
        for lane in 0..LANES {
            let [x, y] = normals(words[0][lane], words[1][lane]);
            drawn[lane][0] = stddev * x;
            drawn[lane][1] = stddev * y;
        }
        for lane in 0..LANES {
            let [x, y] = normals(words[2][lane], words[3][lane]);
            drawn[lane][2] = stddev * x;
            drawn[lane][3] = stddev * y;
        }
        for (value, drawn) in values.iter_mut().zip(drawn.as_flattened()) {
            *value += drawn;
        }
    }
}

/// Sets a square of the image to 0, whose middle was drawn: `size / 2` rows and columns lie before it.
pub(super) fn cutout(size: u64, drawn: &Drawn, shape: [usize; 3], image: &mut [f32]) {
    let [height, width, channels] = shape;
    // Less than a side of the image.
    let size = size as usize;
    let range = |middle: usize, side: usize| {
        let first = middle as i64 - (size / 2) as i64;
        let end = (first + size as i64).clamp(0, side as i64);
        first.max(0) as usize..end as usize
    };
    let (rows, columns) = (
        range(drawn.cutout[0], height),
        range(drawn.cutout[1], width),
    );
    let columns = columns.start * channels..columns.end * channels;
    let all = image.chunks_exact_mut(width * channels);
    for row in all.take(rows.end).skip(rows.start) {
        row[columns.clone()].fill(0.0);
    }
}
