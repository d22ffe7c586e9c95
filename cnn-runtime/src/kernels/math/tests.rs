use crate::kernels::math::{
    clamp, exp, exp_m1, gaussian, ln, ln_1p, normal_distribution, sigmoid, sigmoids,
    sin_cos_of_turns, softplus, tanh,
};
use crate::kernels::test_support::units_off;
use crate::reference::Real;

/// Every `step`-th number between two positive ones.
fn dense(from: f32, to: f32, step: usize) -> impl Iterator<Item = f32> {
    (from.to_bits()..=to.to_bits())
        .step_by(step)
        .map(f32::from_bits)
}

/// The largest error and where it is.
fn worst(xs: impl Iterator<Item = f32>, f: fn(f32) -> f32, exact: fn(f64) -> f64) -> (f64, f32) {
    xs.map(|x| (units_off(f(x), exact(x.into())), x))
        .fold((0.0, 0.0), |worst, this| {
            if this.0 > worst.0 || this.0.is_nan() {
                this
            } else {
                worst
            }
        })
}

const STEP: usize = 1009;

#[test]
fn exp_is_within_two_units() {
    let positive = || dense(1e-10, 88.722_83, STEP);
    let negative = || dense(1e-10, 87.336_54, STEP).map(|x| -x);
    for (error, x) in [
        worst(positive(), exp, f64::exp),
        worst(negative(), exp, f64::exp),
    ] {
        assert!(error <= 2.0, "exp({x:e}) is off by {error} units");
    }
    // Below the normal range: a unit there is the smallest subnormal.
    let (error, x) = worst(dense(87.336_55, 103.9, STEP).map(|x| -x), exp, |x| {
        // `units_off` measures in units of the smallest normal number, which are the same.
        x.exp()
    });
    assert!(error <= 2.0, "exp({x:e}) is off by {error} units");
}

#[test]
fn exp_at_the_borders() {
    let smallest = f32::from_bits(1);
    let cases = [
        (0.0, 1.0),
        (-0.0, 1.0),
        (smallest, 1.0),
        (88.8, f32::INFINITY),
        (89.5, f32::INFINITY),
        (1e30, f32::INFINITY),
        (f32::INFINITY, f32::INFINITY),
        (-103.9, smallest),
        (-104.0, 0.0),
        (-1e30, 0.0),
        (f32::NEG_INFINITY, 0.0),
    ];
    for (x, expected) in cases {
        assert_eq!(exp(x), expected, "exp({x:e})");
    }
    assert!(exp(f32::NAN).is_nan() && exp(-f32::NAN).is_nan());
    assert!(exp(88.722_83).is_finite());
}

#[test]
fn ln_is_within_two_units() {
    let (error, x) = worst(dense(f32::from_bits(1), f32::MAX, 1_009 * 8), ln, f64::ln);
    assert!(error <= 2.0, "ln({x:e}) is off by {error} units");
    let (error, x) = worst(dense(0.4, 2.5, 101), ln, f64::ln);
    assert!(error <= 2.0, "ln({x:e}) is off by {error} units");
    assert_eq!(
        [0.0, -0.0, f32::INFINITY, 1.0].map(ln),
        [f32::NEG_INFINITY, f32::NEG_INFINITY, f32::INFINITY, 0.0]
    );
    assert!(
        [-1.0, -f32::MIN_POSITIVE, f32::NEG_INFINITY, f32::NAN]
            .map(ln)
            .iter()
            .all(|y| y.is_nan())
    );
}

#[test]
fn ln_1p_is_within_four_units() {
    let (error, x) = worst(dense(f32::from_bits(1), 1e10, STEP), ln_1p, f64::ln_1p);
    assert!(error <= 4.0, "ln_1p({x:e}) is off by {error} units");
    assert_eq!([0.0, f32::INFINITY].map(ln_1p), [0.0, f32::INFINITY]);
    assert!(ln_1p(f32::NAN).is_nan());
}

#[test]
fn sigmoid_is_within_four_units() {
    let exact = |x: f64| 1.0 / (1.0 + (-x).exp());
    let positive = worst(dense(1e-10, 200.0, STEP), sigmoid, exact);
    let negative = worst(dense(1e-10, 87.0, STEP).map(|x| -x), sigmoid, exact);
    for (error, x) in [positive, negative] {
        assert!(error <= 4.0, "sigmoid({x:e}) is off by {error} units");
    }
}

#[test]
fn tanh_is_within_four_units() {
    let (error, x) = worst(dense(1e-10, 50.0, STEP), tanh, f64::tanh);
    assert!(error <= 4.0, "tanh({x:e}) is off by {error} units");
    for x in [1e-20, 0.3, 0.625, 5.0, 1e30] {
        assert_eq!(tanh(-x), -tanh(x), "tanh({x}) is odd");
    }
    assert!(tanh(-0.0).is_sign_negative() && tanh(f32::NAN).is_nan());
}

#[test]
fn exp_m1_is_within_one_unit() {
    let negative = dense(f32::from_bits(1), 1e10, STEP).map(|x| -x);
    let (error, x) = worst(negative, exp_m1, f64::exp_m1);
    assert!(error <= 1.0, "exp_m1({x:e}) is off by {error} units");
    assert_eq!(
        [0.0, -0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY].map(exp_m1),
        [0.0, 0.0, 0.0, 0.0, -1.0]
    );
    assert!(exp_m1(f32::NAN).is_nan());
}

/// Every `STEP`-th number with a magnitude up to `to`.
fn both_signs(to: f32) -> impl Iterator<Item = f32> {
    dense(f32::from_bits(1), to, STEP).flat_map(|x| [x, -x])
}

#[test]
fn sigmoids_are_within_three_units() {
    let (error, x) = worst(
        both_signs(87.0),
        |x| sigmoids(x).0,
        |x| 1.0 / (1.0 + (-x).exp()),
    );
    assert!(error <= 3.0, "sigmoids({x:e}).0 is off by {error} units");
    for (x, expected) in [
        (f32::INFINITY, (1.0, 0.0)),
        (1e30, (1.0, 0.0)),
        (0.0, (0.5, 0.5)),
        (-1e30, (0.0, 1.0)),
        (f32::NEG_INFINITY, (0.0, 1.0)),
    ] {
        assert_eq!(sigmoids(x), expected, "sigmoids({x:e})");
    }
    for x in both_signs(100.0) {
        let (below, above) = sigmoids(x);
        assert_eq!((above, below), sigmoids(-x), "sigmoids({x:e})");
    }
    let (below, above) = sigmoids(f32::NAN);
    assert!(below.is_nan() && above.is_nan());
}

#[test]
fn softplus_is_within_three_units() {
    let exact = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let (error, x) = worst(both_signs(f32::MAX), softplus, exact);
    assert!(error <= 3.0, "softplus({x:e}) is off by {error} units");
    assert_eq!(
        [1000.0, f32::INFINITY, f32::NEG_INFINITY].map(softplus),
        [1000.0, f32::INFINITY, 0.0]
    );
    assert!(softplus(f32::NAN).is_nan());
}

#[test]
fn gaussian_is_within_two_units() {
    let (error, x) = worst(both_signs(f32::MAX), gaussian, |x| (-x * x / 2.0).exp());
    assert!(error <= 2.0, "gaussian({x:e}) is off by {error} units");
    assert_eq!(
        [0.0, f32::INFINITY, f32::NEG_INFINITY].map(gaussian),
        [1.0, 0.0, 0.0]
    );
    assert!(gaussian(f32::NAN).is_nan());
}

#[test]
fn normal_distribution_is_within_six_units() {
    let exact = |x: f64| Real::erfc(-x / std::f64::consts::SQRT_2) / 2.0;
    let (error, x) = worst(both_signs(f32::MAX), normal_distribution, exact);
    assert!(
        error <= 6.0,
        "normal_distribution({x:e}) is off by {error} units"
    );
    assert_eq!(
        [0.0, f32::INFINITY, f32::NEG_INFINITY].map(normal_distribution),
        [0.5, 1.0, 0.0]
    );
    assert!(normal_distribution(f32::NAN).is_nan());
}

#[test]
fn clamp_keeps_nan() {
    assert_eq!(
        [f32::NEG_INFINITY, 1.5, f32::INFINITY].map(|x| clamp(x, 1.0, 2.0)),
        [1.0, 1.5, 2.0]
    );
    assert!(clamp(f32::NAN, 1.0, 2.0).is_nan());
}

#[test]
fn turns_have_a_sine_and_a_cosine() {
    for step in -4096..=4096 {
        let turns = step as f32 / 4096.0 * 0.999 + 1e-4;
        let (sin, cos) = sin_cos_of_turns(turns);
        let (expected_sin, expected_cos) = (f64::from(turns) * std::f64::consts::TAU).sin_cos();
        let error = (f64::from(sin) - expected_sin).abs();
        assert!(error < 2e-7, "the sine of {turns} is off by {error}");
        let error = (f64::from(cos) - expected_cos).abs();
        assert!(error < 2e-7, "the cosine of {turns} is off by {error}");
    }
    let exact = [0.0, 0.25, 0.5, 0.75, 1.0, -0.25].map(sin_cos_of_turns);
    let expected = [
        (0.0, 1.0),
        (1.0, 0.0),
        (0.0, -1.0),
        (-1.0, 0.0),
        (0.0, 1.0),
        (-1.0, 0.0),
    ];
    assert_eq!(exact, expected);
}
