//! What can go wrong outside the kernels: settings, data, files.
//!
//! Every error carries what was expected and what was found, so that a program can act on
//! it; `Display` says the same in one lower-case line.

use std::fmt;
use std::io;
use std::path::PathBuf;

use cnn_ir::Loss;

#[cfg(feature = "csv")]
pub use crate::data::csv::CsvError;
pub use crate::data::idx::IdxError;
#[cfg(feature = "images")]
pub use crate::data::images::ImageError;
#[cfg(feature = "npy")]
pub use crate::data::npy::NpyError;
pub use crate::model::checkpoint::CheckpointError;
pub use crate::non_finite::NonFinite;

/// An error of the runtime.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The network has no `train` block, so neither a loss nor an optimizer is known.
    NotTrainable {
        /// The network's name.
        network: &'static str,
    },
    /// The values of the network cannot be inspected, because its description is not known: `network!` has not made it.
    NotDescribed {
        /// The network's name.
        network: &'static str,
    },
    /// A setting of the trainer, or the scale of examples, has a value that makes no sense.
    Setting {
        /// The setting, as its method is called, the field of the optimizer, or `scale`.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A callback follows a score that the epochs do not have.
    Monitor {
        /// The score, as it was written.
        name: String,
        /// The scores that there are.
        scores: Vec<String>,
    },
    /// The network has no such output, or has several where one was asked for.
    Output {
        /// The output that was asked for; empty where the only one was.
        name: String,
        /// The outputs that there are.
        outputs: Vec<&'static str>,
    },
    /// The network has no layer, block or tensor of a name.
    Name {
        /// The name.
        name: String,
        /// What was looked for: `layer or block`.
        expected: &'static str,
        /// The name that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A layer or a block has no tensors, so there is nothing to freeze or to train.
    NoTensors {
        /// Its name.
        name: String,
    },
    /// A layer, a block or a tensor has no gradients: its description says `trainable = false`, or it holds running
    /// statistics.
    NotTrained {
        /// Its name.
        name: String,
    },
    /// There are no examples to train on or to evaluate.
    EmptyDataset,
    /// A batch without a batch axis.
    Scalar,
    /// One example has another shape than the network's input.
    InputShape {
        /// The network's input, without the batch axis.
        expected: Vec<usize>,
        /// The example's shape.
        found: Vec<usize>,
    },
    /// The examples have more or fewer inputs or targets than the network.
    Parts {
        /// `inputs` or `targets`.
        what: &'static str,
        /// How many the network has.
        expected: usize,
        /// How many an example has.
        found: usize,
    },
    /// The inputs of a batch have different numbers of examples.
    BatchLengths {
        /// The examples of the first input.
        expected: usize,
        /// Those of another one.
        found: usize,
    },
    /// A slice for one input or output is longer or shorter than the network's.
    Length {
        /// `input` or `output`.
        part: &'static str,
        /// The network's shape, without the batch axis.
        shape: Vec<usize>,
        /// The length of the slice, in floats.
        found: usize,
    },
    /// One target has another shape than the network's output.
    TargetShape {
        /// The network's output, without the batch axis.
        expected: Vec<usize>,
        /// The target's shape.
        found: Vec<usize>,
    },
    /// One class label for each example was given to a network whose output is not a flat list of classes.
    LabelsForShape {
        /// The network's output, without the batch axis.
        output: Vec<usize>,
    },
    /// A label map has not the height and width of the network's output.
    LabelMapShape {
        /// The positions of the network's output: its shape without the axis of the classes.
        expected: Vec<usize>,
        /// The map's shape.
        found: Vec<usize>,
    },
    /// The numbers of inputs and of targets differ.
    Count {
        /// How many inputs there are.
        inputs: usize,
        /// How many targets there are.
        targets: usize,
    },
    /// A label that no network has a class for: it is negative, or above [`u32::MAX`].
    LabelRange {
        /// The index of the example.
        index: usize,
        /// Where in the example's label map: row and column. Empty where an example has one label.
        position: Vec<usize>,
        /// The label; [`i128::MAX`] also stands for all that are larger.
        label: i128,
    },
    /// A label names no class of this network.
    Label {
        /// The index of the example.
        index: usize,
        /// Where in the example's label map: row and column. Empty where an example has one label.
        position: Vec<usize>,
        /// The label.
        label: i128,
        /// The number of classes: labels lie in `0..classes`.
        classes: u64,
    },
    /// A target is no number that the loss takes.
    TargetValue {
        /// The index of the example.
        index: usize,
        /// Where in the target, along the axes of the network's output: row, column and channel. Empty where the
        /// output is flat.
        position: Vec<usize>,
        /// The first such number of its target.
        value: f32,
        /// The loss.
        loss: Loss,
        /// What its targets must be: `from 0 to 1`, `finite`, or as another loss takes them.
        expected: &'static str,
    },
    /// The targets of classes are probabilities, but those of an example sum to more than 1.
    TargetSum {
        /// The index of the example.
        index: usize,
        /// The first position where the sum along the last axis is too large: row and column. Empty where the
        /// output is flat.
        position: Vec<usize>,
        /// The sum.
        sum: f32,
        /// The loss.
        loss: Loss,
    },
    /// The weight of an example is negative or not finite.
    SampleWeight {
        /// The index of the example.
        index: usize,
        /// Its weight.
        weight: f32,
    },
    /// An input is infinite or not a number, where the statistics of all are asked for.
    InputValue {
        /// The index of the example.
        index: usize,
        /// Where in the input, along its axes: row, column and channel.
        position: Vec<usize>,
        /// The first such number of the input.
        value: f32,
    },
    /// An example is asked for that a dataset does not have.
    ExampleIndex {
        /// The index, counted from 0.
        index: usize,
        /// How many examples there are.
        examples: usize,
    },
    /// An example has no class label, where examples are divided by class.
    Unlabelled {
        /// The index of the example.
        index: usize,
    },
    /// The data to train on are wrong, in a call of `fit`.
    Training {
        /// What is wrong.
        source: Box<Error>,
    },
    /// The data for the validation are wrong, in a call of `fit`.
    Validation {
        /// What is wrong.
        source: Box<Error>,
    },
    /// The loss of a step is infinite or not a number. The model is as it was before the step.
    NonFiniteLoss {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
        /// The mean loss of the step's batch.
        loss: f64,
        /// What was infinite or not a number first, where that is known. With the feature `inspect` it says which
        /// layer has computed it.
        origin: Option<Box<NonFinite>>,
    },
    /// The loss of a step is finite, but a gradient is infinite or not a number. The model is as it was before the
    /// step.
    NonFiniteGradient {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
        /// The first such tensor in the order of the network: `conv2d_1.kernel`.
        tensor: &'static str,
        /// What was infinite or not a number first in the order of computation, in which the gradients of the last layers
        /// come first.
        origin: Option<Box<NonFinite>>,
    },
    /// The gradients of a step are finite, but the update by the optimizer overflows: a parameter, or what the
    /// optimizer remembers of it, would become infinite or not a number. The model is as it was before the step.
    NonFiniteUpdate {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
        /// The first such tensor in the order of the network: `conv2d_1.kernel`.
        tensor: &'static str,
    },
    /// None of the names under which a data file may go exists.
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The names that were looked for.
        names: Vec<String>,
    },
    /// A file could not be opened, read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// What shall be written, or weights and checkpoints be read from, is no regular file, but a folder, a device, a pipe or a socket.
    NotAFile {
        /// The path, which may be a link to it.
        path: PathBuf,
        /// What it is, in words: `a folder`.
        found: &'static str,
    },
    /// A file shall be written that is read-only, for everybody or for this user.
    ReadOnly {
        /// The path, which may be a link to the file.
        path: PathBuf,
    },
    /// A data file in the IDX format is not as it should be.
    Idx {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: IdxError,
    },
    /// A table of text is not as it should be.
    #[cfg(feature = "csv")]
    Csv {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: CsvError,
    },
    /// A file of numpy is not as it should be.
    #[cfg(feature = "npy")]
    Npy {
        /// The file; of an archive in memory, `archive`.
        path: PathBuf,
        /// The cause.
        source: NpyError,
    },
    /// A picture, or a folder of pictures, is not as it should be.
    #[cfg(feature = "images")]
    Image {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: ImageError,
    },
    /// A checkpoint does not fit the network, or is damaged.
    Checkpoint {
        /// The file; `None` when it was read from memory.
        path: Option<PathBuf>,
        /// The cause.
        source: CheckpointError,
    },
}

impl Error {
    /// What was infinite or not a number first, where a step of training failed by that.
    pub fn origin(&self) -> Option<&NonFinite> {
        match self {
            Self::NonFiniteLoss { origin, .. } | Self::NonFiniteGradient { origin, .. } => {
                origin.as_deref()
            }
            _ => None,
        }
    }

    /// This error, found in the data to train on.
    pub(crate) fn in_training(self) -> Self {
        Self::Training {
            source: Box::new(self),
        }
    }

    /// The number of the example that is wrong, if a single one is.
    pub(crate) fn example(&self) -> Option<usize> {
        match self {
            Self::Label { index, .. }
            | Self::TargetValue { index, .. }
            | Self::TargetSum { index, .. }
            | Self::SampleWeight { index, .. } => Some(*index),
            _ => None,
        }
    }

    /// This error, found in the data for the validation.
    pub(crate) fn in_validation(self) -> Self {
        Self::Validation {
            source: Box::new(self),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotTrainable { network } => {
                write!(
                    f,
                    "`{network}` has no `train` block, so its loss is not known"
                )
            }
            Error::NotDescribed { network } => {
                write!(
                    f,
                    "the description of `{network}` is not known, so its values cannot be inspected"
                )
            }
            Error::Setting {
                name,
                value,
                expected,
            } => write!(f, "`{name}` is {value}, but must be {expected}"),
            Error::Monitor { name, scores } => write!(
                f,
                "there is no score `{name}` to follow, but there are `{}`",
                scores.join("`, `")
            ),
            Error::Output { name, outputs } => {
                let outputs = outputs.join("`, `");
                match name.as_str() {
                    "" => write!(f, "the network has several outputs, `{outputs}`"),
                    _ => write!(f, "there is no output `{name}`, but there is `{outputs}`"),
                }
            }
            Error::Name {
                name,
                expected,
                nearest,
            } => {
                write!(f, "there is no {expected} `{name}`")?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
            Error::NoTensors { name } => write!(f, "`{name}` has no tensors"),
            Error::NotTrained { name } => write!(
                f,
                "`{name}` has no gradients: it has `trainable = false` in the description, or is running statistics"
            ),
            Error::EmptyDataset => f.write_str("the dataset holds no examples"),
            Error::Scalar => f.write_str("an array without axes holds no examples"),
            Error::Parts {
                what,
                expected,
                found,
            } => write!(
                f,
                "the network takes examples of {expected} {what}, these have {found}"
            ),
            Error::BatchLengths { expected, found } => write!(
                f,
                "the inputs of a batch differ in their numbers of examples: {expected} and {found}"
            ),
            Error::InputShape { expected, found } => write!(
                f,
                "the network's input is {}, but an example is {}",
                Shape(expected),
                Shape(found)
            ),
            Error::Length { part, shape, found } => write!(
                f,
                "the network's {part} is {}, {} floats, but the slice has {found}",
                Shape(shape),
                shape.iter().product::<usize>()
            ),
            Error::TargetShape { expected, found } => {
                write!(
                    f,
                    "the network's output is {}, but a target is {}",
                    Shape(expected),
                    Shape(found)
                )?;
                let positions = expected.split_last().map(|(_, positions)| positions);
                if positions.is_some_and(|positions| positions.len() > 1 && positions == found) {
                    f.write_str(
                        "; class labels of each position go to `Examples::with_label_maps`",
                    )?;
                }
                Ok(())
            }
            Error::LabelsForShape { output } => write!(
                f,
                "one class label for each example needs a flat output, but the network's output is {}",
                Shape(output)
            ),
            Error::LabelMapShape { expected, found } => write!(
                f,
                "the network has an output for each of {} positions, but a label map is {}",
                Shape(expected),
                Shape(found)
            ),
            Error::Count { inputs, targets } => {
                write!(f, "there are {inputs} inputs, but {targets} targets")
            }
            Error::LabelRange {
                index,
                position,
                label,
            } => {
                write!(
                    f,
                    "the label of example {index}{} is {label}, but labels are ",
                    At(position)
                )?;
                if *label < 0 {
                    f.write_str("counted from 0")
                } else {
                    write!(f, "at most {}", u32::MAX)
                }
            }
            Error::Label {
                index,
                position,
                label,
                classes,
            } => write!(
                f,
                "the label of example {index}{} is {label}, but there are {classes} classes, counted from 0",
                At(position)
            ),
            Error::TargetValue {
                index,
                position,
                value,
                loss,
                expected,
            } => write!(
                f,
                "a target of example {index}{} is {value}, but the targets of `{}` must be {expected}",
                At(position),
                loss.name()
            ),
            Error::TargetSum {
                index,
                position,
                sum,
                loss,
            } => write!(
                f,
                "the targets of example {index}{} sum to {sum}, but those of `{}` are probabilities, which sum to at most 1",
                At(position),
                loss.name()
            ),
            Error::SampleWeight { index, weight } => write!(
                f,
                "the weight of example {index} is {weight}, but must be zero or more and finite"
            ),
            Error::InputValue {
                index,
                position,
                value,
            } => write!(
                f,
                "the input of example {index} is {value}{}, but must be finite",
                At(position)
            ),
            Error::ExampleIndex { index, examples } => write!(
                f,
                "there is no example {index}: there are {examples}, counted from 0"
            ),
            Error::Unlabelled { index } => {
                write!(f, "the target of example {index} is no class label")
            }
            Error::Training { source } => write!(f, "training data: {source}"),
            Error::Validation { source } => write!(f, "validation data: {source}"),
            Error::NonFiniteLoss {
                epoch,
                step,
                loss,
                origin,
            } => {
                write!(f, "the loss is {loss}")?;
                if let Some(origin) = origin {
                    write!(f, " ({origin})")?;
                }
                write!(f, " in step {step} of epoch {epoch}{UNCHANGED}")
            }
            Error::NonFiniteGradient {
                epoch,
                step,
                tensor,
                origin,
            } => {
                write!(f, "the gradient of `{tensor}` is not finite")?;
                match origin.as_deref() {
                    // It is said already.
                    Some(NonFinite::Gradient { tensor: first, .. }) if first == tensor => {}
                    Some(origin) => write!(f, " ({origin})")?,
                    None => {}
                }
                write!(f, " in step {step} of epoch {epoch}{UNCHANGED}")
            }
            Error::NonFiniteUpdate {
                epoch,
                step,
                tensor,
            } => write!(
                f,
                "the update of `{tensor}` overflows in step {step} of epoch {epoch}{UNCHANGED}"
            ),
            Error::MissingFile { folder, names } => {
                write!(f, "`{}` holds none of ", folder.display())?;
                for (index, name) in names.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}`{name}`")?;
                }
                Ok(())
            }
            Error::Io { path, source } => write!(f, "`{}`: {source}", path.display()),
            Error::NotAFile { path, found } => write!(
                f,
                "`{}` is {found}, but must be a regular file",
                path.display()
            ),
            Error::ReadOnly { path } => write!(f, "`{}` is read-only", path.display()),
            Error::Idx { path, source } => write!(f, "`{}`: {source}", path.display()),
            #[cfg(feature = "csv")]
            Error::Csv { path, source } => write!(f, "`{}`: {source}", path.display()),
            #[cfg(feature = "npy")]
            Error::Npy { path, source } => write!(f, "`{}`: {source}", path.display()),
            #[cfg(feature = "images")]
            Error::Image { path, source } => write!(f, "`{}`: {source}", path.display()),
            Error::Checkpoint {
                path: Some(path),
                source,
            } => write!(f, "`{}`: {source}", path.display()),
            Error::Checkpoint { path: None, source } => write!(f, "checkpoint: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Training { source } | Error::Validation { source } => Some(source),
            Error::Io { source, .. } => Some(source),
            Error::Idx { source, .. } => Some(source),
            #[cfg(feature = "csv")]
            Error::Csv { source, .. } => Some(source),
            #[cfg(feature = "npy")]
            Error::Npy { source, .. } => Some(source),
            #[cfg(feature = "images")]
            Error::Image { source, .. } => Some(source),
            Error::Checkpoint { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// What an error says of a step that was not applied.
const UNCHANGED: &str = "; the weights are those before that step";

/// Writes a shape as the language does: `28x28x1`; a single number is `a scalar`.
pub(crate) struct Shape<'a>(pub(crate) &'a [usize]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.0.split_first() else {
            return f.write_str("a scalar");
        };
        write!(f, "{first}")?;
        rest.iter().try_for_each(|axis| write!(f, "x{axis}"))
    }
}

/// Writes a position in an image: ` at row 2, column 5`. Nothing where there are no coordinates.
pub(crate) struct At<'a>(pub(crate) &'a [usize]);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            [row, column] => write!(f, " at row {row}, column {column}"),
            [row, column, channel] => {
                write!(f, " at row {row}, column {column}, channel {channel}")
            }
            position => write!(f, " at {position:?}"),
        }
    }
}
