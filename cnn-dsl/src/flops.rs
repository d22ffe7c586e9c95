//! How many floating-point operations a forward pass takes.

use crate::graph::{Activation, Network, Node, Op};

impl Node {
    /// Floating-point operations of one forward pass over one example: a multiplication and
    /// an addition for each weight that an output value reads (those that meet padding
    /// included), one for each bias, one comparison or addition for each cell of a pooling
    /// window, and one for each value that an activation changes.
    pub fn flops(&self) -> u64 {
        let outputs = self.shape.len() as u64;
        let of = |activation: &Activation| {
            if *activation == Activation::Linear {
                0
            } else {
                1
            }
        };
        let fan_in = || {
            self.parameters()
                .first()
                .map_or(0, |kernel| kernel.fan_in as u64)
        };
        let each = match &self.op {
            Op::Input | Op::Flatten | Op::Dropout { .. } => 0,
            Op::Conv2d(conv) => 2 * fan_in() + u64::from(conv.use_bias) + of(&conv.activation),
            Op::Dense(dense) => 2 * fan_in() + u64::from(dense.use_bias) + of(&dense.activation),
            Op::Pool2d(pool) => (pool.size[0] as u64).saturating_mul(pool.size[1] as u64),
            Op::Activation(activation) => of(activation),
        };
        outputs.saturating_mul(each)
    }
}

impl Network {
    /// Floating-point operations of one forward pass over one example; see [`Node::flops`].
    pub fn flops(&self) -> u64 {
        self.nodes
            .iter()
            .map(Node::flops)
            .fold(0, u64::saturating_add)
    }
}
