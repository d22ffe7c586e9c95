//! [`Scores`]: the mean loss and metrics over some examples.

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

    /// The share that was classified rightly, of examples or of their positions, if it was asked for.
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
