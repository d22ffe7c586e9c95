//! Update rules parameter by parameter.

use super::{Rule, with_rule};
use crate::reference::Real;
use cnn_ir::Optimizer;

/// One step, counted from 1, over `parameters`; `slots` holds
/// [`slots`](crate::optimizer::slots) buffers of equal length, zero at first.
pub fn update<T: Real>(
    optimizer: &Optimizer,
    iteration: u64,
    parameters: &mut [T],
    gradients: &[T],
    slots: &mut [Vec<T>],
) {
    for (i, (parameter, g)) in parameters.iter_mut().zip(gradients).enumerate() {
        let mut state: Vec<T> = slots.iter().map(|slot| slot[i]).collect();
        *parameter =
            with_rule!(*optimizer, rule => rule.twin(iteration, *parameter, *g, &mut state));
        for (slot, state) in slots.iter_mut().zip(state) {
            slot[i] = state;
        }
    }
}
