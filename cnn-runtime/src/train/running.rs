//! What training keeps up without a gradient: running statistics.
//!
//! They are part of a step, which is applied whole or not at all: the new values are computed and looked at first,
//! and written when the step is accepted.

use crate::model::parameters::Buffer;
use crate::ops;
use crate::spec::{Parameter, Spec, State, Training};
use crate::train::batch::{Batch, cut};
use crate::train::frozen::Frozen;

/// The values of all tensors that are kept up, after the step that is under way.
pub(crate) struct Running {
    spec: &'static Spec,
    states: Vec<State>,
    /// One tensor after the other.
    values: Buffer,
}

impl Running {
    /// Room for the values.
    pub(crate) fn new(spec: &'static Spec, training: &Training, frozen: &Frozen) -> Self {
        let states = training.states.iter().copied();
        let states: Vec<_> = states
            .filter(|state| !frozen.contains(state.parameter))
            .collect();
        let lengths = states
            .iter()
            .map(|state| spec.parameters[state.parameter].len());
        Self {
            spec,
            values: Buffer::zeros(lengths.sum()),
            states,
        }
    }

    /// Begins a step with the values of `parameters`.
    pub(crate) fn begin(&mut self, parameters: &[f32]) {
        let mut rest = &mut self.values[..];
        for state in &self.states {
            let parameter = &self.spec.parameters[state.parameter];
            let values = cut(&mut rest, parameter.len());
            values.copy_from_slice(&parameters[parameter.range()]);
        }
    }

    /// Computes the values after the examples that flowed through `batch` last.
    ///
    /// # Errors
    ///
    /// The first tensor that would become infinite or not a number.
    pub(crate) fn advance(&mut self, batch: &Batch<'_>) -> Result<(), &'static str> {
        let mut rest = &mut self.values[..];
        for state in &self.states {
            let parameter = &self.spec.parameters[state.parameter];
            let values = cut(&mut rest, parameter.len());
            let total = &batch.totals()[state.total..];
            ops::execute(&state.operation).update_state(state.tensor, total, values);
            if !values.iter().all(|value| value.is_finite()) {
                return Err(parameter.name);
            }
        }
        Ok(())
    }

    /// Writes the values.
    pub(crate) fn apply(&self, parameters: &mut [f32]) {
        let mut rest = &self.values[..];
        let tensors = self
            .states
            .iter()
            .map(|state| &self.spec.parameters[state.parameter]);
        for tensor in tensors.map(Parameter::range) {
            let (values, tail) = rest.split_at(tensor.len());
            rest = tail;
            parameters[tensor].copy_from_slice(values);
        }
    }
}
