//! Whether metrics fit the outputs that they are asked for.
//!
//! What an output is follows from its loss: scores of classes, answers of yes or no, numbers. Under a loss of numbers, the
//! activation tells: those of a softmax or a sigmoid are answers, too.

use crate::check::arguments::Context;
use crate::diagnostic::suggest::suggestion;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Loss, Metric, Node, Port};
use crate::syntax::Span;
use cnn_ir::loss::Output;
use cnn_ir::metric::{MOST_THRESHOLDS, Of};

/// A metric that was written, and where.
#[derive(Clone, Copy)]
pub(crate) struct WrittenMetric {
    pub(crate) metric: Metric,
    /// All of it.
    pub(crate) span: Span,
    /// Its name.
    pub(crate) place: Span,
    /// The argument, if one is written.
    pub(crate) argument: Option<Span>,
    /// Whether it names no output.
    pub(crate) is_of_all: bool,
}

/// What the values of an output are.
fn meaning(loss: Loss, last: &Node) -> Output {
    let is_one = last.shape.0.last() == Some(&1);
    match (loss.properties().output, last.output_activation()) {
        (Output::Values, Some(Activation::Sigmoid | Activation::HardSigmoid)) => Output::Binary,
        (Output::Values, Some(Activation::Softmax)) if !is_one => Output::Classes,
        (output, _) => output,
    }
}

/// Whether a metric is of such an output.
fn fits(of: Of, loss: Loss, last: &Node) -> bool {
    let values = last.shape.0.last().copied().unwrap_or(1);
    match (of, meaning(loss, last)) {
        (Of::Anything, _) => true,
        (_, Output::Values) => false,
        // The largest of several wins, unless the loss takes each by itself.
        (Of::Answers, meaning) => match loss.properties().output.answers(values) {
            Output::Classes => meaning == Output::Classes,
            Output::Binary | Output::Signs | Output::Values => true,
        },
        (Of::YesOrNo, meaning) => meaning != Output::Classes,
        (Of::Probabilities, meaning) => meaning == Output::Binary,
        (Of::Classes, meaning) => meaning == Output::Classes,
    }
}

impl Context<'_> {
    /// Reports the metrics that do not fit their outputs.
    pub(crate) fn metrics_fit(
        &mut self,
        metrics: &[Vec<WrittenMetric>],
        losses: &[Loss],
        nodes: &[Node],
        outputs: &[Port],
    ) {
        let all: Vec<(Loss, &Port)> = losses.iter().copied().zip(outputs).collect();
        for (metrics, (loss, port)) in metrics.iter().zip(&all) {
            for written in metrics {
                let last = &nodes[port.node];
                let of = written.metric.properties().of;
                if fits(of, *loss, last) {
                    self.argument_fits(written, *loss, last);
                    continue;
                }
                let others = all
                    .iter()
                    .filter(|(loss, port)| fits(of, *loss, &nodes[port.node]));
                let other = others.map(|(_, port)| port.name.as_str()).next();
                let other = other.filter(|_| written.is_of_all);
                self.no_such_output(written, *loss, last, other);
            }
        }
    }

    fn no_such_output(
        &mut self,
        written: &WrittenMetric,
        loss: Loss,
        last: &Node,
        other: Option<&str>,
    ) {
        let name = written.metric.name();
        let needed = match written.metric.properties().of {
            Of::Anything => return,
            Of::Answers => "classes, or a yes or no",
            Of::YesOrNo => "a yes or no",
            Of::Probabilities => "probabilities of a yes",
            Of::Classes => "scores of classes",
        };
        let (meaning, loss_name) = (meaning(loss, last), loss.name());
        let found = match meaning {
            Output::Classes => "scores of classes",
            Output::Binary => "probabilities of a yes",
            Output::Signs => "numbers whose sign is the answer",
            Output::Values => "numbers",
        };
        let message = format!(
            "`{name}` is of {needed}, but the outputs of `{}` under `{loss_name}` are {found}",
            last.name
        );
        let fitting = Metric::WORDS.iter().filter(|word| {
            let metric = (word.make)(&crate::check::convert::defaults(word, false));
            let of = metric.properties().of;
            (of == Of::Anything) == (meaning == Output::Values) && fits(of, loss, last)
        });
        let names: Vec<&str> = fitting
            .map(|word| word.name)
            .filter(|name| meaning != Output::Values || *name != Metric::Accuracy.name())
            .collect();
        let help = match other {
            Some(other) => {
                let text = written.span.text(self.source);
                format!("write `{other} = {text}` for that output alone")
            }
            None if names.is_empty() => {
                "use `accuracy`, or `loss = binary_crossentropy;`".to_owned()
            }
            None => suggestion("a metric", &names),
        };
        self.report(
            Diagnostic::new(Code::MetricMismatch, written.place, message)
                .secondary(last.keyword.span, "the output")
                .help(help),
        );
    }

    /// The settings of a metric that is of such an output.
    fn argument_fits(&mut self, written: &WrittenMetric, loss: Loss, last: &Node) {
        let name = written.metric.name();
        let classes = last.shape.0.last().copied().unwrap_or(1);
        let place = written.argument.unwrap_or(written.place);
        let (message, help) = match written.metric {
            Metric::Precision { .. }
            | Metric::Recall { .. }
            | Metric::F1Score { .. }
            | Metric::BinaryAccuracy { .. }
            | Metric::BinaryIou { .. } => match (meaning(loss, last), written.argument) {
                (Output::Signs, None) => (
                    format!(
                        "`{name}` takes outputs above 0.5 for a yes, but under `{}` they are on either side of 0",
                        loss.name()
                    ),
                    format!("write `{name}(threshold = 0)`"),
                ),
                (Output::Classes, Some(_)) => (
                    format!(
                        "the class with the largest output is found, so `{name}` has no threshold"
                    ),
                    format!("write `{name}`"),
                ),
                (Output::Signs | Output::Classes | Output::Binary | Output::Values, _) => return,
            },
            Metric::TopKAccuracy { k } if k >= classes as u64 => (
                format!("the target is always among the {k} largest of {classes} outputs"),
                format!("write `{name}(k = {})`, or less", classes - 1),
            ),
            Metric::Auc { num_thresholds } if num_thresholds > MOST_THRESHOLDS => (
                format!(
                    "`num_thresholds` must be at most {MOST_THRESHOLDS}, found {num_thresholds}"
                ),
                "the default, 200, is enough for three digits".to_owned(),
            ),
            Metric::Accuracy
            | Metric::TopKAccuracy { .. }
            | Metric::Auc { .. }
            | Metric::MeanIou
            | Metric::MeanAbsoluteError
            | Metric::MeanSquaredError
            | Metric::RootMeanSquaredError
            | Metric::MeanAbsolutePercentageError
            | Metric::R2Score => return,
        };
        self.report(Diagnostic::new(Code::MetricMismatch, place, message).help(help));
    }
}
