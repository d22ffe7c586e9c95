//! The `train` block, and whether its loss fits the last layer.

use std::collections::HashMap;

use crate::check::arguments::{Context, Given, Reported};
use crate::check::convert;
use crate::diagnostic::suggest::{Hint, Vocabulary, hint};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Loss, Metric, Node, Optimizer, Train};
use crate::syntax::{Span, TrainSyntax, Value, ValueKind};
use cnn_ir::loss::Output;

pub(crate) const SETTINGS: &[&str] = &[
    "loss",
    "optimizer",
    "metrics",
    "epochs",
    "batch_size",
    "accumulate",
    "seed",
];
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
            None => Ok(Optimizer::default()),
        });
        let metrics = get("metrics").and_then(|value| self.metrics(value));
        let epochs = self.count("epochs", get("epochs"));
        let batch_size = self.count("batch_size", get("batch_size"));
        let accumulate = self.count("accumulate", get("accumulate"));
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
            accumulate: accumulate.ok()?.unwrap_or(1),
            seed: seed.ok()?.unwrap_or(0),
        })
    }

    /// A `train` block without parameters that it could change still has a loss and metrics to
    /// evaluate, but it was hardly meant.
    fn something_to_train(&mut self, place: Span, nodes: &[Node]) {
        let with_parameters: Vec<_> = nodes.iter().filter(|n| n.parameter_count() > 0).collect();
        if with_parameters.iter().any(|node| node.is_trainable()) {
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
        let vocabulary = (Vocabulary::Loss, Loss::WORDS);
        let (loss, named) = self.vocabulary(vocabulary, ("loss", "a loss"), value)?;
        Ok(Some((loss, named.span)))
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
        let vocabulary = (Vocabulary::Metric, Metric::WORDS);
        let (metric, _) = self.vocabulary(vocabulary, ("metrics", "a metric"), value)?;
        Ok(metric)
    }

    /// A cross-entropy reads probabilities, so the last layer must produce them.
    fn loss_fits(&mut self, loss: Loss, place: Span, nodes: &[Node]) {
        let Some(last) = nodes.last() else { return };
        let properties = loss.properties();
        let (name, wanted) = (loss.name(), properties.activation);
        if wanted == Activation::Linear {
            return;
        }
        let activation = wanted.name();
        let shape = &last.shape;
        let categorical = properties.output == Output::Classes;
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
            let help = last.op.layer().with_activation(&last.name, activation);
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
    let activation = last.output_activation().unwrap_or(Activation::Linear);
    let losses = Loss::WORDS
        .iter()
        .map(|word| (word.make)(&convert::defaults(word, false)));
    let mut fitting = losses.filter(|loss| loss.properties().activation == activation);
    match (activation, fitting.next()) {
        (Activation::Linear, _) | (_, None) => Loss::MeanSquaredError.name(),
        (_, Some(loss)) => loss.name(),
    }
}
