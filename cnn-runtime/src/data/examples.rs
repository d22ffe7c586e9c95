//! Examples in memory: inputs as one array, targets as class labels or as another array.
//!
//! Everything is kept flat and contiguous, so that a part of the examples is a borrowed
//! slice and reading one is a copy. Inputs may stay bytes (60,000 MNIST images are 47 MB then
//! instead of 188) and are scaled as they are read.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use ndarray::{Array, ArrayD, ArrayView, Dimension};

use super::{Dataset, check_input};
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

/// An array of inputs or of target values, `[N, …]`: made from an `ndarray` array or view of `f32` or `u8`.
///
/// Arrays whose elements do not lie in order in memory are copied.
pub struct Inputs<'a> {
    shape: Vec<usize>,
    elements: Elements<'a>,
}

#[derive(Clone)]
enum Elements<'a> {
    Floats(Cow<'a, [f32]>),
    Bytes(Cow<'a, [u8]>),
}

#[derive(Clone)]
enum Targets<'a> {
    Labels(Cow<'a, [u32]>),
    Values {
        /// Of one target.
        shape: Vec<usize>,
        values: Cow<'a, [f32]>,
    },
}

impl<'a> Examples<'a> {
    /// Inputs with one class label each, counted from 0. Labels may be of any integer type.
    ///
    /// With an output of one value, labels are 0 and 1 and the target is that number;
    /// otherwise the target is one-hot.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`], [`Error::Count`], and [`Error::LabelRange`] for a negative label. Labels
    /// that are too large for the network are found when training starts, once the classes are known.
    pub fn labelled<L>(
        inputs: impl Into<Inputs<'a>>,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Self, Error>
    where
        L: TryInto<i128>,
    {
        let labels = labels
            .into_iter()
            .enumerate()
            .map(|(index, label)| {
                // The only integers that do not fit are unsigned ones of 128 bits.
                let label = label.try_into().unwrap_or(i128::MAX);
                u32::try_from(label).map_err(|_| Error::LabelRange { index, label })
            })
            .collect::<Result<Vec<u32>, Error>>()?;
        let count = labels.len();
        Self::new(inputs.into(), Targets::Labels(Cow::Owned(labels)), count)
    }

    /// Inputs with an array of values each: `values` is `[N, …]`, and its further axes are
    /// those of the network's output. `[N]` serves an output of one value.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`] and [`Error::Count`]. That the shapes fit the network is checked when
    /// training starts.
    pub fn with_values(
        inputs: impl Into<Inputs<'a>>,
        values: impl Into<Inputs<'a>>,
    ) -> Result<Self, Error> {
        let values = values.into();
        let [count, shape @ ..] = values.shape.as_slice() else {
            return Err(Error::Scalar);
        };
        let (count, shape) = (*count, shape.to_vec());
        let values = match values.elements {
            Elements::Floats(values) => values,
            Elements::Bytes(values) => values.iter().map(|&value| f32::from(value)).collect(),
        };
        Self::new(inputs.into(), Targets::Values { shape, values }, count)
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
    /// `1.0 / 255.0` turns bytes into 0 to 1.
    #[must_use]
    pub fn scaled(mut self, scale: f32) -> Self {
        self.scale = scale;
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

    /// The label of example `index`; `None` where the targets are values.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`len`](Self::len).
    pub fn label(&self, index: usize) -> Option<usize> {
        match &self.targets {
            Targets::Labels(labels) => Some(labels[index] as usize),
            Targets::Values { .. } => None,
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
                Elements::Floats(floats) => Elements::Floats(part(floats, &range, size)),
                Elements::Bytes(bytes) => Elements::Bytes(part(bytes, &range, size)),
            },
            scale: self.scale,
            targets: match &self.targets {
                Targets::Labels(labels) => Targets::Labels(part(labels, &range, 1)),
                Targets::Values { shape, values } => Targets::Values {
                    shape: shape.clone(),
                    values: part(values, &range, shape.iter().product()),
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
fn part<'s, T: Clone>(elements: &'s [T], range: &Range<usize>, size: usize) -> Cow<'s, [T]> {
    Cow::Borrowed(&elements[range.start * size..range.end * size])
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
        let range = index * size..(index + 1) * size;
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

    fn read_target(&self, index: usize, out: &mut [f32]) {
        match &self.targets {
            Targets::Labels(labels) => {
                let label = labels[index];
                if let [out] = out {
                    *out = if label == 0 { 0.0 } else { 1.0 };
                } else {
                    out.fill(0.0);
                    out[label as usize] = 1.0;
                }
            }
            Targets::Values { values, .. } => {
                let size = out.len();
                out.copy_from_slice(&values[index * size..(index + 1) * size]);
            }
        }
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        check_input(&self.shape, input)?;
        match &self.targets {
            Targets::Labels(labels) => {
                let &[units] = output else {
                    return Err(Error::LabelsForShape {
                        output: output.to_vec(),
                    });
                };
                // A single output tells two classes apart.
                let classes = units.max(2) as u64;
                match labels.iter().position(|&l| u64::from(l) >= classes) {
                    None => Ok(()),
                    Some(index) => Err(Error::Label {
                        index,
                        label: i128::from(labels[index]),
                        classes,
                    }),
                }
            }
            Targets::Values { shape, .. } => {
                if shape == output || (shape.is_empty() && output == [1]) {
                    return Ok(());
                }
                Err(Error::TargetShape {
                    expected: output.to_vec(),
                    found: shape.clone(),
                })
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

/// The elements of a view in order, copied only where they do not lie so already.
fn contiguous<A: Clone, D: Dimension>(view: ArrayView<'_, A, D>) -> Cow<'_, [A]> {
    match view.to_slice() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(view.iter().cloned().collect()),
    }
}

/// The elements of an owned array in order, copied only where they do not lie so already.
fn into_contiguous<A: Clone, D: Dimension>(array: Array<A, D>) -> Vec<A> {
    if !array.is_standard_layout() {
        return array.iter().cloned().collect();
    }
    let len = array.len();
    // The array may be what is left of a larger one.
    let (mut elements, offset) = array.into_raw_vec_and_offset();
    elements.drain(..offset.unwrap_or(0));
    elements.truncate(len);
    elements
}

macro_rules! inputs_from {
    ($element:ty, $variant:ident) => {
        impl<'a, D: Dimension> From<ArrayView<'a, $element, D>> for Inputs<'a> {
            fn from(view: ArrayView<'a, $element, D>) -> Self {
                Self {
                    shape: view.shape().to_vec(),
                    elements: Elements::$variant(contiguous(view)),
                }
            }
        }

        impl<'a, D: Dimension> From<&'a Array<$element, D>> for Inputs<'a> {
            fn from(array: &'a Array<$element, D>) -> Self {
                array.view().into()
            }
        }

        impl<D: Dimension> From<Array<$element, D>> for Inputs<'_> {
            fn from(array: Array<$element, D>) -> Self {
                Self {
                    shape: array.shape().to_vec(),
                    elements: Elements::$variant(Cow::Owned(into_contiguous(array))),
                }
            }
        }
    };
}

inputs_from!(f32, Floats);
inputs_from!(u8, Bytes);
