//! The update rules, with the formulas of Keras 3: a file each, and one table.
//!
//! ```text
//! Optimizer ──▶ schedule: the learning rate of a step ──▶ Step ──▶ weight decay, then the rule ──▶ parameters, slots
//! ```
//!
//! A rule runs in one pass over flat slices. What it has to see at once says its
//! [`Properties::scope`](cnn_ir::optimizer::Properties::scope).

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod lion;
mod muon;
mod nadam;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod rmsprop;
pub mod schedule;
mod sgd;
#[cfg(test)]
mod tests;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;
#[cfg(any(test, feature = "reference"))]
use crate::reference::Real;
use crate::spec::{Gradient, Parameter};
use cnn_ir::{Operation, Optimizer, Role, UpdateRule};

/// The most [`slots`] of any rule.
pub(crate) const MAX_SLOTS: usize = 3;

/// No parameter, and no value of a slot, has a larger magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) parameters: f64,
    /// 0 where the rule has no such slot.
    pub(crate) slots: [f64; MAX_SLOTS],
}

impl Bounds {
    /// No bounds at all.
    pub(crate) const UNKNOWN: Self = Self {
        parameters: f64::INFINITY,
        slots: [f64::INFINITY; MAX_SLOTS],
    };
}

/// What the arithmetic on tensors makes of a hyperparameter.
fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// What an update is done with, beside the gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The number of the update, from 1.
    pub iteration: u64,
    /// The learning rate of this update.
    pub learning_rate: f64,
    /// The share of each parameter that is taken from it before the update: `weight_decay * learning_rate`.
    pub decay: f64,
    /// Rows and columns, where the whole slice is a matrix that the rule updates as one.
    pub matrix: Option<[usize; 2]>,
}

impl Step {
    /// Update `iteration`, counted from 1, of parameters that do not decay.
    pub fn new(optimizer: &Optimizer, iteration: u64) -> Self {
        let before = iteration.saturating_sub(1);
        Self {
            iteration,
            learning_rate: schedule::learning_rate(&optimizer.learning_rate, before),
            decay: 0.0,
            matrix: None,
        }
    }

    /// The same update with the learning rate multiplied, of parameters that do not decay.
    #[must_use]
    pub fn times(self, multiplier: f64) -> Self {
        Self {
            learning_rate: self.learning_rate * multiplier,
            ..self
        }
    }

    /// The same update of parameters that decay.
    #[must_use]
    pub fn decaying(self, optimizer: &Optimizer) -> Self {
        Self {
            decay: weight_decay(optimizer, self.matrix) * self.learning_rate,
            ..self
        }
    }
}

/// An update rule.
trait Rule: Copy {
    /// The buffers of state that it keeps, by what they hold.
    fn slots(self) -> &'static [&'static str];

    /// Whether it updates kernels of two axes as matrices, or those of convolutions when they are flattened to two.
    fn takes_matrices(self, is_flattened: bool) -> bool {
        let _ = is_flattened;
        false
    }

    /// The weight decay of tensors, where the optimizer has `weight_decay`.
    fn weight_decay(self, weight_decay: f64, is_matrix: bool) -> f64 {
        let _ = is_matrix;
        weight_decay
    }

    /// What they hold before the first update.
    fn initial(self) -> f32 {
        0.0
    }

    /// One update. All slices have the same length, and there are as many slots as [`Rule::slots`] says.
    fn update(
        self,
        step: Step,
        parameters: &mut [f32],
        gradients: &[f32],
        slots: &mut [&mut [f32]],
    );

    /// Bounds of the magnitudes of parameters and slots after an update, from bounds of those before it and of the
    /// gradients, in exact arithmetic. What is computed on the way is within them too. Infinite where a rule has
    /// none: its updates then keep a copy of what they change, which costs time alone.
    fn bounds(self, step: Step, before: Bounds, gradient: f64) -> Bounds {
        let _ = (step, before, gradient);
        Bounds::UNKNOWN
    }

    /// An update of one parameter, in the words of the Keras 3 sources.
    #[cfg(any(test, feature = "reference"))]
    fn twin<T: Real>(self, step: Step, parameter: T, g: T, slots: &mut [T]) -> T;
}

/// Calls a body with the [`Rule`] of an [`UpdateRule`], by the table of all rules: variant, file and struct, fields.
macro_rules! with_rule {
    ($update_rule:expr, $rule:ident => $body:expr) => {
        with_rule! {
            @match $update_rule, $rule => $body;
            Sgd => sgd::Sgd { momentum, nesterov }
            RmsProp => rmsprop::RmsProp { rho, momentum, epsilon, centered }
            Adam => adam::Adam { beta_1, beta_2, epsilon, amsgrad }
            AdamW => adam::Adam { beta_1, beta_2, epsilon, amsgrad }
            Nadam => nadam::Nadam { beta_1, beta_2, epsilon }
            Adamax => adamax::Adamax { beta_1, beta_2, epsilon }
            Adagrad => adagrad::Adagrad { initial_accumulator_value, epsilon }
            Adadelta => adadelta::Adadelta { rho, epsilon }
            Lion => lion::Lion { beta_1, beta_2 }
            Muon => muon::Muon {
                adam_beta_1, adam_beta_2, adam_weight_decay, epsilon, muon_a, muon_b, muon_c, adam_lr_ratio, momentum, ns_steps,
                nesterov, rms_rate, flatten_kernels
            }
        }
    };
    (
        @match $update_rule:expr, $rule:ident => $body:expr;
        $($Variant:ident => $file:ident::$Rule:ident { $($field:ident),+ })+
    ) => {
        match $update_rule {
            $(UpdateRule::$Variant { $($field),+ } => {
                let $rule = $crate::optimizer::$file::$Rule { $($field),+ };
                $body
            })+
        }
    };
}
#[cfg(any(test, feature = "reference"))]
use with_rule;

/// The buffers of state that a rule keeps, by what they hold: `["mean", "square"]`. Each is as long as the parameters,
/// and [`initial`] at first.
pub fn slots(rule: &UpdateRule) -> &'static [&'static str] {
    with_rule!(*rule, rule => rule.slots())
}

/// Rows and columns of a tensor that the rule updates as one matrix; `None` of all others.
///
/// Those of a dense kernel are its inputs and units. The kernel of a convolution is flattened to
/// `[height * width * inputs, filters]`, where the rule says so. Depthwise kernels mix no channels, and are no matrices.
pub(crate) fn matrix(rule: &UpdateRule, parameter: &Parameter) -> Option<[usize; 2]> {
    let takes = |is_flattened| with_rule!(*rule, rule => rule.takes_matrices(is_flattened));
    let is_depthwise = match parameter.gradient {
        Gradient::Frozen | Gradient::Total(_) => return None,
        Gradient::Partials { operation, .. } | Gradient::Batch { operation, .. } => {
            matches!(operation, Operation::DepthwiseConv2d(_))
        }
    };
    match *parameter.shape {
        _ if parameter.role != Role::Weight || is_depthwise => None,
        [rows, columns] => takes(false).then_some([rows, columns]),
        [_, _, _, columns] => takes(true).then_some([parameter.len() / columns, columns]),
        _ => None,
    }
}

/// The weight decay of a tensor, which is a [`matrix`] or not.
pub(crate) fn weight_decay(optimizer: &Optimizer, matrix: Option<[usize; 2]>) -> f64 {
    let rule = optimizer.rule;
    with_rule!(rule, rule => rule.weight_decay(optimizer.weight_decay, matrix.is_some()))
}

/// The value of all slots before the first update.
pub fn initial(rule: &UpdateRule) -> f32 {
    with_rule!(*rule, rule => rule.initial())
}

/// Bounds of the magnitudes of parameters and slots after an update, from bounds of those before it and of the
/// gradients. An update whose bounds are far below [`f32::MAX`] cannot overflow.
pub(crate) fn bounds(rule: &UpdateRule, step: Step, before: Bounds, gradient: f64) -> Bounds {
    let decayed = single(step.decay) * before.parameters;
    let before = Bounds {
        parameters: before.parameters.max(decayed),
        ..before
    };
    with_rule!(*rule, rule => rule.bounds(step, before, gradient))
}

/// One update.
///
/// A buffer may be updated in pieces, as far as the rule's scope allows.
///
/// # Panics
/// If the slices differ in length or there are not as many slots as [`slots`] says.
pub fn update(
    rule: &UpdateRule,
    isa: Isa,
    step: Step,
    parameters: &mut [f32],
    gradients: &[f32],
    slots: &mut [&mut [f32]],
) {
    let lengths = slots.iter().map(|slot| slot.len()).chain([gradients.len()]);
    assert!(
        lengths.into_iter().all(|length| length == parameters.len()),
        "slices of equal length"
    );
    assert_eq!(slots.len(), self::slots(rule).len(), "buffers of state");
    isa.run_loop(Update {
        rule: *rule,
        step,
        parameters,
        gradients,
        slots,
    });
}

struct Update<'a, 'b> {
    rule: UpdateRule,
    step: Step,
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    slots: &'a mut [&'b mut [f32]],
}

impl Loop for Update<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            rule,
            step,
            parameters,
            gradients,
            slots,
        } = self;
        let decay = step.decay as f32;
        if decay != 0.0 {
            for w in parameters.iter_mut() {
                *w -= decay * *w;
            }
        }
        with_rule!(rule, rule => rule.update(step, parameters, gradients, slots));
    }
}
