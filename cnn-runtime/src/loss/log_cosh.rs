//! `mean(ln(cosh(y - t)))` over the outputs: half the square of a small error, and of a large one its size less `ln 2`.

use super::Pointwise;
use crate::kernels::math;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;

#[derive(Clone, Copy)]
pub(super) struct LogCosh;

impl Pointwise for LogCosh {
    #[inline(always)]
    fn value(self, y: f32, t: f32) -> f32 {
        let x = (y - t).abs();
        let large = x + math::ln_1p(math::exp(-2.0 * x)) - core::f32::consts::LN_2;
        // Terms of the series about 0, where the difference above cancels. Both are computed, so that there is no branch.
        let square = x * x;
        let series = -17.0 / 2520.0 * square + 1.0 / 45.0;
        let series = series * square - 1.0 / 12.0;
        let small = (series * square + 0.5) * square;
        // NaN takes the second branch, which passes it on.
        if x < 0.25 { small } else { large }
    }

    #[inline(always)]
    fn derivative(self, y: f32, t: f32) -> f32 {
        math::tanh(y - t)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, y: T, t: T) -> T {
        let x = (y - t).abs();
        let two = T::from_f64(2.0);
        x + (-two * x).exp().ln_1p() - two.ln()
    }

    #[cfg(any(test, feature = "reference"))]
    fn slope<T: Real>(self, y: T, t: T) -> T {
        (y - t).tanh()
    }
}
