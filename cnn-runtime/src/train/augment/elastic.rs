//! Elastic distortions (Simard, Steinkraus & Platt 2003): each pixel is read a little beside its place.
//!
//! ```text
//! words ──▶ a number from -1 to 1 for each row and column ──Gaussian, down, then across──▶ * alpha ──▶ displacements
//! ```
//!
//! Displacements of rows and of columns lie side by side: `[H, 2, W]`. The Gaussian ends at four standard deviations,
//! and outside of the image there are zeros.

use super::philox::{LANES, Purpose, Stream, symmetric};
use crate::kernels::Isa;
use crate::kernels::math;
use crate::kernels::simd::Loop;

/// The places of a row that are summed side by side: several vectors, as an addition waits for the one before it.
const AT_ONCE: usize = 32;

/// A Gaussian and how much its results are enlarged.
#[derive(Clone, Debug)]
pub(super) struct Elastic {
    alpha: f32,
    /// From one end to the other, the same on both sides of the middle.
    weights: Vec<f32>,
    /// Rows and columns of the image.
    sides: [usize; 2],
}

impl Elastic {
    /// For images of so many rows and columns.
    pub(super) fn new(alpha: f32, sigma: f32, sides: [usize; 2]) -> Self {
        let radius = (4.0 * sigma + 0.5) as usize;
        let weight = |distance: usize| {
            let distance = distance as f32 / sigma;
            math::exp(-0.5 * distance * distance)
        };
        let sum = (1..=radius).fold(1.0, |sum, distance| sum + 2.0 * f64::from(weight(distance)));
        // What lies further away is outside of the image.
        let [height, width] = sides;
        let radius = radius.min(height.max(width) - 1);
        Self {
            alpha,
            weights: (0..=2 * radius)
                .map(|place| (f64::from(weight(place.abs_diff(radius))) / sum) as f32)
                .collect(),
            sides,
        }
    }

    fn radius(&self) -> usize {
        self.weights.len() / 2
    }

    fn values(&self) -> usize {
        let [height, width] = self.sides;
        2 * height * width
    }

    /// The floats that [`displacements`](Self::displacements) needs, zeros at first.
    pub(super) fn scratch(&self) -> usize {
        2 * self.values() + AT_ONCE + self.line()
    }

    /// The floats of a row between zeros.
    fn line(&self) -> usize {
        self.sides[1] + 2 * self.radius() + AT_ONCE
    }

    /// The displacements of an example, `[H, 2, W]`.
    pub(super) fn displacements<'s>(
        &self,
        isa: Isa,
        stream: Stream,
        scratch: &'s mut [f32],
    ) -> &'s [f32] {
        let (fields, rest) = scratch.split_at_mut(self.values() + AT_ONCE);
        isa.run_loop(Displace {
            elastic: self,
            stream,
            fields,
            rest,
        });
        &fields[..self.values()]
    }
}

struct Displace<'a> {
    elastic: &'a Elastic,
    stream: Stream,
    /// The displacements, and behind them what a sum reads too much.
    fields: &'a mut [f32],
    /// As many displacements, and a row between zeros.
    rest: &'a mut [f32],
}

impl Loop for Displace<'_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            elastic,
            stream,
            fields,
            rest,
        } = self;
        let ([height, width], radius) = (elastic.sides, elastic.radius());
        let (smooth, line) = rest.split_at_mut(elastic.values());
        let drawn = &mut fields[..smooth.len()];
        for (group, values) in drawn.chunks_mut(4 * LANES).enumerate() {
            let words = stream.blocks(Purpose::Elastic, (group * LANES) as u32);
            let mut drawn = [[0.0; 4]; LANES];
            for (word, words) in words.iter().enumerate() {
                for lane in 0..LANES {
                    drawn[lane][word] = symmetric(words[lane], 1.0);
                }
            }
            values.copy_from_slice(&drawn.as_flattened()[..values.len()]);
        }

        let row = 2 * width;
        for (y, sums) in smooth.chunks_exact_mut(row).enumerate() {
            // The rows that are there.
            let (first, end) = (y.saturating_sub(radius), (y + radius + 1).min(height));
            let weights = &elastic.weights[first + radius - y..][..end - first];
            for (part, sums) in sums.chunks_mut(AT_ONCE).enumerate() {
                let from = &fields[first * row + part * AT_ONCE..];
                let sum = weighted_sum(1.0, weights, from, row);
                sums.copy_from_slice(&sum[..sums.len()]);
            }
        }

        let lines = smooth.chunks_exact(width);
        for (values, sums) in lines.zip(fields.chunks_exact_mut(width)) {
            line[radius..][..width].copy_from_slice(values);
            for (part, sums) in sums.chunks_mut(AT_ONCE).enumerate() {
                let from = &line[part * AT_ONCE..];
                let sum = weighted_sum(elastic.alpha, &elastic.weights, from, 1);
                sums.copy_from_slice(&sum[..sums.len()]);
            }
        }
    }
}

/// `scale` times the weighted sum of neighbouring values that lie so many floats apart, for [`AT_ONCE`] places side by
/// side.
#[inline(always)]
fn weighted_sum(scale: f32, weights: &[f32], values: &[f32], apart: usize) -> [f32; AT_ONCE] {
    let mut sums = [0.0; AT_ONCE];
    for (place, weight) in weights.iter().enumerate() {
        let values = &values[place * apart..][..AT_ONCE];
        for lane in 0..AT_ONCE {
            sums[lane] += weight * values[lane];
        }
    }
    for sum in &mut sums {
        *sum *= scale;
    }
    sums
}
