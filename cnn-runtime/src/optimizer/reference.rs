//! Update rules parameter by parameter.

use super::{Rule, Step, with_rule};
use crate::reference::Real;
use cnn_ir::UpdateRule;

/// One update of `parameters`; `slots` holds the buffers of [`slots`](crate::optimizer::slots), each of equal length and
/// [`initial`](crate::optimizer::initial) at first.
pub fn update<T: Real>(
    rule: &UpdateRule,
    step: Step,
    parameters: &mut [T],
    gradients: &[T],
    slots: &mut [Vec<T>],
) {
    for (i, (parameter, g)) in parameters.iter_mut().zip(gradients).enumerate() {
        let mut state: Vec<T> = slots.iter().map(|slot| slot[i]).collect();
        let decayed = *parameter - *parameter * T::from_f64(step.decay);
        *parameter = with_rule!(*rule, rule => rule.twin(step, decayed, *g, &mut state));
        for (slot, state) in slots.iter_mut().zip(state) {
            slot[i] = state;
        }
    }
}
