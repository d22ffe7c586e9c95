//! Rows and columns that nobody reads are not computed.
//!
//! From the output backwards, each step asks its inputs for what its own needed output takes. What is
//! left out lies at the end of an axis, so that every index stays what it was. The network's input
//! keeps its shape: it is the caller's image. At the end every operation takes on the shapes as they
//! are stored.

use super::Plan;
use crate::graph::Shape;
use cnn_ir::operation::Extent;

/// Shrinks the values, and the outputs of convolutions before their pools, to what is needed.
pub(super) fn unread(plan: &mut Plan) {
    // What the readers seen so far need of each value.
    let mut needed: Vec<Extent> = vec![[0, 0]; plan.values.len()];
    needed[plan.output] = plan.values[plan.output].shape.extent().unwrap_or_default();
    for step in plan.steps.iter().rev() {
        let facts = step.operation.facts();
        let output = &mut plan.values[step.output].shape;
        let image = output.extent();
        let image = image.map(|whole| facts.computes(needed[step.output], whole));
        if let Some([height, width]) = image {
            output.0[..2].copy_from_slice(&[height, width]);
        }
        for (&input, seen) in step.inputs.iter().zip(&step.input_shapes) {
            let stored = &plan.values[input].shape;
            let Some(whole) = stored.extent() else {
                continue;
            };
            // A flat value needs the whole image that it is made of, and so does one of another shape.
            let wanted = match image {
                Some(output) if seen == stored => facts.reads(output, whole),
                Some(_) | None => whole,
            };
            for (needed, wanted) in needed[input].iter_mut().zip(wanted) {
                *needed = wanted.max(*needed);
            }
        }
    }
    for step in &mut plan.steps {
        for (&input, seen) in step.inputs.iter().zip(&mut step.input_shapes) {
            // What is stored whole is read in the step's own shape.
            let stored = &plan.values[input].shape;
            if stored.len() != seen.len() {
                seen.clone_from(stored);
            }
        }
        let output = &plan.values[step.output].shape.0;
        let inputs: Vec<&[usize]> = step.input_shapes.iter().map(|shape| &shape.0[..]).collect();
        step.operation.facts_mut().store(&inputs, output);
    }
}

impl Shape {
    /// Height and width, of an image.
    fn extent(&self) -> Option<Extent> {
        self.image().map(|[height, width, _]| [height, width])
    }
}
