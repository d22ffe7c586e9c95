//! Every value of a network, layer by layer: for feature maps, and to find where a NaN comes from.
//!
//! ```text
//! description ──cnn-dsl──▶ checked graph ─╮
//! parameters, input ──────────────────────┴─naive twins─▶ the values of every layer ──▶ Inspection
//! ```
//!
//! Prediction fuses layers, folds normalizations, shares memory and leaves out what nobody reads, so most values of a
//! network never exist. An inspection runs the layers as they are written, one after the other, with the slow functions
//! that follow the definitions, and keeps all that they compute. It is for looking, not for predicting or training.
//!
//! ```
//! cnn::network! {
//!     network Digits {
//!         block conv_bn(filters) { conv2d(filters, 3x3); batch_normalization; }
//!         input(28x28x1);
//!         stem: conv_bn(8);
//!         relu;
//!         global_avg_pool2d;
//!         dense(10, activation = softmax);
//!     }
//! }
//!
//! let net = Digits::new(0);
//! let mut image = [[[0.5; 1]; 28]; 28];
//! let inspection = net.inspect(&image);
//! let maps = inspection.get("stem.conv2d_1").unwrap();
//! assert_eq!((maps.keyword(), maps.shape()), ("conv2d", &[26, 26, 8][..]));
//! assert_eq!(maps.array().shape(), [26, 26, 8]); // an `ndarray` view of `maps.data()`
//! let logits = inspection.get_part("dense_1", "pre_activation").unwrap();
//! assert_eq!(logits.data().len(), 10);
//! assert_eq!(inspection.first_not_finite(), None);
//!
//! image[3][4][0] = f32::NAN;
//! let inspection = net.inspect(&image);
//! let first = inspection.first_not_finite().unwrap();
//! assert_eq!(first.to_string(), "`input` is NaN at row 3, column 4, channel 0");
//! ```
//!
//! - **Time**: that of naive loops on one thread, a few nanoseconds for each multiply-add; and that of reading the
//!   description again, some milliseconds for a large network.
//! - **Memory**: the values of all layers at once, in `f32`; those before an activation count too.
//! - **Numbers**: `f32`, as in the network, summed in the order of the definition. Prediction sums in other orders, so the
//!   last bits differ; and where a sum comes close to the largest float, one may overflow where the other does not.

mod value;

pub use crate::non_finite::NonFinite;
pub use value::Value;

use std::fmt;

use cnn_dsl::graph::{Network, Node, NodeId};

use crate::error::{Error, Shape};
use crate::model::{Model, size};
use crate::reference::network::{LayerValues, visit};
use crate::reference::operation::Mode;
use crate::spec::Spec;

/// The values of all layers of a network for one input, in the order of the source.
#[derive(Clone, Debug)]
pub struct Inspection {
    values: Vec<Value>,
    first_not_finite: Option<NonFinite>,
}

impl Inspection {
    /// Every value in the order in which it is computed, the inputs first. A layer with an activation of its own has two,
    /// that before it and its output; a `separable_conv2d` also has what is between its two convolutions.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The output of a layer, under its name in files: `conv2d_1`, `stage2.conv2d_1`.
    pub fn get(&self, layer: &str) -> Option<&Value> {
        let mut values = self.values.iter();
        values.find(|value| value.layer() == layer && value.part().is_none())
    }

    /// A value inside a layer: its `pre_activation`, if it has an activation of its own, or what the `depthwise`
    /// convolution of a `separable_conv2d` writes.
    pub fn get_part(&self, layer: &str, part: &str) -> Option<&Value> {
        let mut values = self.values.iter();
        values.find(|value| value.layer() == layer && value.part() == Some(part))
    }

    /// The values that a value is computed from, in their order.
    pub fn reads<'a>(&'a self, value: &'a Value) -> impl Iterator<Item = &'a Value> {
        let places = value.reads().iter();
        places.filter_map(|place| self.values.get(*place))
    }

    /// The first thing that is infinite or not a number, if there is one: a value of an input, a tensor, or a value that a
    /// layer has computed from what is finite.
    pub fn first_not_finite(&self) -> Option<&NonFinite> {
        self.first_not_finite.as_ref()
    }
}

/// A line for each value: its layer, keyword and shape, what it reads, and from where to where its numbers go.
impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for value in &self.values {
            write!(f, "{value}")?;
            for (place, read) in self.reads(value).enumerate() {
                let before = if place == 0 { " of " } else { ", " };
                write!(f, "{before}{}", read.name())?;
            }
            let finite = || value.data().iter().filter(|value| value.is_finite());
            let least = finite().copied().fold(f32::INFINITY, f32::min);
            let most = finite().copied().fold(f32::NEG_INFINITY, f32::max);
            let others = value.data().len() - finite().count();
            match others {
                0 => writeln!(f, ": {least} to {most}")?,
                _ if least > most => writeln!(f, ": {others} not finite")?,
                _ => writeln!(f, ": {least} to {most}, {others} not finite")?,
            }
        }
        match &self.first_not_finite {
            Some(first) => writeln!(f, "first not finite: {first}"),
            None => Ok(()),
        }
    }
}

impl Model {
    /// Every value of the network for one example, layer by layer; one slice for each input. See
    /// [`inspect`](crate::inspect).
    ///
    /// # Errors
    ///
    /// [`Error::Parts`], [`Error::Length`], and [`Error::NotDescribed`] where the [`Spec`] is not that of a `network!`.
    pub fn inspect(&self, inputs: &[&[f32]]) -> Result<Inspection, Error> {
        let spec = self.spec();
        if inputs.len() != spec.inputs.len() {
            return Err(Error::Parts {
                what: "inputs",
                expected: spec.inputs.len(),
                found: inputs.len(),
            });
        }
        for (port, input) in spec.inputs.iter().zip(inputs) {
            if input.len() != size(port.shape) {
                return Err(Error::Length {
                    part: "input",
                    shape: port.shape.to_vec(),
                    found: input.len(),
                });
            }
        }
        let network = graph(spec).ok_or(Error::NotDescribed { network: spec.name })?;
        let mut first_not_finite = None;
        let input = inputs.concat();
        let mode = Mode::Inference;
        let layers = visit(
            &network,
            mode,
            1,
            self.parameters(),
            &input,
            |id, tensors, values| {
                if first_not_finite.is_none() {
                    first_not_finite = not_finite(&network, id, tensors, values);
                }
                true
            },
        );
        Ok(Inspection {
            values: named(&network, layers),
            // There is one example, and it is of no dataset.
            first_not_finite: first_not_finite.map(|first| first.with_example(|_| None)),
        })
    }
}

/// The checked graph of a network, before anything is fused.
fn graph(spec: &Spec) -> Option<Network> {
    cnn_dsl::check(spec.description).ok()
}

/// The first thing that is not finite in the forward pass of training over a batch, `[n, ..input]`, without dropout. The
/// index of its example is the place in the batch.
///
/// Where no layer looks at the whole batch, the examples run one after the other, so that the values of one are in memory
/// at a time; and if one is the `suspect`, no other one runs.
pub(crate) fn first_not_finite(
    spec: &Spec,
    parameters: &[f32],
    input: &[f32],
    suspect: Option<usize>,
) -> Option<NonFinite> {
    let network = graph(spec)?;
    let row = size(spec.input);
    let first_of = |input: &[f32]| {
        let (n, mut first) = (input.len() / row, None);
        let mode = Mode::Training;
        visit(
            &network,
            mode,
            n,
            parameters,
            input,
            |id, tensors, values| {
                first = not_finite(&network, id, tensors, values);
                first.is_none()
            },
        );
        first
    };
    if network.nodes.iter().any(looks_at_batch) {
        return first_of(input);
    }
    let examples = input.chunks_exact(row).enumerate();
    let mut examples = examples.filter(|(place, _)| suspect.is_none_or(|it| it == *place));
    examples.find_map(|(place, input)| Some(first_of(input)?.with_example(|_| Some(place))))
}

/// Whether training computes statistics of all examples for a layer.
fn looks_at_batch(node: &Node) -> bool {
    let parts = node.op.operations(&node.input_shapes, &node.shape);
    parts
        .iter()
        .any(|part| part.operation.facts().statistics().is_some())
}

/// What is not finite of a layer, where everything before it is.
fn not_finite(
    network: &Network,
    id: NodeId,
    tensors: &[&[f32]],
    values: &LayerValues<f32>,
) -> Option<NonFinite> {
    let node = &network.nodes[id];
    if network.is_joint(id) {
        // The values of a row are found in the inputs and outputs that it is made of.
        return None;
    }
    let shape = &node.shape.0;
    if network.inputs.iter().any(|port| port.node == id) {
        return NonFinite::in_input(&node.name, shape, &values.output);
    }
    let mut of_layer = node.tensors().into_iter().zip(tensors);
    let tensor = of_layer.find_map(|(tensor, values)| {
        let name = format!("{}.{}", node.name, tensor.name);
        NonFinite::in_tensor(&name, &tensor.shape, values)
    });
    let in_statistics = || {
        let statistics = ["mean", "variance"]
            .iter()
            .zip(values.statistics.iter().flatten());
        statistics.into_iter().find_map(|(part, values)| {
            let (_, position, value) = NonFinite::find(&[values.len()], values)?;
            Some(NonFinite::Value {
                layer: node.name.clone(),
                part: Some(part),
                example: None,
                position,
                value,
            })
        })
    };
    tensor.or_else(in_statistics).or_else(|| {
        value::parts(node, values).find_map(|(part, shape, values)| {
            let (example, position, value) = NonFinite::find(shape, values)?;
            Some(NonFinite::Value {
                layer: node.name.clone(),
                part,
                example: Some(example),
                position,
                value,
            })
        })
    })
}

/// The values of all layers under their names, without the rows that hold several inputs or outputs.
fn named(network: &Network, layers: Vec<LayerValues<f32>>) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    // The place of each node's output.
    let mut outputs: Vec<Option<usize>> = Vec::new();
    for (id, (node, of_layer)) in network.nodes.iter().zip(layers).enumerate() {
        if network.is_joint(id) {
            outputs.push(None);
            continue;
        }
        let mut reads: Vec<usize> = node.inputs.iter().filter_map(|&id| outputs[id]).collect();
        for (part, shape, data) in value::parts(node, &of_layer) {
            let value = Value::new(node, part, shape, std::mem::take(&mut reads), data);
            values.push(value);
            // What follows in a layer reads what was before it.
            reads = vec![values.len() - 1];
        }
        outputs.push(Some(values.len() - 1));
    }
    values
}
