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

use std::ops::Range;

use crate::kernels::Isa;
use crate::kernels::magnitude::largest_magnitude;
use crate::kernels::thread_pool::for_each;
use crate::model::parameters::Buffer;
use crate::optimizer::{self, Bounds, MAX_SLOTS, Step};
use crate::spec::{Constrained, Parameter, Spec};
use crate::thread_count::worthwhile;
use crate::train::batch::cut;
use crate::train::constraints;
use crate::train::frozen::Frozen;
use crate::train::gradients::Gradients;
use crate::train::multipliers::Multipliers;
use crate::train::state::{OptimizerState, TrainingState};
use cnn_ir::optimizer::Scope;
use cnn_ir::{Optimizer, Role};

/// Values of a piece of an update element by element: enough to be worth a thread's while.
const PIECE: usize = 16 * 1024;

/// The updates of one call of `fit`.
pub(crate) struct Update {
    spec: &'static Spec,
    isa: Isa,
    /// The most threads to use.
    pub(super) threads: usize,
    optimizer: Optimizer,
    constraints: Vec<Constrained>,
    /// What the optimizer may update at once, ascending.
    ranges: Vec<Updated>,
    /// The largest multiplier of a learning rate, 1 or more.
    largest_multiplier: f64,
    /// The largest weight decay of a tensor.
    largest_decay: f64,
    /// The learning rate of the last update; 0 before the first one.
    learning_rate: f64,
    /// Bounds of the parameters and slots that the last step left.
    bounds: Bounds,
}

/// A part of a tensor that is trained.
struct Updated {
    /// In values of the flat buffer.
    range: Range<usize>,
    /// 0 where it does not decay.
    weight_decay: f64,
    /// Of the learning rate.
    multiplier: f64,
    /// Rows and columns, where it is updated as a matrix.
    matrix: Option<[usize; 2]>,
}

/// Some of the parameters, with what the optimizer remembers of them.
struct Piece<'a> {
    updated: &'a Updated,
    parameters: &'a mut [f32],
    slots: [&'a mut [f32]; MAX_SLOTS],
    gradients: &'a [f32],
}

impl Updated {
    /// Its update in a step.
    fn step(&self, step: Step) -> Step {
        let step = step.times(self.multiplier);
        Step {
            decay: self.weight_decay * step.learning_rate,
            matrix: self.matrix,
            ..step
        }
    }
}

impl Update {
    /// Updates by `optimizer` of all tensors but the `frozen` ones, on up to `threads` threads.
    pub(crate) fn new(
        spec: &'static Spec,
        frozen: &Frozen,
        multipliers: &Multipliers,
        constraints: &[Constrained],
        optimizer: Optimizer,
        threads: usize,
    ) -> Self {
        let constraints = constraints.iter().copied();
        let ranges = ranges(spec, frozen, multipliers, &optimizer);
        let multipliers = ranges.iter().map(|part| part.multiplier);
        let largest_multiplier = multipliers.fold(1.0, f64::max);
        let decays = ranges.iter().map(|part| part.weight_decay);
        let largest_decay = decays.fold(optimizer.weight_decay, f64::max);
        Self {
            spec,
            isa: Isa::detect(),
            threads,
            optimizer,
            constraints: constraints
                .filter(|constrained| !frozen.contains(constrained.tensor))
                .collect(),
            ranges,
            largest_multiplier,
            largest_decay,
            learning_rate: 0.0,
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
        let Optimizer { rule, .. } = self.optimizer;
        let step = Step::new(&self.optimizer, state.next_iteration(&rule));
        let is_safe = self.is_safe(step, parameters, state, gradients.largest());
        let before = (!is_safe).then(|| (parameters.to_vec(), state.optimizer.clone()));
        let optimizer = state.continue_as(rule, parameters.len());
        optimizer.iteration = step.iteration;
        self.run(step, parameters, optimizer, gradients.values());
        if let Some((old, old_optimizer)) = before
            && let Some(tensor) = self.overflown(&old, parameters, &optimizer.slots)
        {
            parameters.copy_from_slice(&old);
            state.optimizer = old_optimizer;
            return Err(tensor);
        }
        constraints::apply(self.spec, &self.constraints, parameters);
        let bound = &mut self.bounds.parameters;
        *bound = bound.max(constraints::largest(&self.constraints));
        state.steps += 1;
        self.learning_rate = step.learning_rate;
        Ok(())
    }

    /// The updates from the next one on have this learning rate.
    pub(crate) fn set_learning_rate(&mut self, learning_rate: f64) {
        self.optimizer = self.optimizer.with_learning_rate(learning_rate);
    }

    /// The learning rate of the last update; 0 before the first one.
    pub(crate) fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Whether the update cannot overflow.
    fn is_safe(
        &mut self,
        step: Step,
        parameters: &[f32],
        state: &TrainingState,
        gradient: f32,
    ) -> bool {
        if self.advance_bounds(step, gradient) {
            return true;
        }
        self.bounds = self.measure(parameters, state);
        self.advance_bounds(step, gradient)
    }

    /// Makes the bounds those after an update, and says whether they exclude an overflow; if not, nothing is known.
    fn advance_bounds(&mut self, step: Step, gradient: f32) -> bool {
        /// Far enough below the largest float for rounding within one update.
        const LIMIT: f64 = f32::MAX as f64 / 2.0;
        /// For rounding in many updates one after the other.
        const SLACK: f64 = 1.0 + 1e-5;
        // Those of parameters that decay hold for the others too, and those of a larger learning rate for smaller ones.
        let mut step = step.times(self.largest_multiplier);
        step.decay = self.largest_decay * step.learning_rate;
        let Bounds { parameters, slots } =
            optimizer::bounds(&self.optimizer.rule, step, self.bounds, gradient.into());
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
                ranges.map(|part| largest_magnitude(self.isa, &values[part.range.clone()]));
            // What is not a number has no bound either.
            magnitudes.fold(0.0, |bound: f64, magnitude| match magnitude.is_finite() {
                true => bound.max(magnitude.into()),
                false => f64::INFINITY,
            })
        };
        let Optimizer { rule, .. } = &self.optimizer;
        // Of slots that begin anew.
        let mut slots = [f64::from(optimizer::initial(rule)); MAX_SLOTS];
        let present = state.optimizer.as_ref();
        if let Some(state) = present.filter(|state| state.continues_as(rule)) {
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
    fn run(
        &self,
        step: Step,
        parameters: &mut [f32],
        state: &mut OptimizerState,
        gradients: &[f32],
    ) {
        let count = state.slots.len();
        let rule = &state.rule;
        let mut pieces = pieces(&self.ranges, parameters, &mut state.slots, gradients);
        let threads = worthwhile(self.threads, flops(gradients.len()));
        for_each(threads, &mut pieces, |_, piece| {
            let step = piece.updated.step(step);
            let slots = &mut piece.slots[..count];
            optimizer::update(
                rule,
                self.isa,
                step,
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

/// About as many operations as an optimizer has for so many values.
pub(super) fn flops(values: usize) -> u64 {
    32 * values as u64
}

/// What an optimizer updates at once. Frozen tensors are left out.
fn ranges(
    spec: &Spec,
    frozen: &Frozen,
    multipliers: &Multipliers,
    optimizer: &Optimizer,
) -> Vec<Updated> {
    let trained = frozen.trained(spec);
    let longest = match optimizer.rule.properties().scope {
        Scope::Elements => PIECE,
        Scope::Tensor => usize::MAX,
    };
    let pieces = |(place, parameter): (usize, &Parameter)| {
        let multiplier = multipliers.of(place);
        let decays = match parameter.role {
            Role::Weight => true,
            Role::Bias => optimizer.decay_biases,
            Role::State => false,
        };
        let matrix = match multipliers.excludes(place) {
            true => None,
            false => optimizer::matrix(&optimizer.rule, parameter),
        };
        let weight_decay = match decays {
            true => optimizer::weight_decay(optimizer, matrix),
            false => 0.0,
        };
        let Range { start, end } = parameter.range();
        let starts = (start..end).step_by(longest);
        starts.map(move |start| Updated {
            range: start..end.min(start.saturating_add(longest)),
            weight_decay,
            multiplier,
            matrix,
        })
    };
    trained.flat_map(pieces).collect()
}

/// Cuts all buffers at `ranges`.
fn pieces<'a>(
    ranges: &'a [Updated],
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
    let pieces = ranges.iter().map(|updated| {
        let range = &updated.range;
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
            updated,
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
    use crate::train::test_spec::spec;
    use cnn_ir::UpdateRule;

    /// Otherwise every step would take the slow way.
    #[test]
    fn a_long_training_stays_within_its_bounds() {
        let epsilon = 1e-7;
        let rules = [
            UpdateRule::Sgd {
                momentum: 0.99,
                nesterov: true,
            },
            UpdateRule::RmsProp {
                rho: 0.9,
                momentum: 0.9,
                epsilon,
                centered: false,
            },
            UpdateRule::RmsProp {
                rho: 0.9,
                momentum: 0.9,
                epsilon,
                centered: true,
            },
            UpdateRule::adam(),
            UpdateRule::Adam {
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon,
                amsgrad: true,
            },
            UpdateRule::adamw(),
            UpdateRule::nadam(),
            UpdateRule::adamax(),
            UpdateRule::adagrad(),
            UpdateRule::lion(),
            UpdateRule::muon(),
        ];
        for rule in rules {
            let optimizer = Optimizer::from(rule).with_learning_rate(0.1);
            let mut update = Update::new(
                spec(),
                &Frozen::default(),
                &Multipliers::default(),
                &[],
                optimizer,
                1,
            );
            let state = TrainingState::default();
            let step = Step::new(&optimizer, 1);
            assert!(!update.advance_bounds(step, 1.0), "nothing is known yet");
            assert!(update.is_safe(step, &[], &state, 1.0), "{rule:?}");
            for iteration in 0..1_000_000 {
                let is_safe = update.advance_bounds(step, 1e3);
                assert!(is_safe, "{rule:?}, step {iteration}");
            }
            assert!(
                !update.is_safe(step, &[], &state, f32::INFINITY),
                "{rule:?}"
            );
        }
    }
}
