//! Loops over the channels of many rows, for batch normalization.
//!
//! A row is a cell of an image, its channels side by side. Rows of few channels are taken several at a time, as one
//! row that repeats its channels, so that vectors are filled and a loop over a row is long enough to pay.

#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod tests;

use core::ops::Range;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;

/// Rows of fewer channels are taken several at a time.
const LONG: usize = 64;

/// The most channels of rows taken together: fewer than [`LONG`], and one more row.
const MOST: usize = 2 * LONG;

/// How many rows are taken at a time.
const fn rows_at_once(channels: usize) -> usize {
    if channels < LONG {
        LONG.div_ceil(channels)
    } else {
        1
    }
}

/// The square root of a positive number, without `std`: Newton's method for its inverse, from an estimate by half the
/// exponent. As exact as an `f64` is but for a few of its last bits. NaN stays NaN.
pub(crate) fn square_root(x: f64) -> f64 {
    let mut inverse = f64::from_bits(0x5FE6_EB50_C7B5_37A9_u64.wrapping_sub(x.to_bits() >> 1));
    for _ in 0..5 {
        inverse *= 1.5 - 0.5 * x * inverse * inverse;
    }
    x * inverse
}

/// Values for each channel, repeated for the rows that are taken at a time.
struct Repeated<'a> {
    values: &'a [f32],
    buffer: [f32; MOST],
    rows: usize,
}

impl<'a> Repeated<'a> {
    #[inline(always)]
    fn new(values: &'a [f32]) -> Self {
        let channels = values.len();
        let rows = rows_at_once(channels);
        let mut buffer = [0.0; MOST];
        if rows > 1 {
            for row in buffer[..rows * channels].chunks_exact_mut(channels) {
                row.copy_from_slice(values);
            }
        }
        Self {
            values,
            buffer,
            rows,
        }
    }

    #[inline(always)]
    fn get(&self) -> &[f32] {
        if self.rows > 1 {
            &self.buffer[..self.rows * self.values.len()]
        } else {
            self.values
        }
    }
}

/// `y = x factor + summand` of each channel; with `relu`, 0 in place of what is negative.
///
/// # Panics
/// If lengths differ.
pub(crate) fn affine(
    isa: Isa,
    factor: &[f32],
    summand: &[f32],
    relu: bool,
    x: &[f32],
    y: &mut [f32],
) {
    assert!(
        x.len() == y.len() && factor.len() == summand.len(),
        "lengths"
    );
    match relu {
        true => isa.run_loop(Affine::<true> {
            factor,
            summand,
            x,
            y,
        }),
        false => isa.run_loop(Affine::<false> {
            factor,
            summand,
            x,
            y,
        }),
    }
}

struct Affine<'a, const RELU: bool> {
    factor: &'a [f32],
    summand: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl<const RELU: bool> Loop for Affine<'_, RELU> {
    #[inline(always)]
    fn run(self) {
        let (factor, summand) = (Repeated::new(self.factor), Repeated::new(self.summand));
        let (factor, summand) = (factor.get(), summand.get());
        let rows = self.x.chunks(factor.len());
        for (x, y) in rows.zip(self.y.chunks_mut(factor.len())) {
            let coefficients = factor.iter().zip(summand);
            for ((x, y), (factor, summand)) in x.iter().zip(y).zip(coefficients) {
                let z = x * factor + summand;
                *y = if RELU && z < 0.0 { 0.0 } else { z };
            }
        }
    }
}

/// `y *= factor` of each channel.
///
/// # Panics
/// If `y` is no whole number of rows.
pub(crate) fn scale(isa: Isa, factor: &[f32], y: &mut [f32]) {
    assert!(y.len().is_multiple_of(factor.len()), "whole rows");
    isa.run_loop(Scale { factor, y });
}

struct Scale<'a> {
    factor: &'a [f32],
    y: &'a mut [f32],
}

impl Loop for Scale<'_> {
    #[inline(always)]
    fn run(self) {
        let factor = Repeated::new(self.factor);
        let factor = factor.get();
        for y in self.y.chunks_mut(factor.len()) {
            for (y, factor) in y.iter_mut().zip(factor) {
                *y *= factor;
            }
        }
    }
}

/// `dx = dy a + x b + c` of each channel.
///
/// # Panics
/// If lengths differ.
pub(crate) fn input_gradient(
    isa: Isa,
    [a, b, c]: [&[f32]; 3],
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    assert!(x.len() == dy.len() && x.len() == dx.len(), "lengths");
    assert!(a.len() == b.len() && a.len() == c.len(), "lengths");
    isa.run_loop(InputGradient { a, b, c, x, dy, dx });
}

struct InputGradient<'a> {
    a: &'a [f32],
    b: &'a [f32],
    c: &'a [f32],
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Loop for InputGradient<'_> {
    #[inline(always)]
    fn run(self) {
        let [a, b, c] = [self.a, self.b, self.c].map(Repeated::new);
        let (a, b, c) = (a.get(), b.get(), c.get());
        let rows = self.x.chunks(a.len()).zip(self.dy.chunks(a.len()));
        for ((x, dy), dx) in rows.zip(self.dx.chunks_mut(a.len())) {
            let coefficients = a.iter().zip(b).zip(c);
            let values = x.iter().zip(dy).zip(dx);
            for (((x, dy), dx), ((a, b), c)) in values.zip(coefficients) {
                *dx = dy * a + x * b + c;
            }
        }
    }
}

/// Adds rows to statistics: the count of rows, then for each channel the mean, then the sum of squared deviations from
/// it. Two passes, for a sum of squares cancels; merged by the formula of Chan, Golub & LeVeque, "Updating formulae
/// and a pairwise algorithm for computing sample variances", 1979.
///
/// # Panics
/// If lengths differ.
pub(crate) fn add_moments(isa: Isa, channels: usize, x: &[f32], statistics: &mut [f32]) {
    assert_eq!(statistics.len(), 1 + 2 * channels, "statistics");
    assert!(x.len().is_multiple_of(channels), "whole rows");
    isa.run_loop(AddMoments {
        channels,
        x,
        statistics,
    });
}

struct AddMoments<'a> {
    channels: usize,
    x: &'a [f32],
    statistics: &'a mut [f32],
}

impl Loop for AddMoments<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { channels, x, .. } = self;
        let (count, statistics) = self.statistics.split_at_mut(1);
        let (means, deviations) = statistics.split_at_mut(channels);
        let (before, added) = (count[0], (x.len() / channels) as f32);
        if added == 0.0 {
            return;
        }
        let all = before + added;
        for columns in Columns::groups(channels) {
            let mut mean = [0.0; MOST];
            for range in columns.ranges(x.len()) {
                for (sum, x) in mean.iter_mut().zip(&x[range]) {
                    *sum += x;
                }
            }
            columns.fold(&mut mean);
            for mean in &mut mean[..columns.width] {
                *mean /= added;
            }
            columns.repeat(&mut mean);
            let mut squares = [0.0; MOST];
            for range in columns.ranges(x.len()) {
                for ((sum, x), mean) in squares.iter_mut().zip(&x[range]).zip(&mean) {
                    let deviation = x - mean;
                    *sum += deviation * deviation;
                }
            }
            columns.fold(&mut squares);
            for column in 0..columns.width {
                let place = columns.first + column;
                let delta = mean[column] - means[place];
                means[place] += delta * (added / all);
                deviations[place] += squares[column] + delta * delta * (before * (added / all));
            }
        }
        count[0] = all;
    }
}

/// Adds the sums over rows of `dy x̂` to the first half of `sums`, of `dy` to the second one. `x̂ = (x - mean) scale`.
/// Where a relu has made `outputs`, `dy` becomes the gradient before it first: 0 where an output is not positive.
///
/// # Panics
/// If lengths differ.
pub(crate) fn add_gradient_sums(
    isa: Isa,
    mean: &[f32],
    scale: &[f32],
    x: &[f32],
    outputs: Option<&[f32]>,
    dy: &mut [f32],
    sums: &mut [f32],
) {
    let channels = mean.len();
    assert!(
        scale.len() == channels && sums.len() == 2 * channels,
        "lengths"
    );
    assert!(
        x.len() == dy.len() && x.len().is_multiple_of(channels),
        "whole rows"
    );
    match outputs {
        Some(outputs) => {
            assert_eq!(outputs.len(), dy.len(), "an output for each gradient");
            isa.run_loop(AddGradientSums::<true> {
                mean,
                scale,
                x,
                outputs,
                dy,
                sums,
            });
        }
        None => isa.run_loop(AddGradientSums::<false> {
            mean,
            scale,
            x,
            outputs: &[],
            dy,
            sums,
        }),
    }
}

struct AddGradientSums<'a, const RELU: bool> {
    mean: &'a [f32],
    scale: &'a [f32],
    x: &'a [f32],
    /// Those of the relu, if there is one.
    outputs: &'a [f32],
    dy: &'a mut [f32],
    sums: &'a mut [f32],
}

impl<const RELU: bool> Loop for AddGradientSums<'_, RELU> {
    #[inline(always)]
    fn run(self) {
        let channels = self.mean.len();
        let (of_products, of_gradients) = self.sums.split_at_mut(channels);
        for columns in Columns::groups(channels) {
            let place = columns.first..columns.first + columns.width;
            let mut mean = [0.0; MOST];
            mean[..columns.width].copy_from_slice(&self.mean[place.clone()]);
            columns.repeat(&mut mean);
            let (mut products, mut gradients) = ([0.0; MOST], [0.0; MOST]);
            for range in columns.ranges(self.x.len()) {
                let dy = &mut self.dy[range.clone()];
                if RELU {
                    for (dy, y) in dy.iter_mut().zip(&self.outputs[range.clone()]) {
                        *dy = if *y <= 0.0 { 0.0 } else { *dy };
                    }
                }
                let values = self.x[range].iter().zip(&*dy);
                let sums = products.iter_mut().zip(&mut gradients);
                for (((product, gradient), (x, dy)), mean) in sums.zip(values).zip(&mean) {
                    *product += dy * (x - mean);
                    *gradient += dy;
                }
            }
            columns.fold(&mut products);
            columns.fold(&mut gradients);
            for (column, place) in place.enumerate() {
                of_products[place] += products[column] * self.scale[place];
                of_gradients[place] += gradients[column];
            }
        }
    }
}

/// Neighbouring channels that are summed up together: all of several rows, or some of one.
#[derive(Clone, Copy)]
struct Columns {
    channels: usize,
    first: usize,
    width: usize,
    /// Rows that are taken at a time, each with sums of its own.
    rows: usize,
}

impl Columns {
    /// All channels, in groups that have room on the stack.
    #[inline(always)]
    fn groups(channels: usize) -> impl Iterator<Item = Self> {
        let rows = rows_at_once(channels);
        (0..channels).step_by(MOST).map(move |first| Self {
            channels,
            first,
            width: MOST.min(channels - first),
            rows,
        })
    }

    /// Where the values of the columns lie in `len` values; the last rows may be fewer.
    #[inline(always)]
    fn ranges(self, len: usize) -> impl Iterator<Item = Range<usize>> {
        let width = self.rows * self.width;
        let starts = (self.first..len).step_by(self.rows * self.channels);
        starts.map(move |start| start..len.min(start + width))
    }

    /// Adds up the sums of the rows that are taken at a time.
    #[inline(always)]
    fn fold(self, sums: &mut [f32; MOST]) {
        let (first, rest) = sums[..self.rows * self.width].split_at_mut(self.width);
        for row in rest.chunks_exact(self.width) {
            for (sum, value) in first.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }

    /// Repeats the values of a row for all that are taken at a time.
    #[inline(always)]
    fn repeat(self, values: &mut [f32; MOST]) {
        let (first, rest) = values[..self.rows * self.width].split_at_mut(self.width);
        for row in rest.chunks_exact_mut(self.width) {
            row.copy_from_slice(first);
        }
    }
}
