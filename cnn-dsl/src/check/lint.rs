//! Warnings about checked networks: legal, but probably not what was meant.
//!
//! The warnings about strides and padding stand with the shape rules, where their numbers are.

use crate::check::arguments::Context;
use crate::check::convert::as_f32;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Node, Op};

impl Context<'_> {
    /// Looks at every node of a network whose shapes are all known.
    pub(crate) fn lint(&mut self, nodes: &[Node]) {
        for (index, node) in nodes.iter().enumerate() {
            let previous = index.checked_sub(1).map(|index| &nodes[index]);
            let last = index + 1 == nodes.len();
            if node.output_activation() == Some(Activation::Softmax) {
                self.lint_softmax(node, last || nodes[index + 1..].iter().all(passes_on));
            }
            if let Some(reason) = previous.and_then(|previous| no_effect(node, previous)) {
                let message = format!("`{}` changes nothing: {reason}", node.name);
                self.report(
                    Diagnostic::new(Code::NoEffect, node.keyword.span, message)
                        .help("remove this line"),
                );
            } else if last && matches!(node.op, Op::Dropout { .. }) {
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

/// Whether a node leaves its input's values as they are.
fn passes_on(node: &Node) -> bool {
    matches!(node.op, Op::Flatten | Op::Dropout { .. })
}

/// Why a node passes its input on unchanged, if it does.
fn no_effect(node: &Node, previous: &Node) -> Option<String> {
    let before = previous.output_activation();
    let reason = match &node.op {
        Op::Dropout { rate } if as_f32(*rate) == 0.0 => "its rate is 0",
        Op::Flatten if previous.shape.is_flat() => "its input is flat",
        Op::Pool2d(pool) if pool.size == [1, 1] && pool.strides == [1, 1] => {
            "its window is a single cell"
        }
        Op::Activation(Activation::Linear) => "`linear` is the identity",
        Op::Activation(Activation::Relu | Activation::LeakyRelu { .. })
            if matches!(
                before,
                Some(Activation::Relu | Activation::Sigmoid | Activation::Softmax)
            ) =>
        {
            return before.map(|before| {
                format!(
                    "`{}` ends in `{}`, which is never negative",
                    previous.name,
                    before.name()
                )
            });
        }
        _ => return None,
    };
    Some(reason.to_owned())
}
