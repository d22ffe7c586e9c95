//! What training and evaluation report: [`Scores`], one [`Epoch`], a whole [`History`].

use std::fmt;

use cnn_ir::Metric;

/// The mean loss over some examples, and the metrics in the order of the `train` block.
///
/// `Display` writes them as Keras does: `loss: 0.0312 - accuracy: 0.9903`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The mean loss of an example.
    pub loss: f64,
    /// The mean of each metric.
    pub metrics: Vec<(Metric, f64)>,
}

impl Scores {
    /// The means of `sums`, the loss first, over `examples` examples.
    pub(crate) fn mean(metrics: &[Metric], sums: &[f64], examples: usize) -> Self {
        let examples = examples as f64;
        Self {
            loss: sums[0] / examples,
            metrics: metrics
                .iter()
                .zip(&sums[1..])
                .map(|(&metric, sum)| (metric, sum / examples))
                .collect(),
        }
    }

    /// The value of `metric`, if it was asked for.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        let found = self.metrics.iter().find(|(other, _)| *other == metric);
        found.map(|(_, value)| *value)
    }

    /// The share of examples that were classified rightly, if it was asked for.
    pub fn accuracy(&self) -> Option<f64> {
        self.metric(Metric::Accuracy)
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss: {}", Value(self.loss))?;
        for (metric, value) in &self.metrics {
            write!(f, " - {}: {}", metric.name(), Value(*value))?;
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

/// One pass over the training data.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Its number within this call of `fit`, from 1.
    pub number: usize,
    /// Over the training data, each batch with the weights of its time and with dropout.
    pub scores: Scores,
    /// Over the validation data, with the weights at the end of the epoch.
    pub validation: Option<Scores>,
    /// How many examples were trained on; fewer than there are if training was stopped.
    pub examples: usize,
    /// How long the training took, without the validation.
    pub seconds: f64,
}

impl Epoch {
    /// Examples trained on in a second.
    pub fn examples_per_second(&self) -> f64 {
        self.examples as f64 / self.seconds
    }
}

/// What a call of `fit` did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The epochs in order; the last one is cut short if training was stopped within it.
    pub epochs: Vec<Epoch>,
    /// Whether training ended because the stop flag was set.
    pub stopped: bool,
}

impl History {
    /// The training loss of the last epoch; `None` if there was none.
    pub fn loss(&self) -> Option<f64> {
        self.epochs.last().map(|epoch| epoch.scores.loss)
    }

    /// The training accuracy of the last epoch, if it was asked for.
    pub fn accuracy(&self) -> Option<f64> {
        self.epochs.last()?.scores.accuracy()
    }

    /// The scores of the last epoch on the validation data, if some was given.
    pub fn validation(&self) -> Option<&Scores> {
        self.epochs.last()?.validation.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let metrics = [Metric::Accuracy, Metric::MeanAbsoluteError];
        let scores = Scores::mean(&metrics, &[5.0, 9.0, 2.5], 10);
        assert_eq!(
            scores.to_string(),
            "loss: 0.5000 - accuracy: 0.9000 - mae: 0.2500"
        );
        assert_eq!(scores.accuracy(), Some(0.9));
        assert_eq!(scores.metric(Metric::MeanSquaredError), None);
    }
}
