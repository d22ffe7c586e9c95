//! Update rules parameter by parameter, in the words of the Keras 3 sources.

use super::Real;
use crate::kernels::Optimizer;

/// One step, counted from 1, over `parameters`; `slots` holds [`Optimizer::slots`] buffers of equal
/// length, zero at first.
pub fn update<T: Real>(
    optimizer: &Optimizer,
    iteration: u64,
    parameters: &mut [T],
    gradients: &[T],
    slots: &mut [Vec<T>],
) {
    let real = T::from_f64;
    for i in 0..parameters.len() {
        let g = gradients[i];
        match *optimizer {
            Optimizer::Sgd {
                learning_rate,
                momentum,
                nesterov,
            } => {
                let rate = real(learning_rate);
                if momentum == 0.0 {
                    parameters[i] = parameters[i] - rate * g;
                    continue;
                }
                let velocity = slots[0][i] * real(momentum) - g * rate;
                slots[0][i] = velocity;
                let step = if nesterov {
                    velocity * real(momentum) - g * rate
                } else {
                    velocity
                };
                parameters[i] += step;
            }
            Optimizer::RmsProp {
                learning_rate,
                rho,
                momentum,
                epsilon,
            } => {
                let velocity = real(rho) * slots[0][i] + real(1.0 - rho) * (g * g);
                slots[0][i] = velocity;
                let mut increment = real(learning_rate) * g / (velocity + real(epsilon)).sqrt();
                if momentum != 0.0 {
                    increment = real(momentum) * slots[1][i] + increment;
                    slots[1][i] = increment;
                }
                parameters[i] = parameters[i] - increment;
            }
            Optimizer::Adam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
            } => {
                let power = |beta: f64| beta.powi(iteration as i32);
                let alpha = learning_rate * (1.0 - power(beta_2)).sqrt() / (1.0 - power(beta_1));
                let m = slots[0][i] + (g - slots[0][i]) * real(1.0 - beta_1);
                let v = slots[1][i] + (g * g - slots[1][i]) * real(1.0 - beta_2);
                (slots[0][i], slots[1][i]) = (m, v);
                parameters[i] = parameters[i] - m * real(alpha) / (v.sqrt() + real(epsilon));
            }
        }
    }
}
