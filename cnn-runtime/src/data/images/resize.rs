//! Pictures of another size.

use std::ops::Range;

/// How pictures are resized. Samples are rounded to bytes afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resize {
    /// Linear between the four neighbours of a pixel's centre, as `tf.image.resize` and Keras'
    /// `image_dataset_from_directory` do it. Where pictures shrink to less than half, some pixels count in nothing.
    #[default]
    Bilinear,
    /// The mean over the area that a pixel covers, of OpenCV's `INTER_AREA`. Best where pictures shrink.
    Area,
}

/// Which pixels along an axis become one, and how much each counts. The weights sum to 1.
struct Taps {
    pixels: Range<usize>,
    weights: Vec<f32>,
}

impl Resize {
    /// Resizes `[H, W, C]` to `[height, width, C]`. No axis is empty.
    pub(super) fn run(
        self,
        pixels: &[u8],
        [height, width, channels]: [usize; 3],
        [to_height, to_width]: [usize; 2],
    ) -> Vec<u8> {
        let rows = self.taps(height, to_height);
        let columns = self.taps(width, to_width);
        let mut row = vec![0.0; width * channels];
        let mut resized = Vec::with_capacity(to_height * to_width * channels);
        for of_row in &rows {
            row.fill(0.0);
            for (y, weight) in of_row.pixels.clone().zip(&of_row.weights) {
                let line = &pixels[y * width * channels..][..width * channels];
                for (sum, sample) in row.iter_mut().zip(line) {
                    *sum += weight * f32::from(*sample);
                }
            }
            for of_column in &columns {
                for channel in 0..channels {
                    let sum: f32 = (of_column.pixels.clone().zip(&of_column.weights))
                        .map(|(x, weight)| weight * row[x * channels + channel])
                        .sum();
                    // `as` keeps what rounding leaves above 255 or below 0 at the border.
                    resized.push(sum.round() as u8);
                }
            }
        }
        resized
    }

    /// Those of each pixel of an axis of `to` pixels, which had `from`.
    fn taps(self, from: usize, to: usize) -> Vec<Taps> {
        let scale = from as f64 / to as f64;
        let last = from.saturating_sub(1);
        let of_pixel = |pixel: usize| match self {
            Self::Bilinear => {
                let centre = (pixel as f64 + 0.5) * scale - 0.5;
                let first = centre.floor();
                let fraction = (centre - first) as f32;
                if first < 0.0 || first >= last as f64 {
                    // Beyond the centre of the first or last pixel is that pixel.
                    let pixel = if first < 0.0 { 0 } else { last };
                    return Taps {
                        pixels: pixel..pixel + 1,
                        weights: vec![1.0],
                    };
                }
                let first = first as usize;
                Taps {
                    pixels: first..first + 2,
                    weights: vec![1.0 - fraction, fraction],
                }
            }
            Self::Area => {
                let (start, end) = (pixel as f64 * scale, (pixel + 1) as f64 * scale);
                let first = (start.floor() as usize).min(last);
                let pixels = first..(end.ceil() as usize).clamp(first + 1, from.max(1));
                let covered = |pixel: usize| {
                    (end.min((pixel + 1) as f64) - start.max(pixel as f64)).max(0.0) / scale
                };
                let weights = pixels.clone().map(|pixel| covered(pixel) as f32).collect();
                Taps { pixels, weights }
            }
        };
        (0..to).map(of_pixel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of pseudo-random samples.
    fn picture(shape: [usize; 3]) -> Vec<u8> {
        let samples = (0..shape.iter().product()).scan(1_u32, |state, _: usize| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        });
        samples.collect()
    }

    /// The slow twin: each sample by itself, in `f64`, of both axes at once.
    fn twin(
        resize: Resize,
        pixels: &[u8],
        [height, width, channels]: [usize; 3],
        [to_height, to_width]: [usize; 2],
    ) -> Vec<f64> {
        let at = |y: usize, x: usize, c: usize| f64::from(pixels[(y * width + x) * channels + c]);
        let mut resized = Vec::new();
        for y in 0..to_height {
            for x in 0..to_width {
                for c in 0..channels {
                    let [sy, sx] = [
                        height as f64 / to_height as f64,
                        width as f64 / to_width as f64,
                    ];
                    resized.push(match resize {
                        Resize::Bilinear => {
                            let cy = ((y as f64 + 0.5) * sy - 0.5).clamp(0.0, (height - 1) as f64);
                            let cx = ((x as f64 + 0.5) * sx - 0.5).clamp(0.0, (width - 1) as f64);
                            let (y0, x0) = (cy as usize, cx as usize);
                            let (y1, x1) = ((y0 + 1).min(height - 1), (x0 + 1).min(width - 1));
                            let (fy, fx) = (cy - y0 as f64, cx - x0 as f64);
                            let top = at(y0, x0, c) * (1.0 - fx) + at(y0, x1, c) * fx;
                            let bottom = at(y1, x0, c) * (1.0 - fx) + at(y1, x1, c) * fx;
                            top * (1.0 - fy) + bottom * fy
                        }
                        Resize::Area => {
                            let overlap = |pixel: usize, place: usize, scale: f64| {
                                let end = ((place + 1) as f64 * scale).min((pixel + 1) as f64);
                                (end - (place as f64 * scale).max(pixel as f64)).max(0.0)
                            };
                            let sum: f64 = (0..height)
                                .flat_map(|py| (0..width).map(move |px| (py, px)))
                                .map(|(py, px)| {
                                    overlap(py, y, sy) * overlap(px, x, sx) * at(py, px, c)
                                })
                                .sum();
                            sum / (sy * sx)
                        }
                    });
                }
            }
        }
        resized
    }

    #[test]
    fn pictures_are_resized_as_the_slow_twin_does_it() {
        for from in [[1, 1, 1], [7, 5, 3], [16, 31, 1], [28, 28, 4]] {
            let pixels = picture(from);
            for to in [[1, 1], [3, 2], [5, 9], [28, 28], [40, 13]] {
                for resize in [Resize::Bilinear, Resize::Area] {
                    let found = resize.run(&pixels, from, to);
                    let expected = twin(resize, &pixels, from, to);
                    assert_eq!(found.len(), expected.len());
                    for (found, expected) in found.iter().zip(&expected) {
                        let difference = (f64::from(*found) - expected).abs();
                        assert!(
                            difference <= 0.501,
                            "{resize:?} {from:?} {to:?}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_same_size_changes_nothing_and_one_grey_stays_that_grey() {
        let shape = [9, 6, 3];
        let pixels = picture(shape);
        for resize in [Resize::Bilinear, Resize::Area] {
            assert_eq!(resize.run(&pixels, shape, [9, 6]), pixels);
            let grey = resize.run(&[201; 7 * 5], [7, 5, 1], [11, 3]);
            assert_eq!(grey, [201; 33]);
        }
    }
}
