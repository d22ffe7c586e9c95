//! Warnings about checked networks: legal, but probably not what was meant.
//!
//! The warnings about strides and padding stand with the shape rules, where their numbers are.

use crate::check::arguments::Context;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Node, Op};

impl Context<'_> {
    /// Looks at every node of a network whose shapes are all known.
    pub(crate) fn lint(&mut self, nodes: &[Node]) {
        for (index, node) in nodes.iter().enumerate() {
            let previous = index.checked_sub(1).map(|index| &nodes[index]);
            let last = index + 1 == nodes.len();
            if node.output_activation() == Some(Activation::Softmax) {
                self.lint_softmax(
                    node,
                    last || nodes[index + 1..]
                        .iter()
                        .all(|node| node.op.layer().keeps_values()),
                );
            }
            if let Some(reason) = previous.and_then(|previous| node.op.layer().no_effect(previous))
            {
                let message = format!("`{}` changes nothing: {reason}", node.name);
                self.report(
                    Diagnostic::new(Code::NoEffect, node.keyword.span, message)
                        .help("remove this line"),
                );
            } else if last && matches!(node.op, Op::Dropout(_)) {
                let message = format!("`{}` is the output of the network", node.name);
                self.report(
                    Diagnostic::new(Code::DropoutLast, node.keyword.span, message)
                        .note("while training, a share of the outputs is zero")
                        .help("move it in front of the last layer"),
                );
            }
        }
    }

    fn lint_softmax(&mut self, node: &Node, output: bool) {
        let span = node.keyword.span;
        if node.shape.0.last() == Some(&1) {
            let message = format!(
                "the softmax of `{}` is over one value, so it is always 1",
                node.name
            );
            self.report(
                Diagnostic::new(Code::SoftmaxOfOne, span, message)
                    .help("write `activation = sigmoid` for a yes/no answer"),
            );
        } else if !output {
            let message = format!(
                "the softmax of `{}` is not the output of the network",
                node.name
            );
            self.report(
                Diagnostic::new(Code::SoftmaxInTheMiddle, span, message)
                    .note("its values add up to 1, so that little of the gradient passes")
                    .help("write `activation = relu` in the middle of a network"),
            );
        }
    }
}
