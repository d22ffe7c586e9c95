//! What training remembers from one step to the next, beside the parameters.
//!
//! Parameters and [`TrainingState`] together decide every later step, so a checkpoint that resumes training to the
//! bit holds these two. Whatever training has to remember belongs here: a moving average of the weights, the place
//! in a learning-rate schedule, the place in an epoch. A step changes the state when it is accepted, and only then.

use crate::model::parameters::Buffer;
use crate::optimizer;
use cnn_ir::Optimizer;

/// How far a model has been trained.
#[derive(Clone, Default)]
pub(crate) struct TrainingState {
    /// Epochs of which at least one step was accepted. The order of the examples depends on it.
    pub(crate) epochs: u64,
    /// Accepted steps. What dropout drops depends on it.
    pub(crate) steps: u64,
    /// The optimizer of the last accepted step; `None` before the first one.
    pub(crate) optimizer: Option<OptimizerState>,
}

impl TrainingState {
    /// The state of `optimizer`: it goes on where the last one stopped if it [can](OptimizerState::continues_as), or
    /// begins anew.
    pub(crate) fn continue_as(
        &mut self,
        optimizer: Optimizer,
        parameter_count: usize,
    ) -> &mut OptimizerState {
        match &mut self.optimizer {
            Some(state) if state.continues_as(&optimizer) => state.optimizer = optimizer,
            state => *state = Some(OptimizerState::new(optimizer, parameter_count)),
        }
        self.optimizer.as_mut().expect("there is one now")
    }
}

/// An optimizer between two updates.
#[derive(Clone)]
pub(crate) struct OptimizerState {
    /// The rule and its hyperparameters.
    pub(crate) optimizer: Optimizer,
    /// Updates since the slots were zero.
    pub(crate) iteration: u64,
    /// What the optimizer remembers, each slot laid out as the parameters.
    pub(crate) slots: Vec<Buffer>,
}

impl OptimizerState {
    /// An optimizer before its first update.
    fn new(optimizer: Optimizer, parameter_count: usize) -> Self {
        Self {
            optimizer,
            iteration: 0,
            slots: (0..optimizer::slots(&optimizer))
                .map(|_| Buffer::zeros(parameter_count))
                .collect(),
        }
    }

    /// Whether `optimizer` can go on where this one stopped: it is of the same kind and has as many slots. Other
    /// hyperparameters may differ.
    pub(crate) fn continues_as(&self, optimizer: &Optimizer) -> bool {
        std::mem::discriminant(&self.optimizer) == std::mem::discriminant(optimizer)
            && self.slots.len() == optimizer::slots(optimizer)
    }
}
