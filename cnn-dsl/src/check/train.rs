//! The `train` block, and whether its loss fits the last layer.

use std::collections::HashMap;

use crate::check::arguments::{Context, Given, Reported, Signature};
use crate::check::convert::as_f32;
use crate::diagnostic::suggest::{Hint, Vocabulary, hint};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Loss, Metric, Node, Op, Optimizer, Train};
use crate::syntax::{Span, TrainSyntax, Value, ValueKind};

const SETTINGS: &[&str] = &[
    "loss",
    "optimizer",
    "metrics",
    "epochs",
    "batch_size",
    "seed",
];
const LOSSES: &[&str] = &[
    "categorical_crossentropy",
    "binary_crossentropy",
    "mse",
    "mean_squared_error",
];
const OPTIMIZERS: &[&str] = &["sgd", "rmsprop", "adam"];
const METRICS: &[&str] = &[
    "accuracy",
    "mae",
    "mse",
    "mean_absolute_error",
    "mean_squared_error",
];

const SGD: Signature = Signature {
    name: "sgd",
    parameters: &["learning_rate", "momentum", "nesterov"],
    required: 0,
    usage: "sgd(learning_rate = 0.01, momentum = 0.0, nesterov = false)",
};
const RMSPROP: Signature = Signature {
    name: "rmsprop",
    parameters: &["learning_rate", "rho", "momentum", "epsilon"],
    required: 0,
    usage: "rmsprop(learning_rate = 0.001, rho = 0.9, momentum = 0.0, epsilon = 1e-7)",
};
const ADAM: Signature = Signature {
    name: "adam",
    parameters: &["learning_rate", "beta_1", "beta_2", "epsilon"],
    required: 0,
    usage: "adam(learning_rate = 0.001, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7)",
};

impl Context<'_> {
    /// Reads a `train` block. `nodes` are those of the network, if it is known.
    pub(crate) fn train(&mut self, train: &TrainSyntax, nodes: Option<&[Node]>) -> Option<Train> {
        let settings = self.settings(train);
        let get = |name: &str| -> Given<&Value> {
            match settings.get(name) {
                Some(value) if value.kind == ValueKind::Invalid => Err(Reported),
                value => Ok(value.copied()),
            }
        };
        let loss = self.loss(get("loss"));
        if loss == Ok(None) && !train.damaged {
            let help = nodes.and_then(<[Node]>::last).map_or("mse", fitting_loss);
            self.report(
                Diagnostic::new(
                    Code::MissingArgument,
                    train.keyword,
                    "`train` needs a `loss`",
                )
                .help(format!("write `loss = {help};`")),
            );
        }
        let optimizer = get("optimizer").and_then(|value| match value {
            Some(value) => self.optimizer(value),
            // As Keras' `compile`.
            None => self.rmsprop(&[], false, train.keyword),
        });
        let metrics = get("metrics").and_then(|value| self.metrics(value));
        let epochs = self.count("epochs", get("epochs"));
        let batch_size = self.count("batch_size", get("batch_size"));
        let seed = self.seed("seed", get("seed"));
        if let (Ok(Some((loss, place))), Some(nodes)) = (loss, nodes) {
            self.loss_fits(loss, place, nodes);
        }
        if let Some(nodes) = nodes
            && nodes.len() > 1
        {
            self.something_to_train(train.keyword, nodes);
        }
        Some(Train {
            loss: loss.ok()??.0,
            optimizer: optimizer.ok()?,
            metrics: metrics.ok()?,
            epochs: epochs.ok()?.unwrap_or(1),
            batch_size: batch_size.ok()?.unwrap_or(32),
            seed: seed.ok()?.unwrap_or(0),
        })
    }

    /// A `train` block without parameters that it could change still has a loss and metrics to
    /// evaluate, but it was hardly meant.
    fn something_to_train(&mut self, place: Span, nodes: &[Node]) {
        let with_parameters: Vec<_> = nodes.iter().filter(|n| n.parameter_count() > 0).collect();
        if with_parameters.iter().any(|node| node.trainable) {
            return;
        }
        let (message, help) = match with_parameters.first() {
            None => ("there is nothing to train: no layer has parameters", None),
            Some(first) => (
                "there is nothing to train: every layer is frozen",
                Some(format!("remove `trainable = false` of `{}`", first.name)),
            ),
        };
        let diagnostic = Diagnostic::new(Code::NothingToTrain, place, message);
        self.report(diagnostic.maybe_help(help));
    }

    /// The settings by name; those that are unknown or given again are reported.
    fn settings<'a>(&mut self, train: &'a TrainSyntax) -> HashMap<&'a str, &'a Value> {
        let mut places: HashMap<&str, Span> = HashMap::new();
        let mut settings = HashMap::new();
        for setting in &train.settings {
            let name = &setting.name;
            if !SETTINGS.contains(&name.text.as_str()) {
                let hint = hint(Vocabulary::Setting, &name.text, SETTINGS);
                let diagnostic = if matches!(hint, Some(Hint::Unsupported(_))) {
                    let message = format!("`{}` is not a setting of `train`", name.text);
                    Diagnostic::new(Code::Unsupported, name.span, message)
                } else {
                    let message = format!("`train` has no setting `{}`", name.text);
                    let diagnostic = Diagnostic::new(Code::UnknownArgument, name.span, message);
                    match hint {
                        Some(_) => diagnostic,
                        None => diagnostic.note(format!("there are {}", SETTINGS.join(", "))),
                    }
                };
                self.report(diagnostic.maybe_help(hint.and_then(|hint| hint.help())));
            } else if let Some(&first) = places.get(name.text.as_str()) {
                let message = format!("`{}` is given twice", name.text);
                self.report(
                    Diagnostic::new(Code::DuplicateArgument, name.span, message)
                        .label("given again")
                        .secondary(first, "first given here"),
                );
            } else {
                places.insert(&name.text, name.span);
                settings.insert(name.text.as_str(), &setting.value);
            }
        }
        settings
    }

    fn loss(&mut self, value: Given<&Value>) -> Given<(Loss, Span)> {
        let Some(value) = value? else { return Ok(None) };
        let word = self.word((Vocabulary::Loss, LOSSES), ("loss", "a loss"), value)?;
        self.no_arguments(&word)?;
        let loss = match word.name {
            "categorical_crossentropy" => Loss::CategoricalCrossentropy,
            "binary_crossentropy" => Loss::BinaryCrossentropy,
            _ => Loss::MeanSquaredError,
        };
        Ok(Some((loss, word.span)))
    }

    fn optimizer(&mut self, value: &Value) -> Result<Optimizer, Reported> {
        let vocabulary = (Vocabulary::Optimizer, OPTIMIZERS);
        let word = self.word(vocabulary, ("optimizer", "an optimizer"), value)?;
        let (arguments, damaged) = match word.call {
            Some(call) => (&call.arguments[..], call.damaged),
            None => (&[][..], false),
        };
        match word.name {
            "sgd" => self.sgd(arguments, damaged, word.span),
            "rmsprop" => self.rmsprop(arguments, damaged, word.span),
            _ => self.adam(arguments, damaged, word.span),
        }
    }

    fn sgd(
        &mut self,
        arguments: &[crate::syntax::Argument],
        damaged: bool,
        at: Span,
    ) -> Result<Optimizer, Reported> {
        let bound = self.bind(&SGD, at, arguments, damaged);
        let learning_rate = self.positive("learning_rate", bound.get("learning_rate"));
        let momentum = self.fraction("momentum", bound.get("momentum"));
        let nesterov = self
            .boolean("nesterov", bound.get("nesterov"))?
            .unwrap_or(false);
        let momentum = momentum?.unwrap_or(0.0);
        if nesterov && as_f32(momentum) == 0.0 {
            let span = bound.span("nesterov").unwrap_or(at);
            self.report(
                Diagnostic::new(
                    Code::NesterovWithoutMomentum,
                    span,
                    "`nesterov` changes nothing without momentum",
                )
                .help("write `momentum = 0.9` beside it"),
            );
        }
        Ok(Optimizer::Sgd {
            learning_rate: learning_rate?.unwrap_or(0.01),
            momentum,
            nesterov,
        })
    }

    fn rmsprop(
        &mut self,
        arguments: &[crate::syntax::Argument],
        damaged: bool,
        at: Span,
    ) -> Result<Optimizer, Reported> {
        let bound = self.bind(&RMSPROP, at, arguments, damaged);
        let learning_rate = self.positive("learning_rate", bound.get("learning_rate"));
        let rho = self.fraction("rho", bound.get("rho"));
        let momentum = self.fraction("momentum", bound.get("momentum"));
        let epsilon = self.positive("epsilon", bound.get("epsilon"));
        Ok(Optimizer::RmsProp {
            learning_rate: learning_rate?.unwrap_or(1e-3),
            rho: rho?.unwrap_or(0.9),
            momentum: momentum?.unwrap_or(0.0),
            epsilon: epsilon?.unwrap_or(1e-7),
        })
    }

    fn adam(
        &mut self,
        arguments: &[crate::syntax::Argument],
        damaged: bool,
        at: Span,
    ) -> Result<Optimizer, Reported> {
        let bound = self.bind(&ADAM, at, arguments, damaged);
        let learning_rate = self.positive("learning_rate", bound.get("learning_rate"));
        let beta_1 = self.fraction("beta_1", bound.get("beta_1"));
        let beta_2 = self.fraction("beta_2", bound.get("beta_2"));
        let epsilon = self.positive("epsilon", bound.get("epsilon"));
        Ok(Optimizer::Adam {
            learning_rate: learning_rate?.unwrap_or(1e-3),
            beta_1: beta_1?.unwrap_or(0.9),
            beta_2: beta_2?.unwrap_or(0.999),
            epsilon: epsilon?.unwrap_or(1e-7),
        })
    }

    fn positive(&mut self, parameter: &str, value: Given<&Value>) -> Given<f64> {
        self.number(parameter, value, |number| number > 0.0, "positive")
    }

    fn fraction(&mut self, parameter: &str, value: Given<&Value>) -> Given<f64> {
        let range = |number| (0.0..1.0).contains(&number);
        self.number(parameter, value, range, "at least 0 and less than 1")
    }

    fn metrics(&mut self, value: Option<&Value>) -> Result<Vec<Metric>, Reported> {
        let Some(value) = value else {
            return Ok(Vec::new());
        };
        let ValueKind::List(values) = &value.kind else {
            let help = format!("write `metrics = [{}];`", value.span.text(self.source));
            return Err(self.wrong_type("metrics", "a list", value, Some(help)));
        };
        let mut metrics: Vec<(Metric, Span)> = Vec::new();
        let mut failed = false;
        for value in values {
            let Ok(metric) = self.metric(value) else {
                failed = true;
                continue;
            };
            if let Some((_, first)) = metrics.iter().find(|(known, _)| *known == metric) {
                let message = format!("`{}` is listed twice", value.span.text(self.source));
                self.report(
                    Diagnostic::new(Code::DuplicateMetric, value.span, message)
                        .secondary(*first, "first listed here"),
                );
            } else {
                metrics.push((metric, value.span));
            }
        }
        if failed {
            Err(Reported)
        } else {
            Ok(metrics.into_iter().map(|(metric, _)| metric).collect())
        }
    }

    fn metric(&mut self, value: &Value) -> Result<Metric, Reported> {
        let word = self.word(
            (Vocabulary::Metric, METRICS),
            ("metrics", "a metric"),
            value,
        )?;
        self.no_arguments(&word)?;
        Ok(match word.name {
            "accuracy" => Metric::Accuracy,
            "mae" | "mean_absolute_error" => Metric::MeanAbsoluteError,
            _ => Metric::MeanSquaredError,
        })
    }

    /// A cross-entropy reads probabilities, so the last layer must produce them.
    fn loss_fits(&mut self, loss: Loss, place: Span, nodes: &[Node]) {
        let Some(last) = nodes.last() else { return };
        let (name, wanted, activation) = match loss {
            Loss::MeanSquaredError => return,
            Loss::CategoricalCrossentropy => {
                ("categorical_crossentropy", Activation::Softmax, "softmax")
            }
            Loss::BinaryCrossentropy => ("binary_crossentropy", Activation::Sigmoid, "sigmoid"),
        };
        let shape = &last.shape;
        let categorical = loss == Loss::CategoricalCrossentropy;
        let (message, help) = if categorical && !shape.is_flat() {
            (
                format!(
                    "`{name}` needs one score for each class, but `{}` produces {shape}",
                    last.name
                ),
                "end with `flatten;` and `dense(10, activation = softmax);` for 10 classes"
                    .to_owned(),
            )
        } else if categorical && shape.len() < 2 {
            (
                format!("`{name}` needs at least two classes, but `{}` produces one value", last.name),
                "write `loss = binary_crossentropy;` with `activation = sigmoid` for a yes/no answer".to_owned(),
            )
        } else if last.output_activation() != Some(wanted) {
            let found = match last.output_activation() {
                Some(Activation::Linear) | None => "without an activation".to_owned(),
                Some(found) => format!("in `{}`", found.name()),
            };
            let help = match &last.op {
                Op::Dense(dense) => {
                    format!("write `dense({}, activation = {activation});`", dense.units)
                }
                Op::Conv2d(_) => format!("give `{}` an `activation = {activation}`", last.name),
                Op::Activation(_) => format!("write `{activation};` instead of this activation"),
                _ => format!("write `{activation};` as the last layer"),
            };
            (
                format!(
                    "`{name}` needs a {activation} output, but `{}` ends {found}",
                    last.name
                ),
                help,
            )
        } else {
            return;
        };
        self.report(
            Diagnostic::new(Code::LossMismatch, place, message)
                .secondary(last.keyword.span, "the last layer")
                .help(help),
        );
    }
}

/// The loss that the last layer was probably made for.
fn fitting_loss(last: &Node) -> &'static str {
    match last.output_activation() {
        Some(Activation::Softmax) => "categorical_crossentropy",
        Some(Activation::Sigmoid) => "binary_crossentropy",
        _ => "mse",
    }
}
