use crate::kernels::math::{exp, ln, ln_1p, sigmoid, tanh};

/// Every `step`-th number between two positive ones.
fn dense(from: f32, to: f32, step: usize) -> impl Iterator<Item = f32> {
    (from.to_bits()..=to.to_bits())
        .step_by(step)
        .map(f32::from_bits)
}

/// The distance of `actual` from `exact` in units of the last place that `exact` has in single
/// precision.
fn error(actual: f32, exact: f64) -> f64 {
    let nearest = (exact as f32).abs().max(f32::MIN_POSITIVE);
    let unit = f32::from_bits(nearest.to_bits() + 1) - nearest;
    (f64::from(actual) - exact).abs() / f64::from(unit)
}

/// The largest error and where it is.
fn worst(xs: impl Iterator<Item = f32>, f: fn(f32) -> f32, exact: fn(f64) -> f64) -> (f64, f32) {
    xs.map(|x| (error(f(x), exact(x.into())), x))
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
        // `error` measures in units of the smallest normal number, which are the same.
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
