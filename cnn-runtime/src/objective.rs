//! What is asked of the outputs: a loss for each, and metrics.
//!
//! ```text
//! outputs, targets ──▶ losses of each example ──▶ sums over examples ──▶ scores
//! ```
//!
//! With one output, an example has one loss. With several, it has their weighted sum, which is minimised, and then the
//! loss of each output. The sums over examples are those of the losses, then those of the metrics, output by output.
//!
//! Where examples or classes have [`Weights`], the loss of each example is multiplied by its weight, and the mean is still
//! over their number, as in Keras. Metrics know no weights.
//!
//! A trainer may put losses of one's own into the place of those of the objectives, and add metrics: see `custom`.

#[cfg(feature = "std")]
pub(crate) mod custom;
#[cfg(feature = "std")]
mod measures;

use crate::kernels::Isa;
use crate::loss;
#[cfg(feature = "std")]
use crate::metric;
use crate::spec::Port;
use cnn_ir::loss::Output;
use cnn_ir::{Loss, Metric};
#[cfg(feature = "std")]
use custom::Replacement;
#[cfg(feature = "std")]
pub(crate) use measures::Measures;

/// What is asked of one output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// What is minimised.
    pub loss: Loss,
    /// How much it counts beside the losses of the other outputs.
    pub weight: f32,
    /// How much each class counts; empty where all count the same.
    pub class_weights: &'static [f32],
    /// What is reported beside the loss.
    pub metrics: &'static [Metric],
}

/// What a step says beside the objectives: how much each example counts beside the others, and what is minimised in place
/// of their losses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weights<'a> {
    /// Of each example under the loss of each output, `[n, outputs]`; empty where all count the same.
    pub examples: &'a [f32],
    /// Of each class, in place of those of the objective; empty where these stay.
    pub classes: &'a [f32],
    /// The loss of one's own for each output that has one; empty if none has.
    #[cfg(feature = "std")]
    pub losses: &'a [Option<Replacement<'a>>],
}

impl Objective {
    /// The classes that may have weights, of an output of this shape: with the largest value along the last axis, or
    /// yes and no. `None` of numbers.
    pub fn classes(&self, shape: &[usize]) -> Option<usize> {
        match self.loss.properties().output {
            Output::Classes => shape.last().copied(),
            Output::Binary | Output::Signs => Some(2),
            Output::Values => None,
        }
    }

    /// The values of one position that has a class.
    fn of_position(&self, port: &Port) -> usize {
        match self.loss.properties().output {
            Output::Classes => port.shape.last().copied().unwrap_or(1),
            Output::Binary | Output::Signs | Output::Values => 1,
        }
    }

    /// The weight of the class that the target of a position says, which for classes is the likeliest.
    fn weight_of(&self, weights: &[f32], target: &[f32]) -> f32 {
        let class = match self.loss.properties().output {
            Output::Classes => {
                let larger = |best: usize, place: usize| match target[place] > target[best] {
                    true => place,
                    false => best,
                };
                (0..target.len()).fold(0, larger)
            }
            Output::Binary => usize::from(target[0] > 0.5),
            Output::Signs => usize::from(target[0] > 0.0),
            Output::Values => return 1.0,
        };
        weights[class]
    }

    /// The loss of one example, whose positions count as much as their classes.
    fn forward(
        &self,
        port: &Port,
        isa: Isa,
        output: &mut [f32],
        target: &[f32],
        classes: &[f32],
    ) -> f32 {
        let mut loss = [0.0];
        if classes.is_empty() {
            loss::forward(self.loss, isa, port.shape, output, target, &mut loss);
            return loss[0];
        }
        let values = self.of_position(port);
        let positions = output.chunks_exact_mut(values);
        let count = positions.len() as f64;
        let mut sum = 0.0;
        for (output, target) in positions.zip(target.chunks_exact(values)) {
            loss::forward(self.loss, isa, &[values], output, target, &mut loss);
            sum += f64::from(self.weight_of(classes, target) * loss[0]);
        }
        (sum / count) as f32
    }

    /// `scale` times the gradient of [`forward`](Self::forward).
    #[expect(clippy::too_many_arguments, reason = "each is a value of its own")]
    fn backward(
        &self,
        port: &Port,
        isa: Isa,
        output: &[f32],
        target: &[f32],
        classes: &[f32],
        scale: f32,
        gradient: &mut [f32],
    ) {
        if classes.is_empty() {
            return loss::backward(self.loss, isa, port.shape, output, target, scale, gradient);
        }
        let values = self.of_position(port);
        let positions = output.chunks_exact(values);
        let scale = scale / positions.len() as f32;
        let rows = positions.zip(target.chunks_exact(values));
        for ((output, target), gradient) in rows.zip(gradient.chunks_exact_mut(values)) {
            let scale = scale * self.weight_of(classes, target);
            loss::backward(self.loss, isa, &[values], output, target, scale, gradient);
        }
    }
}

impl<'a> Weights<'a> {
    /// Those of the classes of an objective; empty where all count the same.
    fn classes(self, objective: &Objective) -> &'a [f32] {
        match self.classes {
            [] => objective.class_weights,
            _ => self.classes,
        }
    }

    /// Whether all examples of a network count the same.
    fn are_even(self, objectives: &[Objective]) -> bool {
        let mut classes = objectives.iter().map(|objective| self.classes(objective));
        #[cfg(feature = "std")]
        let are_replaced = !self.losses.is_empty();
        #[cfg(not(feature = "std"))]
        let are_replaced = false;
        !are_replaced && self.examples.is_empty() && classes.all(<[f32]>::is_empty)
    }

    /// The loss in the place of that of an output.
    #[cfg(feature = "std")]
    fn replacement(self, output: usize) -> Option<Replacement<'a>> {
        self.losses.get(output).copied().flatten()
    }

    /// That of an example under the loss of an output.
    fn of(self, example: usize, output: usize, outputs: usize) -> f32 {
        match self.examples {
            [] => 1.0,
            weights => weights[example * outputs + output],
        }
    }
}

/// How many losses an example has.
pub const fn losses(objectives: &[Objective]) -> usize {
    match objectives.len() {
        1 => 1,
        outputs => 1 + outputs,
    }
}

/// How many sums there are over examples: of the losses and of the metrics.
#[cfg(feature = "std")]
pub fn columns(objectives: &[Objective], outputs: &[Port]) -> usize {
    let metrics: usize = metrics(objectives, outputs).map(Of::columns).sum();
    losses(objectives) + metrics
}

/// A metric of an output.
#[cfg(feature = "std")]
#[derive(Clone, Copy)]
struct Of<'a> {
    metric: Metric,
    loss: Loss,
    port: &'a Port,
}

/// All metrics, output by output.
#[cfg(feature = "std")]
fn metrics<'a>(objectives: &'a [Objective], outputs: &'a [Port]) -> impl Iterator<Item = Of<'a>> {
    let outputs = objectives.iter().zip(outputs);
    outputs.flat_map(|(objective, port)| {
        let metrics = objective.metrics.iter();
        metrics.map(move |&metric| Of {
            metric,
            loss: objective.loss,
            port,
        })
    })
}

#[cfg(feature = "std")]
impl Of<'_> {
    fn columns(self) -> usize {
        metric::columns(self.metric, self.loss, self.port.shape)
    }
}

/// The value of each metric, output by output, from the sums over so many examples.
#[cfg(feature = "std")]
pub(crate) fn values<'a>(
    objectives: &'a [Objective],
    outputs: &'a [Port],
    sums: &'a [f64],
    examples: usize,
) -> impl Iterator<Item = f64> {
    let mut rest = &sums[losses(objectives)..];
    metrics(objectives, outputs).map(move |of| {
        let (sums, others) = rest.split_at(of.columns());
        rest = others;
        metric::value(of.metric, of.loss, of.port.shape, sums, examples)
    })
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
    weights: Weights<'_>,
    losses: &mut [f32],
) {
    if let ([objective], [port], true) = (objectives, outputs, weights.are_even(objectives)) {
        loss::forward(objective.loss, isa, port.shape, output, target, losses);
        if objective.weight != 1.0 {
            losses.iter_mut().for_each(|loss| *loss *= objective.weight);
        }
        return;
    }
    let row = floats(outputs);
    #[cfg(feature = "std")]
    let mut scratch = vec![0.0; if weights.losses.is_empty() { 0 } else { row }];
    let rows = output.chunks_exact_mut(row).zip(target.chunks_exact(row));
    let losses = losses.chunks_exact_mut(self::losses(objectives));
    for (example, ((output, target), losses)) in rows.zip(losses).enumerate() {
        let (total, each) = losses.split_at_mut(1);
        total[0] = 0.0;
        for (place, (objective, port)) in objectives.iter().zip(outputs).enumerate() {
            let (output, target) = (&mut output[port.range()], &target[port.range()]);
            let weight = weights.of(example, place, outputs.len());
            #[cfg(feature = "std")]
            let replaced = weights.replacement(place).map(|replacement| {
                let scratch = &mut scratch[port.range()];
                replacement.forward(port, isa, output, target, scratch)
            });
            #[cfg(not(feature = "std"))]
            let replaced = None;
            let own = weight
                * match replaced {
                    Some(loss) => loss,
                    None => {
                        let classes = weights.classes(objective);
                        objective.forward(port, isa, output, target, classes)
                    }
                };
            total[0] += objective.weight * own;
            if let Some(loss) = each.get_mut(place) {
                *loss = own;
            }
        }
    }
}

/// `scale` times the gradient of the loss of each example, to `gradient`, `[n, ..]`, from what [`forward`] left.
///
/// # Panics
/// If a slice is of another length.
#[expect(clippy::too_many_arguments, reason = "each is a buffer of its own")]
pub fn backward(
    objectives: &[Objective],
    outputs: &[Port],
    isa: Isa,
    output: &[f32],
    target: &[f32],
    weights: Weights<'_>,
    scale: f32,
    gradient: &mut [f32],
) {
    if let ([objective], [port], true) = (objectives, outputs, weights.are_even(objectives)) {
        let (loss, scale) = (objective.loss, scale * objective.weight);
        return loss::backward(loss, isa, port.shape, output, target, scale, gradient);
    }
    let row = floats(outputs);
    let rows = output.chunks_exact(row).zip(target.chunks_exact(row));
    for (example, ((output, target), gradient)) in
        rows.zip(gradient.chunks_exact_mut(row)).enumerate()
    {
        for (place, (objective, port)) in objectives.iter().zip(outputs).enumerate() {
            let range = port.range();
            let (output, target) = (&output[range.clone()], &target[range.clone()]);
            let gradient = &mut gradient[range];
            let scale = scale * objective.weight * weights.of(example, place, outputs.len());
            #[cfg(feature = "std")]
            if let Some(replacement) = weights.replacement(place) {
                replacement.backward(port, isa, output, target, scale, gradient);
                continue;
            }
            let classes = weights.classes(objective);
            objective.backward(port, isa, output, target, classes, scale, gradient);
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
    let (of_losses, mut rest) = sums.split_at_mut(count);
    for (column, sum) in of_losses.iter_mut().enumerate() {
        let losses = losses.iter().skip(column).step_by(count);
        *sum = losses.map(|loss| f64::from(*loss)).sum();
    }
    let row = floats(outputs);
    for of in metrics(objectives, outputs) {
        let (sums, others) = rest.split_at_mut(of.columns());
        rest = others;
        sums.fill(0.0);
        let Of { metric, loss, port } = of;
        let mut add = |output, target| metric::add(metric, loss, port.shape, output, target, sums);
        if outputs.len() == 1 {
            add(output, target);
            continue;
        }
        for (output, target) in output.chunks_exact(row).zip(target.chunks_exact(row)) {
            add(&output[port.range()], &target[port.range()]);
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
            loss: Loss::CategoricalCrossentropy {
                label_smoothing: 0.0,
            },
            weight: 1.0,
            class_weights: &[],
            metrics: &[Metric::Accuracy],
        },
        Objective {
            loss: Loss::MeanSquaredError,
            weight: 0.5,
            class_weights: &[],
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
            Weights::default(),
            &mut losses,
        );
        let mut gradient = [0.0; 10];
        backward(
            &OBJECTIVES,
            &OUTPUTS,
            isa,
            &output,
            &target,
            Weights::default(),
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

    /// The loss of a batch with weights of examples and of classes is that of Keras, and its gradient is the slope.
    #[test]
    fn weights_are_those_of_keras() {
        use crate::loss::tests::{lines, made, numbers};
        for line in lines(include_str!("loss/weighted.txt")) {
            let [name, shape, z, target, examples, classes, expected] = line[..] else {
                panic!("seven fields: {line:?}");
            };
            let shape: &'static [usize] = Vec::leak(numbers(shape));
            let [z, target, examples, classes] = [z, target, examples, classes].map(numbers::<f32>);
            let expected: f64 = expected.parse().expect("a number");
            let port = [Port {
                name: "one",
                shape,
                offset: 0,
                activation: Activation::Linear,
            }];
            let loss = made(Loss::WORDS, name, "");
            let count = z.len() / port[0].len();
            let objective = |class_weights| {
                [Objective {
                    loss,
                    weight: 1.0,
                    class_weights,
                    metrics: &[],
                }]
            };
            // As a setting of the trainer, and as an argument of the loss.
            let of_trainer = (objective(&[]), &classes[..]);
            let of_loss = (objective(Vec::leak(classes.clone())), &[][..]);
            let mut gradients = Vec::new();
            for (objectives, classes) in [of_trainer, of_loss] {
                let weights = Weights {
                    examples: &examples,
                    classes,
                    losses: &[],
                };
                let mean = |z: &[f32]| {
                    let (mut output, mut losses) = (z.to_vec(), vec![f32::NAN; count]);
                    let isa = Isa::detect();
                    forward(
                        &objectives,
                        &port,
                        isa,
                        &mut output,
                        &target,
                        weights,
                        &mut losses,
                    );
                    let sum: f64 = losses.iter().map(|loss| f64::from(*loss)).sum();
                    (output, sum / count as f64)
                };
                let (output, found) = mean(&z);
                assert!(
                    (found - expected).abs() < 1e-6 * expected,
                    "{line:?}: {found}"
                );
                let mut gradient = vec![f32::NAN; z.len()];
                let scale = 1.0 / count as f32;
                let isa = Isa::detect();
                backward(
                    &objectives,
                    &port,
                    isa,
                    &output,
                    &target,
                    weights,
                    scale,
                    &mut gradient,
                );
                for (place, slope) in gradient.iter().enumerate() {
                    let shifted = |by: f32| {
                        let mut z = z.clone();
                        z[place] += by;
                        mean(&z).1
                    };
                    let difference = (shifted(1.0 / 64.0) - shifted(-1.0 / 64.0)) * 32.0;
                    assert!(
                        (difference - f64::from(*slope)).abs() < 1e-3,
                        "{line:?}, {place}"
                    );
                }
                gradients.push(gradient);
            }
            assert_eq!(gradients[0], gradients[1]);
        }
    }

    /// Weights of 1 change no bit, whatever the output is.
    #[test]
    fn even_weights_are_none() {
        let mut random = crate::kernels::test_support::Random::new(3);
        for (loss, shape) in [
            (Loss::categorical_crossentropy(), &[2, 2, 3][..]),
            (Loss::binary_crossentropy(), &[5]),
            (Loss::mse(), &[4]),
        ] {
            let port = [Port {
                name: "one",
                shape,
                offset: 0,
                activation: Activation::Linear,
            }];
            let objectives = [Objective {
                loss,
                weight: 0.75,
                class_weights: &[],
                metrics: &[],
            }];
            let z = random.floats(6 * port[0].len());
            let target: Vec<f32> = z.iter().map(|z| f32::from(*z > 0.3)).collect();
            let run = |examples: &[f32]| {
                let weights = Weights {
                    examples,
                    classes: &[],
                    losses: &[],
                };
                let isa = Isa::detect();
                let (mut output, mut losses) = (z.clone(), vec![f32::NAN; 6]);
                let mut gradient = vec![f32::NAN; z.len()];
                forward(
                    &objectives,
                    &port,
                    isa,
                    &mut output,
                    &target,
                    weights,
                    &mut losses,
                );
                backward(
                    &objectives,
                    &port,
                    isa,
                    &output,
                    &target,
                    weights,
                    0.3,
                    &mut gradient,
                );
                (output, losses, gradient)
            };
            assert_eq!(run(&[]), run(&[1.0; 6]), "{loss:?}");
        }
    }
}
