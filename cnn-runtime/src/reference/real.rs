//! The numbers that the twins compute with.

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
    /// The natural logarithm.
    fn ln(self) -> Self;
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

            fn ln(self) -> Self {
                $float::ln(self)
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
