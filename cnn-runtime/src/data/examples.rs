//! Examples in memory: inputs as one array, targets as class labels, label maps or another array.
//!
//! Everything is kept flat and contiguous, so that a part of the examples is a borrowed
//! slice and reading one is a copy. Inputs may stay bytes (60,000 MNIST images are 47 MB then
//! instead of 188) and are scaled as they are read.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use cnn_ir::Loss;
use ndarray::{ArrayD, ArrayRef, ArrayView1, ArrayViewD, CowArray, Dimension, IxDyn};

use super::inputs::{Elements, Inputs, IntoInputs};
use super::{Dataset, Label, check_input, targets};
use crate::error::Error;

/// Examples in memory, owned or borrowed for `'a`.
///
/// ```
/// use cnn_runtime::data::Examples;
/// use ndarray::array;
///
/// let xor = Examples::labelled(
///     array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
///     [0, 1, 1, 0],
/// )?;
/// assert_eq!(xor.len(), 4);
/// assert_eq!(xor.label(1), Some(1));
/// # Ok::<(), cnn_runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct Examples<'a> {
    len: usize,
    /// Of one input.
    shape: Vec<usize>,
    elements: Elements<'a>,
    /// What each element is multiplied by.
    scale: f32,
    targets: Targets<'a>,
}

#[derive(Clone)]
enum Targets<'a> {
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

/// The target of one example.
#[derive(Clone, Debug, PartialEq)]
pub enum Target<'a> {
    /// The class, counted from 0.
    Label(usize),
    /// The class of each position, without the batch axis: `[H, W]`.
    LabelMap(ArrayViewD<'a, u32>),
    /// An array of values, without the batch axis.
    Values(ArrayViewD<'a, f32>),
}

impl<'a> Examples<'a> {
    /// Inputs with one class label each, counted from 0: a list, an array or an iterator of integers of
    /// any type, or of references to integers.
    ///
    /// With an output of one value, labels are 0 and 1 and the target is that number;
    /// otherwise the target is one-hot.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`], [`Error::Count`], and [`Error::LabelRange`] for a negative label. Labels
    /// that are too large for the network are found when training starts, once the classes are known.
    ///
    /// A label for each position of an image, `[N, H, W]`, goes to [`with_label_maps`](Self::with_label_maps).
    pub fn labelled<L: Label>(
        inputs: impl IntoInputs<'a>,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Self, Error> {
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
        let targets = Targets::Labels {
            shape: Vec::new(),
            labels: Cow::Owned(labels),
        };
        Self::new(inputs.into_inputs(), targets, count)
    }

    /// Inputs with a map of class labels each, counted from 0: `maps` is an array of integers of any type,
    /// `[N, H, W]`, for a network whose output is `[H, W, C]`. It may have a last axis of 1 more.
    ///
    /// With an output of one value at each position, labels are 0 and 1 and the target is that number; otherwise
    /// the target is one-hot at each position.
    ///
    /// ```
    /// use cnn_runtime::data::Examples;
    /// use cnn_runtime::ndarray::{Array4, array};
    ///
    /// let images = Array4::<f32>::zeros((1, 2, 3, 1));
    /// let maps = array![[[0, 0, 2], [1, 0, 2]]];
    /// let examples = Examples::with_label_maps(images, &maps)?;
    /// assert_eq!(examples.label_maps().unwrap()[[0, 1, 2]], 2);
    /// # Ok::<(), cnn_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`], [`Error::Count`], and [`Error::LabelRange`] for a negative label. That the maps have the
    /// height and width of the output, and labels its classes, is checked when training starts.
    pub fn with_label_maps<L: Label, D: Dimension>(
        inputs: impl IntoInputs<'a>,
        maps: &ArrayRef<L, D>,
    ) -> Result<Self, Error> {
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
        let targets = Targets::Labels {
            shape: shape.to_vec(),
            labels: Cow::Owned(labels),
        };
        Self::new(inputs.into_inputs(), targets, count)
    }

    /// Inputs with an array of values each: `values` is `[N, …]`, and its further axes are
    /// those of the network's output; where its last axis is 1, values may do without it.
    ///
    /// The loss decides which values it takes, see [`Dataset`]. Bytes stand for the numbers 0 to 255:
    /// of a mask, make probabilities with `mask.mapv(|byte| f32::from(byte) / 255.0)`.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`] and [`Error::Count`]. That shapes and values fit the network is checked when
    /// training starts.
    pub fn with_values(
        inputs: impl IntoInputs<'a>,
        values: impl IntoInputs<'a>,
    ) -> Result<Self, Error> {
        let values = values.into_inputs();
        let [count, shape @ ..] = values.shape.as_slice() else {
            return Err(Error::Scalar);
        };
        let (count, shape) = (*count, shape.to_vec());
        let values = match values.elements {
            Elements::Floats(values) => values,
            Elements::Bytes(values) => values.iter().map(|&value| f32::from(value)).collect(),
        };
        Self::new(
            inputs.into_inputs(),
            Targets::Values { shape, values },
            count,
        )
    }

    fn new(inputs: Inputs<'a>, targets: Targets<'a>, count: usize) -> Result<Self, Error> {
        let [len, shape @ ..] = inputs.shape.as_slice() else {
            return Err(Error::Scalar);
        };
        if *len != count {
            return Err(Error::Count {
                inputs: *len,
                targets: count,
            });
        }
        Ok(Self {
            len: *len,
            shape: shape.to_vec(),
            elements: inputs.elements,
            scale: 1.0,
            targets,
        })
    }

    /// The same examples with every element of the inputs multiplied by `scale` as it is read:
    /// `1.0 / 255.0` turns bytes into 0 to 1. Targets stay as they are.
    ///
    /// Scales multiply: `scaled(2.0).scaled(3.0)` is `scaled(6.0)`. A product that is infinite or NaN is
    /// [`Error::Setting`] when training or evaluation starts; predictions of such inputs are NaN.
    #[must_use]
    pub fn scaled(mut self, scale: f32) -> Self {
        self.scale *= scale;
        self
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The shape of one input, without the batch axis.
    pub fn input_shape(&self) -> &[usize] {
        &self.shape
    }

    /// All inputs as they are read, `[N, …]`: borrowed where they are `f32` and not scaled, else a scaled
    /// copy.
    pub fn inputs(&self) -> CowArray<'_, f32, IxDyn> {
        let shape = [&[self.len], &*self.shape].concat();
        if let (Elements::Floats(floats), 1.0) = (&self.elements, self.scale) {
            let view = ArrayViewD::from_shape(shape, floats);
            return view.expect("a value for each place of the shape").into();
        }
        let mut inputs = ArrayD::zeros(shape);
        let out = inputs.as_slice_mut().expect("new arrays are contiguous");
        self.read_elements(0..out.len(), out);
        inputs.into()
    }

    /// All labels, `[N]`; `None` where the targets are label maps or values.
    pub fn labels(&self) -> Option<ArrayView1<'_, u32>> {
        match &self.targets {
            Targets::Labels { shape, labels } if shape.is_empty() => {
                Some(ArrayView1::from(&**labels))
            }
            Targets::Labels { .. } | Targets::Values { .. } => None,
        }
    }

    /// All label maps, `[N, H, W]`; `None` where the targets are one label each or values.
    pub fn label_maps(&self) -> Option<ArrayViewD<'_, u32>> {
        match &self.targets {
            Targets::Labels { shape, labels } if !shape.is_empty() => {
                let shape = [&[self.len], &**shape].concat();
                let view = ArrayViewD::from_shape(shape, labels);
                Some(view.expect("a label for each place of the shape"))
            }
            Targets::Labels { .. } | Targets::Values { .. } => None,
        }
    }

    /// All targets that are values, `[N, …]`; `None` where they are labels.
    pub fn targets(&self) -> Option<ArrayViewD<'_, f32>> {
        match &self.targets {
            Targets::Labels { .. } => None,
            Targets::Values { shape, values } => {
                let shape = [&[self.len], &**shape].concat();
                let view = ArrayViewD::from_shape(shape, values);
                Some(view.expect("a value for each place of the shape"))
            }
        }
    }

    /// The examples in order, each a scaled copy of its input and its target.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (ArrayD<f32>, Target<'_>)> + ExactSizeIterator {
        (0..self.len).map(|index| (self.input(index), self.target(index)))
    }

    /// A scaled copy of input `index`.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len).
    pub fn input(&self, index: usize) -> ArrayD<f32> {
        let mut input = ArrayD::zeros(self.shape.as_slice());
        let out = input.as_slice_mut().expect("new arrays are contiguous");
        self.read_input(index, out);
        input
    }

    /// The label of example `index`; `None` where the targets are label maps or values.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len).
    pub fn label(&self, index: usize) -> Option<usize> {
        self.labels().map(|labels| labels[index] as usize)
    }

    /// The target of example `index`.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len).
    pub fn target(&self, index: usize) -> Target<'_> {
        assert!(index < self.len, "example {index} of {}", self.len);
        match &self.targets {
            Targets::Labels { shape, labels } if shape.is_empty() => {
                Target::Label(labels[index] as usize)
            }
            Targets::Labels { shape, labels } => {
                let labels = part(labels, index..index + 1, shape.iter().product());
                let view = ArrayViewD::from_shape(&shape[..], labels);
                Target::LabelMap(view.expect("a label for each place of the shape"))
            }
            Targets::Values { shape, values } => {
                let values = part(values, index..index + 1, shape.iter().product());
                let view = ArrayViewD::from_shape(&shape[..], values);
                Target::Values(view.expect("a value for each place of the shape"))
            }
        }
    }

    /// The examples of a range of indices, borrowed.
    ///
    /// # Panics
    ///
    /// When the range does not lie within `0..self.len()`.
    pub fn slice(&self, range: Range<usize>) -> Examples<'_> {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "range {range:?} is not within {} examples",
            self.len
        );
        let size = self.shape.iter().product();
        Examples {
            len: range.len(),
            shape: self.shape.clone(),
            elements: match &self.elements {
                Elements::Floats(floats) => {
                    Elements::Floats(part(floats, range.clone(), size).into())
                }
                Elements::Bytes(bytes) => Elements::Bytes(part(bytes, range.clone(), size).into()),
            },
            scale: self.scale,
            targets: match &self.targets {
                Targets::Labels { shape, labels } => Targets::Labels {
                    shape: shape.clone(),
                    labels: part(labels, range, shape.iter().product()).into(),
                },
                Targets::Values { shape, values } => Targets::Values {
                    shape: shape.clone(),
                    values: part(values, range, shape.iter().product()).into(),
                },
            },
        }
    }

    /// The first `count` examples, or all if there are fewer, borrowed.
    pub fn take(&self, count: usize) -> Examples<'_> {
        self.slice(0..count.min(self.len))
    }

    /// The examples before `index` and those from it on, borrowed: to keep some for validation.
    ///
    /// # Panics
    ///
    /// When `index` is above [`len`](Self::len).
    pub fn split_at(&self, index: usize) -> (Examples<'_>, Examples<'_>) {
        (self.slice(0..index), self.slice(index..self.len))
    }
}

/// The elements of the examples in `range`, `size` each.
fn part<T>(elements: &[T], range: Range<usize>, size: usize) -> &[T] {
    &elements[range.start * size..range.end * size]
}

impl Examples<'_> {
    /// Writes the scaled elements of `range` to `out`.
    fn read_elements(&self, range: Range<usize>, out: &mut [f32]) {
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
}

impl Dataset for Examples<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn input_shape(&self) -> &[usize] {
        &self.shape
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        let size: usize = self.shape.iter().product();
        self.read_elements(index * size..(index + 1) * size, out);
    }

    /// What [`check`](Self::check) would refuse is NaN here, which no loss takes: a label that is no class
    /// of `out`, or values that are more or fewer.
    fn read_target(&self, index: usize, out: &mut [f32]) {
        match &self.targets {
            Targets::Labels { shape, labels } => {
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
            Targets::Values { shape, values } => {
                let values = part(values, index..index + 1, shape.iter().product());
                match values.len() == out.len() {
                    true => out.copy_from_slice(values),
                    false => out.fill(f32::NAN),
                }
            }
        }
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        check_input(&self.shape, input)?;
        if !self.scale.is_finite() {
            return Err(Error::Setting {
                name: "scale",
                value: self.scale.to_string(),
                expected: "finite",
            });
        }
        match &self.targets {
            Targets::Labels { shape, labels } => {
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
            Targets::Values { shape, .. } => {
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

    fn check_targets(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        match &self.targets {
            // They become 0 and 1.
            Targets::Labels { .. } => Ok(()),
            Targets::Values { shape, values } => {
                let size: usize = shape.iter().product();
                let mut targets = values.chunks(size.max(1)).enumerate();
                targets.try_for_each(|(index, target)| targets::check(loss, output, index, target))
            }
        }
    }
}

/// Says the shapes, not the megabytes.
impl fmt::Debug for Examples<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examples")
            .field("len", &self.len)
            .field("input_shape", &self.shape)
            .finish_non_exhaustive()
    }
}
