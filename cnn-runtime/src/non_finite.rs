//! Where something that is infinite or not a number appeared first.

use std::fmt;

use crate::error::At;

/// The first thing that is infinite or not a number, in the order in which things are computed: inputs, then layer by
/// layer its tensors and its value, then the loss, then gradients from the last layer to the first.
///
/// Positions are along the axes of one example, or of a tensor: row, column and channel of an image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum NonFinite {
    /// A value that flows into the network.
    Input {
        /// The input: its label, or `input`.
        layer: String,
        /// The index of the example in its dataset; none where a single example was looked at.
        example: Option<usize>,
        /// Where in the example.
        position: Vec<usize>,
        /// The value.
        value: f32,
    },
    /// A parameter.
    Tensor {
        /// The tensor: `conv2d_1.kernel`.
        tensor: String,
        /// Where in the tensor.
        position: Vec<usize>,
        /// The value.
        value: f32,
    },
    /// A value that a layer has computed from values and tensors that are finite.
    Value {
        /// The layer: `conv2d_1`.
        layer: String,
        /// What of the layer: `pre_activation`, `depthwise`, the `mean` or `variance` of a batch; none for its output.
        part: Option<&'static str>,
        /// The index of the example in its dataset; none where a single example was looked at, or the whole batch.
        example: Option<usize>,
        /// Where in the example.
        position: Vec<usize>,
        /// The value.
        value: f32,
    },
    /// The loss of an output. The values before it are finite, or, without the feature `inspect`, not known.
    Loss {
        /// The output: its label, or the name of its layer.
        output: String,
        /// The index of the example in its dataset.
        example: usize,
        /// The loss of the example.
        value: f32,
    },
    /// The gradient of a tensor; what the forward pass has computed is finite, or, without the feature `inspect`, not
    /// known.
    Gradient {
        /// The tensor. The backward pass reaches it before those of the layers above it.
        tensor: String,
        /// Where in the tensor.
        position: Vec<usize>,
        /// The gradient.
        value: f32,
    },
}

impl NonFinite {
    /// The layer where it appeared; of a loss, the output.
    pub fn layer(&self) -> &str {
        match self {
            Self::Input { layer, .. } | Self::Value { layer, .. } => layer,
            Self::Loss { output, .. } => output,
            Self::Tensor { tensor, .. } | Self::Gradient { tensor, .. } => {
                match tensor.rsplit_once('.') {
                    Some((layer, _)) => layer,
                    None => tensor,
                }
            }
        }
    }

    /// The first of `values`, `[n, ..shape]`, that is infinite or not a number: the index of its example, its position
    /// there, and the value.
    pub(crate) fn find(shape: &[usize], values: &[f32]) -> Option<(usize, Vec<usize>, f32)> {
        let place = values.iter().position(|value| !value.is_finite())?;
        let len: usize = shape.iter().product();
        let mut rest = place % len;
        let mut position: Vec<usize> = (shape.iter().rev())
            .map(|size| {
                let at = rest % size;
                rest /= size;
                at
            })
            .collect();
        position.reverse();
        Some((place / len, position, values[place]))
    }

    /// The first value of an input that is not finite. `values` are `[n, ..shape]`.
    pub(crate) fn in_input(layer: &str, shape: &[usize], values: &[f32]) -> Option<Self> {
        let (example, position, value) = Self::find(shape, values)?;
        Some(Self::Input {
            layer: layer.to_owned(),
            example: Some(example),
            position,
            value,
        })
    }

    /// The first value of a tensor that is not finite.
    pub(crate) fn in_tensor(tensor: &str, shape: &[usize], values: &[f32]) -> Option<Self> {
        let (_, position, value) = Self::find(shape, values)?;
        Some(Self::Tensor {
            tensor: tensor.to_owned(),
            position,
            value,
        })
    }

    /// The first gradient of a tensor that is not finite.
    pub(crate) fn in_gradient(tensor: &str, shape: &[usize], values: &[f32]) -> Option<Self> {
        let (_, position, value) = Self::find(shape, values)?;
        Some(Self::Gradient {
            tensor: tensor.to_owned(),
            position,
            value,
        })
    }

    /// The same with another index of the example, if it has one.
    pub(crate) fn with_example(mut self, index: impl Fn(usize) -> Option<usize>) -> Self {
        match &mut self {
            Self::Input { example, .. } | Self::Value { example, .. } => {
                *example = example.and_then(index);
            }
            Self::Loss { example, .. } => *example = index(*example).unwrap_or(*example),
            Self::Tensor { .. } | Self::Gradient { .. } => {}
        }
        self
    }
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input {
                layer,
                example,
                position,
                value,
            } => write!(f, "`{layer}` is {value}{}{}", At(position), Of(*example)),
            Self::Tensor {
                tensor,
                position,
                value,
            } => write!(f, "`{tensor}` is {value} at {position:?}"),
            Self::Value {
                layer,
                part,
                example,
                position,
                value,
            } => {
                match part {
                    Some(part) => write!(f, "the {part} of `{layer}`")?,
                    None => write!(f, "the value of `{layer}`")?,
                }
                write!(f, " becomes {value}{}{}", At(position), Of(*example))
            }
            Self::Loss {
                output,
                example,
                value,
            } => write!(f, "the loss of `{output}` is {value} for example {example}"),
            Self::Gradient {
                tensor,
                position,
                value,
            } => write!(
                f,
                "first that of `{tensor}`, which is {value} at {position:?}"
            ),
        }
    }
}

/// Writes ` of example 35`; nothing where no index is known.
struct Of(Option<usize>);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(example) => write!(f, " of example {example}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NonFinite;

    #[test]
    fn positions_are_along_the_axes() {
        let mut values = [0.0; 2 * 3 * 4 * 5];
        assert_eq!(NonFinite::find(&[3, 4, 5], &values), None);
        values[60 + 2 * 20 + 3 * 5 + 4] = f32::INFINITY;
        let found = NonFinite::find(&[3, 4, 5], &values);
        assert_eq!(found, Some((1, vec![2, 3, 4], f32::INFINITY)));
        let found = NonFinite::find(&[120], &values);
        assert_eq!(found, Some((0, vec![119], f32::INFINITY)));
    }
}
