//! One input or one target of all examples, flat and in order.
//!
//! [`Examples`](super::Examples) is made of these columns: one input and one target, or several of each.

use std::borrow::Cow;
use std::ops::Range;

use cnn_ir::Loss;
use ndarray::{ArrayRef, Dimension};

use super::inputs::{Elements, Inputs};
use super::{Label, check_input, targets};
use crate::error::Error;

/// One input of all examples.
#[derive(Clone)]
pub(super) struct Input<'a> {
    /// Of one example.
    pub(super) shape: Vec<usize>,
    pub(super) elements: Elements<'a>,
    /// What each element is multiplied by.
    pub(super) scale: f32,
}

impl<'a> Input<'a> {
    /// The column of an array, `[N, …]`, and `N`.
    pub(super) fn new(inputs: Inputs<'a>) -> Result<(Self, usize), Error> {
        let [len, shape @ ..] = inputs.shape.as_slice() else {
            return Err(Error::Scalar);
        };
        let input = Self {
            shape: shape.to_vec(),
            elements: inputs.elements,
            scale: 1.0,
        };
        Ok((input, *len))
    }

    /// The floats of one example.
    pub(super) fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Writes the scaled elements of `range` to `out`.
    pub(super) fn read(&self, range: Range<usize>, out: &mut [f32]) {
        match &self.elements {
            Elements::Floats(floats) => {
                for (out, float) in out.iter_mut().zip(&floats[range]) {
                    *out = float * self.scale;
                }
            }
            Elements::Bytes(bytes) => {
                for (out, byte) in out.iter_mut().zip(&bytes[range]) {
                    *out = f32::from(*byte) * self.scale;
                }
            }
        }
    }

    /// The examples of a range.
    pub(super) fn slice(&self, range: Range<usize>) -> Input<'_> {
        let size = self.size();
        Input {
            shape: self.shape.clone(),
            elements: match &self.elements {
                Elements::Floats(floats) => Elements::Floats(part(floats, range, size).into()),
                Elements::Bytes(bytes) => Elements::Bytes(part(bytes, range, size).into()),
            },
            scale: self.scale,
        }
    }

    /// Adds the examples of another column with inputs of the same shape.
    pub(super) fn append(&mut self, other: Input<'_>) -> Result<(), Error> {
        check_input(&other.shape, &self.shape)?;
        match (&mut self.elements, other.elements) {
            (Elements::Floats(floats), Elements::Floats(more)) if self.scale == other.scale => {
                floats.to_mut().extend_from_slice(&more);
            }
            (Elements::Bytes(bytes), Elements::Bytes(more)) if self.scale == other.scale => {
                bytes.to_mut().extend_from_slice(&more);
            }
            // What differs in its form becomes floats of scale 1.
            (_, elements) => {
                let mut floats = self.scaled();
                let other = Input {
                    shape: Vec::new(),
                    elements,
                    scale: other.scale,
                };
                floats.append(&mut other.scaled());
                self.elements = Elements::Floats(floats.into());
                self.scale = 1.0;
            }
        }
        Ok(())
    }

    /// All elements as they are read.
    fn scaled(&self) -> Vec<f32> {
        let mut floats = vec![0.0; self.elements.len()];
        self.read(0..floats.len(), &mut floats);
        floats
    }

    /// The same column with elements of its own.
    pub(super) fn into_owned(self) -> Input<'static> {
        Input {
            shape: self.shape,
            elements: self.elements.into_owned(),
            scale: self.scale,
        }
    }

    /// Whether a network with this input takes it.
    pub(super) fn check(&self, expected: &[usize]) -> Result<(), Error> {
        check_input(&self.shape, expected)?;
        if self.scale.is_finite() {
            return Ok(());
        }
        Err(Error::Setting {
            name: "scale",
            value: self.scale.to_string(),
            expected: "finite",
        })
    }
}

/// One target of all examples.
#[derive(Clone)]
pub(super) enum Targets<'a> {
    Labels {
        /// Of the labels of one example: none of its axes where there is one label each.
        shape: Vec<usize>,
        labels: Cow<'a, [u32]>,
    },
    Values {
        /// Of one target.
        shape: Vec<usize>,
        values: Cow<'a, [f32]>,
    },
}

/// A column and how many examples it has.
type Counted<'a> = Result<(Targets<'a>, usize), Error>;

impl<'a> Targets<'a> {
    /// A class for each example.
    pub(super) fn labels<L: Label>(labels: impl IntoIterator<Item = L>) -> Counted<'a> {
        let labels = labels
            .into_iter()
            .enumerate()
            .map(|(index, label)| {
                let label = label.class();
                u32::try_from(label).map_err(|_| Error::LabelRange {
                    index,
                    position: Vec::new(),
                    label,
                })
            })
            .collect::<Result<Vec<u32>, Error>>()?;
        let count = labels.len();
        let targets = Self::Labels {
            shape: Vec::new(),
            labels: Cow::Owned(labels),
        };
        Ok((targets, count))
    }

    /// A map of classes for each example, `[N, H, W]`.
    pub(super) fn label_maps<L: Label, D: Dimension>(maps: &ArrayRef<L, D>) -> Counted<'a> {
        let &[count, ref shape @ ..] = maps.shape() else {
            return Err(Error::Scalar);
        };
        let of_example: usize = shape.iter().product();
        let labels = maps
            .iter()
            .enumerate()
            .map(|(place, label)| {
                let label = label.class();
                u32::try_from(label).map_err(|_| Error::LabelRange {
                    index: place / of_example,
                    position: targets::position(shape, place % of_example),
                    label,
                })
            })
            .collect::<Result<Vec<u32>, Error>>()?;
        let targets = Self::Labels {
            shape: shape.to_vec(),
            labels: Cow::Owned(labels),
        };
        Ok((targets, count))
    }

    /// An array of values for each example, `[N, …]`.
    pub(super) fn values(values: Inputs<'a>) -> Counted<'a> {
        let [count, shape @ ..] = values.shape.as_slice() else {
            return Err(Error::Scalar);
        };
        let (count, shape) = (*count, shape.to_vec());
        let values = match values.elements {
            Elements::Floats(values) => values,
            Elements::Bytes(values) => values.iter().map(|&value| f32::from(value)).collect(),
        };
        Ok((Self::Values { shape, values }, count))
    }

    /// The examples of a range.
    pub(super) fn slice(&self, range: Range<usize>) -> Targets<'_> {
        match self {
            Self::Labels { shape, labels } => Targets::Labels {
                shape: shape.clone(),
                labels: part(labels, range, shape.iter().product()).into(),
            },
            Self::Values { shape, values } => Targets::Values {
                shape: shape.clone(),
                values: part(values, range, shape.iter().product()).into(),
            },
        }
    }

    /// Adds the targets of another column of the same kind and shape.
    pub(super) fn append(&mut self, other: Targets<'_>) -> Result<(), Error> {
        match (self, other) {
            (
                Self::Labels { shape, labels },
                Targets::Labels {
                    shape: other,
                    labels: more,
                },
            ) if *shape == other => labels.to_mut().extend_from_slice(&more),
            (
                Self::Values { shape, values },
                Targets::Values {
                    shape: other,
                    values: more,
                },
            ) if *shape == other => values.to_mut().extend_from_slice(&more),
            (
                Self::Labels { shape, .. } | Self::Values { shape, .. },
                Targets::Labels { shape: found, .. } | Targets::Values { shape: found, .. },
            ) => {
                return Err(Error::TargetShape {
                    expected: shape.clone(),
                    found,
                });
            }
        }
        Ok(())
    }

    /// The same column with targets of its own.
    pub(super) fn into_owned(self) -> Targets<'static> {
        match self {
            Self::Labels { shape, labels } => Targets::Labels {
                shape,
                labels: labels.into_owned().into(),
            },
            Self::Values { shape, values } => Targets::Values {
                shape,
                values: values.into_owned().into(),
            },
        }
    }

    /// Writes the target of an example to `out`, `[..output]`. What [`check`](Self::check) would refuse is NaN here,
    /// which no loss takes: a label that is no class of `out`, or values that are more or fewer.
    pub(super) fn read(&self, index: usize, out: &mut [f32]) {
        match self {
            Self::Labels { shape, labels } => {
                let labels = part(labels, index..index + 1, shape.iter().product());
                let classes = out.len() / labels.len().max(1);
                if classes == 0 || !out.len().is_multiple_of(labels.len()) {
                    out.fill(f32::NAN);
                    return;
                }
                // A single output is that of class 1.
                let first = usize::from(classes == 1);
                out.fill(0.0);
                for (&label, out) in labels.iter().zip(out.chunks_exact_mut(classes)) {
                    let label = label as usize;
                    if label >= first {
                        match out.get_mut(label - first) {
                            Some(place) => *place = 1.0,
                            None => out.fill(f32::NAN),
                        }
                    }
                }
            }
            Self::Values { shape, values } => {
                let values = part(values, index..index + 1, shape.iter().product());
                match values.len() == out.len() {
                    true => out.copy_from_slice(values),
                    false => out.fill(f32::NAN),
                }
            }
        }
    }

    /// Whether a network with this output takes it.
    pub(super) fn check(&self, output: &[usize]) -> Result<(), Error> {
        match self {
            Self::Labels { shape, labels } => {
                let (&units, positions) = output.split_last().unwrap_or((&1, &[]));
                if shape.is_empty() && !positions.is_empty() {
                    return Err(Error::LabelsForShape {
                        output: output.to_vec(),
                    });
                }
                let without_one = shape.strip_suffix(&[1]).unwrap_or(shape);
                if ![shape, without_one].contains(&positions) {
                    return Err(Error::LabelMapShape {
                        expected: positions.to_vec(),
                        found: shape.clone(),
                    });
                }
                // A single output tells two classes apart.
                let classes = units.max(2) as u64;
                let of_example: usize = positions.iter().product();
                match labels.iter().position(|&l| u64::from(l) >= classes) {
                    None => Ok(()),
                    Some(place) => Err(Error::Label {
                        index: place / of_example,
                        position: targets::position(positions, place % of_example),
                        label: i128::from(labels[place]),
                        classes,
                    }),
                }
            }
            Self::Values { shape, .. } => {
                let without_one = output.strip_suffix(&[1]).unwrap_or(output);
                if [output, without_one].contains(&&**shape) {
                    return Ok(());
                }
                Err(Error::TargetShape {
                    expected: output.to_vec(),
                    found: shape.clone(),
                })
            }
        }
    }

    /// Whether all are such as `loss` takes.
    pub(super) fn check_values(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        match self {
            // They become 0 and 1.
            Self::Labels { .. } => Ok(()),
            Self::Values { shape, values } => {
                let size: usize = shape.iter().product();
                let mut targets = values.chunks(size.max(1)).enumerate();
                targets.try_for_each(|(index, target)| targets::check(loss, output, index, target))
            }
        }
    }
}

/// The elements of the examples in `range`, `size` each.
pub(super) fn part<T>(elements: &[T], range: Range<usize>, size: usize) -> &[T] {
    &elements[range.start * size..range.end * size]
}
