//! Where the loss or a gradient of a rejected step stopped being finite.
//!
//! This runs only after a step has failed, so it may take its time. What is looked at, in the order of computation:
//!
//! ```text
//! inputs of the batch ──▶ tensors ──▶ with `inspect`: layer by layer, tensors and values ──▶ losses ──▶ gradients,
//!                                                                                             last tensor first
//! ```

use crate::model::Model;
use crate::non_finite::NonFinite;
use crate::spec::{Penalty, Spec};
use crate::train::batch::Batch;

/// Why a loss of the batch that flowed through last is not finite. `examples` are the indices of its examples.
pub(super) fn of_loss(model: &Model, batch: &Batch, examples: &[usize]) -> Option<NonFinite> {
    let loss = batch.first_not_finite_loss();
    let suspect = loss.map(|(example, ..)| example);
    let origin = of_forward(model, batch, suspect).or_else(|| {
        let (example, output, value) = loss?;
        Some(NonFinite::Loss {
            output: output.to_owned(),
            example,
            value,
        })
    });
    origin.map(|origin| origin.with_example(|place| examples.get(place).copied()))
}

/// Why a gradient is not finite although the loss is. `gradients` are laid out as the parameters.
pub(super) fn of_gradient(
    model: &Model,
    batch: &Batch,
    gradients: &[f32],
    examples: &[usize],
) -> Option<NonFinite> {
    let origin = of_forward(model, batch, None);
    let origin = origin.or_else(|| last_gradient(model.spec(), gradients));
    origin.map(|origin| origin.with_example(|place| examples.get(place).copied()))
}

/// The tensor that makes the penalties on these tensors not finite.
pub(super) fn of_penalties(model: &Model, penalties: &[Penalty]) -> Option<NonFinite> {
    let places = penalties.iter().map(|penalty| penalty.tensor);
    first_tensor(model, places)
}

/// The last tensor whose gradient is not finite: the backward pass reaches it first.
pub(super) fn last_gradient(spec: &Spec, gradients: &[f32]) -> Option<NonFinite> {
    spec.parameters.iter().rev().find_map(|tensor| {
        NonFinite::in_gradient(tensor.name, tensor.shape, &gradients[tensor.range()])
    })
}

/// What of the forward pass is not finite. Where `suspect` is an example with a loss that is not finite, and examples
/// do not depend on each other, it is the only one that is computed again.
#[cfg(feature = "inspect")]
fn of_forward(model: &Model, batch: &Batch, suspect: Option<usize>) -> Option<NonFinite> {
    crate::inspect::first_not_finite(model.spec(), model.parameters(), batch.input(), suspect)
}

/// What of the forward pass is not finite, as far as it is known without running the layers one by one.
#[cfg(not(feature = "inspect"))]
fn of_forward(model: &Model, batch: &Batch, _suspect: Option<usize>) -> Option<NonFinite> {
    let spec = model.spec();
    let rows = batch.input().chunks_exact(crate::model::size(spec.input));
    let input = rows.enumerate().find_map(|(place, row)| {
        let found = (spec.inputs.iter())
            .find_map(|port| NonFinite::in_input(port.name, port.shape, &row[port.range()]));
        found.map(|found| found.with_example(|_| Some(place)))
    });
    input.or_else(|| first_tensor(model, 0..spec.parameters.len()))
}

/// The first of some tensors that is not finite.
fn first_tensor(model: &Model, places: impl Iterator<Item = usize>) -> Option<NonFinite> {
    let mut tensors = places.map(|place| &model.spec().parameters[place]);
    tensors.find_map(|tensor| {
        let values = &model.parameters()[tensor.range()];
        NonFinite::in_tensor(tensor.name, tensor.shape, values)
    })
}
