use super::{
    add_gradient_sums, add_moments, affine, input_gradient, reference, scale, square_root,
};
use crate::kernels::Isa;
use crate::kernels::random::split_mix;
use crate::ops::activation;
use cnn_ir::Activation;

/// Odd numbers of channels, those at which rows are taken together or apart, and more than fit on the stack.
const CHANNELS: [usize; 14] = [1, 2, 3, 7, 8, 13, 16, 63, 64, 65, 127, 128, 129, 300];

/// Values around `center`.
fn values(seed: u64, len: usize, center: f32) -> Vec<f32> {
    let value = |i| (split_mix(seed + i) >> 40) as f32 / 16_777_216.0 - 0.5 + center;
    (0..len as u64).map(value).collect()
}

fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    // Which NaN it is does not matter.
    let bits = |value: &f32| {
        if value.is_nan() {
            u32::MAX
        } else {
            value.to_bits()
        }
    };
    values.iter().map(bits).collect()
}

/// Each case that is further off than `tolerance`, relative to the larger of 1 and the right value.
fn compare(wrong: &mut Vec<String>, case: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs() / expected.abs().max(1.0);
        if error.is_nan() || error > tolerance {
            wrong.push(format!("{case}: {found} at {place}, not {expected}"));
        }
    }
}

#[test]
fn square_roots_are_exact() {
    for x in [1e-12, 1e-3, 0.5, 1.0, 2.0, 3.75, 1e5, 1e30] {
        assert!((square_root(x) / x.sqrt() - 1.0).abs() < 1e-15, "{x}");
    }
}

#[test]
fn moments_are_those_of_all_rows_however_they_come() {
    let mut wrong = Vec::new();
    for isa in Isa::available() {
        for channels in CHANNELS {
            for rows in [1, 2, 5, 24, 100] {
                // A sum of squares would lose the deviations from so large a mean.
                let x = values(channels as u64, rows * channels, 100.0);
                let [mean, variance] = reference::moments(channels, &double(&x));
                for cut in [0, 1, rows / 2, rows] {
                    let mut found = vec![0.0; 1 + 2 * channels];
                    let (first, second) = x.split_at(cut.min(rows) * channels);
                    add_moments(isa, channels, first, &mut found);
                    add_moments(isa, channels, second, &mut found);
                    let case = format!("{channels}, {rows} cut at {cut}, {}", isa.name());
                    assert_eq!(found[0], rows as f32, "{case}");
                    compare(&mut wrong, &case, &found[1..=channels], &mean, 1e-5);
                    let of_rows = |x: &f32| x / rows as f32;
                    let squares: Vec<_> = found[1 + channels..].iter().map(of_rows).collect();
                    compare(&mut wrong, &case, &squares, &variance, 1e-4);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn channels_have_their_own_coefficients() {
    let mut wrong = Vec::new();
    for isa in Isa::available() {
        for channels in CHANNELS {
            for rows in [1, 2, 5, 24, 33] {
                let len = rows * channels;
                let [x, dy] = [1, 2].map(|seed| values(seed, len, 0.0));
                let [a, b, c] = [3, 4, 5].map(|seed| values(seed, channels, 0.5));
                let of = |value: &dyn Fn(usize, usize) -> f32| -> Vec<f64> {
                    (0..len).map(|i| value(i, i % channels).into()).collect()
                };
                let case = format!("{channels}, {rows}, {}", isa.name());
                let mut y = vec![f32::NAN; len];
                affine(isa, [&a, &b], None, false, &x, &mut y);
                compare(&mut wrong, &case, &y, &of(&|i, c| x[i] * a[c] + b[c]), 1e-6);
                // A relu in the same pass, to the bit, and what it makes of numbers that are none.
                let mut x_of_relu = x.clone();
                x_of_relu[0] = f32::NAN;
                let mut with_relu = vec![f32::NAN; len];
                affine(isa, [&a, &b], None, true, &x_of_relu, &mut with_relu);
                let mut apart = y.clone();
                apart[0] = f32::NAN;
                activation::forward(Activation::Relu, isa, channels, &mut apart);
                if bits(&with_relu) != bits(&apart) {
                    wrong.push(format!("{case}: relu"));
                }
                // An addend in the same pass, as it is added behind it.
                for relu in [false, true] {
                    let mut together = vec![f32::NAN; len];
                    affine(isa, [&a, &b], Some(&dy), relu, &x_of_relu, &mut together);
                    let sum = y.iter().zip(&dy).map(|(y, dy)| y + dy);
                    let mut sum: Vec<f32> = sum.collect();
                    sum[0] = f32::NAN;
                    if relu {
                        activation::forward(Activation::Relu, isa, channels, &mut sum);
                    }
                    if bits(&together) != bits(&sum) {
                        wrong.push(format!("{case}: addend, relu {relu}"));
                    }
                }
                input_gradient(isa, [&a, &b, &c], &x, &dy, &mut y);
                let expected = of(&|i, k| dy[i] * a[k] + x[i] * b[k] + c[k]);
                compare(&mut wrong, &case, &y, &expected, 1e-6);
                let mut y = dy.clone();
                scale(isa, &a, &mut y);
                compare(&mut wrong, &case, &y, &of(&|i, c| dy[i] * a[c]), 1e-6);

                let mut sums = values(6, 2 * channels, 0.0);
                let mut expected = double(&sums);
                for i in 0..len {
                    let channel = i % channels;
                    let normalized = f64::from(x[i] - a[channel]) * f64::from(b[channel]);
                    expected[channel] += f64::from(dy[i]) * normalized;
                    expected[channels + channel] += f64::from(dy[i]);
                }
                let before = sums.clone();
                let mut gradient = dy.clone();
                add_gradient_sums(isa, &a, &b, &x, None, &mut gradient, &mut sums);
                compare(&mut wrong, &case, &sums, &expected, 1e-5);
                assert_eq!(bits(&gradient), bits(&dy), "{case}");

                let outputs: Vec<f32> = x.iter().map(|x| x.max(0.0)).collect();
                let [mut together, mut apart] = [(); 2].map(|()| before.clone());
                add_gradient_sums(
                    isa,
                    &a,
                    &b,
                    &x,
                    Some(&outputs),
                    &mut gradient,
                    &mut together,
                );
                let mut masked = dy.clone();
                activation::backward(Activation::Relu, isa, channels, &outputs, &mut masked);
                let mut kept = masked.clone();
                add_gradient_sums(isa, &a, &b, &x, None, &mut kept, &mut apart);
                if bits(&together) != bits(&apart) || bits(&gradient) != bits(&masked) {
                    wrong.push(format!("{case}: sums behind a relu"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
