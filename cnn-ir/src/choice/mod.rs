//! Which kernel runs for each direction of an operation, on each instruction set.
//!
//! The plan names an algorithm where there are several that compute the same; an algorithm may have several kernels.
//! Which of these is the fastest depends on the geometry, on the vectors of the machine, and for some on the number of
//! examples. All of these choices are here, as functions of plain numbers: the runtime calls them to choose, and the
//! compiler to say in the plan's table what will be chosen. What a kernel *can* compute is said by a function
//! `supports_…`, and what is *fastest* by the others. The figures behind the thresholds are in
//! `docs/kernels-measured.md`.
//!
//! ```text
//! operation of the plan ─┐
//! examples ──────────────┼──▶ forward, kernel_gradient, input_gradient ──▶ an enum: what runs, and its name
//! VectorShape ───────────┘
//! ```
//!
//! [`stripes`] is about the prediction of one example on several threads: which steps are cut, and into how many parts.

pub mod conv2d;
pub mod dense;
pub mod stripes;

/// What is computed of an operation. Each direction has kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The forward pass of a prediction, with weights that are packed once.
    Inference,
    /// The forward pass of training.
    Forward,
    /// The gradient of the first tensor.
    KernelGradient,
    /// The gradient with respect to the input.
    InputGradient,
}

impl Direction {
    /// As the plan's table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Forward => "forward",
            Self::KernelGradient => "kernel gradient",
            Self::InputGradient => "input gradient",
        }
    }
}
