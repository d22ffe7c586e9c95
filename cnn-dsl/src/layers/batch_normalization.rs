//! `batch_normalization`: each channel with mean 0 and variance 1, then a scale and a shift.

use super::{
    Layer, LayerKind, Op, Parameter, TRAINABLE, Takes, Tensor, TensorSettings, argument, switch,
};
use crate::check::arguments::{Reader, Reported};
use crate::graph::{Activation, Shape};
use cnn_ir::operation::{self, image};
use cnn_ir::vocabulary::Range;
use cnn_ir::{Initializer, Operation, Role};

/// Normalizes each channel, the last axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormalization {
    /// How much of the running statistics a step of training keeps, in `0.0..1.0`.
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether channels are multiplied by a gamma.
    pub scale: bool,
    /// Whether a beta is added.
    pub center: bool,
    /// Whether training changes its parameters; if not, it uses the running statistics and leaves them.
    pub trainable: bool,
    /// Of beta.
    pub beta: TensorSettings,
    /// Of gamma.
    pub gamma: TensorSettings,
}

const BETA_INITIALIZER: Parameter =
    argument("beta_initializer", Some("zeros"), &["How beta starts."]);

const GAMMA_INITIALIZER: Parameter =
    argument("gamma_initializer", Some("ones"), &["How gamma starts."]);

const BETA_REGULARIZER: Parameter = argument(
    "beta_regularizer",
    Some("none"),
    &["A penalty on beta, which is added to the loss."],
);

const GAMMA_REGULARIZER: Parameter = argument(
    "gamma_regularizer",
    Some("none"),
    &["A penalty on gamma, which is added to the loss."],
);

const BETA_CONSTRAINT: Parameter =
    argument("beta_constraint", Some("none"), &["What beta is kept to."]);

const GAMMA_CONSTRAINT: Parameter = argument(
    "gamma_constraint",
    Some("none"),
    &["What gamma is kept to."],
);

pub(super) const BATCH_NORMALIZATION: LayerKind = LayerKind {
    name: "batch_normalization",
    other_names: &["batchnorm", "batchnorm1d", "batchnorm2d", "bn"],
    docs: "Gives each channel the mean 0 and the variance 1 over the batch, then scales and shifts it. \
           Prediction uses running means of both statistics; behind a dense layer or a convolution of \
           any kind that has no activation it costs nothing then, because it is folded into their weights.",
    example: None,
    takes: Takes::Anything,
    view: Some("BatchNormalizationView"),
    parameters: &[
        argument(
            "momentum",
            Some("0.99"),
            &[
                "How much of the running statistics a step of training keeps, at least 0 and less than 1.",
                "They start at mean 0 and variance 1, so a training of a few hundred steps wants less.",
            ],
        ),
        argument(
            "epsilon",
            Some("0.001"),
            &["Added to the variance, more than 0."],
        ),
        switch("center", true, &["Whether a beta is added."]),
        switch(
            "scale",
            true,
            &["Whether channels are multiplied by a gamma."],
        ),
        TRAINABLE,
        BETA_INITIALIZER,
        GAMMA_INITIALIZER,
        BETA_REGULARIZER,
        GAMMA_REGULARIZER,
        BETA_CONSTRAINT,
        GAMMA_CONSTRAINT,
    ],
    read,
};

fn read(reader: &mut Reader<'_, '_>) -> Result<Op, Reported> {
    Ok(Op::BatchNormalization(BatchNormalization {
        momentum: reader.number("momentum", Range::Fraction, 0.99),
        epsilon: reader.number("epsilon", Range::Positive, 1e-3),
        center: reader.switch("center"),
        scale: reader.switch("scale"),
        trainable: reader.switch("trainable"),
        beta: TensorSettings::read(reader, "beta", 1),
        gamma: TensorSettings::read(reader, "gamma", 1),
    }))
}

/// The channels: the last axis.
fn channels(shape: &Shape) -> usize {
    shape.0.last().copied().unwrap_or(1)
}

impl Layer for BatchNormalization {
    fn tensors(&self, inputs: &[Shape]) -> Vec<Tensor> {
        let Some(input) = inputs.first() else {
            return Vec::new();
        };
        let channels = channels(input);
        let tensor = |name, settings| Tensor::list(name, channels, settings);
        let gamma = self.scale.then(|| tensor("gamma", self.gamma));
        let beta = self.center.then(|| tensor("beta", self.beta));
        let running = [
            ("moving_mean", Initializer::Zeros),
            ("moving_variance", Initializer::Ones),
        ];
        let running = running.map(|(name, initializer)| Tensor {
            role: Role::State,
            ..tensor(name, TensorSettings::initialized(initializer))
        });
        gamma.into_iter().chain(beta).chain(running).collect()
    }

    fn is_trainable(&self) -> bool {
        self.trainable
    }

    fn flops(&self, _inputs: &[Shape]) -> u64 {
        2
    }

    fn activation(&self) -> Option<Activation> {
        Some(Activation::Linear)
    }

    fn operation(&self, inputs: &[Shape], output: &Shape) -> Option<Operation> {
        let normalization = operation::BatchNormalization {
            input: image(&inputs.first()?.0),
            output: image(&output.0),
            momentum: self.momentum as f32,
            epsilon: self.epsilon as f32,
            scale: self.scale,
            center: self.center,
            frozen: !self.trainable,
            adds: false,
            pool: None,
            activation: Activation::Linear,
        };
        Some(normalization.into())
    }
}
