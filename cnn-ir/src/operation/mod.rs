//! The operations that a plan is made of: geometry, and what the planner has to know of each.
//!
//! One file an operation. The compiler makes an operation of each layer and lets its passes change
//! it (what is fused, trimmed, how it is computed); generated code holds it as a constant; the runtime
//! implements its passes. An operation that is new gets a file here and a line in `operations!`.

mod activate;
mod batch_normalization;
mod conv2d;
mod conv2d_transpose;
mod dense;
mod depthwise_conv2d;
mod dropout;
mod grouped_conv2d;
mod image;
mod merge;
mod pad2d;
mod part;
mod pool2d;
mod stripe;
mod upsampling2d;

pub use activate::Activate;
pub use batch_normalization::BatchNormalization;
pub use conv2d::{Conv2d, ConvAlgorithm, FusedPool, InputGradient, KernelGradient};
pub use conv2d_transpose::Conv2dTranspose;
pub use dense::Dense;
pub use depthwise_conv2d::DepthwiseConv2d;
pub use dropout::Dropout;
pub use grouped_conv2d::GroupedConv2d;
pub use image::{Extent, image};
pub use merge::{Inputs, Merge, MergeKind};
pub use pad2d::Pad2d;
pub use part::Part;
pub use pool2d::{Pool2d, PoolKind};
pub use stripe::{Rows, Stripe};
pub use upsampling2d::{Interpolation, Places, Position, UpSampling2d};

use crate::choice::Direction;
use crate::choice::stripes::Work;
use crate::{Activation, VectorShape};

/// How many examples a step takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A micro-batch of images, so that what flows between steps stays in the cache.
    Images,
    /// All examples of a thread, so that a large kernel is read once for all of them.
    Share,
    /// As many as the step before it.
    Inherited,
}

/// What a backward pass has to compute of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The gradients of its tensors, of which it has some and trains them.
    pub tensors: bool,
    /// The gradient with respect to its input.
    pub input: bool,
}

impl Wanted {
    /// Whether there is a backward pass at all.
    pub const fn any(self) -> bool {
        self.tensors || self.input
    }
}

/// What the forward pass of training leaves for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saves {
    /// How many of the values that the step read, from the first one on.
    pub inputs: usize,
    /// What the step wrote.
    pub output: bool,
    /// Floats for each example: a mask, a pre-activation. Written whether or not a backward pass
    /// follows.
    pub floats: usize,
    /// Bytes for each example: the argmax of a pool. Written only where a backward pass follows.
    pub bytes: usize,
}

/// How the gradients of a step's tensors are summed over a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// In partial sums over a few examples each, which are then added in their order.
    Partials,
    /// By one product over the whole batch, from the step's input and the gradient of its output.
    Batch,
    /// With the [`BatchStatistics`] of the backward pass, whose total begins with them.
    Statistics,
}

/// What an operation has to know of a whole batch before it runs: the threads meet there. Each partial of the
/// batch has its own statistics, which are merged in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStatistics {
    /// Of the input, before the forward pass.
    pub forward: StatisticsSizes,
    /// Of the gradient of the output, before the gradient with respect to the input. Those of the partials are
    /// sums.
    pub backward: StatisticsSizes,
}

/// The size of statistics, in floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatisticsSizes {
    /// Of a partial.
    pub partial: usize,
    /// Of the batch.
    pub total: usize,
}

/// An axis of a kernel: the channels of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAxis {
    /// How many channels there are.
    pub channels: usize,
    /// From a channel to the next one, in values: 1 where they are the last axis.
    pub stride: usize,
}

impl ChannelAxis {
    /// So many channels as the last axis.
    pub const fn last(channels: usize) -> Self {
        Self {
            channels,
            stride: 1,
        }
    }
}

/// The passes that may want a step's tensors in another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Prediction.
    Inference,
    /// The forward pass of training.
    Forward,
    /// The backward pass.
    Backward,
}

/// What the planner has to know of an operation. The defaults are those of an operation without
/// tensors that reads its whole input, keeps nothing, and works on any number of examples.
pub trait Facts {
    /// The activation that it applies to its result; `Linear` where it applies none.
    fn activation(&self) -> Activation {
        Activation::Linear
    }

    /// The same, to give it another one; none where it cannot apply any.
    fn activation_mut(&mut self) -> Option<&mut Activation> {
        None
    }

    /// The convolution whose kernels compute it, if there is one.
    fn convolution(&self) -> Option<&Conv2d> {
        None
    }

    /// The same, to choose its algorithms.
    fn convolution_mut(&mut self) -> Option<&mut Conv2d> {
        None
    }

    /// How many examples it takes at once.
    fn scope(&self) -> Scope {
        Scope::Inherited
    }

    /// The rows and columns that it reads of an image of `whole` ones to compute so many of its output.
    /// Where nothing is said, all.
    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        let _ = output;
        whole
    }

    /// The rows and columns that it computes where its readers need `output` of `whole` ones. Where nothing is
    /// said, what they need.
    fn computes(&self, output: Extent, whole: Extent) -> Extent {
        let _ = whole;
        output
    }

    /// What it takes for one example, where its rows can be computed apart.
    fn work_of_rows(&self) -> Option<Work> {
        None
    }

    /// Whether each row of its output is made of the same row of its first input, and both have as many. Its further inputs
    /// may be read in any way.
    fn is_row_by_row(&self) -> bool {
        false
    }

    /// Takes note that the network is not trained.
    fn only_infers(&mut self) {}

    /// Takes on the shapes in which it reads its inputs and in which its output is stored, without what nobody reads.
    fn store(&mut self, inputs: &[&[usize]], output: &[usize]);

    /// Whether its output is its input during inference, so that both share one place.
    fn passes_on_in_inference(&self) -> bool {
        false
    }

    /// Whether the gradient of an input is that of the output, as the backward pass leaves it, so that both may share
    /// one place.
    fn passes_gradient_on(&self, input: usize) -> bool {
        let _ = input;
        false
    }

    /// Whether the backward pass changes the gradient of the output, as undoing an activation does.
    fn changes_gradient(&self) -> bool {
        self.activation() != Activation::Linear
    }

    /// What its backward pass reads.
    fn saves(&self, wanted: Wanted) -> Saves {
        let _ = wanted;
        Saves::default()
    }

    /// How the gradients of its tensors are summed.
    fn reduction(&self) -> Reduction {
        Reduction::Partials
    }

    /// What it has to know of the whole batch before it runs while training, if it does.
    fn statistics(&self) -> Option<BatchStatistics> {
        None
    }

    /// Where its kernel has the channels of its output, if its tensors are a kernel and maybe a bias: then a batch
    /// normalization behind it can be folded into them.
    fn kernel_channels(&self) -> Option<ChannelAxis> {
        None
    }

    /// Whether a pass wants its tensors in another form.
    fn packs(&self, pass: Pass, wanted: Wanted) -> bool {
        let _ = (pass, wanted);
        false
    }

    /// What computes a direction of so many examples on an instruction set, as the plan's table calls it. None for
    /// the kernel gradient of an operation without tensors.
    fn kernel_name(
        &self,
        direction: Direction,
        examples: usize,
        vectors: VectorShape,
    ) -> Option<&'static str>;
}

/// Makes [`Operation`] of its kinds, with the matches that treat all alike.
macro_rules! operations {
    ($($Kind:ident),+ $(,)?) => {
        /// An operation of a plan.
        #[derive(Clone, Copy, PartialEq)]
        pub enum Operation {
            $(
                #[doc = concat!("See [`", stringify!($Kind), "`].")]
                $Kind($Kind),
            )+
        }

        $(impl From<$Kind> for Operation {
            fn from(operation: $Kind) -> Self {
                Self::$Kind(operation)
            }
        })+

        impl Operation {
            /// The name of its type: `Conv2d`.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$Kind(_) => stringify!($Kind),)+
                }
            }

            /// What the planner has to know of it.
            pub fn facts(&self) -> &dyn Facts {
                match self {
                    $(Self::$Kind(operation) => operation,)+
                }
            }

            /// The same, to take on shapes.
            pub fn facts_mut(&mut self) -> &mut dyn Facts {
                match self {
                    $(Self::$Kind(operation) => operation,)+
                }
            }
        }

        /// The operation alone: the Rust expression that makes it.
        impl core::fmt::Debug for Operation {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $(Self::$Kind(operation) => operation.fmt(f),)+
                }
            }
        }
    };
}

operations!(
    Conv2d,
    Pool2d,
    Dense,
    Dropout,
    Activate,
    BatchNormalization,
    Merge,
    DepthwiseConv2d,
    Part,
    Pad2d,
    UpSampling2d,
    GroupedConv2d,
    Conv2dTranspose,
);
