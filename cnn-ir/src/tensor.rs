//! The tensors of a network: what they are for.

/// What stands, in a file, before the names of tensors that only training needs. No tensor of a network has such a name,
/// so who wants the weights alone leaves them out.
pub const TRAINING: &str = "training/";

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
