//! What a network's parameters begin with: one tensor after the other, each drawn from a random stream of its own.
//!
//! Everything is computed in `f64` by operations that are exact to the last bit on every machine, and rounded once.

use cnn_ir::Initializer;
use cnn_ir::initializer::{Distribution, FanMode, fans};
use rand_core::Rng;

use super::parameters::{Buffer, stream};
use crate::spec::Spec;

/// The parameters of an untrained network.
///
/// Each tensor draws from a random stream of its own, so that a layer added behind others
/// leaves their initial values as they were.
pub(crate) fn initialize(spec: &Spec, seed: u64) -> Buffer {
    let mut parameters = Buffer::zeros(spec.parameter_count);
    for (index, parameter) in spec.parameters.iter().enumerate() {
        let mut random = stream(&[seed, index as u64]);
        let values = &mut parameters[parameter.range()];
        fill(parameter.initializer, parameter.shape, &mut random, values);
    }
    parameters
}

/// Fills a tensor of this shape.
fn fill(initializer: Initializer, shape: &[usize], random: &mut impl Rng, values: &mut [f32]) {
    let [fan_in, fan_out] = fans(shape).map(|fan| fan as f64);
    match initializer {
        Initializer::Zeros => values.fill(0.0),
        Initializer::Ones => values.fill(1.0),
        Initializer::Constant { value } => values.fill(value as f32),
        Initializer::RandomNormal { mean, stddev } => {
            each(values, || mean + stddev * normal(random));
        }
        Initializer::RandomUniform { minval, maxval } => {
            each(values, || minval + (maxval - minval) * uniform(random));
        }
        Initializer::TruncatedNormal { mean, stddev } => {
            each(values, || mean + stddev * truncated_normal(random));
        }
        // Glorot & Bengio 2010, equation 16.
        Initializer::GlorotUniform => within((6.0 / (fan_in + fan_out)).sqrt(), random, values),
        Initializer::HeUniform => within((6.0 / fan_in).sqrt(), random, values),
        Initializer::LecunUniform => within((3.0 / fan_in).sqrt(), random, values),
        Initializer::GlorotNormal => of_variance(2.0 / (fan_in + fan_out), random, values),
        Initializer::HeNormal => of_variance(2.0 / fan_in, random, values),
        Initializer::LecunNormal => of_variance(1.0 / fan_in, random, values),
        Initializer::VarianceScaling {
            scale,
            mode,
            distribution,
        } => {
            let fan = match mode {
                FanMode::FanIn => fan_in,
                FanMode::FanOut => fan_out,
                FanMode::FanAvg => (fan_in + fan_out) / 2.0,
            };
            let variance = scale / fan;
            match distribution {
                Distribution::TruncatedNormal => of_variance(variance, random, values),
                Distribution::UntruncatedNormal => {
                    let stddev = variance.sqrt();
                    each(values, || stddev * normal(random));
                }
                Distribution::Uniform => within((3.0 * variance).sqrt(), random, values),
            }
        }
        Initializer::Orthogonal { gain } => {
            let columns = shape.last().copied().unwrap_or(1);
            orthogonal(gain, columns, random, values);
        }
    }
}

fn each(values: &mut [f32], mut draw: impl FnMut() -> f64) {
    for value in values {
        *value = draw() as f32;
    }
}

/// Uniform within `±limit`.
fn within(limit: f64, random: &mut impl Rng, values: &mut [f32]) {
    each(values, || limit * (2.0 * uniform(random) - 1.0));
}

/// Truncated normal with mean 0 and, behind the truncation, this variance.
fn of_variance(variance: f64, random: &mut impl Rng, values: &mut [f32]) {
    /// The standard deviation of a standard normal distribution that is truncated at ±2.
    const TRUNCATED: f64 = 0.879_625_661_034_239_8;
    let stddev = variance.sqrt() / TRUNCATED;
    each(values, || stddev * truncated_normal(random));
}

/// A random matrix of `columns` columns. Its columns, or where there are more of them its rows, are orthogonal and of
/// length `gain`.
///
/// It is the Q of the QR decomposition of a matrix of normal numbers whose R has a positive diagonal, so that all
/// orthogonal matrices are alike probable (Mezzadri 2007): by Gram & Schmidt, twice, which is orthogonal to rounding
/// (Giraud et al. 2005).
fn orthogonal(gain: f64, columns: usize, random: &mut impl Rng, values: &mut [f32]) {
    let rows = values.len() / columns.max(1);
    let (length, count) = (rows.max(columns), rows.min(columns));
    let mut vectors: Vec<f64> = (0..length * count).map(|_| normal(random)).collect();
    for index in 0..count {
        let (before, rest) = vectors.split_at_mut(index * length);
        let vector = &mut rest[..length];
        for _ in 0..2 {
            for other in before.chunks_exact(length) {
                let product = dot(vector, other);
                for (value, other) in vector.iter_mut().zip(other) {
                    *value -= product * other;
                }
            }
        }
        let norm = dot(vector, vector).sqrt();
        for value in vector {
            *value /= norm;
        }
    }
    for (place, value) in values.iter_mut().enumerate() {
        let (row, column) = (place / columns, place % columns);
        let [vector, element] = match rows >= columns {
            true => [column, row],
            false => [row, column],
        };
        *value = (gain * vectors[vector * length + element]) as f32;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A number of `0.0..1.0` with 53 random bits.
fn uniform(random: &mut impl Rng) -> f64 {
    (random.next_u64() >> 11) as f64 * (0.5_f64).powi(53)
}

/// A standard normal number within ±2: others are drawn again.
fn truncated_normal(random: &mut impl Rng) -> f64 {
    loop {
        let number = normal(random);
        if number.abs() <= 2.0 {
            return number;
        }
    }
}

/// A standard normal number, by the polar method (Marsaglia & Bray 1964). The second number of a pair is not used, so
/// that no state is kept from one to the next.
fn normal(random: &mut impl Rng) -> f64 {
    loop {
        let [x, y] = [(); 2].map(|()| 2.0 * uniform(random) - 1.0);
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * (-2.0 * ln(square) / square).sqrt();
        }
    }
}

/// The natural logarithm of a number of `0.0..=1.0` that is not subnormal. That of the standard library may differ in
/// its last bit from one machine to another.
fn ln(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    // `x` is `2^exponent` times a number from 1 to 2.
    let mut exponent = (x.to_bits() >> 52) as i32 - 1023;
    let mut m = f64::from_bits((x.to_bits() & MANTISSA) | 1.0_f64.to_bits());
    if m > core::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    // `ln(m)` is `2 artanh((m - 1) / (m + 1))`, whose argument is at most 0.172: the series ends below 1e-17.
    let t = (m - 1.0) / (m + 1.0);
    let series = (0..11)
        .rev()
        .fold(0.0, |sum, k| sum * (t * t) + 1.0 / f64::from(2 * k + 1));
    2.0 * t * series + f64::from(exponent) * core::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::test_support::Failures;

    fn draw(initializer: Initializer, shape: &[usize], seed: u64) -> Vec<f32> {
        let mut values = vec![f32::NAN; shape.iter().product()];
        fill(initializer, shape, &mut stream(&[seed]), &mut values);
        values
    }

    /// The mean, the standard deviation, and the largest distance from `center`.
    fn moments(values: &[f32], center: f64) -> [f64; 3] {
        let values = || values.iter().map(|value| f64::from(*value));
        let n = values().count() as f64;
        let mean = values().sum::<f64>() / n;
        let variance = values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        let reach = values().fold(0.0, |a: f64, v| a.max((v - center).abs()));
        [mean, variance.sqrt(), reach]
    }

    /// Each initializer has the mean, the standard deviation and the reach of its formula, for the fans of kernels of
    /// dense layers, convolutions and depthwise ones.
    #[test]
    fn moments_are_those_of_the_formulas() {
        use Initializer::*;
        let shapes: [(&[usize], f64, f64); 3] = [
            (&[200, 300], 200.0, 300.0),
            (&[3, 5, 40, 70], 600.0, 1050.0),
            (&[5, 5, 600, 3], 15_000.0, 75.0),
        ];
        let mut wrong = Vec::new();
        for (shape, fan_in, fan_out) in shapes {
            let both = fan_in + fan_out;
            let uniform = |limit: f64| [0.0, limit / 3f64.sqrt(), limit];
            // Beyond two standard deviations before the truncation there is nothing.
            let truncated = |variance: f64| {
                let stddev = variance.sqrt();
                [0.0, stddev, 2.0 * stddev / 0.879_625_661_034_24]
            };
            let cases = [
                (Zeros, [0.0, 0.0, 0.0]),
                (Ones, [1.0, 0.0, 0.0]),
                (Constant { value: -0.25 }, [-0.25, 0.0, 0.0]),
                (
                    RandomNormal {
                        mean: 1.5,
                        stddev: 0.2,
                    },
                    [1.5, 0.2, 1.2],
                ),
                (
                    RandomUniform {
                        minval: -1.0,
                        maxval: 3.0,
                    },
                    [1.0, 2.0 / 3f64.sqrt(), 2.0],
                ),
                (
                    TruncatedNormal {
                        mean: -0.5,
                        stddev: 0.1,
                    },
                    [-0.5, 0.087_962_566, 0.2],
                ),
                (GlorotUniform, uniform((6.0 / both).sqrt())),
                (HeUniform, uniform((6.0 / fan_in).sqrt())),
                (LecunUniform, uniform((3.0 / fan_in).sqrt())),
                (GlorotNormal, truncated(2.0 / both)),
                (HeNormal, truncated(2.0 / fan_in)),
                (LecunNormal, truncated(1.0 / fan_in)),
                (
                    VarianceScaling {
                        scale: 3.0,
                        mode: FanMode::FanIn,
                        distribution: Distribution::TruncatedNormal,
                    },
                    truncated(3.0 / fan_in),
                ),
                (
                    VarianceScaling {
                        scale: 0.5,
                        mode: FanMode::FanOut,
                        distribution: Distribution::UntruncatedNormal,
                    },
                    [0.0, (0.5 / fan_out).sqrt(), 6.0 * (0.5 / fan_out).sqrt()],
                ),
                (
                    VarianceScaling {
                        scale: 2.0,
                        mode: FanMode::FanAvg,
                        distribution: Distribution::Uniform,
                    },
                    uniform((12.0 / both).sqrt()),
                ),
            ];
            for (initializer, expected @ [mean, stddev, reach]) in cases {
                let values = draw(initializer, shape, 5);
                let found = moments(&values, mean);
                // Five standard errors of the mean and of the deviation.
                let error = 5.0 * stddev / (values.len() as f64).sqrt() + 1e-7 * mean.abs();
                let is_normal = matches!(
                    initializer,
                    RandomNormal { .. }
                        | VarianceScaling {
                            distribution: Distribution::UntruncatedNormal,
                            ..
                        }
                );
                // All but some normal numbers lie within 6 standard deviations; the ends are nearly reached.
                let reaches = found[2] <= reach * 1.000_001 && found[2] >= reach * 0.99;
                if (found[0] - mean).abs() > error
                    || (found[1] - stddev).abs() > error
                    || !(reaches || is_normal && found[2] <= reach)
                {
                    wrong.push(format!(
                        "{initializer:?} of {shape:?}: {found:?}, not {expected:?}"
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Not only the moments: the shares of a normal distribution.
    #[test]
    fn normal_numbers_are_normal() {
        let values = draw(
            Initializer::RandomNormal {
                mean: 0.0,
                stddev: 1.0,
            },
            &[400, 500],
            1,
        );
        let share = |below: f32| {
            let count = values.iter().filter(|value| **value < below).count();
            count as f64 / values.len() as f64
        };
        let cases = [
            (-3.0, 0.001_349_9),
            (-2.0, 0.022_750),
            (-1.0, 0.158_655),
            (-0.5, 0.308_538),
            (0.0, 0.5),
            (0.25, 0.598_706),
            (1.5, 0.933_193),
            (2.5, 0.993_790),
        ];
        for (below, expected) in cases {
            let error = 5.0 * (expected * (1.0 - expected) / values.len() as f64).sqrt();
            let found = share(below);
            assert!(
                (found - expected).abs() < error,
                "{below}: {found}, not {expected}"
            );
        }
    }

    #[test]
    fn orthogonal_matrices_are_orthogonal() {
        let shapes: [&[usize]; 8] = [
            &[1, 1],
            &[8, 8],
            &[33, 7],
            &[7, 33],
            &[3, 3, 4, 16],
            &[3, 3, 2, 64],
            &[1, 40],
            &[130, 128],
        ];
        let mut failures = Failures::default();
        for shape in shapes {
            for gain in [1.0, -0.5, 2f64.sqrt()] {
                let values = draw(Initializer::Orthogonal { gain }, shape, 3);
                let columns = shape[shape.len() - 1];
                let rows = values.len() / columns;
                let at = |vector: usize, element: usize| {
                    let [row, column] = match rows >= columns {
                        true => [element, vector],
                        false => [vector, element],
                    };
                    f64::from(values[row * columns + column])
                };
                let (length, count) = (rows.max(columns), rows.min(columns));
                let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
                let products: Vec<f64> = pairs
                    .clone()
                    .map(|(a, b)| (0..length).map(|i| at(a, i) * at(b, i)).sum())
                    .collect();
                let identity: Vec<f64> = pairs
                    .map(|(a, b)| if a == b { gain * gain } else { 0.0 })
                    .collect();
                let case = || format!("{shape:?}, gain {gain}");
                failures.compare(case, &products, &identity, 1e-6);
            }
        }
        failures.report();
    }

    /// Both signs of the first element are alike probable, and so of each.
    #[test]
    fn orthogonal_matrices_favour_no_direction() {
        let drawn = (0..400).map(|seed| draw(Initializer::Orthogonal { gain: 1.0 }, &[3, 2], seed));
        let mut sums = [0.0; 6];
        for values in drawn {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += f64::from(value) / 400.0;
            }
        }
        // The variance of an element is a third: five standard errors.
        assert!(
            sums.iter()
                .all(|sum| sum.abs() < 5.0 * (1.0 / 1200_f64).sqrt()),
            "{sums:?}"
        );
    }

    /// The numbers of the first release, to the bit.
    #[test]
    fn kernels_begin_as_they_always_did() {
        let values = draw(Initializer::GlorotUniform, &[2, 3], 1);
        let mut random = stream(&[1]);
        let limit = (6.0_f64 / 5.0).sqrt();
        let expected = [(); 6].map(|()| {
            let u = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            (limit * (2.0 * u - 1.0)) as f32
        });
        assert_eq!(values, expected);
    }

    #[test]
    fn logarithms_are_right() {
        let mut x = 1.0_f64;
        let mut worst = 0.0_f64;
        while x > 1e-300 {
            for x in [x, x * 0.77, 1.0 - x * 1e-3] {
                let error = (ln(x) - x.ln()).abs() / x.ln().abs().max(1e-3);
                worst = worst.max(error);
            }
            x *= 0.937;
        }
        assert!(worst < 1e-15, "{worst:e}");
    }
}
