//! The `train` block. The losses and metrics of its outputs are read in `objectives`, augmentations in
//! `augment`.

use std::collections::HashMap;

use crate::check::arguments::{Context, Given, Reported};
use crate::diagnostic::suggest::{Hint, Vocabulary, hint};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Node, Optimizer, Port, Train};
use crate::syntax::{Span, TrainSyntax, Value, ValueKind};

pub(crate) const SETTINGS: &[&str] = &[
    "loss",
    "optimizer",
    "metrics",
    "epochs",
    "batch_size",
    "accumulate",
    "seed",
    "augment",
];
impl Context<'_> {
    /// Reads a `train` block. `known` are the nodes and the outputs of the network, if it is known.
    pub(crate) fn train(
        &mut self,
        train: &TrainSyntax,
        known: Option<(&[Node], &[Port])>,
    ) -> Option<Train> {
        let settings = self.settings(train);
        let get = |name: &str| -> Given<&Value> {
            match settings.get(name) {
                Some(value) if value.kind == ValueKind::Invalid => Err(Reported),
                value => Ok(value.copied()),
            }
        };
        let objectives = self.objectives(train, known, get("loss"), get("metrics"));
        let augment = self.augment(get("augment"), known, objectives.as_deref().ok());
        let optimizer = get("optimizer").and_then(|value| match value {
            Some(value) => self.optimizer(value),
            None => Ok(Optimizer::default()),
        });
        let epochs = self.count("epochs", get("epochs"));
        let batch_size = self.count("batch_size", get("batch_size"));
        let accumulate = self.count("accumulate", get("accumulate"));
        let seed = self.seed("seed", get("seed"));
        if let Some((nodes, _)) = known
            && nodes.len() > 1
        {
            self.something_to_train(train.keyword, nodes);
        }
        Some(Train {
            objectives: objectives.ok()?,
            optimizer: optimizer.ok()?,
            epochs: epochs.ok()?.unwrap_or(1),
            batch_size: batch_size.ok()?.unwrap_or(32),
            accumulate: accumulate.ok()?.unwrap_or(1),
            seed: seed.ok()?.unwrap_or(0),
            augment: augment.ok()?,
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
}
