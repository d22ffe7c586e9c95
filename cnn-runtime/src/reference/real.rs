//! The numbers that the twins compute with.

use std::f64::consts::PI;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// `f32` or `f64`.
pub trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Sum
{
    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// The number in double precision.
    fn to_f64(self) -> f64;
    /// The magnitude.
    fn abs(self) -> Self;
    /// `e^self`.
    fn exp(self) -> Self;
    /// `e^self - 1`.
    fn exp_m1(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + self)`.
    fn ln_1p(self) -> Self;
    /// The complementary error function: `2 / sqrt(pi)` times the integral of `exp(-t^2)` from `self` on.
    fn erfc(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// Whether the number is none.
    fn is_nan(self) -> bool;
}

macro_rules! real {
    ($($float:ident),*) => {$(
        impl Real for $float {
            fn from_f64(value: f64) -> Self {
                value as $float
            }

            fn to_f64(self) -> f64 {
                self.into()
            }

            fn abs(self) -> Self {
                $float::abs(self)
            }

            fn exp(self) -> Self {
                $float::exp(self)
            }

            fn exp_m1(self) -> Self {
                $float::exp_m1(self)
            }

            fn ln(self) -> Self {
                $float::ln(self)
            }

            fn ln_1p(self) -> Self {
                $float::ln_1p(self)
            }

            fn erfc(self) -> Self {
                erfc(self.into()) as $float
            }

            fn tanh(self) -> Self {
                $float::tanh(self)
            }

            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }

            fn is_nan(self) -> bool {
                $float::is_nan(self)
            }
        }
    )*};
}

real!(f32, f64);

/// The complementary error function, within 1e-13 of its value. The standard library has none.
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    let gaussian = (-x * x).exp() / PI.sqrt();
    if x < 2.0 {
        // 1 - erf(x), whose series has positive terms only (Abramowitz & Stegun 1964, 7.1.6).
        let (mut term, mut sum) = (x, x);
        for n in 1..80 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        1.0 - 2.0 * gaussian * sum
    } else {
        // The continued fraction (7.1.14), from its end on.
        let below = (1..100)
            .rev()
            .fold(x, |below, n| x + f64::from(n) / 2.0 / below);
        gaussian / below
    }
}

#[cfg(test)]
mod tests {
    use super::erfc;

    /// Values of mpmath 1.3.
    #[test]
    fn erfc_is_that_of_tables() {
        let cases = [
            (0.001, 0.998_871_621_209_030_7),
            (0.1, 0.887_537_083_981_715),
            (0.5, 0.479_500_122_186_953_5),
            (1.0, 0.157_299_207_050_285_13),
            (1.5, 0.033_894_853_524_689_274),
            (1.999_9, 0.004_679_802_092_970_608),
            (2.0, 0.004_677_734_981_047_266),
            (2.000_1, 0.004_675_668_695_803_339_4),
            (3.0, 2.209_049_699_858_544e-05),
            (5.0, 1.537_459_794_428_035e-12),
            (10.0, 2.088_487_583_762_545e-45),
            (26.0, 5.663_192_408_856_143e-296),
            (-0.5, 1.520_499_877_813_046_5),
            (-1.0, 1.842_700_792_949_714_8),
            (-3.0, 1.999_977_909_503_001_5),
        ];
        for (x, expected) in cases {
            let error = (erfc(x) / expected - 1.0).abs();
            assert!(error < 1e-13, "erfc({x}) is off by {error:e}");
        }
        assert_eq!(
            [0.0, f64::INFINITY, f64::NEG_INFINITY].map(erfc),
            [1.0, 0.0, 2.0]
        );
        assert!(erfc(f64::NAN).is_nan());
    }
}
