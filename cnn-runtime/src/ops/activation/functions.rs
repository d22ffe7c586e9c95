//! One entry for each activation of single values: what it computes, its derivative, and their twins.
//!
//! - `value(z)`: the activation of `z`;
//! - `gradient(saved, d)`: the gradient with respect to `z` from `d`, the one with respect to the
//!   output; `saved` is the output or `z`, as the activation's properties say;
//! - `twin(z)` and `slope(z)`: the definition and its derivative in `z`, for any
//!   [`Real`](crate::reference::Real) `T`; at a kink the derivative of the left side, but where a bound
//!   ends the slope (6 of `relu6`, 3 of the hard ones) that of the right side.
//!
//! What is no number stays none, and nothing overflows on the way: `silu(-∞)` is 0, as is its derivative.

use super::{log_softmax, map, scale, softmax};
use crate::kernels::math;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;
use cnn_ir::Activation;

macro_rules! functions {
    ($(
        $pattern:pat => {
            value($z:ident) $value:block
            gradient($saved:ident, $d:ident) $gradient:block
            twin($twin_z:ident) $twin:block
            slope($slope_z:ident) $slope:block
        }
    )+) => {
        /// Adds `bias` to each row of `y` and applies the activation.
        #[inline(always)]
        pub(super) fn forward(activation: Activation, units: usize, bias: &[f32], y: &mut [f32]) {
            match activation {
                Activation::Softmax => softmax::forward(units, bias, y),
                Activation::LogSoftmax => log_softmax::forward(units, bias, y),
                $($pattern => map(bias, y, |$z: f32| $value),)+
            }
        }

        /// Turns the gradient with respect to the output into the one with respect to the input.
        #[inline(always)]
        pub(super) fn backward(activation: Activation, units: usize, saved: &[f32], dy: &mut [f32]) {
            match activation {
                Activation::Softmax => softmax::backward(units, saved, dy),
                Activation::LogSoftmax => log_softmax::backward(units, saved, dy),
                $($pattern => scale(saved, dy, |$saved: f32, $d: f32| $gradient),)+
            }
        }

        /// The definition.
        #[cfg(any(test, feature = "reference"))]
        pub(super) fn twin<T: Real>(activation: Activation, input: T) -> T {
            match activation {
                Activation::Softmax | Activation::LogSoftmax => unreachable!("a softmax needs its row"),
                $($pattern => {
                    let $twin_z = input;
                    $twin
                })+
            }
        }

        /// Its derivative.
        #[cfg(any(test, feature = "reference"))]
        pub(super) fn slope<T: Real>(activation: Activation, input: T) -> T {
            match activation {
                Activation::Softmax | Activation::LogSoftmax => unreachable!("a softmax needs its row"),
                $($pattern => {
                    let $slope_z = input;
                    $slope
                })+
            }
        }
    };
}

functions! {
    Activation::Linear => {
        value(z) { z }
        gradient(_y, d) { d }
        twin(z) { z }
        slope(_z) { T::from_f64(1.0) }
    }

    Activation::Relu => {
        value(z) { if z < 0.0 { 0.0 } else { z } }
        gradient(y, d) { if y <= 0.0 { 0.0 } else { d } }
        twin(z) { if z < T::from_f64(0.0) { T::from_f64(0.0) } else { z } }
        slope(z) { T::from_f64(if z <= T::from_f64(0.0) { 0.0 } else { 1.0 }) }
    }

    Activation::LeakyRelu { negative_slope: a } => {
        value(z) { if z > 0.0 { z } else { a * z } }
        gradient(y, d) { if y <= 0.0 { a * d } else { d } }
        twin(z) { if z < T::from_f64(0.0) { T::from_f64(a.into()) * z } else { z } }
        slope(z) { T::from_f64(if z <= T::from_f64(0.0) { a.into() } else { 1.0 }) }
    }

    Activation::Relu6 => {
        value(z) { math::clamp(z, 0.0, 6.0) }
        gradient(y, d) { if (y <= 0.0) | (y >= 6.0) { 0.0 } else { d } }
        twin(z) {
            let upper = if z > T::from_f64(6.0) { T::from_f64(6.0) } else { z };
            if upper < T::from_f64(0.0) { T::from_f64(0.0) } else { upper }
        }
        slope(z) { T::from_f64(if z > T::from_f64(0.0) && z < T::from_f64(6.0) { 1.0 } else { 0.0 }) }
    }

    // With `y` the output, `a exp(z)` is `y + a`.
    Activation::Elu { alpha: a } => {
        value(z) {
            let below = a * math::exp_m1(z);
            if z > 0.0 { z } else { below }
        }
        gradient(y, d) { if y > 0.0 { d } else { d * (y + a) } }
        twin(z) { if z > T::from_f64(0.0) { z } else { T::from_f64(a.into()) * z.exp_m1() } }
        slope(z) { if z > T::from_f64(0.0) { T::from_f64(1.0) } else { T::from_f64(a.into()) * z.exp() } }
    }

    Activation::Selu => {
        value(z) {
            let below = (SELU_SCALE * SELU_ALPHA) as f32 * math::exp_m1(z);
            if z > 0.0 { SELU_SCALE as f32 * z } else { below }
        }
        gradient(y, d) {
            let below = d * (y + (SELU_SCALE * SELU_ALPHA) as f32);
            if y > 0.0 { SELU_SCALE as f32 * d } else { below }
        }
        twin(z) {
            let elu = if z > T::from_f64(0.0) { z } else { T::from_f64(SELU_ALPHA) * z.exp_m1() };
            T::from_f64(SELU_SCALE) * elu
        }
        slope(z) {
            let elu = if z > T::from_f64(0.0) { T::from_f64(1.0) } else { T::from_f64(SELU_ALPHA) * z.exp() };
            T::from_f64(SELU_SCALE) * elu
        }
    }

    // The derivative is the distribution plus `z` times its density.
    Activation::Gelu { approximate: false } => {
        value(z) {
            let z = if z < -14.5 { -14.5 } else { z };
            z * math::normal_distribution(z)
        }
        gradient(z, d) {
            let z = math::clamp(z, -14.5, 14.5);
            d * (math::normal_distribution(z) + z * (NORMAL_DENSITY as f32 * math::gaussian(z)))
        }
        twin(z) { z * normal_distribution(z) }
        slope(z) {
            let density = T::from_f64(NORMAL_DENSITY) * (-(z * z) / T::from_f64(2.0)).exp();
            normal_distribution(z) + z * density
        }
    }

    // `(1 + tanh(u)) / 2` is `sigmoid(2 u)`. Beyond the bounds it is 0 or 1.
    Activation::Gelu { approximate: true } => {
        value(z) {
            let (u, _) = twice_gelu_argument(math::clamp(z, -11.0, 11.0));
            let (below, _) = math::sigmoids(u);
            if z < -11.0 { 0.0 } else { z * below }
        }
        gradient(z, d) {
            let z = math::clamp(z, -11.0, 11.0);
            let (u, slope) = twice_gelu_argument(z);
            let (below, above) = math::sigmoids(u);
            d * (below + z * (below * above * slope))
        }
        twin(z) {
            let (half, one, c) = (T::from_f64(0.5), T::from_f64(1.0), T::from_f64(GELU_CUBIC));
            let u = T::from_f64(2.0 * NORMAL_DENSITY) * (z + c * z * z * z);
            half * z * (one + u.tanh())
        }
        slope(z) {
            let (half, one, c) = (T::from_f64(0.5), T::from_f64(1.0), T::from_f64(GELU_CUBIC));
            let factor = T::from_f64(2.0 * NORMAL_DENSITY);
            let tanh = (factor * (z + c * z * z * z)).tanh();
            let inner = factor * (one + T::from_f64(3.0) * c * z * z);
            half * (one + tanh) + half * z * (one - tanh * tanh) * inner
        }
    }

    Activation::Silu => {
        value(z) {
            let (below, _) = math::sigmoids(z);
            if z < -110.0 { 0.0 } else { z * below }
        }
        gradient(z, d) {
            let z = math::clamp(z, -110.0, 110.0);
            let (below, above) = math::sigmoids(z);
            d * (below + z * (below * above))
        }
        twin(z) { z / (T::from_f64(1.0) + (-z).exp()) }
        slope(z) {
            let y = twin(Activation::Sigmoid, z);
            y * (T::from_f64(1.0) + z * (T::from_f64(1.0) - y))
        }
    }

    // With `e = exp(z)`, `tanh(ln(1 + e))` is `n / (n + 2)`, where `n = (1 + e)^2 - 1`. Above 20 that is 1.
    Activation::Mish => {
        value(z) {
            let e = math::exp(math::clamp(z, -110.0, 20.0));
            let n = e * (e + 2.0);
            if z < -110.0 { 0.0 } else { z * (n / (n + 2.0)) }
        }
        gradient(z, d) {
            let z = math::clamp(z, -110.0, 20.0);
            let e = math::exp(z);
            let n = e * (e + 2.0);
            let inverse = 1.0 / (n + 2.0);
            d * (n * inverse + z * (4.0 * e * (e + 1.0) * (inverse * inverse)))
        }
        twin(z) { z * twin(Activation::Softplus, z).tanh() }
        slope(z) {
            let tanh = twin(Activation::Softplus, z).tanh();
            tanh + z * (T::from_f64(1.0) - tanh * tanh) * twin(Activation::Sigmoid, z)
        }
    }

    Activation::HardSwish => {
        value(z) {
            let between = z * ((z + 3.0) / 6.0);
            if z <= -3.0 { 0.0 } else if z >= 3.0 { z } else { between }
        }
        gradient(z, d) {
            let between = d * ((2.0 * z + 3.0) / 6.0);
            if z <= -3.0 { 0.0 } else if z >= 3.0 { d } else { between }
        }
        twin(z) { z * twin(Activation::HardSigmoid, z) }
        slope(z) { twin(Activation::HardSigmoid, z) + z * slope(Activation::HardSigmoid, z) }
    }

    Activation::Sigmoid => {
        value(z) { math::sigmoid(z) }
        gradient(y, d) { d * (y * (1.0 - y)) }
        twin(z) { T::from_f64(1.0) / (T::from_f64(1.0) + (-z).exp()) }
        slope(z) {
            let y = twin(Activation::Sigmoid, z);
            y * (T::from_f64(1.0) - y)
        }
    }

    Activation::HardSigmoid => {
        value(z) { math::clamp(z + 3.0, 0.0, 6.0) / 6.0 }
        gradient(y, d) { if (y <= 0.0) | (y >= 1.0) { 0.0 } else { d / 6.0 } }
        twin(z) { twin(Activation::Relu6, z + T::from_f64(3.0)) / T::from_f64(6.0) }
        slope(z) { slope(Activation::Relu6, z + T::from_f64(3.0)) / T::from_f64(6.0) }
    }

    Activation::Tanh => {
        value(z) { math::tanh(z) }
        gradient(y, d) { d * (1.0 - y * y) }
        twin(z) { z.tanh() }
        slope(z) { T::from_f64(1.0) - z.tanh() * z.tanh() }
    }

    // With `y` the output, `1 / (1 + |z|)` is `1 - |y|`.
    Activation::Softsign => {
        value(z) { z / (1.0 + z.abs()) }
        gradient(y, d) { d * ((1.0 - y.abs()) * (1.0 - y.abs())) }
        twin(z) { z / (T::from_f64(1.0) + z.abs()) }
        slope(z) { T::from_f64(1.0) / ((T::from_f64(1.0) + z.abs()) * (T::from_f64(1.0) + z.abs())) }
    }

    // With `y` the output, `sigmoid(z)` is `1 - exp(-y)`.
    Activation::Softplus => {
        value(z) { math::softplus(z) }
        gradient(y, d) { -d * math::exp_m1(-y) }
        twin(z) {
            if z > T::from_f64(0.0) { z + (-z).exp().ln_1p() } else { z.exp().ln_1p() }
        }
        slope(z) { twin(Activation::Sigmoid, z) }
    }

    Activation::Exponential => {
        value(z) { math::exp(z) }
        gradient(y, d) { d * y }
        twin(z) { z.exp() }
        slope(z) { z.exp() }
    }
}

/// Those of Klambauer et al. 2017, with which mean 0 and variance 1 stay.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// `1 / sqrt(2 pi)`, the standard normal density at 0.
const NORMAL_DENSITY: f64 = 0.398_942_280_401_432_7;

/// The factor of the cube in the approximation of `gelu` (Hendrycks & Gimpel 2016).
const GELU_CUBIC: f64 = 0.044_715;

/// `2 sqrt(2 / pi) (z + 0.044715 z^3)` and its derivative; the root is twice the density at 0.
#[inline(always)]
fn twice_gelu_argument(z: f32) -> (f32, f32) {
    const FACTOR: f32 = (4.0 * NORMAL_DENSITY) as f32;
    const CUBIC: f32 = (4.0 * NORMAL_DENSITY * GELU_CUBIC) as f32;
    let square = z * z;
    (z * (FACTOR + CUBIC * square), FACTOR + 3.0 * CUBIC * square)
}

/// The standard normal distribution.
#[cfg(any(test, feature = "reference"))]
fn normal_distribution<T: Real>(z: T) -> T {
    (-z / T::from_f64(core::f64::consts::SQRT_2)).erfc() / T::from_f64(2.0)
}
