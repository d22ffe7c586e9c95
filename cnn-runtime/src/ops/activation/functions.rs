//! One entry for each activation of single values: what it computes, its derivative, and their twins.
//!
//! - `value(z)`: the activation of `z`;
//! - `gradient(saved, d)`: the gradient with respect to `z` from `d`, the one with respect to the
//!   output; `saved` is the output or `z`, as the activation's properties say;
//! - `twin(z)` and `slope(z)`: the definition and its derivative in `z`, for any
//!   [`Real`](crate::reference::Real) `T`; at a kink the derivative of the left side.

use super::{map, scale, softmax};
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
                $($pattern => map(bias, y, |$z: f32| $value),)+
            }
        }

        /// Turns the gradient with respect to the output into the one with respect to the input.
        #[inline(always)]
        pub(super) fn backward(activation: Activation, units: usize, saved: &[f32], dy: &mut [f32]) {
            match activation {
                Activation::Softmax => softmax::backward(units, saved, dy),
                $($pattern => scale(saved, dy, |$saved: f32, $d: f32| $gradient),)+
            }
        }

        /// The definition.
        #[cfg(any(test, feature = "reference"))]
        pub(super) fn twin<T: Real>(activation: Activation, input: T) -> T {
            match activation {
                Activation::Softmax => unreachable!("a softmax needs its row"),
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
                Activation::Softmax => unreachable!("a softmax needs its row"),
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

    Activation::Sigmoid => {
        value(z) { math::sigmoid(z) }
        gradient(y, d) { d * (y * (1.0 - y)) }
        twin(z) { T::from_f64(1.0) / (T::from_f64(1.0) + (-z).exp()) }
        slope(z) {
            let y = twin(Activation::Sigmoid, z);
            y * (T::from_f64(1.0) - y)
        }
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
}
