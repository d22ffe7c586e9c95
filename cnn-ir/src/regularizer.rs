//! The regularizers: penalties on tensors, which are added to the loss.

use crate::vocabulary::{Kind, Range, vocabulary};

vocabulary! {
    /// A penalty on a tensor `w`, which is added to the loss of the network. Where the loss is a mean over examples,
    /// the penalty counts once. With Keras' names and defaults.
    pub enum Regularizer {
        /// `l1 * sum(|w|)`. Its gradient is 0 where `w` is.
        l1 => L1 {
            /// What the sum of the magnitudes is multiplied by.
            l1: f32 = Kind::number(Range::NonNegative, 0.01),
        };

        /// `l2 * sum(w^2)`.
        l2 => L2 {
            /// What the sum of the squares is multiplied by.
            l2: f32 = Kind::number(Range::NonNegative, 0.01),
        };

        /// `l1 * sum(|w|) + l2 * sum(w^2)`.
        l1_l2 => L1L2 {
            /// What the sum of the magnitudes is multiplied by.
            l1: f32 = Kind::number(Range::NonNegative, 0.01),
            /// What the sum of the squares is multiplied by.
            l2: f32 = Kind::number(Range::NonNegative, 0.01),
        };
    }
}

impl Regularizer {
    /// The factors of the magnitudes and of the squares.
    pub const fn factors(self) -> [f32; 2] {
        match self {
            Self::L1 { l1 } => [l1, 0.0],
            Self::L2 { l2 } => [0.0, l2],
            Self::L1L2 { l1, l2 } => [l1, l2],
        }
    }
}
