//! [`Scores`]: the mean loss and the metrics over some examples.

use std::fmt;

use crate::objective::{self, Objective};
use crate::spec::Port;
use cnn_ir::Metric;

/// The mean loss over some examples, and the metrics in the order of the `train` block.
///
/// `Display` writes them as Keras does: `loss: 0.0312 - accuracy: 0.9903`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The mean loss of an example.
    pub loss: f64,
    /// Each metric; of a network with several outputs none: see [`outputs`](Self::outputs).
    pub metrics: Vec<(Metric, f64)>,
    /// Each metric of one's own, by its name: see [`Trainer::metric`](crate::Trainer::metric).
    pub custom: Vec<(String, f64)>,
    /// The scores of each output, by its label, where the network has several.
    pub outputs: Vec<(&'static str, Self)>,
}

impl Scores {
    /// From the sums over so many examples, as [`objective`](crate::objective) orders them.
    pub(crate) fn of_sums(
        outputs: &[Port],
        objectives: &[Objective],
        sums: &[f64],
        examples: usize,
    ) -> Self {
        let count = objective::losses(objectives);
        let mean = |sum: &f64| sum / examples as f64;
        let losses: Vec<f64> = sums[..count].iter().map(mean).collect();
        let mut values = objective::values(objectives, outputs, sums, examples);
        let mut scores = |objective: &Objective, loss: f64| Self {
            loss,
            metrics: (objective.metrics.iter().copied())
                .zip(values.by_ref())
                .collect(),
            custom: Vec::new(),
            outputs: Vec::new(),
        };
        if let [objective] = objectives {
            return scores(objective, losses[0]);
        }
        let each = outputs.iter().zip(objectives).zip(&losses[1..]);
        let each = each.map(|((port, objective), loss)| (port.name, scores(objective, *loss)));
        Self {
            loss: losses[0],
            outputs: each.collect(),
            metrics: Vec::new(),
            custom: Vec::new(),
        }
    }

    /// Each score with its name: `loss`, `accuracy`, and `digit_loss`, `digit_accuracy` of an output. A metric that is
    /// there several times with different settings is numbered, as in Keras: `recall`, `recall_1`.
    pub fn named(&self) -> Vec<(String, f64)> {
        let mut named = vec![("loss".to_owned(), self.loss)];
        for (place, (metric, value)) in self.metrics.iter().enumerate() {
            let before = self.metrics[..place].iter();
            let name = match before
                .filter(|(other, _)| other.name() == metric.name())
                .count()
            {
                0 => metric.name().to_owned(),
                number => format!("{}_{number}", metric.name()),
            };
            named.push((name, *value));
        }
        named.extend(self.custom.iter().cloned());
        for (output, scores) in &self.outputs {
            let of_output = scores.named().into_iter();
            named.extend(of_output.map(|(name, value)| (format!("{output}_{name}"), value)));
        }
        named
    }

    /// The same scores with other values, in the order of [`named`](Self::named); `None` of more or fewer.
    pub(crate) fn with_values(&self, values: &[f64]) -> Option<Self> {
        let mut scores = self.clone();
        let mut rest = values.iter();
        scores.fill(&mut rest)?;
        rest.next().is_none().then_some(scores)
    }

    fn fill<'v>(&mut self, values: &mut impl Iterator<Item = &'v f64>) -> Option<()> {
        self.loss = *values.next()?;
        for (_, value) in &mut self.metrics {
            *value = *values.next()?;
        }
        for (_, value) in &mut self.custom {
            *value = *values.next()?;
        }
        let mut outputs = self.outputs.iter_mut();
        outputs.try_for_each(|(_, scores)| scores.fill(values))
    }

    /// The scores of an output, by its label, where the network has several.
    pub fn output(&self, label: &str) -> Option<&Self> {
        let found = self.outputs.iter().find(|(name, _)| *name == label);
        found.map(|(_, scores)| scores)
    }

    /// The value of `metric`, if it was asked for.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        let found = self.metrics.iter().find(|(other, _)| *other == metric);
        found.map(|(_, value)| *value)
    }

    /// The share that was classified rightly, of examples or of their positions, if it was asked for.
    pub fn accuracy(&self) -> Option<f64> {
        self.metric(Metric::Accuracy)
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.named().into_iter().enumerate() {
            let separator = if index == 0 { "" } else { " - " };
            write!(f, "{separator}{name}: {}", Value(value))?;
        }
        Ok(())
    }
}

/// Writes a value as Keras does: four decimals, or an exponent where those would show nothing.
pub(crate) struct Value(pub(crate) f64);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value != 0.0 && value.is_finite() && !(1e-3..1e7).contains(&value.abs()) {
            // Rust writes `9e-4` where Python writes `9e-04`.
            let text = format!("{value:.4e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            write!(f, "{mantissa}e{exponent:+03}")
        } else {
            write!(f, "{value:.4}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnn_ir::{Activation, Loss};

    #[test]
    fn values_read_as_in_keras() {
        let cases = [
            (0.0, "0.0000"),
            (0.0312, "0.0312"),
            (0.98765, "0.9877"),
            (12.5, "12.5000"),
            (0.0009, "9.0000e-04"),
            (-0.0009, "-9.0000e-04"),
            (2.5e8, "2.5000e+08"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter(|(value, text)| Value(*value).to_string() != *text)
            .map(|(value, text)| (Value(*value).to_string(), text))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn scores_are_means_and_read_as_in_keras() {
        let port = |name| Port {
            name,
            shape: &[1],
            offset: 0,
            activation: Activation::Linear,
        };
        let of = |loss| Objective {
            loss,
            weight: 1.0,
            class_weights: &[],
            metrics: &[Metric::Accuracy, Metric::MeanAbsoluteError],
        };
        let objectives = [of(Loss::MeanSquaredError)];
        let scores = Scores::of_sums(&[port("a")], &objectives, &[5.0, 9.0, 2.5], 10);
        assert_eq!(
            scores.to_string(),
            "loss: 0.5000 - accuracy: 0.9000 - mae: 0.2500"
        );
        assert_eq!(scores.accuracy(), Some(0.9));
        assert_eq!(scores.metric(Metric::MeanSquaredError), None);

        let one = Objective {
            metrics: &[Metric::Accuracy],
            ..objectives[0]
        };
        let sums = [3.0, 1.0, 4.0, 1.0, 5.0];
        let scores = Scores::of_sums(&[port("a"), port("b")], &[one, one], &sums, 10);
        assert_eq!(
            scores.to_string(),
            "loss: 0.3000 - a_loss: 0.1000 - a_accuracy: 0.1000 - b_loss: 0.4000 - b_accuracy: 0.5000"
        );
        let of_b = scores.output("b").expect("an output");
        assert_eq!((of_b.loss, of_b.accuracy()), (0.4, Some(0.5)));
    }
}
