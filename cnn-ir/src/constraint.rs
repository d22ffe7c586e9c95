//! The constraints: what tensors are kept to.

use crate::vocabulary::{Kind, Range, vocabulary};

vocabulary! {
    /// What a tensor is kept to: it is changed so after each update. With Keras' names and defaults, but for the axes of
    /// the norms. Those are Euclidean norms of the weights of each output: over all axes of a kernel but the last, of a
    /// depthwise one over height and width; over the whole of a list of values.
    pub enum Constraint {
        /// Norms of at most `max_value`: larger ones are scaled down (Srivastava et al. 2014).
        max_norm => MaxNorm {
            /// The largest norm.
            max_value: f32 = Kind::number(Range::NonNegative, 2.0),
        };

        /// Norms from `min_value` to `max_value`. With `rate` less than 1 they only come nearer: to
        /// `rate * (the nearest norm) + (1 - rate) * norm`.
        min_max_norm => MinMaxNorm {
            /// The smallest norm.
            min_value: f32 = Kind::number(Range::NonNegative, 0.0),
            /// The largest norm.
            max_value: f32 = Kind::number(Range::NonNegative, 1.0),
            /// How much of the way a step goes, from 0 to 1.
            rate: f32 = Kind::number(Range::NonNegative, 1.0),
        };

        /// Norms of 1.
        unit_norm => UnitNorm;

        /// No negative value: negative ones become 0.
        non_neg => NonNeg;
    }
}
