//! Warnings about checked networks: legal, but probably not what was meant.
//!
//! The warnings about strides and padding stand with the shape rules, where their numbers are. A network
//! whose shapes are not all known is not looked at.

use crate::check::arguments::Context;
use crate::check::resolve::Layer;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Activation, Node, Op, Port};
use crate::layers::channels_last;

impl Context<'_> {
    /// Looks at every node of a network whose shapes are all known.
    pub(crate) fn lint(
        &mut self,
        nodes: &[Node],
        outputs: &[Port],
        exposed: &[Port],
        layers: &[Option<Layer>],
    ) {
        self.lint_channels(nodes);
        for (index, node) in nodes.iter().enumerate() {
            self.stand_at(layers[index].as_ref());
            let previous = match node.inputs[..] {
                [input] => Some(&nodes[input]),
                _ => None,
            };
            let last = outputs.iter().any(|port| port.node == index);
            let is_read = nodes.iter().any(|reader| reader.inputs.contains(&index));
            let is_exposed = exposed.iter().any(|port| port.node == index);
            if !last && !is_read && !is_exposed {
                self.lint_unread(node, nodes.get(index + 1));
                continue;
            }
            if let Some(activation) = node.output_activation()
                && !activation.properties().is_elementwise
            {
                let output = last
                    || nodes[index + 1..]
                        .iter()
                        .all(|node| node.op.layer().keeps_values());
                self.lint_softmax(node, activation, output);
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
        self.stand_at(None);
    }

    /// An input whose channels seem to stand first, read as an image by a window that is as high as it is
    /// wide. Whoever means 3 rows of 32 channels gives the window another form.
    fn lint_channels(&mut self, nodes: &[Node]) {
        let [input, layers @ ..] = nodes else { return };
        let Some(image) = channels_last(&input.shape) else {
            return;
        };
        let mut layers = layers.iter();
        let reader = layers.find(|node| node.shape.is_flat() || node.op.layer().window().is_some());
        let window = reader.and_then(|node| node.op.layer().window());
        let Some([rows, columns]) = window.map(|window| window.size) else {
            return;
        };
        if rows != columns || rows == 1 {
            return;
        }
        let [height, _, channels] = cnn_ir::operation::image(&input.shape.0);
        let message = format!("the input is an image of height {height} with {channels} channels");
        self.report(
            Diagnostic::new(Code::ChannelsFirst, input.keyword.span, message)
                .help(format!("write `input({image})`: channels come last")),
        );
    }

    /// A value that flows nowhere.
    fn lint_unread(&mut self, node: &Node, next: Option<&Node>) {
        let message = format!("nothing reads `{}`", node.name);
        let diagnostic = Diagnostic::new(Code::UnreadValue, node.keyword.span, message);
        let diagnostic = match next {
            Some(next) if next.inputs.is_empty() => diagnostic.help("remove this line"),
            Some(next) => diagnostic
                .secondary(next.keyword.span, "this line reads another value")
                .help(
                    "remove this line, or read it: by `from =` its label, or in a line that joins",
                ),
            None => diagnostic.help("remove this line, or list it in `output(…);`"),
        };
        self.report(diagnostic);
    }

    fn lint_softmax(&mut self, node: &Node, activation: Activation, output: bool) {
        let span = node.keyword.span;
        let is_logarithm = activation == Activation::LogSoftmax;
        if node.shape.0.last() == Some(&1) {
            let message = format!(
                "the {} of `{}` is over one value, so it is always {}",
                activation.name(),
                node.name,
                u8::from(!is_logarithm)
            );
            self.report(
                Diagnostic::new(Code::SoftmaxOfOne, span, message)
                    .help("write `activation = sigmoid` for a yes/no answer"),
            );
        } else if !output && !is_logarithm {
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
