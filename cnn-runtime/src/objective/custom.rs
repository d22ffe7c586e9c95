//! Losses and metrics of one's own: functions of the program in the place of words of the description.
//!
//! ```text
//! outputs, targets ──activation──▶ predictions ──▶ the function: loss, gradient ──backward of the activation──▶ gradient
//! ```
//!
//! A loss of the language may be computed together with the activation of its output, from the logits. A loss of one's own
//! sees what the activation makes of them, as a prediction does, and its gradient goes back through the activation here.

use super::{Measures, Objective};
use crate::error::Error;
use crate::kernels::Isa;
use crate::ops::activation;
use crate::spec::Port;

/// A function that returns the loss of an example and writes its gradient.
pub(crate) type LossFunction<'a> = dyn Fn(&[f32], &[f32], &mut [f32]) -> f32 + Sync + 'a;

/// A metric of one's own as a function of sums over examples, for [`Trainer::metric_of_sums`](crate::Trainer::metric_of_sums).
///
/// The sums over all examples are added up in a fixed order, so the value does not depend on batches and threads.
///
/// ```
/// use cnn::CustomMetric;
///
/// /// The coefficient of correlation of the first outputs and their targets.
/// struct Correlation;
///
/// impl CustomMetric for Correlation {
///     fn sums(&self) -> usize {
///         5
///     }
///
///     fn add(&self, prediction: &[f32], target: &[f32], sums: &mut [f64]) {
///         let (y, t) = (f64::from(prediction[0]), f64::from(target[0]));
///         for (sum, value) in sums.iter_mut().zip([y, t, y * y, t * t, y * t]) {
///             *sum += value;
///         }
///     }
///
///     fn value(&self, sums: &[f64], examples: usize) -> f64 {
///         let [y, t, yy, tt, yt] = [0, 1, 2, 3, 4].map(|place| sums[place] / examples as f64);
///         (yt - y * t) / ((yy - y * y) * (tt - t * t)).sqrt()
///     }
///
///     fn larger_is_better(&self) -> Option<bool> {
///         Some(true)
///     }
/// }
/// # cnn::network! {
/// #     network Line { input(1); dense(1); train { loss = mse; } }
/// # }
/// # let inputs = cnn::ndarray::array![[0.0], [1.0], [2.0]];
/// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0, 2.5])?;
/// # let mut net = Line::new(0);
/// let history = net.trainer().metric_of_sums("correlation", Correlation).fit(&train)?;
/// println!("{}", history.epochs[0].scores); // loss: … - correlation: …
/// # assert_eq!(history.epochs[0].scores.custom[0].0, "correlation");
/// # Ok::<(), cnn::Error>(())
/// ```
pub trait CustomMetric: Sync {
    /// How many sums there are, 1 or more.
    fn sums(&self) -> usize {
        1
    }

    /// Adds an example to the sums; of each, all values of the output and of the target, flat.
    fn add(&self, prediction: &[f32], target: &[f32], sums: &mut [f64]);

    /// The value over so many examples.
    fn value(&self, sums: &[f64], examples: usize) -> f64 {
        sums[0] / examples as f64
    }

    /// Whether larger is better, for callbacks that follow it. Where it is `None`, these need a
    /// [`mode`](crate::callbacks::EarlyStopping::mode).
    fn larger_is_better(&self) -> Option<bool> {
        None
    }
}

/// The mean of a function over the examples.
pub(crate) struct Mean<F>(pub(crate) F);

impl<F: Fn(&[f32], &[f32]) -> f64 + Sync> CustomMetric for Mean<F> {
    fn add(&self, prediction: &[f32], target: &[f32], sums: &mut [f64]) {
        sums[0] += (self.0)(prediction, target);
    }
}

/// What a trainer asks of the outputs beside the `train` block.
#[derive(Default)]
pub(crate) struct Custom<'a> {
    losses: Vec<CustomLoss<'a>>,
    metrics: Vec<Measure<'a>>,
}

/// A loss in the place of that of an output.
struct CustomLoss<'a> {
    /// Its place; `None` of the only output.
    output: Option<usize>,
    name: String,
    function: Box<LossFunction<'a>>,
}

/// A metric of an output.
struct Measure<'a> {
    /// Its place; `None` of the only output.
    output: Option<usize>,
    name: String,
    metric: Box<dyn CustomMetric + 'a>,
}

impl<'a> Custom<'a> {
    /// Puts a loss into the place of that of an output.
    pub(crate) fn set_loss(
        &mut self,
        output: Option<usize>,
        name: String,
        function: Box<LossFunction<'a>>,
    ) {
        self.losses.retain(|loss| loss.output != output);
        self.losses.push(CustomLoss {
            output,
            name,
            function,
        });
        self.losses.sort_by_key(|loss| loss.output);
    }

    /// Adds a metric of an output.
    pub(crate) fn add_metric(
        &mut self,
        output: Option<usize>,
        name: String,
        metric: Box<dyn CustomMetric + 'a>,
    ) {
        self.metrics.push(Measure {
            output,
            name,
            metric,
        });
    }

    /// The loss in the place of that of an output, for each of so many; empty if there is none at all.
    pub(crate) fn losses(&self, outputs: usize) -> Vec<Option<Replacement<'_>>> {
        if self.losses.is_empty() {
            return Vec::new();
        }
        let of = |output: usize| {
            let found = self
                .losses
                .iter()
                .find(|loss| loss.output.unwrap_or(0) == output);
            found.map(|loss| Replacement(&*loss.function))
        };
        (0..outputs).map(of).collect()
    }

    /// Whether an output has a loss of one's own.
    pub(crate) fn has_losses(&self) -> bool {
        !self.losses.is_empty()
    }

    /// For a checkpoint: the losses and their outputs. Of functions no more is known than the names.
    pub(crate) fn loss_names(&self, outputs: &[Port]) -> Vec<String> {
        let of = |loss: &CustomLoss<'_>| in_output(outputs, loss.output, &loss.name);
        self.losses.iter().map(of).collect()
    }

    /// The same of the metrics, as they are called in [`Scores::named`](crate::Scores::named).
    pub(crate) fn metric_names(&self, outputs: &[Port]) -> Vec<String> {
        let of = |measure: &Measure<'_>| in_output(outputs, measure.output, &measure.name);
        self.metrics.iter().map(of).collect()
    }

    /// Of each metric of an output, whether larger is better, if that is known.
    pub(crate) fn directions(&self, output: usize) -> impl Iterator<Item = Option<bool>> {
        let metrics = self.metrics.iter();
        let metrics = metrics.filter(move |measure| measure.place() == output);
        metrics.map(|measure| measure.metric.larger_is_better())
    }

    /// How many sums there are over examples.
    pub(super) fn columns(&self) -> usize {
        self.metrics.iter().map(Measure::columns).sum()
    }

    /// The sums over examples, `[n, ..]`, of a network with these outputs.
    pub(super) fn sum(&self, outputs: &[Port], output: &[f32], target: &[f32], sums: &mut [f64]) {
        let row = super::floats(outputs);
        let mut rest = sums;
        for measure in &self.metrics {
            let (sums, others) = rest.split_at_mut(measure.columns());
            rest = others;
            sums.fill(0.0);
            let range = outputs[measure.place()].range();
            for (output, target) in output.chunks_exact(row).zip(target.chunks_exact(row)) {
                let (prediction, target) = (&output[range.clone()], &target[range.clone()]);
                measure.metric.add(prediction, target, sums);
            }
        }
    }

    /// The value of each metric, with its output and its name.
    pub(super) fn values<'s>(
        &'s self,
        sums: &'s [f64],
        examples: usize,
    ) -> impl Iterator<Item = (usize, &'s str, f64)> {
        let mut rest = sums;
        self.metrics.iter().map(move |measure| {
            let (sums, others) = rest.split_at(measure.columns());
            rest = others;
            let value = measure.metric.value(sums, examples);
            (measure.place(), measure.name.as_str(), value)
        })
    }

    /// Whether the losses and metrics are those of an output, and the metrics have names of their own.
    ///
    /// # Errors
    ///
    /// [`Error::Output`] where there are several outputs and none is named, and [`Error::Setting`] of a name.
    pub(crate) fn check(&self, objectives: &[Objective], outputs: &[Port]) -> Result<(), Error> {
        let is_unnamed = self.losses.iter().any(|loss| loss.output.is_none())
            || self.metrics.iter().any(|measure| measure.output.is_none());
        if is_unnamed && outputs.len() > 1 {
            return Err(Error::Output {
                name: String::new(),
                outputs: outputs.iter().map(|port| port.name).collect(),
            });
        }
        let refused = |name: &str, expected| {
            Err(Error::Setting {
                name: "metric",
                value: format!("`{name}`"),
                expected,
            })
        };
        for Measure { name, .. } in &self.metrics {
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            if name.is_empty() || !name.chars().all(is_word) {
                return refused(name, "a name of letters, digits and `_`");
            }
        }
        let measures = Measures {
            objectives,
            outputs,
            custom: self,
        };
        let named = measures.scores(&vec![0.0; measures.columns()], 1).named();
        for (place, (name, _)) in named.iter().enumerate() {
            if named[..place].iter().any(|(other, _)| other == name) {
                return refused(name, "the name of one score alone");
            }
        }
        Ok(())
    }
}

impl Measure<'_> {
    fn place(&self) -> usize {
        self.output.unwrap_or(0)
    }

    fn columns(&self) -> usize {
        self.metric.sums().max(1)
    }
}

/// What something of an output is called: without the output, if there is only one.
fn in_output(outputs: &[Port], output: Option<usize>, name: &str) -> String {
    match (outputs, output) {
        ([_], _) | (_, None) => name.to_owned(),
        (_, Some(place)) => format!("{}_{name}", outputs[place].name),
    }
}

/// A loss of one's own in the place of that of an output.
#[derive(Clone, Copy)]
pub struct Replacement<'a>(&'a LossFunction<'a>);

impl std::fmt::Debug for Replacement<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replacement")
    }
}

impl Replacement<'_> {
    /// The loss of an example. Logits become what the activation of the output makes of them. `scratch` is as long as the
    /// output.
    pub(super) fn forward(
        self,
        port: &Port,
        isa: Isa,
        output: &mut [f32],
        target: &[f32],
        scratch: &mut [f32],
    ) -> f32 {
        activation::forward(port.activation, isa, units(port), output);
        scratch.fill(0.0);
        (self.0)(output, target, scratch)
    }

    /// `scale` times the gradient of [`forward`](Self::forward), from the output that it left.
    pub(super) fn backward(
        self,
        port: &Port,
        isa: Isa,
        output: &[f32],
        target: &[f32],
        scale: f32,
        gradient: &mut [f32],
    ) {
        gradient.fill(0.0);
        (self.0)(output, target, gradient);
        gradient.iter_mut().for_each(|slope| *slope *= scale);
        // Activations that are computed with a loss derive from their output.
        activation::backward(port.activation, isa, units(port), output, gradient);
    }
}

/// The length of the last axis.
fn units(port: &Port) -> usize {
    port.shape.last().copied().unwrap_or(1)
}

/// How far the gradient of a loss of one's own is from its slopes: the largest difference, divided by the largest slope.
///
/// `loss` is what [`Trainer::loss`](crate::Trainer::loss) takes. The slopes are central differences of the loss in single
/// precision, so of a right gradient about 1e-3 is left; more where the loss has a kink nearby.
///
/// ```
/// let pinball = |y: &[f32], t: &[f32], gradient: &mut [f32]| {
///     let slope = if t[0] > y[0] { -0.9 } else { 0.1 };
///     gradient[0] = slope;
///     slope * (y[0] - t[0])
/// };
/// assert!(cnn::gradient_deviation(pinball, &[0.3], &[1.0]) < 1e-2);
/// ```
///
/// # Panics
///
/// Where `loss` does.
pub fn gradient_deviation(
    loss: impl Fn(&[f32], &[f32], &mut [f32]) -> f32,
    prediction: &[f32],
    target: &[f32],
) -> f64 {
    /// About the cube root of the distance between two floats near 1 (Press et al. 2007, section 5.7).
    const STEP: f32 = 1.0 / 128.0;
    let mut gradient = vec![0.0; prediction.len()];
    loss(prediction, target, &mut gradient);
    let mut unused = gradient.clone();
    let (mut largest, mut deviation) = (f64::MIN_POSITIVE, 0.0_f64);
    for (place, slope) in gradient.iter().enumerate() {
        let mut moved = prediction.to_vec();
        let mut at = |value: f32| {
            moved[place] = value;
            unused.fill(0.0);
            f64::from(loss(&moved, target, &mut unused))
        };
        let step = STEP * prediction[place].abs().max(1.0);
        let (above, below) = (prediction[place] + step, prediction[place] - step);
        let difference = (at(above) - at(below)) / f64::from(above - below);
        let off = (difference - f64::from(*slope)).abs();
        largest = largest.max(difference.abs());
        // What is not a number stays so.
        if off.is_nan() || off > deviation {
            deviation = off;
        }
    }
    deviation / largest
}
