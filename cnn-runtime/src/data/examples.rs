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

use super::columns::{Input, Targets, part};
use super::inputs::{Elements, Inputs, IntoInputs};
use super::{Dataset, Label, targets};
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
    /// Of the first input, and of others.
    inputs: Vec<Input<'a>>,
    /// The first target, and others.
    targets: Vec<Targets<'a>>,
    /// How much each example counts in the loss, by target, `[targets, len]` or `[len]` for all; empty where all count
    /// the same.
    weights: Vec<Cow<'a, [f32]>>,
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
        Self::new(inputs.into_inputs(), Targets::labels(labels)?)
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
        Self::new(inputs.into_inputs(), Targets::label_maps(maps)?)
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
        Self::new(inputs.into_inputs(), Targets::values(values.into_inputs())?)
    }

    fn new(inputs: Inputs<'a>, (targets, count): (Targets<'a>, usize)) -> Result<Self, Error> {
        let (input, len) = Input::new(inputs)?;
        if len != count {
            return Err(Error::Count {
                inputs: len,
                targets: count,
            });
        }
        Ok(Self {
            len,
            inputs: vec![input],
            targets: vec![targets],
            weights: Vec::new(),
        })
    }

    /// The examples of all chunks, one after the other: of an iterator that reads a file at a time, say. Chunks may come as
    /// results, whose first error is returned.
    ///
    /// What does not fit in memory is a [`Dataset`] of its own, or is trained on chunk by chunk, with
    /// `fit(&chunk)` in a loop: the optimizer goes on where it was.
    ///
    /// ```
    /// use cnn_runtime::Error;
    /// use cnn_runtime::data::Examples;
    /// use cnn_runtime::ndarray::Array2;
    ///
    /// let read = |file: usize| Examples::labelled(Array2::<f32>::zeros((4, 2)), [file; 4]);
    /// let examples: Examples = Examples::from_chunks((0..3).map(read))?;
    /// assert_eq!((examples.len(), examples.label(11)), (12, Some(2)));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::EmptyDataset`] without a chunk; [`Error::Parts`], [`Error::InputShape`] and [`Error::TargetShape`] where a
    /// chunk is not as the first one, with labels or values of the same shape; and those of the iterator.
    pub fn from_chunks<'c, E: From<Error>>(
        chunks: impl IntoIterator<Item = Result<Examples<'c>, E>>,
    ) -> Result<Examples<'static>, E> {
        let mut chunks = chunks.into_iter();
        let Some(first) = chunks.next() else {
            return Err(Error::EmptyDataset.into());
        };
        let mut all = first?.into_owned();
        for chunk in chunks {
            all.append(chunk?)?;
        }
        Ok(all)
    }

    /// Adds examples at the end.
    fn append(&mut self, chunk: Examples<'_>) -> Result<(), Error> {
        for (what, expected, found) in [
            ("inputs", self.inputs.len(), chunk.inputs.len()),
            ("targets", self.targets.len(), chunk.targets.len()),
        ] {
            if expected != found {
                return Err(Error::Parts {
                    what,
                    expected,
                    found,
                });
            }
        }
        // Weights of the first output hold for the others where these have none.
        let of_first = |weights: &[Cow<'_, [f32]>], len| match weights.first() {
            Some(weights) => weights.to_vec(),
            None => vec![1.0; len],
        };
        let (before, after) = (
            of_first(&self.weights, self.len),
            of_first(&chunk.weights, chunk.len),
        );
        let count = self.weights.len().max(chunk.weights.len());
        self.weights.resize(count, before.into());
        for (place, weights) in self.weights.iter_mut().enumerate() {
            let more = chunk.weights.get(place).map_or(&after[..], |more| more);
            weights.to_mut().extend_from_slice(more);
        }
        for (input, more) in self.inputs.iter_mut().zip(chunk.inputs) {
            input.append(more)?;
        }
        for (targets, more) in self.targets.iter_mut().zip(chunk.targets) {
            targets.append(more)?;
        }
        self.len += chunk.len;
        Ok(())
    }

    /// The same examples with arrays of their own.
    pub fn into_owned(self) -> Examples<'static> {
        Examples {
            len: self.len,
            inputs: self.inputs.into_iter().map(Input::into_owned).collect(),
            targets: self.targets.into_iter().map(Targets::into_owned).collect(),
            weights: (self.weights.into_iter())
                .map(|weights| weights.into_owned().into())
                .collect(),
        }
    }

    /// The same examples with one more input, for a network of several: they come in the order of its inputs.
    ///
    /// ```
    /// use cnn_runtime::data::Examples;
    /// use cnn_runtime::ndarray::{Array2, Array4};
    ///
    /// // An image and two numbers each; a class, and a value.
    /// let examples = Examples::labelled(Array4::<f32>::zeros((3, 8, 8, 1)), [0, 2, 1])?
    ///     .and_input(Array2::<f32>::ones((3, 2)))?
    ///     .and_values(Array2::<f32>::zeros((3, 1)))?;
    /// assert_eq!(examples.len(), 3);
    /// # Ok::<(), cnn_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`] and [`Error::Count`].
    pub fn and_input(mut self, input: impl IntoInputs<'a>) -> Result<Self, Error> {
        let (input, count) = Input::new(input.into_inputs())?;
        if self.len != count {
            return Err(Error::Count {
                inputs: count,
                targets: self.len,
            });
        }
        self.inputs.push(input);
        Ok(self)
    }

    /// The same examples with one more target, for a network of several outputs: they come in the order of
    /// `output(…)`. The target is a class label, as in [`labelled`](Self::labelled).
    ///
    /// # Errors
    ///
    /// [`Error::Count`] and [`Error::LabelRange`].
    pub fn and_labels<L: Label>(self, labels: impl IntoIterator<Item = L>) -> Result<Self, Error> {
        let targets = Targets::labels(labels)?;
        self.and_targets(targets)
    }

    /// The same with a map of class labels, as in [`with_label_maps`](Self::with_label_maps).
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`], [`Error::Count`] and [`Error::LabelRange`].
    pub fn and_label_maps<L: Label, D: Dimension>(
        self,
        maps: &ArrayRef<L, D>,
    ) -> Result<Self, Error> {
        let targets = Targets::label_maps(maps)?;
        self.and_targets(targets)
    }

    /// The same with an array of values, as in [`with_values`](Self::with_values).
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`] and [`Error::Count`].
    pub fn and_values(self, values: impl IntoInputs<'a>) -> Result<Self, Error> {
        let targets = Targets::values(values.into_inputs())?;
        self.and_targets(targets)
    }

    fn and_targets(mut self, (targets, count): (Targets<'a>, usize)) -> Result<Self, Error> {
        if self.len != count {
            return Err(Error::Count {
                inputs: self.len,
                targets: count,
            });
        }
        self.targets.push(targets);
        Ok(self)
    }

    /// The same examples with every element of the last input that was given multiplied by `scale` as it is read:
    /// `1.0 / 255.0` turns bytes into 0 to 1. Targets stay as they are.
    ///
    /// Scales multiply: `scaled(2.0).scaled(3.0)` is `scaled(6.0)`. A product that is infinite or NaN is
    /// [`Error::Setting`] when training or evaluation starts; predictions of such inputs are NaN.
    #[must_use]
    pub fn scaled(mut self, scale: f32) -> Self {
        if let Some(input) = self.inputs.last_mut() {
            input.scale *= scale;
        }
        self
    }

    /// The same examples with a weight each, Keras' `sample_weight`: the loss of an example is multiplied by its weight,
    /// and the loss of a batch is the sum of these over the number of its examples. So examples with a weight of 0 add
    /// nothing, but count in that number. Metrics know no weights. The weights of several outputs are the same, unless
    /// [`and_sample_weights`](Self::and_sample_weights) gives them others.
    ///
    /// ```
    /// use cnn_runtime::data::Examples;
    /// use cnn_runtime::ndarray::array;
    ///
    /// let examples = Examples::labelled(array![[0.0], [1.0], [2.0]], [0, 1, 1])?
    ///     .with_sample_weights([1.0, 0.5, 2.0])?;
    /// # let _ = examples;
    /// # Ok::<(), cnn_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Count`], and [`Error::SampleWeight`] of a weight that is negative or not finite.
    pub fn with_sample_weights(
        mut self,
        weights: impl IntoIterator<Item = f32>,
    ) -> Result<Self, Error> {
        self.weights.clear();
        self.and_sample_weights(weights)
    }

    /// The same with weights under the loss of the next output: the first call is for the first output, as
    /// [`with_sample_weights`](Self::with_sample_weights). Outputs without weights of their own have those of the first.
    ///
    /// # Errors
    ///
    /// As [`with_sample_weights`](Self::with_sample_weights), and [`Error::Parts`] of more weights than targets.
    pub fn and_sample_weights(
        mut self,
        weights: impl IntoIterator<Item = f32>,
    ) -> Result<Self, Error> {
        let weights: Vec<f32> = weights.into_iter().collect();
        if weights.len() != self.len {
            return Err(Error::Count {
                inputs: self.len,
                targets: weights.len(),
            });
        }
        let mut all = weights.iter().enumerate();
        all.try_for_each(|(index, weight)| targets::check_weight(index, *weight))?;
        if self.weights.len() == self.targets.len() {
            return Err(Error::Parts {
                what: "sample weights",
                expected: self.targets.len(),
                found: self.weights.len() + 1,
            });
        }
        self.weights.push(weights.into());
        Ok(self)
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
        &self.inputs[0].shape
    }

    /// All inputs as they are read, `[N, …]`: borrowed where they are `f32` and not scaled, else a scaled
    /// copy. Of several inputs, the first.
    pub fn inputs(&self) -> CowArray<'_, f32, IxDyn> {
        let input = &self.inputs[0];
        let shape = [&[self.len], &*input.shape].concat();
        if let (Elements::Floats(floats), 1.0) = (&input.elements, input.scale) {
            let view = ArrayViewD::from_shape(shape, floats);
            return view.expect("a value for each place of the shape").into();
        }
        let mut inputs = ArrayD::zeros(shape);
        let out = inputs.as_slice_mut().expect("new arrays are contiguous");
        input.read(0..out.len(), out);
        inputs.into()
    }

    /// All labels, `[N]`; `None` where the targets are label maps or values.
    pub fn labels(&self) -> Option<ArrayView1<'_, u32>> {
        match &self.targets[0] {
            Targets::Labels { shape, labels } if shape.is_empty() => {
                Some(ArrayView1::from(&**labels))
            }
            Targets::Labels { .. } | Targets::Values { .. } => None,
        }
    }

    /// All label maps, `[N, H, W]`; `None` where the targets are one label each or values.
    pub fn label_maps(&self) -> Option<ArrayViewD<'_, u32>> {
        match &self.targets[0] {
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
        match &self.targets[0] {
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
        let mut input = ArrayD::zeros(self.input_shape());
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
        match &self.targets[0] {
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
        Examples {
            len: range.len(),
            inputs: (self.inputs.iter())
                .map(|input| input.slice(range.clone()))
                .collect(),
            targets: (self.targets.iter())
                .map(|targets| targets.slice(range.clone()))
                .collect(),
            weights: (self.weights.iter())
                .map(|weights| part(weights, range.clone(), 1).into())
                .collect(),
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

impl Dataset for Examples<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn input_shape(&self) -> &[usize] {
        self.shape_of_input(0)
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.read_input_of(0, index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.read_target_of(0, index, out);
    }

    fn inputs(&self) -> usize {
        self.inputs.len()
    }

    fn targets(&self) -> usize {
        self.targets.len()
    }

    fn shape_of_input(&self, input: usize) -> &[usize] {
        &self.inputs[input].shape
    }

    fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
        let input = &self.inputs[input];
        let size = input.size();
        input.read(index * size..(index + 1) * size, out);
    }

    fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
        self.targets[target].read(index, out);
    }

    fn weight_of(&self, target: usize, index: usize) -> f32 {
        let of_target = self.weights.get(target).or(self.weights.first());
        of_target.map_or(1.0, |weights| weights[index])
    }

    fn label_of(&self, index: usize) -> Option<usize> {
        self.label(index)
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        self.check_all(&[input], &[output])
    }

    fn check_all(&self, inputs: &[&[usize]], outputs: &[&[usize]]) -> Result<(), Error> {
        for (what, expected, found) in [
            ("inputs", inputs.len(), self.inputs.len()),
            ("targets", outputs.len(), self.targets.len()),
        ] {
            if expected != found {
                return Err(Error::Parts {
                    what,
                    expected,
                    found,
                });
            }
        }
        let mut columns = self.inputs.iter().zip(inputs);
        columns.try_for_each(|(input, shape)| input.check(shape))?;
        let mut columns = self.targets.iter().zip(outputs);
        columns.try_for_each(|(targets, shape)| targets.check(shape))
    }

    fn check_targets(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.check_target(0, loss, output)
    }

    fn check_target(&self, target: usize, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.targets[target].check_values(loss, output)
    }
}

/// Says the shapes, not the megabytes.
impl fmt::Debug for Examples<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examples")
            .field("len", &self.len)
            .field("input_shape", &self.inputs[0].shape)
            .finish_non_exhaustive()
    }
}
