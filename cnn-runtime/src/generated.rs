//! The vocabulary of generated code: one flat module of all that it names, and short ways to write its
//! constants down.
//!
//! Users build the macro without optimisation, where every token costs. So what is usual is a default
//! here, what follows from something else is computed here, and generated code says only the rest:
//!
//! ```text
//! const LAYER_STEM: rt::Conv2d = rt::Conv2d::new([28, 28, 1], [3, 3], [24, 24, 32]).with_strides([2, 2]);
//! ```

use core::ops::Range;

pub use crate::kernels::{
    Activation, Conv2d, ConvAlgorithm, Dense, Dropout, FusedPool, InputGradient, Isa,
    KernelGradient, Loss, Metric, Optimizer, Pool2d, PoolKind,
};
pub use crate::spec::{
    Forward, Gradient, Initializer, Layer, PackedForm, PackedFrom, Parameter, Source, Spec, Train,
    Training, Workspace, micro_batches, pieces, split_mut, split_packed, split_workspace,
};
#[cfg(feature = "std")]
pub use {
    crate::{
        Dataset, Error, History, Model, Network, Scores, Trainer,
        model::view::{Conv2dView, DenseView},
        ndarray,
    },
    std::path::Path,
};

impl Conv2d {
    /// A convolution with strides and dilation 1, without padding, activation and pool, computed directly.
    pub const fn new(input: [usize; 3], kernel: [usize; 2], output: [usize; 3]) -> Self {
        Self {
            input,
            output,
            kernel,
            strides: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            activation: Activation::Linear,
            pool: None,
            algorithm: ConvAlgorithm::Direct,
            kernel_gradient: KernelGradient::Direct,
            input_gradient: InputGradient::Columns,
        }
    }

    /// The same with other strides.
    pub const fn with_strides(self, strides: [usize; 2]) -> Self {
        Self { strides, ..self }
    }

    /// The same with zeros above and left of the image.
    pub const fn with_padding(self, padding: [usize; 2]) -> Self {
        Self { padding, ..self }
    }

    /// The same with another distance of neighbouring kernel rows and columns.
    pub const fn with_dilation(self, dilation: [usize; 2]) -> Self {
        Self { dilation, ..self }
    }

    /// The same with an activation.
    pub const fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// The same with a fused max-pool.
    pub const fn with_pool(self, pool: FusedPool) -> Self {
        Self {
            pool: Some(pool),
            ..self
        }
    }

    /// The same with another algorithm for the forward pass.
    pub const fn computed_by(self, algorithm: ConvAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// The same with other algorithms for the gradients: of the kernel, with respect to the input.
    pub const fn trained_by(
        self,
        kernel_gradient: KernelGradient,
        input_gradient: InputGradient,
    ) -> Self {
        Self {
            kernel_gradient,
            input_gradient,
            ..self
        }
    }
}

impl FusedPool {
    /// A max-pool without padding, whose windows lie side by side.
    pub const fn new(output: [usize; 2], size: [usize; 2]) -> Self {
        Self {
            output,
            size,
            strides: size,
            padding: [0, 0],
        }
    }

    /// The same with other strides and padding.
    pub const fn stepping(self, strides: [usize; 2], padding: [usize; 2]) -> Self {
        Self {
            strides,
            padding,
            ..self
        }
    }
}

impl Dense {
    /// A dense layer.
    pub const fn new(inputs: usize, units: usize, activation: Activation) -> Self {
        Self {
            inputs,
            units,
            activation,
        }
    }
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

impl Parameter {
    /// A bias.
    pub const fn zeros(
        name: &'static str,
        shape: &'static [usize],
        offset: usize,
        gradient: Gradient,
    ) -> Self {
        Self {
            name,
            shape,
            offset,
            initializer: Initializer::Zeros,
            gradient,
        }
    }

    /// A kernel, with its fan-in and fan-out.
    pub const fn glorot(
        name: &'static str,
        shape: &'static [usize],
        offset: usize,
        [fan_in, fan_out]: [usize; 2],
        gradient: Gradient,
    ) -> Self {
        Self {
            name,
            shape,
            offset,
            initializer: Initializer::GlorotUniform { fan_in, fan_out },
            gradient,
        }
    }
}

impl Gradient {
    /// Sums in the partials, laid out as the tensor is.
    pub const fn partials(offset: usize) -> Self {
        Self::Partials {
            offset,
            finish: None,
        }
    }

    /// Sums in the partials, laid out otherwise.
    pub const fn finished_by(offset: usize, finish: crate::spec::Finish) -> Self {
        Self::Partials {
            offset,
            finish: Some(finish),
        }
    }

    /// The product over the whole batch that makes the gradient of a dense kernel.
    pub const fn dense_kernel(layer: Dense, input: Source, gradient: usize) -> Self {
        Self::DenseKernel {
            layer,
            input,
            gradient,
        }
    }

    /// The sum over the whole batch that makes the gradient of a dense bias.
    pub const fn dense_bias(layer: Dense, gradient: usize) -> Self {
        Self::DenseBias { layer, gradient }
    }
}

impl PackedForm {
    /// The kernel of a dense layer in the form that inference wants it in.
    pub const fn for_dense(tensor: usize, layer: Dense) -> Self {
        Self {
            tensor,
            length: layer.packed_inference(),
            from: PackedFrom::Dense(layer),
        }
    }

    /// The kernel of a convolution in the form that inference wants it in.
    pub const fn for_conv2d(tensor: usize, layer: Conv2d) -> Self {
        Self {
            tensor,
            length: layer.packed_inference(),
            from: PackedFrom::Conv2d(layer),
        }
    }

    /// The kernel of a convolution in the form that the forward pass of training wants it in.
    pub const fn forward(tensor: usize, layer: Conv2d) -> Self {
        Self {
            tensor,
            length: layer.packed_forward(),
            from: PackedFrom::Forward(layer),
        }
    }

    /// A kernel in the form that the backward pass wants it in.
    pub const fn backward(tensor: usize, layer: Conv2d) -> Self {
        Self {
            tensor,
            length: layer.packed_backward(),
            from: PackedFrom::Backward(layer),
        }
    }
}

impl Workspace {
    /// The memory of inference: what the plan knows, and what the hungriest kernel needs beside its operands.
    ///
    /// Convolutions see micro_batches of images, dense layers the whole batch.
    pub const fn new(
        per_example: usize,
        once: usize,
        micro_batch: usize,
        convolutions: &[Conv2d],
        dense: &[Dense],
    ) -> Self {
        Self {
            per_example,
            single: once + inference_scratch(micro_batch, 1, convolutions, dense),
            batch: once + inference_scratch(micro_batch, usize::MAX, convolutions, dense),
        }
    }
}

const fn inference_scratch(
    micro_batch: usize,
    batch: usize,
    convolutions: &[Conv2d],
    dense: &[Dense],
) -> usize {
    let mut most = 0;
    let mut index = 0;
    while index < convolutions.len() {
        most = max(most, convolutions[index].forward_scratch(micro_batch));
        index += 1;
    }
    index = 0;
    while index < dense.len() {
        most = max(most, dense[index].inference_scratch(batch));
        index += 1;
    }
    most
}

/// What the hungriest kernel of training needs beside its operands, in floats.
pub const fn training_scratch(
    micro_batch: usize,
    convolutions: &[Conv2d],
    dense: &[Dense],
) -> usize {
    let mut most = 0;
    let mut index = 0;
    while index < convolutions.len() {
        most = max(most, convolutions[index].training_scratch(micro_batch));
        index += 1;
    }
    index = 0;
    while index < dense.len() {
        most = max(most, dense[index].training_scratch());
        index += 1;
    }
    most
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
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

    #[test]
    fn the_hungriest_kernel_decides() {
        let dense = [
            Dense::new(4, 3, Activation::Relu),
            Dense::new(700, 500, Activation::Linear),
        ];
        let workspace = Workspace::new(5, 7, 1, &[], &dense);
        assert_eq!(workspace.per_example, 5);
        let single = dense.map(|layer| layer.inference_scratch(1));
        assert_eq!(workspace.single, 7 + single[0].max(single[1]));
        let training = dense.map(|layer| layer.training_scratch());
        assert_eq!(
            training_scratch(1, &[], &dense),
            training[0].max(training[1])
        );
    }
}
