//! Penalties on tensors: regularization.
//!
//! With `w` a tensor, `l1 * sum(|w|) + l2 * sum(w^2)` is added to the mean loss of a batch, and so
//! `l1 * sign(w) + 2 * l2 * w` to the gradient of the tensor. Sums are made in `f64` in the order of the values.

use crate::spec::{Penalty, Spec, Training};
use crate::train::frozen::Frozen;

/// The penalties on tensors that are not frozen: those of others are constant, and Keras leaves them out.
pub(crate) fn of(training: &Training, frozen: &Frozen) -> Vec<Penalty> {
    let penalties = training.penalties.iter();
    let penalties = penalties.filter(|penalty| !frozen.contains(penalty.tensor));
    penalties.copied().collect()
}

/// What is added to the mean loss, for these parameters.
pub(crate) fn total(spec: &Spec, penalties: &[Penalty], parameters: &[f32]) -> f64 {
    let of = |penalty: &Penalty| {
        let [l1, l2] = penalty.regularizer.factors().map(f64::from);
        let values = &parameters[spec.parameters[penalty.tensor].range()];
        let (mut magnitudes, mut squares) = (0.0, 0.0);
        for value in values.iter().copied().map(f64::from) {
            magnitudes += value.abs();
            squares += value * value;
        }
        l1 * magnitudes + l2 * squares
    };
    penalties.iter().map(of).sum()
}

/// Adds the gradients of the penalties to `gradients`, laid out as the parameters.
pub(crate) fn add_gradients(
    spec: &Spec,
    penalties: &[Penalty],
    parameters: &[f32],
    gradients: &mut [f32],
) {
    for penalty in penalties {
        let [l1, l2] = penalty.regularizer.factors();
        let range = spec.parameters[penalty.tensor].range();
        let values = parameters[range.clone()].iter();
        for (gradient, value) in gradients[range].iter_mut().zip(values) {
            let sign = match *value == 0.0 {
                true => 0.0,
                false => value.signum(),
            };
            *gradient += l1 * sign + 2.0 * l2 * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_spec::{KERNEL, spec};
    use super::*;
    use cnn_ir::Regularizer;

    /// Values of Keras 3: see `tests/fixtures/constraints.py`. Gradients by finite differences, but where a value is 0:
    /// there is a kink.
    #[test]
    fn values_are_those_of_keras_and_gradients_their_slopes() {
        let cases = [
            (Regularizer::L1 { l1: 0.1 }, 0.80999994),
            (Regularizer::L2 { l2: 0.2 }, 5.0780005),
            (Regularizer::L1L2 { l1: 0.1, l2: 0.2 }, 5.8880005),
        ];
        for (regularizer, expected) in cases {
            let penalties = [Penalty {
                tensor: 0,
                regularizer,
            }];
            let value = total(spec(), &penalties, &KERNEL);
            assert!((value - expected).abs() < 1e-6, "{regularizer:?}: {value}");
            let mut gradients = [1.0; 9];
            add_gradients(spec(), &penalties, &KERNEL, &mut gradients);
            for (place, gradient) in gradients.into_iter().enumerate() {
                let slope = match KERNEL[place] == 0.0 {
                    true => 0.0,
                    false => {
                        let [above, below] = [1e-3, -1e-3].map(|step| {
                            let mut moved = KERNEL;
                            moved[place] += step;
                            let step = f64::from(moved[place]) - f64::from(KERNEL[place]);
                            (total(spec(), &penalties, &moved), step)
                        });
                        (above.0 - below.0) / (above.1 - below.1)
                    }
                };
                let error = f64::from(gradient) - 1.0 - slope;
                assert!(
                    error.abs() < 1e-6,
                    "{regularizer:?}, value {place}: {error}"
                );
            }
        }
    }
}
