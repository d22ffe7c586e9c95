//! What training remembers from one step to the next, beside the parameters.
//!
//! Parameters and [`TrainingState`] together decide every later step, so a checkpoint that resumes training to the
//! bit holds these two. Whatever training has to remember from one call of `fit` to the next belongs here. A step changes the
//! state when it is accepted, and only then; what is [`Frozen`] changes between calls alone.

use crate::model::parameters::Buffer;
use crate::optimizer;
use crate::train::frozen::Frozen;
use cnn_ir::UpdateRule;

/// How far a model has been trained.
#[derive(Clone, Default)]
pub(crate) struct TrainingState {
    /// Epochs of which at least one step was accepted. The order of the examples depends on it.
    pub(crate) epochs: u64,
    /// Accepted steps. What dropout drops depends on it.
    pub(crate) steps: u64,
    /// The optimizer of the last accepted step; `None` before the first one.
    pub(crate) optimizer: Option<OptimizerState>,
    /// The moving average of the weights, where the optimizer has one and a step was accepted.
    pub(crate) average: Option<MovingAverage>,
    /// The tensors that steps leave as they are.
    pub(crate) frozen: Frozen,
}

/// The weights that steps go on from, and their moving average: the model has one of them.
#[derive(Clone)]
pub(crate) struct MovingAverage {
    /// The other one.
    pub(crate) aside: Buffer,
    /// Whether the model has the average.
    pub(crate) is_in_model: bool,
}

impl TrainingState {
    /// The state of `rule`: it goes on where the last one stopped if it [can](OptimizerState::continues_as), or
    /// begins anew.
    pub(crate) fn continue_as(
        &mut self,
        rule: UpdateRule,
        parameter_count: usize,
    ) -> &mut OptimizerState {
        match &mut self.optimizer {
            Some(state) if state.continues_as(&rule) => state.rule = rule,
            state => *state = Some(OptimizerState::new(rule, parameter_count)),
        }
        self.optimizer.as_mut().expect("there is one now")
    }

    /// The number of the next update by `rule`, from 1. The learning rate of a schedule depends on it.
    pub(crate) fn next_iteration(&self, rule: &UpdateRule) -> u64 {
        let state = self.optimizer.as_ref();
        let state = state.filter(|state| state.continues_as(rule));
        state.map_or(0, |state| state.iteration) + 1
    }
}

/// An optimizer between two updates.
#[derive(Clone)]
pub(crate) struct OptimizerState {
    /// The rule and its hyperparameters.
    pub(crate) rule: UpdateRule,
    /// Updates since the slots were as they are at first.
    pub(crate) iteration: u64,
    /// What the rule remembers, each slot laid out as the parameters.
    pub(crate) slots: Vec<Buffer>,
}

impl OptimizerState {
    /// A rule before its first update.
    fn new(rule: UpdateRule, parameter_count: usize) -> Self {
        let slot = || {
            let mut slot = Buffer::zeros(parameter_count);
            let initial = optimizer::initial(&rule);
            if initial != 0.0 {
                slot.fill(initial);
            }
            slot
        };
        let slots = optimizer::slots(&rule).iter();
        Self {
            rule,
            iteration: 0,
            slots: slots.map(|_| slot()).collect(),
        }
    }

    /// Whether `rule` can go on where this one stopped: it is of the same kind and keeps the same. Other
    /// hyperparameters may differ.
    pub(crate) fn continues_as(&self, rule: &UpdateRule) -> bool {
        std::mem::discriminant(&self.rule) == std::mem::discriminant(rule)
            && optimizer::slots(&self.rule) == optimizer::slots(rule)
    }
}
