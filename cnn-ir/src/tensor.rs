//! The tensors of a network: what they are for, and how they start.

/// What a tensor is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained; multiplies what flows: a kernel. Weight decay applies.
    Weight,
    /// Trained; shifts or scales what flows: a bias. Weight decay does not apply.
    Bias,
    /// Kept up by the forward pass of training, without a gradient: running statistics.
    State,
}

impl Role {
    /// Whether the optimizer changes it.
    pub const fn is_trained(self) -> bool {
        match self {
            Self::Weight | Self::Bias => true,
            Self::State => false,
        }
    }
}

/// How a tensor starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Initializer {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
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

/// The Rust expression that makes it.
impl core::fmt::Debug for Role {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Weight => "Role::Weight",
            Self::Bias => "Role::Bias",
            Self::State => "Role::State",
        })
    }
}

/// The Rust expression that makes it.
impl core::fmt::Debug for Initializer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Zeros => f.write_str("Initializer::Zeros"),
            Self::Ones => f.write_str("Initializer::Ones"),
            Self::GlorotUniform { fan_in, fan_out } => f
                .debug_struct("Initializer::GlorotUniform")
                .field("fan_in", fan_in)
                .field("fan_out", fan_out)
                .finish(),
        }
    }
}
