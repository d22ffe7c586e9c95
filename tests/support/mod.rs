//! What the tests of numbers share: the fixtures' files, and the slow twin of a whole network.

#[allow(dead_code, reason = "each test file uses its share")]
pub mod backward;
#[allow(dead_code, reason = "each test file uses its share")]
pub mod batch;
pub mod fixture;
pub mod oracle;

/// The largest difference, relative to the largest expected value.
pub fn deviation(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    let difference = found
        .iter()
        .zip(expected)
        .map(|(f, e)| (f64::from(*f) - e).abs())
        .fold(0.0, nan_max);
    difference / largest.max(f64::MIN_POSITIVE)
}

/// The larger; NaN if one is.
fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}
