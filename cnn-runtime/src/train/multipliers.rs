//! What is said of single tensors: learning-rate multipliers, and which kernels Muon leaves to AdamW.
//!
//! The learning rate of a tensor is that of the step times its multiplier, wherever the optimizer uses it: in the update
//! and in the decoupled weight decay, as with groups of parameters in PyTorch.

use crate::error::Error;
use crate::model::names;
use crate::spec::{Gradient, Spec};
use crate::train::checkpoint::Multiplier;

/// The multipliers of tensors, by their place in the specification.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Multipliers {
    tensors: Vec<(usize, f64)>,
    /// The kernels that are no matrices for the optimizer.
    excluded: Vec<usize>,
}

impl Multipliers {
    /// The multiplier of a tensor: 1 where nothing was said.
    pub(crate) fn of(&self, tensor: usize) -> f64 {
        let mut tensors = self.tensors.iter();
        let found = tensors.find(|(place, _)| *place == tensor);
        found.map_or(1.0, |(_, multiplier)| *multiplier)
    }

    /// Whether a kernel is updated as tensors are that are no matrices.
    pub(crate) fn excludes(&self, tensor: usize) -> bool {
        self.excluded.contains(&tensor)
    }

    /// Excludes the kernels of a layer, or of all layers of a block, from what is updated as a matrix.
    ///
    /// # Errors
    ///
    /// If there is no such layer or block, or it has no tensors.
    pub(super) fn exclude(&mut self, spec: &Spec, layer: &str) -> Result<(), Error> {
        self.excluded.extend(names::layer_tensors(spec, layer)?);
        self.excluded.sort_unstable();
        self.excluded.dedup();
        Ok(())
    }

    /// For a checkpoint: the tensors that are excluded.
    pub(super) fn excluded(&self, spec: &Spec) -> Vec<String> {
        let names = self
            .excluded
            .iter()
            .map(|place| spec.parameters[*place].name);
        names.map(str::to_owned).collect()
    }

    /// Gives all tensors of a layer or a block, or the tensor with this name, a multiplier.
    ///
    /// # Errors
    ///
    /// If there is none, none is trained, or the multiplier makes no sense.
    pub(super) fn set(&mut self, spec: &Spec, name: &str, multiplier: f64) -> Result<(), Error> {
        let tensors = names::tensors(spec, name)?;
        let is_trained = |place: &usize| {
            let gradient = spec.parameters[*place].gradient;
            !matches!(gradient, Gradient::Frozen)
        };
        let trained: Vec<_> = tensors.into_iter().filter(is_trained).collect();
        if trained.is_empty() {
            return Err(Error::NotTrained {
                name: name.to_owned(),
            });
        }
        if !((multiplier as f32).is_finite() && multiplier >= 0.0) {
            return Err(Error::Setting {
                name: "learning_rate_of",
                value: format!("{multiplier:?}"),
                expected: "zero or more and finite as `f32`",
            });
        }
        self.tensors.retain(|(place, _)| !trained.contains(place));
        let added = trained.into_iter().map(|place| (place, multiplier));
        self.tensors.extend(added);
        self.tensors.sort_by_key(|(place, _)| *place);
        Ok(())
    }

    /// For a checkpoint: of the tensors whose learning rate is not that of the step.
    pub(super) fn record(&self, spec: &Spec) -> Vec<Multiplier> {
        let tensors = self.tensors.iter();
        let tensors = tensors.filter(|(_, multiplier)| *multiplier != 1.0);
        tensors
            .map(|(place, multiplier)| Multiplier {
                tensor: spec.parameters[*place].name.to_owned(),
                multiplier: *multiplier,
            })
            .collect()
    }
}
