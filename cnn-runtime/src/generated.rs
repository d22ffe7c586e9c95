//! The vocabulary of generated code: one flat module of all that it names.
//!
//! Users build the macro without optimisation, where every token costs. So what follows from something
//! else is computed here, and generated code says only the rest.

use core::ops::Range;

use crate::spec::aligned;

pub use crate::field::Field;
pub use crate::kernels::Isa;
pub use crate::objective::{self, Objective};
pub use crate::ops::{
    Backward, Direction, Execute, Forward, GradientStatistics, Infer, Run, Statistics, activation,
    add,
    chain::{Link, chain},
    folded::Folded,
};
pub use crate::spec::{
    Constrained, Gradient, InferenceStep, Layer, Meeting, PackedForm, Parameter, Penalty, Port,
    Predict, Source, Spec, State, Sums, Tensor, Train, Training, TrainingPass, Workspace, finish,
    micro_batches, pieces, split_mut, split_packed, split_workspace, training_scratch,
};
pub use cnn_ir::initializer::{Distribution, FanMode};
pub use cnn_ir::operation::{
    Activate, BatchNormalization, Conv2d, Conv2dTranspose, ConvAlgorithm, Dense, DepthwiseConv2d,
    Dropout, FusedPool, GroupedConv2d, InputGradient, Inputs, Interpolation, KernelGradient, Merge,
    MergeKind, Pad2d, Part, Pass, Pool2d, PoolKind, UpSampling2d,
};
pub use cnn_ir::{
    Activation, Augment, Clip, Constraint, Flip, Initializer, Loss, Metric, Operation, Optimizer,
    Regularizer, Role, Schedule, UpdateRule,
};
// The constants of a network stand in a module of their own, also where there is no prelude.
#[cfg(feature = "inspect")]
pub use crate::inspect::Inspection;
pub use core::option::Option::{None, Some};
#[cfg(feature = "std")]
pub use {
    crate::{
        ConfusionMatrix, Dataset, Error, History, Model, Network, Scores, Trainer,
        data::IntoBatch,
        model::{
            Trainable,
            view::{
                BatchNormalizationView, Conv2dTransposeView, Conv2dView, DenseView,
                DepthwiseConv2dView, SeparableConv2dView,
            },
        },
        ndarray,
    },
    std::path::Path,
};

/// Functions with the names of the parameters and variables of generated methods, which these may shadow. Without
/// them, a constant of the user's program with such a name would be meant, which they may not.
pub mod parameters {
    macro_rules! functions {
        ($($name:ident)*) => {
            $(
                /// Is never called.
                pub const fn $name() {}
            )*
        };
    }
    functions! { bytes examples input input_row inputs isa layer model output output_row outputs parameters path seed workspace }
}

impl Layer {
    /// A line of the summary.
    pub const fn new(
        name: &'static str,
        kind: &'static str,
        output: &'static [usize],
        parameters: usize,
        flops: u64,
    ) -> Self {
        Self {
            name,
            kind,
            output,
            parameters,
            flops,
        }
    }
}

/// The floats that rows of several values take in a workspace.
pub const fn floats_of_rows(rows: [usize; 2]) -> usize {
    aligned(rows[0]) + aligned(rows[1])
}

/// Puts several values into a row, one behind the other.
///
/// # Panics
/// If the row has another length.
pub fn gather(values: &[&[f32]], row: &mut [f32]) {
    let mut rest = row;
    for value in values {
        let (place, tail) = rest.split_at_mut(value.len());
        place.copy_from_slice(value);
        rest = tail;
    }
    assert!(rest.is_empty(), "a row of all values");
}

/// Takes several values out of a row.
///
/// # Panics
/// If the row has another length.
pub fn scatter<const N: usize>(row: &[f32], values: [&mut [f32]; N]) {
    let mut rest = row;
    for value in values {
        let (place, tail) = rest.split_at(value.len());
        value.copy_from_slice(place);
        rest = tail;
    }
    assert!(rest.is_empty(), "a row of all values");
}

impl Port {
    /// A value that flows in or out.
    pub const fn new(
        name: &'static str,
        shape: &'static [usize],
        offset: usize,
        activation: Activation,
    ) -> Self {
        Self {
            name,
            shape,
            offset,
            activation,
        }
    }
}

impl Objective {
    /// What is asked of an output.
    pub const fn new(loss: Loss, weight: f32, metrics: &'static [Metric]) -> Self {
        Self {
            loss,
            weight,
            class_weights: &[],
            metrics,
        }
    }

    /// With a weight for each class.
    pub const fn with_class_weights(self, class_weights: &'static [f32]) -> Self {
        Self {
            class_weights,
            ..self
        }
    }
}

impl Parameter {
    /// A tensor.
    pub const fn new(
        name: &'static str,
        shape: &'static [usize],
        offset: usize,
        role: Role,
        initializer: Initializer,
        gradient: Gradient,
    ) -> Self {
        Self {
            name,
            shape,
            offset,
            role,
            initializer,
            gradient,
        }
    }
}

impl Penalty {
    /// A penalty on a tensor.
    pub const fn new(tensor: usize, regularizer: Regularizer) -> Self {
        Self {
            tensor,
            regularizer,
        }
    }
}

impl Constrained {
    /// What a tensor is kept to.
    pub const fn new(tensor: usize, outputs: usize, constraint: Constraint) -> Self {
        Self {
            tensor,
            outputs,
            constraint,
        }
    }
}

impl Gradient {
    /// Sums in the partials.
    pub const fn partials(
        region: usize,
        offset: usize,
        operation: Operation,
        tensor: usize,
    ) -> Self {
        Self::Partials {
            region,
            offset,
            operation,
            tensor,
        }
    }

    /// A product over the whole batch.
    pub const fn batch(
        operation: Operation,
        tensor: usize,
        input: Source,
        gradient: usize,
    ) -> Self {
        Self::Batch {
            operation,
            tensor,
            input,
            gradient,
        }
    }
}

impl Sums {
    /// So many floats for each partial.
    pub const fn new(len: usize, are_added: bool) -> Self {
        Self { len, are_added }
    }
}

impl TrainingPass {
    /// A pass, and the meetings behind it.
    pub const fn new(run: fn(Train<'_, '_>), meetings: &'static [Meeting]) -> Self {
        Self { run, meetings }
    }
}

impl Meeting {
    /// The statistics of an operation.
    pub const fn new(
        operation: Operation,
        direction: Direction,
        region: usize,
        offset: usize,
        total: usize,
    ) -> Self {
        Self {
            operation,
            direction,
            region,
            offset,
            total,
        }
    }
}

impl State {
    /// A tensor that an operation keeps up.
    pub const fn new(parameter: usize, operation: Operation, tensor: usize, total: usize) -> Self {
        Self {
            parameter,
            operation,
            tensor,
            total,
        }
    }
}

/// Some values of an array.
///
/// # Panics
/// If a place is none of the array.
pub fn pick<T: Copy, const N: usize, const M: usize>(all: [T; N], places: [usize; M]) -> [T; M] {
    places.map(|place| all[place])
}

/// An output that is small enough to be returned by value. No network implements it: the methods of one whose output is
/// larger have it as a bound.
#[diagnostic::on_unimplemented(
    message = "the output of `{Self}` is too large to be returned on the stack",
    label = "returns more than 256 KiB",
    note = "`predict_slice(&input, &mut output)` writes it to a slice; without a network's value, `infer_into(&parameters, \
            &input, &mut output, &mut workspace)` to an array"
)]
pub trait ReturnsOutput {}

/// What a method needs that is there with `std` only. Nothing implements it.
#[cfg(not(feature = "std"))]
#[diagnostic::on_unimplemented(
    message = "this method of `{Self}` needs the feature `std` of `cnn`",
    label = "needs the feature `std`",
    note = "without `std` there are the constants, `weights!`, `infer` and `infer_into`"
)]
pub trait NeedsStd {}

/// The description of a network, where something reads it.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "inspect")]
macro_rules! __description {
    ($text:literal) => {
        $text
    };
}

/// The description of a network is not a part of programs that do not read it.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "inspect"))]
macro_rules! __description {
    ($text:literal) => {
        ""
    };
}

/// The method `inspect` of a network.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "inspect")]
macro_rules! __inspect {
    ($network:ident $method:item) => {
        impl $network {
            $method
        }
    };
}

/// A call of `inspect` is an error that says what is missing. The lifetime delays the check of the bound until then.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "inspect"))]
macro_rules! __inspect {
    ($network:ident $method:item) => {
        impl $network {
            #[doc(hidden)]
            #[allow(dead_code)]
            pub fn inspect<T>(&self, _: T)
            where
                for<'a> Self: $crate::generated::NeedsInspect,
            {
            }
        }
    };
}

pub use crate::{__description as description, __inspect as inspect_method};

/// What a method needs that is there with the feature `inspect` only. Nothing implements it.
#[cfg(not(feature = "inspect"))]
#[diagnostic::on_unimplemented(
    message = "`inspect` of `{Self}` needs the feature `inspect` of `cnn`",
    label = "needs the feature `inspect`"
)]
pub trait NeedsInspect {}

/// [`Model::inspect`] of inputs whose types say how long they are.
///
/// # Panics
/// If they are not those of the network.
#[cfg(feature = "inspect")]
pub fn inspect(model: &Model, inputs: &[&[f32]]) -> crate::inspect::Inspection {
    let inspection = model.inspect(inputs);
    inspection.expect("a generated network, and inputs of its types")
}

/// The names and shapes of tensors.
pub const fn tensor_table<const N: usize>(parameters: &[Parameter; N]) -> [Tensor; N] {
    let mut table = [Tensor::UNKNOWN[0]; N];
    let mut index = 0;
    while index < N {
        table[index] = parameters[index].tensor();
        index += 1;
    }
    table
}

/// The parameters, tensor by tensor.
///
/// # Panics
/// If the buffer is shorter than the tensors together.
pub fn tensors<const N: usize>(parameters: &[f32], lengths: [usize; N]) -> [&[f32]; N] {
    let mut rest = parameters;
    lengths.map(|length| {
        let (tensor, tail) = rest.split_at(length);
        rest = tail;
        tensor
    })
}

/// The part of a buffer that belongs to some images, `len` values each.
///
/// # Panics
/// If the buffer is shorter.
pub fn part<'a, T>(buffer: &'a [T], images: &Range<usize>, len: usize) -> &'a [T] {
    &buffer[images.start * len..images.end * len]
}

/// The part of a buffer that belongs to some images, to write.
///
/// # Panics
/// If the buffer is shorter.
pub fn part_mut<'a, T>(buffer: &'a mut [T], images: &Range<usize>, len: usize) -> &'a mut [T] {
    &mut buffer[images.start * len..images.end * len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_lie_side_by_side() {
        let parameters = [0.0, 1.0, 2.0];
        let expected = [&parameters[..2], &[], &parameters[2..]];
        assert_eq!(tensors(&parameters, [2, 0, 1]), expected);
    }

    #[test]
    fn parts_belong_to_images() {
        let mut values = [0, 1, 2, 3, 4, 5];
        assert_eq!(part(&values, &(1..3), 2), [2, 3, 4, 5]);
        assert_eq!(part_mut(&mut values, &(0..1), 3), [0, 1, 2]);
    }
}
