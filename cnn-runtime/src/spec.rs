//! What a generated network says about itself: the contract between the code generator and
//! the runtime.
//!
//! The macro emits one `static` [`Spec`] per network and, with it, the functions
//! [`Spec::forward`] and [`Training::train`], which are unrolled calls of
//! [`kernels`](crate::kernels). Whatever does not depend on types (allocation, training,
//! checkpoints) reads the `Spec` and calls the two functions with plain slices. Everything here
//! is `'static` data or borrowed slices, so it exists without `std` and without an allocator.

use crate::kernels::{Activation, Loss, Metric, Optimizer};

/// A network: its shapes, where its parameters lie, and the functions that run it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name of the generated struct.
    pub name: &'static str,
    /// The shape of one example: `[28, 28, 1]`.
    pub input: &'static [usize],
    /// The shape of one output: `[10]`.
    pub output: &'static [usize],
    /// Every layer after the input, in the order of the source.
    pub layers: &'static [Layer],
    /// Every parameter tensor in the order of the flat buffer, contiguous and without gaps.
    pub parameters: &'static [Parameter],
    /// The length of the flat parameter buffer, in floats.
    pub parameter_count: usize,
    /// Runs the network on a batch. Where the last activation is fused with the loss, it
    /// writes logits, and [`Spec::output_activation`] is still to be applied.
    pub forward: fn(Forward<'_>),
    /// What turns the output of [`Spec::forward`] into the network's output.
    pub output_activation: Activation,
    /// The scratch memory of [`Spec::forward`].
    pub workspace: Workspace,
    /// How the network is trained, if its description says so.
    pub training: Option<Training>,
}

/// A line of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The label or the Keras name: `conv2d_1`.
    pub name: &'static str,
    /// The keyword: `conv2d`.
    pub kind: &'static str,
    /// The shape of its output for one example.
    pub output: &'static [usize],
    /// How many parameters it has.
    pub parameters: usize,
    /// Floating-point operations of the forward pass for one example.
    pub flops: u64,
}

/// A parameter tensor and its place in the flat buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// The checkpoint key: `conv2d_1.kernel`.
    pub name: &'static str,
    /// Its shape: `[height, width, input channels, filters]` of a convolution's kernel,
    /// `[inputs, units]` of a dense one.
    pub shape: &'static [usize],
    /// Where it starts in the flat buffer, in floats.
    pub offset: usize,
    /// How its values start.
    pub initializer: Initializer,
}

impl Parameter {
    /// How many values it has.
    pub const fn len(&self) -> usize {
        let mut values = 1;
        let mut axis = 0;
        while axis < self.shape.len() {
            values *= self.shape[axis];
            axis += 1;
        }
        values
    }

    /// Whether it has no value; never so in a checked network.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its place in the flat buffer.
    pub const fn range(&self) -> core::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// How a parameter tensor starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initializer {
    /// All zero.
    Zeros,
    /// Uniform in `±sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio 2010).
    ///
    /// The fans are those of Keras: `inputs` and `units` of a dense kernel,
    /// `height * width * channels` and `height * width * filters` of a convolution's.
    GlorotUniform {
        /// How many values flow into one output.
        fan_in: usize,
        /// How many values one input flows into.
        fan_out: usize,
    },
}

/// How much scratch memory a function needs, in floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// For each example of the batch.
    pub per_example: usize,
    /// Once, whatever the batch.
    pub fixed: usize,
}

impl Workspace {
    /// The floats that `examples` need.
    pub const fn floats(&self, examples: usize) -> usize {
        self.per_example * examples + self.fixed
    }
}

/// The largest of some sizes, 0 if there are none. For generated code.
#[doc(hidden)]
pub const fn largest<const N: usize>(sizes: [usize; N]) -> usize {
    let (mut largest, mut index) = (0, 0);
    while index < N {
        if sizes[index] > largest {
            largest = sizes[index];
        }
        index += 1;
    }
    largest
}

/// The arguments of [`Spec::forward`].
#[derive(Debug)]
pub struct Forward<'a> {
    /// How many examples the batch has.
    pub examples: usize,
    /// The flat parameter buffer.
    pub parameters: &'a [f32],
    /// `[examples, ..input]`.
    pub input: &'a [f32],
    /// `[examples, ..output]`, overwritten.
    pub output: &'a mut [f32],
    /// At least [`Workspace::floats`] of the network's workspace; its content does not matter.
    pub workspace: &'a mut [f32],
}

/// How a network is trained: the `train` block.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// The forward and backward pass over some examples of a batch, its lane.
    /// Returns the sum of their losses.
    pub train: fn(Train<'_>) -> f64,
    /// The scratch memory of [`Training::train`].
    pub workspace: Workspace,
    /// What is minimised.
    pub loss: Loss,
    /// The update rule.
    pub optimizer: Optimizer,
    /// What is reported beside the loss.
    pub metrics: &'static [Metric],
    /// Passes over the data.
    pub epochs: usize,
    /// Examples in one step.
    pub batch_size: usize,
    /// Of shuffling and dropout.
    pub seed: u64,
}

/// The arguments of [`Training::train`].
#[derive(Debug)]
pub struct Train<'a> {
    /// How many examples this lane has.
    pub examples: usize,
    /// The flat parameter buffer.
    pub parameters: &'a [f32],
    /// Laid out as the parameters; the gradients of this lane are added to it.
    pub gradients: &'a mut [f32],
    /// `[examples, ..input]`.
    pub input: &'a [f32],
    /// `[examples, ..output]`.
    pub target: &'a [f32],
    /// `[examples, ..output]`, overwritten with the network's outputs (probabilities where
    /// the last activation is fused with the loss), as the metrics need them.
    pub output: &'a mut [f32],
    /// At least [`Workspace::floats`] of the training workspace; its content does not matter.
    pub workspace: &'a mut [f32],
    /// One over the size of the whole batch: the gradients are those of its mean loss.
    pub scale: f32,
    /// Of dropout, for this lane and step.
    pub seed: u64,
}

/// Cuts consecutive pieces of the given lengths off the front of `buffer`. For generated code.
///
/// # Panics
/// If the buffer is shorter than the pieces together.
#[doc(hidden)]
pub fn split_mut<const N: usize>(buffer: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    let mut rest = buffer;
    lengths.map(|length| {
        let (piece, tail) = core::mem::take(&mut rest).split_at_mut(length);
        rest = tail;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_side_by_side() {
        let mut buffer = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let [a, b, c] = split_mut(&mut buffer, [2, 0, 3]);
        assert_eq!(
            (&*a, &*b, &*c),
            (&[0.0, 1.0][..], &[][..], &[2.0, 3.0, 4.0][..])
        );
    }

    #[test]
    #[should_panic]
    fn a_short_buffer_is_refused() {
        split_mut(&mut [0.0; 3], [2, 2]);
    }

    #[test]
    fn parameters_know_their_place() {
        let kernel = Parameter {
            name: "dense_1.kernel",
            shape: &[3, 5],
            offset: 7,
            initializer: Initializer::Zeros,
        };
        assert_eq!(kernel.range(), 7..22);
        assert!(!kernel.is_empty());
        assert_eq!(
            Workspace {
                per_example: 4,
                fixed: 9
            }
            .floats(3),
            21
        );
    }
}

#[cfg(all(test, feature = "std"))]
mod network_tests {
    use super::*;
    use crate::kernels::Dense;

    /// What the macro would generate for `input(2); dense(1, activation = sigmoid);`.
    static SPEC: Spec = Spec {
        name: "Or",
        input: &[2],
        output: &[1],
        layers: &[Layer {
            name: "dense_1",
            kind: "dense",
            output: &[1],
            parameters: 3,
            flops: 4,
        }],
        parameters: &[
            Parameter {
                name: "dense_1.kernel",
                shape: &[2, 1],
                offset: 0,
                initializer: Initializer::GlorotUniform {
                    fan_in: 2,
                    fan_out: 1,
                },
            },
            Parameter {
                name: "dense_1.bias",
                shape: &[1],
                offset: 2,
                initializer: Initializer::Zeros,
            },
        ],
        parameter_count: 3,
        forward,
        output_activation: Activation::Sigmoid,
        workspace: Workspace {
            per_example: 0,
            fixed: 0,
        },
        training: Some(Training {
            train,
            workspace: Workspace {
                per_example: 1,
                fixed: 0,
            },
            loss: Loss::BinaryCrossentropy,
            optimizer: Optimizer::Sgd {
                learning_rate: 1.0,
                momentum: 0.0,
                nesterov: false,
            },
            metrics: &[Metric::Accuracy],
            epochs: 1,
            batch_size: 4,
            seed: 0,
        }),
    };

    const DENSE: Dense = Dense {
        inputs: 2,
        units: 1,
        activation: Activation::Linear,
    };

    fn forward(call: Forward<'_>) {
        let (kernel, bias) = call.parameters.split_at(2);
        DENSE.forward(call.examples, call.input, kernel, bias, call.output);
    }

    fn train(call: Train<'_>) -> f64 {
        let (kernel, bias) = call.parameters.split_at(2);
        DENSE.forward(call.examples, call.input, kernel, bias, call.output);
        let loss = Loss::BinaryCrossentropy;
        let sum = loss.forward(1, call.output, call.target);
        let [dy] = split_mut(call.workspace, [call.examples]);
        loss.backward(1, call.output, call.target, call.scale, dy);
        let [kernel, bias] = split_mut(call.gradients, [2, 1]);
        DENSE.backward_parameters(call.examples, call.input, dy, kernel, bias);
        sum
    }

    /// The whole contract at once, as a trainer and a model use it.
    #[test]
    fn a_network_learns_or() {
        let training = SPEC.training.expect("a `train` block");
        let input = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
        let target = [0.0, 1.0, 1.0, 1.0];
        let mut parameters = vec![0.0; SPEC.parameter_count];
        let mut workspace = vec![f32::NAN; training.workspace.floats(4)];
        let mut output = [f32::NAN; 4];
        for iteration in 1..=100 {
            let mut gradients = vec![0.0; SPEC.parameter_count];
            let sum = (training.train)(Train {
                examples: 4,
                parameters: &parameters,
                gradients: &mut gradients,
                input: &input,
                target: &target,
                output: &mut output,
                workspace: &mut workspace,
                scale: 0.25,
                seed: 0,
            });
            if iteration == 1 {
                assert!(
                    (sum / 4.0 - 2.0f64.ln()).abs() < 1e-6,
                    "every output starts as 0.5"
                );
            }
            training
                .optimizer
                .update(iteration, &mut parameters, &gradients, &mut []);
        }
        let hits = training.metrics[0].sum(training.loss, 1, &output, &target);
        assert_eq!(hits, 4.0, "{output:?}");
        let mut predicted = [f32::NAN; 4];
        (SPEC.forward)(Forward {
            examples: 4,
            parameters: &parameters,
            input: &input,
            output: &mut predicted,
            workspace: &mut [],
        });
        SPEC.output_activation.forward(1, &mut predicted);
        assert!(
            predicted
                .iter()
                .zip(&target)
                .all(|(y, t)| (y > &0.5) == (t > &0.5))
        );
    }
}
