//! The losses and metrics of the outputs.
//!
//! With one output they are written as `loss = mse;` and `metrics = [mae];`. With several outputs, both are lists whose
//! entries name an output: `loss = [digit = categorical_crossentropy, parity = binary_crossentropy(weight = 0.5)];`. A
//! metric without a name is computed for every output. Whether the metrics fit is checked in `metrics`.

use std::sync::LazyLock;

use crate::check::arguments::{Context, Given, Reported};
use crate::check::convert;
use crate::check::metrics::WrittenMetric;
use crate::check::names::unraw;
use crate::diagnostic::suggest::{Vocabulary, closest_of};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Loss, Metric, Node, Objective, Port};
use crate::layers::{Kind, Parameter};
use crate::syntax::{Argument, Name, Span, TrainSyntax, Value, ValueKind};
use cnn_ir::loss::Output;
use cnn_ir::vocabulary::{Range, Word};

/// A loss that was written, and where.
#[derive(Clone)]
struct Written {
    loss: Loss,
    weight: f64,
    /// With the place of the list; `None` where nothing is written.
    class_weights: Option<(Vec<f32>, Span)>,
    place: Span,
}

const WEIGHT: &str = "weight";
const CLASS_WEIGHTS: &str = "class_weights";

/// What every loss takes, and then what every loss of classes takes.
const SHARED: [Parameter; 2] = [
    Parameter {
        name: WEIGHT,
        docs: &[" How much the loss counts beside those of the other outputs."],
        kind: Kind::number(Range::Positive, 1.0),
    },
    Parameter {
        name: CLASS_WEIGHTS,
        docs: &[
            " A weight for each class, by which the loss of an example or of a position of that class is multiplied;",
            " of a yes or no, first that of no.",
        ],
        kind: Kind::Other(Some("none")),
    },
];

/// The arguments of each loss, in the order of [`Loss::WORDS`].
static ARGUMENTS: LazyLock<Vec<Vec<Parameter>>> = LazyLock::new(|| {
    let arguments = |word: &Word<Loss>| {
        let loss = (word.make)(&convert::defaults(word, false));
        let shared = match loss.properties().output {
            Output::Values => &SHARED[..1],
            Output::Classes | Output::Binary | Output::Signs => &SHARED,
        };
        [word.parameters, shared].concat()
    };
    Loss::WORDS.iter().map(arguments).collect()
});

/// The arguments of a loss: its own, then those that every loss has.
pub(crate) fn arguments(word: &'static Word<Loss>) -> &'static [Parameter] {
    let mut words = Loss::WORDS.iter().zip(&*ARGUMENTS);
    let found = words.find(|(other, _)| other.name == word.name);
    found.map_or(&[], |(_, arguments)| arguments)
}

/// The arguments that losses have beside their own.
pub(crate) fn shared_arguments() -> &'static [Parameter] {
    &SHARED
}

impl Context<'_> {
    /// The objective of each output.
    pub(crate) fn objectives(
        &mut self,
        train: &TrainSyntax,
        known: Option<(&[Node], &[Port])>,
        loss: Given<&Value>,
        metrics: Given<&Value>,
    ) -> Result<Vec<Objective>, Reported> {
        // Of an unknown network nothing but the words can be checked.
        let outputs = known.map_or(&[][..], |(_, outputs)| outputs);
        let losses = self.losses(train, known, loss);
        let metrics = self.metrics(metrics?, outputs);
        let (losses, metrics) = (losses?, metrics?);
        let Some((nodes, _)) = known else {
            return Err(Reported);
        };
        for (port, written) in outputs.iter().zip(&losses) {
            let last = &nodes[port.node];
            self.loss_fits(written.loss, written.place, last);
            self.class_weights_fit(written, last);
            self.no_other_reader(written, port, nodes);
        }
        let losses_only: Vec<Loss> = losses.iter().map(|written| written.loss).collect();
        self.metrics_fit(&metrics, &losses_only, nodes, outputs);
        let objectives = losses.into_iter().zip(metrics);
        let objectives = objectives.map(|(written, metrics)| Objective {
            loss: written.loss,
            weight: written.weight,
            class_weights: written
                .class_weights
                .map_or(Vec::new(), |(weights, _)| weights),
            metrics: metrics.into_iter().map(|written| written.metric).collect(),
        });
        Ok(objectives.collect())
    }

    /// A loss that computes the activation of an output needs the output to itself.
    fn no_other_reader(&mut self, written: &Written, port: &Port, nodes: &[Node]) {
        let activation = written.loss.properties().activation;
        let mut readers = nodes.iter().filter(|node| node.inputs.contains(&port.node));
        if let (true, Some(reader)) = (activation != Activation::Linear, readers.next()) {
            let (loss, name, activation) = (written.loss.name(), &port.name, activation.name());
            let message = format!(
                "`{loss}` computes the {activation} of `{name}`, which `{}` reads",
                reader.name
            );
            self.report(
                Diagnostic::new(Code::LossMismatch, written.place, message)
                    .secondary(reader.keyword.span, "this line reads the output")
                    .help(format!(
                        "write the activation on a line of its own, `{name}: {activation};`, and read the line above it"
                    )),
            );
        }
    }

    /// The loss of each output.
    fn losses(
        &mut self,
        train: &TrainSyntax,
        known: Option<(&[Node], &[Port])>,
        value: Given<&Value>,
    ) -> Result<Vec<Written>, Reported> {
        let Some(value) = value? else {
            if !train.damaged {
                self.missing_loss(train, known);
            }
            return Err(Reported);
        };
        let outputs = known.map_or(&[][..], |(_, outputs)| outputs);
        let ValueKind::List(entries) = &value.kind else {
            let written = self.loss(value)?;
            return match outputs {
                [] | [_] => Ok(vec![written]),
                [first, second, ..] => {
                    let message = format!("one loss, but {} outputs", outputs.len());
                    let text = value.span.text(self.source);
                    Err(self.report(
                        Diagnostic::new(Code::LossOfOutputs, value.span, message).help(format!(
                            "write `loss = [{} = {text}, {} = …];`",
                            first.name, second.name
                        )),
                    ))
                }
            };
        };
        let mut found: Vec<Option<Written>> = vec![None; outputs.len()];
        let mut failed = false;
        for entry in entries {
            let written = self.loss(&entry.value);
            let place = self.output_of(entry, outputs, "loss");
            match (written, place) {
                (Ok(written), Ok(place)) if found[place].is_none() => found[place] = Some(written),
                (Ok(_), Ok(place)) => {
                    let message = format!("`{}` has two losses", outputs[place].name);
                    self.report(Diagnostic::new(Code::LossOfOutputs, entry.span(), message));
                    failed = true;
                }
                (Err(Reported), _) | (_, Err(Reported)) => failed = true,
            }
        }
        if failed || outputs.is_empty() {
            return Err(Reported);
        }
        let missing = outputs.iter().zip(&found).find(|(_, loss)| loss.is_none());
        if let Some((port, _)) = missing {
            let message = format!("there is no loss for the output `{}`", port.name);
            let diagnostic = Diagnostic::new(Code::LossOfOutputs, value.span, message);
            return Err(self.report(
                diagnostic
                    .secondary(port.span, "the output is listed here")
                    .help(format!(
                        "write `{} = mse` in the list, or another loss",
                        port.name
                    )),
            ));
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn missing_loss(&mut self, train: &TrainSyntax, known: Option<(&[Node], &[Port])>) {
        let help = match known {
            Some((nodes, outputs)) if outputs.len() > 1 => {
                let losses = outputs
                    .iter()
                    .map(|port| format!("{} = {}", port.name, fitting_loss(&nodes[port.node])));
                format!("[{}]", losses.collect::<Vec<_>>().join(", "))
            }
            Some((nodes, [port, ..])) => fitting_loss(&nodes[port.node]).to_owned(),
            Some((_, [])) | None => "mse".to_owned(),
        };
        let message = "`train` needs a `loss`";
        self.report(
            Diagnostic::new(Code::MissingArgument, train.keyword, message)
                .help(format!("write `loss = {help};`")),
        );
    }

    /// The place of the output that an entry of a list names.
    fn output_of(
        &mut self,
        entry: &Argument,
        outputs: &[Port],
        what: &str,
    ) -> Result<usize, Reported> {
        let names: Vec<&str> = outputs.iter().map(|port| port.name.as_str()).collect();
        let Some(Name { text, span }) = &entry.name else {
            // With one output there is no question.
            if outputs.len() == 1 {
                return Ok(0);
            }
            if outputs.is_empty() {
                return Err(Reported);
            }
            let message = format!("of which output is this the {what}?");
            let value = entry.value.span.text(self.source);
            return Err(self.report(
                Diagnostic::new(Code::LossOfOutputs, entry.value.span, message)
                    .help(format!("write `{} = {value}`", names[0])),
            ));
        };
        if let Some(place) = names.iter().position(|name| *name == unraw(text)) {
            return Ok(place);
        }
        if outputs.is_empty() {
            return Err(Reported);
        }
        let message = format!("there is no output `{text}`");
        let diagnostic = Diagnostic::new(Code::LossOfOutputs, *span, message);
        let diagnostic = match closest_of(text, &names) {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None if outputs.len() == 1 => {
                let value = entry.value.span.text(self.source);
                diagnostic.help(format!("write `{value}`: there is one output"))
            }
            None => diagnostic.help(format!("there are {}", names.join(", "))),
        };
        Err(self.report(diagnostic))
    }

    /// A loss, its weight and those of its classes.
    fn loss(&mut self, value: &Value) -> Result<Written, Reported> {
        let words = (Vocabulary::Loss, Loss::WORDS);
        let (word, named) = self.called(words, ("loss", "a loss"), value, arguments)?;
        let bound = &named.bound;
        let loss = self.make(word, bound);
        let weight = self.number(WEIGHT, bound.get(WEIGHT), Range::Positive);
        let class_weights = match arguments(word)
            .iter()
            .any(|other| other.name == CLASS_WEIGHTS)
        {
            true => {
                let is_none = |value: &&Value| value.kind == ValueKind::Name("none".to_owned());
                let written = bound.get(CLASS_WEIGHTS);
                let written = written.map(|value| value.filter(|value| !is_none(value)));
                self.numbers(CLASS_WEIGHTS, written, Range::NonNegative)
            }
            false => Ok(None),
        };
        let (loss, weight, class_weights) = (loss?, weight?.unwrap_or(1.0), class_weights?);
        let class_weights =
            class_weights.map(|weights| weights.iter().map(|weight| *weight as f32).collect());
        Ok(Written {
            loss,
            weight,
            class_weights: class_weights.zip(bound.span(CLASS_WEIGHTS)),
            place: named.span,
        })
    }

    /// The metrics of each output.
    fn metrics(
        &mut self,
        value: Option<&Value>,
        outputs: &[Port],
    ) -> Result<Vec<Vec<WrittenMetric>>, Reported> {
        let count = outputs.len().max(1);
        let mut metrics: Vec<Vec<WrittenMetric>> = vec![Vec::new(); count];
        let Some(value) = value else {
            return Ok(vec![Vec::new(); count]);
        };
        let ValueKind::List(entries) = &value.kind else {
            let help = format!("write `metrics = [{}];`", value.span.text(self.source));
            return Err(self.wrong_type("metrics", "a list", value, Some(help)));
        };
        let mut failed = false;
        for entry in entries {
            let of = match &entry.name {
                Some(_) => self
                    .output_of(entry, outputs, "metric")
                    .map(|place| place..place + 1),
                None => Ok(0..count),
            };
            let vocabulary = (Vocabulary::Metric, Metric::WORDS);
            let metric = self.vocabulary(vocabulary, ("metrics", "a metric"), &entry.value);
            let (Ok((metric, named)), Ok(of)) = (metric, of) else {
                failed = true;
                continue;
            };
            let span = entry.span();
            let argument = metric.word().parameters.first();
            let written = WrittenMetric {
                metric,
                span,
                place: named.span,
                argument: argument.and_then(|argument| named.bound.span(argument.name)),
                is_of_all: entry.name.is_none(),
            };
            for of_output in &mut metrics[of] {
                if let Some(first) = of_output.iter().find(|known| known.metric == metric) {
                    let message = format!("`{}` is listed twice", span.text(self.source));
                    self.report(
                        Diagnostic::new(Code::DuplicateMetric, span, message)
                            .secondary(first.span, "first listed here"),
                    );
                    break;
                }
                of_output.push(written);
            }
        }
        match failed {
            true => Err(Reported),
            false => Ok(metrics),
        }
    }

    /// There is a weight for each class.
    fn class_weights_fit(&mut self, written: &Written, last: &Node) {
        let Some((weights, span)) = &written.class_weights else {
            return;
        };
        let classes = match written.loss.properties().output {
            Output::Classes => last.shape.0.last().copied().unwrap_or(1),
            Output::Binary | Output::Signs => 2,
            // They do not take the argument.
            Output::Values => return,
        };
        if weights.len() != classes {
            let found = match weights.len() {
                1 => "one weight".to_owned(),
                count => format!("{count} weights"),
            };
            let what = match written.loss.properties().output {
                Output::Classes => format!("`{}` has {classes} classes", last.name),
                Output::Binary | Output::Signs | Output::Values => {
                    "there are two classes, no and yes".to_owned()
                }
            };
            let message = format!("{found}, but {what}");
            self.report(
                Diagnostic::new(Code::LossMismatch, *span, message)
                    .secondary(last.keyword.span, "the output"),
            );
        }
    }

    /// A cross-entropy reads probabilities, so the last layer must produce them.
    fn loss_fits(&mut self, loss: Loss, place: Span, last: &Node) {
        let properties = loss.properties();
        let (name, wanted) = (loss.name(), properties.activation);
        let activation = wanted.name();
        let found = match last.output_activation() {
            Some(Activation::Linear) | None => "without an activation".to_owned(),
            Some(found) => format!("in `{}`", found.name()),
        };
        let is_non_negative = last
            .output_activation()
            .is_some_and(|activation| activation.properties().is_non_negative);
        let shape = &last.shape;
        let one_class = properties.output == Output::Classes && shape.0.last() == Some(&1);
        let (message, help) = if one_class {
            let found = if shape.is_flat() {
                "one value".to_owned()
            } else {
                format!("{shape}, one value for each position")
            };
            (
                format!("`{name}` needs at least two classes, but `{}` produces {found}", last.name),
                "write `loss = binary_crossentropy;` with `activation = sigmoid` for a yes/no answer".to_owned(),
            )
        } else if properties.needs_non_negative && !is_non_negative {
            (
                format!(
                    "`{name}` needs outputs that are not negative, but `{}` ends {found}",
                    last.name
                ),
                last.op.layer().with_activation(&last.name, "softplus"),
            )
        } else if wanted != Activation::Linear && last.output_activation() != Some(wanted) {
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
                .secondary(last.keyword.span, "the output")
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
