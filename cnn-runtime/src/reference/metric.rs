//! Metrics example by example.

use super::Real;
use crate::kernels::{Loss, Metric};

/// The sum of the metric over the examples; `output` and `target` are `[n, units]`.
pub fn sum<T: Real>(metric: Metric, loss: Loss, units: usize, output: &[T], target: &[T]) -> f64 {
    let examples = output.chunks(units).zip(target.chunks(units));
    examples.map(|(y, t)| example(metric, loss, y, t)).sum()
}

fn example<T: Real>(metric: Metric, loss: Loss, y: &[T], t: &[T]) -> f64 {
    let mean = |f: &dyn Fn(f64, f64) -> f64| {
        let values = y.iter().zip(t).map(|(y, t)| f(y.to_f64(), t.to_f64()));
        values.sum::<f64>() / y.len() as f64
    };
    match (metric, loss) {
        (Metric::MeanAbsoluteError, _) => mean(&|y, t| (y - t).abs()),
        (Metric::MeanSquaredError, _) => mean(&|y, t| (y - t).powi(2)),
        (Metric::Accuracy, Loss::BinaryCrossentropy) => mean(&same_side),
        (Metric::Accuracy, Loss::MeanSquaredError) if y.len() == 1 => mean(&same_side),
        (Metric::Accuracy, _) => f64::from(first_largest(y) == first_largest(t)),
    }
}

fn same_side(y: f64, t: f64) -> f64 {
    f64::from((y > 0.5) == (t > 0.5))
}

fn first_largest<T: Real>(row: &[T]) -> Option<usize> {
    (0..row.len()).find(|i| row.iter().all(|other| row[*i] >= *other))
}
