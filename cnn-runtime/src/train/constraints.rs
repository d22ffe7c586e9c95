//! Constraints: what tensors are kept to after each update, with the formulas of Keras 3.
//!
//! A tensor is `[weights of an output, outputs]`, and norms are those of its columns. A column with the norm `n` is
//! multiplied by `wanted / (n + 1e-7)`.

use crate::spec::{Constrained, Spec};
use cnn_ir::Constraint;

/// Keras' `epsilon`, which keeps a norm of 0 from being divided by.
const EPSILON: f64 = 1e-7;

/// Changes the parameters to what they are kept to.
pub(crate) fn apply(spec: &Spec, constraints: &[Constrained], parameters: &mut [f32]) {
    for constrained in constraints {
        let values = &mut parameters[spec.parameters[constrained.tensor].range()];
        match constrained.constraint {
            Constraint::NonNeg => values.iter_mut().for_each(|value| *value = value.max(0.0)),
            constraint @ (Constraint::MaxNorm { .. }
            | Constraint::MinMaxNorm { .. }
            | Constraint::UnitNorm) => {
                let factors: Vec<f32> = (norms(values, constrained.outputs).into_iter())
                    .map(|norm| (wanted(constraint, norm) / (norm + EPSILON)) as f32)
                    .collect();
                for row in values.chunks_exact_mut(constrained.outputs) {
                    for (value, factor) in row.iter_mut().zip(&factors) {
                        *value *= factor;
                    }
                }
            }
        }
    }
}

/// No constraint makes a magnitude larger than this one, if it was not before.
pub(crate) fn largest(constraints: &[Constrained]) -> f64 {
    let of = |constrained: &Constrained| match constrained.constraint {
        Constraint::MaxNorm { .. } | Constraint::NonNeg => 0.0,
        Constraint::MinMaxNorm { max_value, .. } => f64::from(max_value),
        Constraint::UnitNorm => 1.0,
    };
    constraints.iter().map(of).fold(0.0, f64::max)
}

/// The norms of the columns.
fn norms(values: &[f32], outputs: usize) -> Vec<f64> {
    let mut squares = vec![0.0; outputs];
    for row in values.chunks_exact(outputs) {
        for (sum, value) in squares.iter_mut().zip(row) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    squares.into_iter().map(f64::sqrt).collect()
}

/// The norm that a column of this norm shall have.
fn wanted(constraint: Constraint, norm: f64) -> f64 {
    match constraint {
        Constraint::MaxNorm { max_value } => norm.min(max_value.into()),
        Constraint::MinMaxNorm {
            min_value,
            max_value,
            rate,
        } => {
            let (rate, nearest) = (
                f64::from(rate),
                norm.min(max_value.into()).max(min_value.into()),
            );
            rate * nearest + (1.0 - rate) * norm
        }
        Constraint::UnitNorm => 1.0,
        Constraint::NonNeg => norm,
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_spec::{KERNEL, spec};
    use super::*;

    /// Of Keras 3: see `tests/fixtures/constraints.py`.
    #[test]
    fn values_are_those_of_keras() {
        let cases = [
            (
                Constraint::MaxNorm { max_value: 2.0 },
                [
                    1.194045, -0.1, 0.0, -1.59206, 0.2, 0.0, 0.1990075, -0.3, 0.0,
                ],
            ),
            (
                Constraint::MinMaxNorm {
                    min_value: 0.5,
                    max_value: 1.0,
                    rate: 0.75,
                },
                [
                    1.197767, -0.1252229, 0.0, -1.597022, 0.2504459, 0.0, 0.1996278, -0.3756688,
                    0.0,
                ],
            ),
            (
                Constraint::UnitNorm,
                [
                    0.5970224, -0.2672612, 0.0, -0.7960298, 0.5345224, 0.0, 0.09950373, -0.8017836,
                    0.0,
                ],
            ),
            (
                Constraint::NonNeg,
                [3.0, 0.0, 0.0, 0.0, 0.2, 0.0, 0.5, 0.0, 0.0],
            ),
        ];
        let mut wrong = Vec::new();
        for (constraint, expected) in cases {
            let constrained = Constrained {
                tensor: 0,
                outputs: 3,
                constraint,
            };
            let mut values = KERNEL;
            apply(spec(), &[constrained], &mut values);
            let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * b.abs();
            if !values.iter().zip(&expected).all(is_close) {
                wrong.push((constraint, values));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
