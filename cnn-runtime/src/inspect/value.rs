//! One value of an inspection, with what is known of its layer.

use std::fmt;

use cnn_dsl::graph::Node;
use ndarray::{ArrayViewD, IxDyn};

use super::Shape;
use crate::reference::network::LayerValues;

/// What the values before a layer's own activation are called.
const PRE_ACTIVATION: &str = "pre_activation";

/// A value that a layer computes for one example.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    layer: String,
    part: Option<&'static str>,
    keyword: String,
    shape: Vec<usize>,
    reads: Vec<usize>,
    data: Vec<f32>,
}

impl Value {
    pub(super) fn new(
        node: &Node,
        part: Option<&'static str>,
        shape: &[usize],
        reads: Vec<usize>,
        data: &[f32],
    ) -> Self {
        Self {
            layer: node.name.clone(),
            part,
            keyword: node.keyword.text.clone(),
            shape: shape.to_vec(),
            reads,
            data: data.to_vec(),
        }
    }

    /// The layer, as files name it: `conv2d_1`, or `stage2.conv2d_1` within a block.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// What of the layer it is: `pre_activation`, what its own activation is applied to, or `depthwise`, what the first
    /// convolution of a `separable_conv2d` writes. None for the output of the layer.
    pub fn part(&self) -> Option<&'static str> {
        self.part
    }

    /// The layer, and the part of it in brackets: `conv2d_1`, `conv2d_1 (pre_activation)`.
    pub fn name(&self) -> String {
        match self.part {
            Some(part) => format!("{} ({part})", self.layer),
            None => self.layer.clone(),
        }
    }

    /// The blocks and repeats around the layer, outermost first: `stage2.conv_bn_1`. None at the top.
    pub fn block(&self) -> Option<&str> {
        self.layer.rsplit_once('.').map(|(block, _)| block)
    }

    /// The keyword of the layer as it is written: `conv2d`.
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// The shape: `[height, width, channels]` of an image, `[units]` of a flat value.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The places in [`Inspection::values`](super::Inspection::values) of the values that it is computed from; none for an
    /// input.
    pub fn reads(&self) -> &[usize] {
        &self.reads
    }

    /// The numbers, the last axis fastest.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The numbers as an array of [`Self::shape`].
    pub fn array(&self) -> ArrayViewD<'_, f32> {
        ArrayViewD::from_shape(IxDyn(&self.shape), &self.data)
            .expect("as many numbers as the shape has")
    }
}

/// The layer with its keyword and the shape: `conv2d_1 (pre_activation), conv2d, 26x26x32`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, keyword) = (self.name(), &self.keyword);
        write!(f, "{name}, {keyword}, {}", Shape(&self.shape))
    }
}

/// The values of a layer in the order in which they are computed, with what of the layer they are and their shapes.
pub(super) fn parts<'a>(
    node: &'a Node,
    values: &'a LayerValues<f32>,
) -> impl Iterator<Item = (Option<&'static str>, &'a [usize], &'a [f32])> {
    let inner = values.inner.iter();
    let inner = inner.map(|inner| (Some(inner.name), &inner.shape.0[..], &inner.values[..]));
    let shape = &node.shape.0[..];
    let before = values.pre_activation.iter();
    let before = before.map(move |values| (Some(PRE_ACTIVATION), shape, &values[..]));
    let output = (None, shape, &values.output[..]);
    inner.chain(before).chain([output])
}
