//! The third phase of a step: the optimizer changes the parameters, all of them or none.
//!
//! ```text
//! bounds of parameters, slots and gradients ──▶ can the update overflow?
//!     no:    pieces ──▶ each thread takes some: update in place
//!     maybe: the same with a copy of all that changes, which comes back if a result is not finite
//! ```
//!
//! A finite gradient is no promise of a finite result: its square, or a step of a large learning rate, may overflow.
//! Only the results tell for certain, and then it is too late for values that have been overwritten. A copy of all
//! parameters and slots at each step would take as much memory and traffic again as the update itself. So the copy is
//! made only where [`optimizer::bounds`] cannot exclude an overflow, which takes gradients or a learning rate beyond
//! anything that trains.
//!
//! The bounds of one step are those that the next one starts from. They grow a little with each; where they have
//! grown too large, all values are measured again.

use std::iter;
use std::ops::Range;

use crate::kernels::Isa;
use crate::kernels::magnitude::largest_magnitude;
use crate::kernels::thread_pool::for_each;
use crate::model::parameters::Buffer;
use crate::optimizer::{self, Bounds, MAX_SLOTS};
use crate::spec::{Gradient, Parameter, Spec};
use crate::thread_count::worthwhile;
use crate::train::batch::cut;
use crate::train::gradients::Gradients;
use crate::train::state::{OptimizerState, TrainingState};
use cnn_ir::Optimizer;
use cnn_ir::optimizer::Scope;

/// Values of a piece of an update element by element: enough to be worth a thread's while.
const PIECE: usize = 16 * 1024;

/// The updates of one call of `fit`.
pub(crate) struct Update {
    spec: &'static Spec,
    isa: Isa,
    threads: usize,
    optimizer: Optimizer,
    /// What the optimizer may update at once, in values of the flat buffer, ascending.
    ranges: Vec<Range<usize>>,
    /// Bounds of the parameters and slots that the last step left.
    bounds: Bounds,
}

/// Some of the parameters, with what the optimizer remembers of them.
struct Piece<'a> {
    parameters: &'a mut [f32],
    slots: [&'a mut [f32]; MAX_SLOTS],
    gradients: &'a [f32],
}

impl Update {
    /// Updates by `optimizer`, on up to `threads` threads.
    pub(crate) fn new(spec: &'static Spec, optimizer: Optimizer, threads: usize) -> Self {
        Self {
            spec,
            isa: Isa::detect(),
            threads,
            optimizer,
            ranges: ranges(spec, optimizer.scope()),
            bounds: Bounds::UNKNOWN,
        }
    }

    /// Changes `parameters` and `state` by a step along `gradients`, which are finite.
    ///
    /// # Errors
    ///
    /// The first tensor of which a value or a slot would become infinite or not a number. Nothing has changed then.
    pub(crate) fn apply(
        &mut self,
        parameters: &mut [f32],
        state: &mut TrainingState,
        gradients: &Gradients,
    ) -> Result<(), &'static str> {
        let is_safe = self.is_safe(parameters, state, gradients.largest());
        let before = (!is_safe).then(|| (parameters.to_vec(), state.optimizer.clone()));
        let optimizer = state.continue_as(self.optimizer, parameters.len());
        optimizer.iteration += 1;
        self.run(parameters, optimizer, gradients.values());
        if let Some((old, old_optimizer)) = before
            && let Some(tensor) = self.overflown(&old, parameters, &optimizer.slots)
        {
            parameters.copy_from_slice(&old);
            state.optimizer = old_optimizer;
            return Err(tensor);
        }
        state.steps += 1;
        Ok(())
    }

    /// Whether the update cannot overflow.
    fn is_safe(&mut self, parameters: &[f32], state: &TrainingState, gradient: f32) -> bool {
        if self.advance_bounds(gradient) {
            return true;
        }
        self.bounds = self.measure(parameters, state);
        self.advance_bounds(gradient)
    }

    /// Makes the bounds those after an update, and says whether they exclude an overflow; if not, nothing is known.
    fn advance_bounds(&mut self, gradient: f32) -> bool {
        /// Far enough below the largest float for rounding within one update.
        const LIMIT: f64 = f32::MAX as f64 / 2.0;
        /// For rounding in many updates one after the other.
        const SLACK: f64 = 1.0 + 1e-5;
        let Bounds { parameters, slots } =
            optimizer::bounds(&self.optimizer, self.bounds, gradient.into());
        // Also false for a bound that is not a number.
        let is_safe = parameters < LIMIT && slots.iter().all(|bound| *bound < LIMIT);
        self.bounds = if is_safe {
            Bounds {
                parameters: SLACK * parameters,
                slots: slots.map(|slot| SLACK * slot),
            }
        } else {
            Bounds::UNKNOWN
        };
        is_safe
    }

    /// The bounds of parameters and slots, from a look at each that is trained.
    fn measure(&self, parameters: &[f32], state: &TrainingState) -> Bounds {
        let bound = |values: &[f32]| {
            let ranges = self.ranges.iter();
            let magnitudes =
                ranges.map(|range| largest_magnitude(self.isa, &values[range.clone()]));
            // What is not a number has no bound either.
            magnitudes.fold(0.0, |bound: f64, magnitude| match magnitude.is_finite() {
                true => bound.max(magnitude.into()),
                false => f64::INFINITY,
            })
        };
        let mut slots = [0.0; MAX_SLOTS];
        // Slots that begin anew are zero.
        let present = state.optimizer.as_ref();
        if let Some(state) = present.filter(|state| state.continues_as(&self.optimizer)) {
            for (slot, values) in slots.iter_mut().zip(&state.slots) {
                *slot = bound(values);
            }
        }
        Bounds {
            parameters: bound(parameters),
            slots,
        }
    }

    /// Lets the optimizer change all pieces.
    fn run(&self, parameters: &mut [f32], state: &mut OptimizerState, gradients: &[f32]) {
        let OptimizerState {
            optimizer,
            iteration,
            slots,
        } = state;
        let count = slots.len();
        let mut pieces = pieces(&self.ranges, parameters, slots, gradients);
        // About as many operations as an optimizer has for a value.
        let threads = worthwhile(self.threads, 32 * gradients.len() as u64);
        for_each(threads, &mut pieces, |_, piece| {
            let slots = &mut piece.slots[..count];
            optimizer::update(
                optimizer,
                self.isa,
                *iteration,
                piece.parameters,
                piece.gradients,
                slots,
            );
        });
    }

    /// The first tensor that is not finite after an update. A parameter that was not finite before does not count:
    /// it was set by the user.
    fn overflown(&self, before: &[f32], after: &[f32], slots: &[Buffer]) -> Option<&'static str> {
        let overflows = |index: usize| {
            before[index].is_finite() && !after[index].is_finite()
                || slots.iter().any(|slot| !slot[index].is_finite())
        };
        let mut tensors = self.spec.parameters.iter();
        let first = tensors.find(|parameter| parameter.range().any(overflows));
        first.map(|parameter| parameter.name)
    }
}

/// What an optimizer of this scope updates at once. Frozen tensors are left out where they can be.
fn ranges(spec: &Spec, scope: Scope) -> Vec<Range<usize>> {
    let trained = spec.parameters.iter();
    let trained = trained.filter(|parameter| !matches!(parameter.gradient, Gradient::Frozen));
    match scope {
        Scope::Elements => {
            let pieces = |Range { start, end }: Range<usize>| {
                let starts = (start..end).step_by(PIECE);
                starts.map(move |start| start..end.min(start + PIECE))
            };
            trained.map(Parameter::range).flat_map(pieces).collect()
        }
        // No optimizer yet. One that works on matrices, as Muon does, also needs `Parameter::shape` of each range.
        Scope::Tensor => trained.map(Parameter::range).collect(),
        // No optimizer yet. It is one call on one thread, and frozen parameters, whose gradients are zero, are among
        // those that it sees.
        Scope::Model => iter::once(0..spec.parameter_count).collect(),
    }
}

/// Cuts all buffers at `ranges`.
fn pieces<'a>(
    ranges: &[Range<usize>],
    mut parameters: &'a mut [f32],
    slots: &'a mut [Buffer],
    gradients: &'a [f32],
) -> Vec<Piece<'a>> {
    // A slot that the optimizer does not have stays empty.
    let mut rests: [&mut [f32]; MAX_SLOTS] = Default::default();
    for (rest, slot) in rests.iter_mut().zip(slots) {
        *rest = slot;
    }
    let mut end = 0;
    let pieces = ranges.iter().map(|range| {
        let gap = range.start - end;
        end = range.end;
        let next = |rest: &mut &'a mut [f32]| {
            if !rest.is_empty() {
                cut(rest, gap);
                return cut(rest, range.len());
            }
            &mut []
        };
        Piece {
            parameters: next(&mut parameters),
            slots: rests.each_mut().map(next),
            gradients: &gradients[range.clone()],
        }
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Workspace;

    static NOTHING: Spec = Spec {
        name: "Nothing",
        input: &[1],
        output: &[1],
        inputs: &[],
        outputs: &[],
        layers: &[],
        parameters: &[],
        parameter_count: 0,
        forward: |_| {},
        workspace: Workspace {
            per_example: 0,
            single: 0,
            batch: 0,
        },
        packed: &[],
        training: None,
    };

    /// Otherwise every step would take the slow way.
    #[test]
    fn a_long_training_stays_within_its_bounds() {
        let (learning_rate, epsilon) = (0.1, 1e-7);
        let optimizers = [
            Optimizer::Sgd {
                learning_rate,
                momentum: 0.99,
                nesterov: true,
            },
            Optimizer::RmsProp {
                learning_rate,
                rho: 0.9,
                momentum: 0.9,
                epsilon,
            },
            Optimizer::Adam {
                learning_rate,
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon,
            },
        ];
        for optimizer in optimizers {
            let mut update = Update::new(&NOTHING, optimizer, 1);
            let state = TrainingState::default();
            assert!(!update.advance_bounds(1.0), "nothing is known yet");
            assert!(update.is_safe(&[], &state, 1.0), "{optimizer:?}");
            for step in 0..1_000_000 {
                assert!(update.advance_bounds(1e3), "{optimizer:?}, step {step}");
            }
            assert!(!update.is_safe(&[], &state, f32::INFINITY), "{optimizer:?}");
        }
    }
}
