//! What is asked of the outputs: a loss for each, and metrics.
//!
//! ```text
//! outputs, targets ──▶ losses of each example ──▶ sums over examples ──▶ scores
//! ```
//!
//! With one output, an example has one loss. With several, it has their weighted sum, which is minimised, and then the
//! loss of each output. The sums over examples are those of the losses, then those of the metrics, output by output.

use crate::kernels::Isa;
use crate::loss;
#[cfg(feature = "std")]
use crate::metric;
use crate::spec::Port;
use cnn_ir::{Loss, Metric};

/// What is asked of one output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// What is minimised.
    pub loss: Loss,
    /// How much it counts beside the losses of the other outputs.
    pub weight: f32,
    /// What is reported beside the loss.
    pub metrics: &'static [Metric],
}

/// How many losses an example has.
pub const fn losses(objectives: &[Objective]) -> usize {
    match objectives.len() {
        1 => 1,
        outputs => 1 + outputs,
    }
}

/// How many sums there are over examples: of the losses and of the metrics.
pub fn columns(objectives: &[Objective]) -> usize {
    let metrics: usize = objectives.iter().map(|of| of.metrics.len()).sum();
    losses(objectives) + metrics
}

/// Where an output lies in the row of all.
fn floats(outputs: &[Port]) -> usize {
    outputs.iter().map(Port::len).sum()
}

/// The losses of each example, to `losses`, `[n, losses]`; `output` and `target` are `[n, ..]`.
///
/// Logits become what the activation of their loss makes of them.
///
/// # Panics
/// If a slice is of another length.
pub fn forward(
    objectives: &[Objective],
    outputs: &[Port],
    isa: Isa,
    output: &mut [f32],
    target: &[f32],
    losses: &mut [f32],
) {
    if let ([objective], [port]) = (objectives, outputs) {
        loss::forward(objective.loss, isa, port.shape, output, target, losses);
        if objective.weight != 1.0 {
            losses.iter_mut().for_each(|loss| *loss *= objective.weight);
        }
        return;
    }
    let row = floats(outputs);
    let rows = output.chunks_exact_mut(row).zip(target.chunks_exact(row));
    let losses = losses.chunks_exact_mut(self::losses(objectives));
    for ((output, target), losses) in rows.zip(losses) {
        let (total, each) = losses.split_at_mut(1);
        total[0] = 0.0;
        for ((objective, port), own) in objectives.iter().zip(outputs).zip(each.chunks_mut(1)) {
            let (output, target) = (&mut output[port.range()], &target[port.range()]);
            loss::forward(objective.loss, isa, port.shape, output, target, own);
            total[0] += objective.weight * own[0];
        }
    }
}

/// `scale` times the gradient of the loss of each example, to `gradient`, `[n, ..]`, from what [`forward`] left.
///
/// # Panics
/// If a slice is of another length.
pub fn backward(
    objectives: &[Objective],
    outputs: &[Port],
    isa: Isa,
    output: &[f32],
    target: &[f32],
    scale: f32,
    gradient: &mut [f32],
) {
    if let ([objective], [port]) = (objectives, outputs) {
        let (loss, scale) = (objective.loss, scale * objective.weight);
        return loss::backward(loss, isa, port.shape, output, target, scale, gradient);
    }
    let row = floats(outputs);
    let rows = output.chunks_exact(row).zip(target.chunks_exact(row));
    for ((output, target), gradient) in rows.zip(gradient.chunks_exact_mut(row)) {
        for (objective, port) in objectives.iter().zip(outputs) {
            loss::backward(
                objective.loss,
                isa,
                port.shape,
                &output[port.range()],
                &target[port.range()],
                scale * objective.weight,
                &mut gradient[port.range()],
            );
        }
    }
}

/// The sums of the losses and metrics over examples, [`columns`] of them, from what [`forward`] left.
///
/// # Panics
/// If a slice is of another length.
#[cfg(feature = "std")]
pub(crate) fn sum(
    objectives: &[Objective],
    outputs: &[Port],
    output: &[f32],
    target: &[f32],
    losses: &[f32],
    sums: &mut [f64],
) {
    let count = self::losses(objectives);
    let (of_losses, of_metrics) = sums.split_at_mut(count);
    for (column, sum) in of_losses.iter_mut().enumerate() {
        let losses = losses.iter().skip(column).step_by(count);
        *sum = losses.map(|loss| f64::from(*loss)).sum();
    }
    let row = floats(outputs);
    let mut rest = of_metrics.iter_mut();
    for (objective, port) in objectives.iter().zip(outputs) {
        let (loss, shape) = (objective.loss, port.shape);
        for &metric in objective.metrics {
            let Some(sum) = rest.next() else { return };
            *sum = match outputs {
                [_] => metric::sum(metric, loss, shape, output, target),
                _ => {
                    let rows = output.chunks_exact(row).zip(target.chunks_exact(row));
                    let of_row = |(output, target): (&[f32], &[f32])| {
                        metric::sum(
                            metric,
                            loss,
                            shape,
                            &output[port.range()],
                            &target[port.range()],
                        )
                    };
                    rows.map(of_row).sum()
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnn_ir::Activation;

    const OUTPUTS: [Port; 2] = [
        Port {
            name: "digit",
            shape: &[3],
            offset: 0,
            activation: Activation::Softmax,
        },
        Port {
            name: "size",
            shape: &[2],
            offset: 3,
            activation: Activation::Linear,
        },
    ];
    const OBJECTIVES: [Objective; 2] = [
        Objective {
            loss: Loss::CategoricalCrossentropy,
            weight: 1.0,
            metrics: &[Metric::Accuracy],
        },
        Objective {
            loss: Loss::MeanSquaredError,
            weight: 0.5,
            metrics: &[Metric::MeanAbsoluteError],
        },
    ];

    /// Each output by itself gives the same values.
    #[test]
    fn outputs_are_apart() {
        let logits = [0.1, 2.0, -1.0, 3.0, 4.0, -0.5, 0.5, 0.25, 1.0, -2.0];
        let target = [0.0, 1.0, 0.0, 2.0, 2.0, 1.0, 0.0, 0.0, 0.0, -1.0];
        let isa = Isa::detect();
        let (mut output, mut losses) = (logits, [0.0; 6]);
        forward(
            &OBJECTIVES,
            &OUTPUTS,
            isa,
            &mut output,
            &target,
            &mut losses,
        );
        let mut gradient = [0.0; 10];
        backward(
            &OBJECTIVES,
            &OUTPUTS,
            isa,
            &output,
            &target,
            0.5,
            &mut gradient,
        );
        for (example, losses) in losses.chunks(3).enumerate() {
            let mut total = 0.0;
            for (place, (port, objective)) in OUTPUTS.iter().zip(OBJECTIVES).enumerate() {
                let of = |values: &[f32]| values[5 * example..][port.range()].to_vec();
                let (mut own, mut loss) = (of(&logits), [0.0]);
                loss::forward(
                    objective.loss,
                    isa,
                    port.shape,
                    &mut own,
                    &of(&target),
                    &mut loss,
                );
                assert_eq!(loss[0], losses[1 + place]);
                total += objective.weight * loss[0];
                assert_eq!(own, of(&output));
                let mut expected = vec![0.0; port.len()];
                let scale = 0.5 * objective.weight;
                loss::backward(
                    objective.loss,
                    isa,
                    port.shape,
                    &own,
                    &of(&target),
                    scale,
                    &mut expected,
                );
                assert_eq!(expected, of(&gradient));
            }
            assert_eq!(total, losses[0]);
        }
        let mut sums = [0.0; 5];
        sum(&OBJECTIVES, &OUTPUTS, &output, &target, &losses, &mut sums);
        assert_eq!(sums[0], f64::from(losses[0]) + f64::from(losses[3]));
        // The second example is wrong; the errors are 1, 2, 1, 1.
        assert_eq!(sums[3..], [1.0, 2.5]);
    }
}
