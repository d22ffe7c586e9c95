//! Needed extents: rows and columns that nobody reads are not computed.
//!
//! From the output backwards, each step asks its input for what its own needed output takes: a
//! window that moves over an image reads `(output - 1) * stride + extent` cells of an axis, of which
//! those before the image are padding; a window that hangs over the end takes all there is. What is
//! left out lies at the end of an axis, so that every index stays what it was. The network's input
//! keeps its shape: it is the caller's image.

use super::Plan;
use crate::graph::{Network, Op};

/// Rows and columns.
type Extent = [usize; 2];

/// Shrinks the values, and the outputs of convolutions before their pools, to what is needed.
pub(super) fn unread(plan: &mut Plan, network: &Network) {
    // What the readers seen so far need of each value.
    let mut needed: Vec<Extent> = vec![[0, 0]; plan.values.len()];
    needed[plan.output] = plan.values[plan.output].shape.extent().unwrap_or_default();
    for step in plan.steps.iter_mut().rev() {
        let output = &mut plan.values[step.output].shape;
        let image = output.extent().map(|_| needed[step.output]);
        if let Some([height, width]) = image {
            output.0[..2].copy_from_slice(&[height, width]);
        }
        let Some(whole) = plan.values[step.input].shape.extent() else {
            continue;
        };
        // A flat value needs the whole image that it is made of.
        let wanted = image.map_or(whole, |mut output| {
            if let Some([height, width, _]) = &mut step.conv_output {
                if let Some(pool) = step.pool {
                    output = read(&network.nodes[pool].op, output, [*height, *width]);
                }
                [*height, *width] = output;
            }
            read(&network.nodes[step.node].op, output, whole)
        });
        for (needed, wanted) in needed[step.input].iter_mut().zip(wanted) {
            *needed = wanted.max(*needed);
        }
    }
}

/// What a layer reads of an image to compute so much of its output.
fn read(op: &Op, output: Extent, whole: Extent) -> Extent {
    let (size, strides, padding, dilation) = match op {
        Op::Conv2d(conv) => (conv.kernel, conv.strides, conv.padding, conv.dilation),
        Op::Pool2d(pool) => (pool.size, pool.strides, pool.padding, [1, 1]),
        Op::Input | Op::Flatten | Op::Dense(_) | Op::Dropout { .. } | Op::Activation(_) => {
            return output;
        }
    };
    [0, 1].map(|axis| {
        let extent = (size[axis] - 1) * dilation[axis] + 1;
        let read = (output[axis] - 1) * strides[axis] + extent;
        // Windows that lie in the padding alone read nothing, but a value has at least one cell.
        read.saturating_sub(padding[axis][0]).clamp(1, whole[axis])
    })
}

impl crate::graph::Shape {
    /// Height and width, of an image.
    fn extent(&self) -> Option<Extent> {
        self.image().map(|[height, width, _]| [height, width])
    }
}
