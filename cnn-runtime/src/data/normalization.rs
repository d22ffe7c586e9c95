//! Inputs with mean 0 and standard deviation 1, as Keras' `Normalization` layer computes them.

use super::Dataset;
use super::map::{ChangeInput, MapInput};
use super::targets::position;
use crate::error::Error;

/// The mean and the standard deviation of each channel of the inputs, or of each feature where inputs are flat: of each
/// place on the last axis. [`apply`](Self::apply) computes `(x - mean) / std`.
///
/// They are those of the training examples, and are applied to all others, too:
///
/// ```
/// use cnn_runtime::data::{Dataset, Examples, Normalization};
/// use cnn_runtime::ndarray::Array2;
///
/// let features = Array2::from_shape_fn((10, 2), |(n, feature)| (n * (feature + 1)) as f32);
/// let examples = Examples::labelled(features, (0..10).map(|n| n % 2))?;
/// let (training, test) = examples.split(0.8, 1)?;
/// let normalization = Normalization::of(&training)?;
/// let (training, test) = (normalization.normalize(training), normalization.normalize(test));
/// # let mut first = [0.0; 2];
/// # training.read_input(0, &mut first);
/// # assert!(first.iter().all(|x| x.abs() < 2.0));
/// # let _ = test;
///
/// // One input by itself, as a program has it that predicts.
/// let mut input = [4.0, 9.0];
/// normalization.apply(&mut input);
/// # Ok::<(), cnn_runtime::Error>(())
/// ```
///
/// # In another program
///
/// A network that was trained on normalized inputs predicts from normalized inputs. The values are plain numbers, which
/// `println!("{:?} {:?}", normalization.mean(), normalization.std())` writes such that `f32` reads them back without a
/// change. They go into the program as constants, beside the [`weights!`](https://docs.rs/cnn) of the network, and
/// [`Normalization::new`] takes them. Without `std` it is a line: `*x = (*x - MEAN[channel]) / STD[channel]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalization {
    /// Normalization with given values, one each for every channel or feature.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where there are more means than standard deviations or the reverse, or none, where a mean is not
    /// finite, or where a standard deviation is not finite and above 0.
    pub fn new(mean: impl Into<Vec<f32>>, std: impl Into<Vec<f32>>) -> Result<Self, Error> {
        let (mean, std) = (mean.into(), std.into());
        let refused = |name, value: String, expected| {
            Err(Error::Setting {
                name,
                value,
                expected,
            })
        };
        if mean.is_empty() || mean.len() != std.len() {
            let value = format!("{} numbers", std.len());
            return refused("std", value, "as many numbers as `mean`, one or more");
        }
        if let Some(wrong) = mean.iter().find(|mean| !mean.is_finite()) {
            return refused("mean", wrong.to_string(), "finite");
        }
        if let Some(wrong) = std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            return refused("std", wrong.to_string(), "finite and above 0");
        }
        Ok(Self { mean, std })
    }

    /// The mean and the standard deviation (over `N`, not `N - 1`) of the first input of `data`.
    ///
    /// Every input is read once, and sums are made in `f64`. A channel whose values are all the same has a standard
    /// deviation of 0, for which 1 is taken, as scikit-learn does.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyDataset`], [`Error::InputValue`] of an input that is infinite or not a number, and what reading an
    /// example finds.
    pub fn of(data: &dyn Dataset) -> Result<Self, Error> {
        Self::of_input(0, data)
    }

    /// [`of`](Self::of) input number `input`, of several.
    ///
    /// # Errors
    ///
    /// Those of [`of`](Self::of), and [`Error::Parts`] where there is no such input.
    pub fn of_input(input: usize, data: &dyn Dataset) -> Result<Self, Error> {
        if data.is_empty() {
            return Err(Error::EmptyDataset);
        }
        if input >= data.inputs() {
            return Err(Error::Parts {
                what: "inputs",
                expected: input + 1,
                found: data.inputs(),
            });
        }
        let shape = data.shape_of_input(input);
        let channels = shape.last().copied().unwrap_or(1);
        let size: usize = shape.iter().product();
        if size == 0 {
            return Err(Error::EmptyDataset);
        }
        let places = (size / channels) as f64;
        let mut values = vec![0.0; size];
        let mut all = vec![Moments::default(); channels];
        let mut of_example = all.clone();
        data.will_read(&mut (0..data.len()));
        for index in 0..data.len() {
            data.try_read_input_of(input, index, &mut values)?;
            if let Some(place) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::InputValue {
                    index: data.original_index(index),
                    position: position(shape, place),
                    value: values[place],
                });
            }
            of_example.fill(Moments::default());
            for place in values.chunks_exact(channels) {
                for (moments, value) in of_example.iter_mut().zip(place) {
                    moments.mean += f64::from(*value);
                }
            }
            for moments in &mut of_example {
                moments.count = places;
                moments.mean /= places;
            }
            for place in values.chunks_exact(channels) {
                for (moments, value) in of_example.iter_mut().zip(place) {
                    moments.squares += (f64::from(*value) - moments.mean).powi(2);
                }
            }
            for (all, of_example) in all.iter_mut().zip(&of_example) {
                all.merge(of_example);
            }
        }
        let std = |moments: &Moments| match (moments.squares / moments.count).sqrt() as f32 {
            0.0 => 1.0,
            std => std,
        };
        Ok(Self {
            mean: all.iter().map(|moments| moments.mean as f32).collect(),
            std: all.iter().map(std).collect(),
        })
    }

    /// The mean of each channel or feature.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The standard deviation of each channel or feature.
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// Normalizes one input, or several in a row, last axis fastest. Values beyond the last whole place on the last axis
    /// stay as they are.
    pub fn apply(&self, input: &mut [f32]) {
        for place in input.chunks_exact_mut(self.mean.len()) {
            for ((value, mean), std) in place.iter_mut().zip(&self.mean).zip(&self.std) {
                *value = (*value - mean) / std;
            }
        }
    }

    /// `data` with its first input normalized as it is read.
    pub fn normalize<D: Dataset>(&self, data: D) -> MapInput<D, Self> {
        self.normalize_input(0, data)
    }

    /// `data` with input number `input` normalized as it is read.
    pub fn normalize_input<D: Dataset>(&self, input: usize, data: D) -> MapInput<D, Self> {
        MapInput::new(data, input, self.clone())
    }
}

/// The number of values, their mean, and the sum of the squares of their distances from it.
#[derive(Clone, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Chan, Golub & LeVeque 1979: nothing cancels, as it does in a sum of squares.
    fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        self.mean += distance * other.count / count;
        self.squares += other.squares + distance * distance * self.count * other.count / count;
        self.count = count;
    }
}

impl ChangeInput for Normalization {
    fn change(&self, input: &mut [f32]) {
        self.apply(input);
    }

    fn check(&self, shape: &[usize]) -> Result<(), Error> {
        let (expected, found) = (shape.last().copied().unwrap_or(1), self.mean.len());
        match expected == found {
            true => Ok(()),
            false => Err(Error::Setting {
                name: "normalization",
                value: format!("of {found} channels"),
                expected: "of as many channels or features as the input has",
            }),
        }
    }
}
