//! [`ConfusionMatrix`]: which classes are taken for which.

use std::fmt;

use ndarray::{Array2, ArrayView2};

use super::evaluation::{Chunk, check_data, check_trainable};
use super::{Model, size};
use crate::data::Dataset;
use crate::error::Error;
use crate::metric::Answers;
use crate::objective::custom::Custom;
use crate::thread_count::threads;

/// The most classes of a matrix, which then takes 128 MiB.
const MOST: usize = 4096;

/// How often each class was found where another one, or the same, is actual.
///
/// `Display` writes it as a table, a row for each actual class:
///
/// ```
/// # cnn::network! {
/// #     network Same { input(3); softmax; train { loss = categorical_crossentropy; } }
/// # }
/// # let inputs = cnn::ndarray::array![[9.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]];
/// # let examples = cnn::Examples::labelled(&inputs, [0, 0, 2, 2])?;
/// # let net = Same::new(0);
/// let matrix = net.confusion_matrix(&examples)?.with_names(["shirt", "coat", "bag"])?;
/// assert_eq!(
///     matrix.to_string(),
///     "\
/// actual     shirt   coat    bag  recall
/// shirt          2      0      0  1.0000
/// coat           0      0      0  0.0000
/// bag            0      1      1  0.5000
/// precision 1.0000 0.0000 1.0000  0.7500 of 4"
/// );
/// assert_eq!(matrix.counts()[[2, 1]], 1);
/// # Ok::<(), cnn::Error>(())
/// ```
///
/// The columns are the classes that were found. The last line ends in the accuracy.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    /// `[actual, found]`.
    counts: Array2<u64>,
    names: Vec<String>,
}

impl ConfusionMatrix {
    /// The matrix of answers that were counted elsewhere, `[actual, found]`. The names of the classes are their numbers.
    ///
    /// ```
    /// use cnn_runtime::ConfusionMatrix;
    /// use ndarray::array;
    ///
    /// let matrix = ConfusionMatrix::from_counts(array![[95, 5], [10, 90]])?;
    /// assert_eq!((matrix.accuracy(), matrix.recall(0), matrix.names()[1].as_str()), (0.925, 0.95, "1"));
    /// let error = ConfusionMatrix::from_counts(array![[95, 5]]).unwrap_err();
    /// assert!(error.to_string().contains("1x2"));
    /// # Ok::<(), cnn_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where there are more or fewer columns than rows.
    pub fn from_counts(counts: Array2<u64>) -> Result<Self, Error> {
        let (rows, columns) = counts.dim();
        if rows != columns {
            return Err(Error::Setting {
                name: "counts",
                value: format!("{rows}x{columns}"),
                expected: "as many columns as rows in a confusion matrix",
            });
        }
        Ok(Self {
            counts,
            names: numbers(rows),
        })
    }

    /// How often each class was found, `[actual, found]`.
    pub fn counts(&self) -> ArrayView2<'_, u64> {
        self.counts.view()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// The names of the classes: their numbers, unless they were given others.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The same with names for the classes, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Parts`] of more or fewer names.
    pub fn with_names<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.len() != self.classes() {
            return Err(Error::Parts {
                what: "class names",
                expected: self.classes(),
                found: names.len(),
            });
        }
        Ok(Self { names, ..self })
    }

    /// How many answers were counted.
    pub fn total(&self) -> u64 {
        self.counts.sum()
    }

    /// The share of the answers that are right; 0 of none.
    pub fn accuracy(&self) -> f64 {
        share(self.counts.diag().sum(), self.total())
    }

    /// The share of the answers for `class` that are right; 0 of none.
    ///
    /// # Panics
    ///
    /// When `class` is not below [`classes`](Self::classes).
    pub fn precision(&self, class: usize) -> f64 {
        share(self.counts[[class, class]], self.counts.column(class).sum())
    }

    /// The share of those of `class` that were found; 0 of none.
    ///
    /// # Panics
    ///
    /// When `class` is not below [`classes`](Self::classes).
    pub fn recall(&self, class: usize) -> f64 {
        share(self.counts[[class, class]], self.counts.row(class).sum())
    }

    /// The harmonic mean of [`precision`](Self::precision) and [`recall`](Self::recall); 0 where both are.
    ///
    /// # Panics
    ///
    /// When `class` is not below [`classes`](Self::classes).
    pub fn f1_score(&self, class: usize) -> f64 {
        let both = self.counts.column(class).sum() + self.counts.row(class).sum();
        share(2 * self.counts[[class, class]], both)
    }
}

/// The names of classes that have none.
fn numbers(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => part as f64 / whole as f64,
    }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, names } = self;
        let width = |text: &String| text.chars().count();
        let first = names
            .iter()
            .map(width)
            .max()
            .unwrap_or(0)
            .max("precision".len());
        // Wide enough for a share, `0.1234`.
        let columns: Vec<usize> = (counts.columns().into_iter().zip(names))
            .map(|(column, name)| {
                let largest = column.iter().copied().max().unwrap_or(0);
                width(name).max(largest.to_string().len()).max(6)
            })
            .collect();
        write!(f, "{:first$}", "actual")?;
        for (name, width) in names.iter().zip(&columns) {
            write!(f, " {name:>width$}")?;
        }
        writeln!(f, "  recall")?;
        for (class, (row, name)) in counts.rows().into_iter().zip(names).enumerate() {
            write!(f, "{name:first$}")?;
            for (count, width) in row.iter().zip(&columns) {
                write!(f, " {count:>width$}")?;
            }
            writeln!(f, "  {:.4}", self.recall(class))?;
        }
        write!(f, "{:first$}", "precision")?;
        for (class, width) in columns.iter().enumerate() {
            write!(f, " {:>width$.4}", self.precision(class))?;
        }
        write!(f, "  {:.4} of {}", self.accuracy(), self.total())
    }
}

impl Model {
    /// Which classes of `data` are taken for which, by a network with one output.
    ///
    /// Classes are told as the metric `accuracy` does it: by the largest output, and a yes or no by the side on which its
    /// output is. Of an image, each position is an answer of its own. Positions without a label are not counted, nor are
    /// outputs of NaN.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`](Self::evaluate), and [`Error::Output`] of a network with several outputs.
    pub fn confusion_matrix(&self, data: &dyn Dataset) -> Result<ConfusionMatrix, Error> {
        match self.spec.outputs {
            [_] => self.confusion_of(0, data),
            _ => Err(self.no_output("")),
        }
    }

    /// [`confusion_matrix`](Self::confusion_matrix) of an output, by its label.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`](Self::evaluate), and [`Error::Output`] where the network has no such output.
    pub fn confusion_matrix_of(
        &self,
        output: &str,
        data: &dyn Dataset,
    ) -> Result<ConfusionMatrix, Error> {
        let place = (self.spec.outputs.iter()).position(|port| port.name == output);
        self.confusion_of(place.ok_or_else(|| self.no_output(output))?, data)
    }

    fn no_output(&self, name: &str) -> Error {
        Error::Output {
            name: name.to_owned(),
            outputs: self.spec.outputs.iter().map(|port| port.name).collect(),
        }
    }

    fn confusion_of(&self, output: usize, data: &dyn Dataset) -> Result<ConfusionMatrix, Error> {
        let training = check_trainable(self.spec)?;
        check_data(self.spec, data)?;
        let (port, loss) = (&self.spec.outputs[output], training.objectives[output].loss);
        let answers = Answers::by_default(loss, port.shape);
        let classes = answers.classes();
        if classes > MOST {
            return Err(Error::Setting {
                name: "classes",
                value: classes.to_string(),
                expected: "at most 4096 in a confusion matrix",
            });
        }
        let units = size(self.spec.output);
        let sum = |chunk: Chunk<'_>, sums: &mut [f64]| {
            let rows = chunk.output.chunks_exact(units);
            for (output, target) in rows.zip(chunk.target.chunks_exact(units)) {
                let (output, target) = (&output[port.range()], &target[port.range()]);
                answers.for_each(output, target, |found, actual| {
                    if let Some(found) = found {
                        sums[actual * classes + found] += 1.0;
                    }
                });
            }
        };
        let sums = self.sum_over(
            training,
            &Custom::default(),
            data,
            threads(),
            classes * classes,
            sum,
        )?;
        let count = |(actual, found)| sums[actual * classes + found] as u64;
        Ok(ConfusionMatrix {
            counts: Array2::from_shape_fn((classes, classes), count),
            names: numbers(classes),
        })
    }
}
