//! The augmentations of a `train` block: `augment = [shift(2), rotate(10), flip(horizontal)];`.
//!
//! Each is a word of [`Augment`], written once. Whether it fits the input, the outputs and their losses is said by
//! `cnn-ir`, so that the runtime asks the same of a list in code.

use crate::check::arguments::{Context, Given, Reported};
use crate::check::convert::Named;
use crate::diagnostic::suggest::Vocabulary;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Augment, Node, Objective, Op, Port};
use crate::syntax::{Value, ValueKind};
use cnn_ir::augment::Misfit;
use cnn_ir::loss::Output;

impl Context<'_> {
    /// The augmentations of a network, of which `known` are the nodes and the outputs. Those that need a loss are checked
    /// where the `objectives` are known.
    pub(crate) fn augment(
        &mut self,
        value: Given<&Value>,
        known: Option<(&[Node], &[Port])>,
        objectives: Option<&[Objective]>,
    ) -> Result<Vec<Augment>, Reported> {
        let Some(value) = value? else {
            return Ok(Vec::new());
        };
        let ValueKind::List(entries) = &value.kind else {
            let help = format!("write `augment = [{}];`", value.span.text(self.source));
            return Err(self.wrong_type("augment", "a list", value, Some(help)));
        };
        let mut augments: Vec<(Augment, Named<'_>)> = Vec::new();
        let mut failed = false;
        for entry in entries {
            if let Some(name) = &entry.name {
                let message = format!("an augmentation has no name, found `{}`", name.text);
                let help = format!("write `{}`", entry.value.span.text(self.source));
                self.report(Diagnostic::new(Code::UnknownArgument, name.span, message).help(help));
                failed = true;
            }
            let words = (Vocabulary::Augment, Augment::WORDS);
            let read = self.vocabulary(words, ("augment", "an augmentation"), &entry.value);
            let Ok((augment, named)) = read else {
                failed = true;
                continue;
            };
            let same = |(other, _): &&(Augment, _)| other.name() == augment.name();
            if let Some((_, first)) = augments.iter().find(same) {
                let message = format!("`{}` is listed twice", augment.name());
                self.report(
                    Diagnostic::new(Code::DuplicateArgument, named.span, message)
                        .secondary(first.span, "first listed here"),
                );
                failed = true;
                continue;
            }
            augments.push((augment, named));
        }
        let Some((nodes, outputs)) = known else {
            return Err(Reported);
        };
        let fits = self.one_input(value, nodes, !augments.is_empty());
        for (augment, named) in &augments {
            if let Ok(input) = fits
                && self.fits_input(*augment, named, &nodes[input]).is_ok()
            {
                self.fits_outputs(*augment, named, nodes, outputs, objectives);
            }
            if augment.is_identity() {
                let message = format!("`{}` changes nothing", augment.name());
                self.report(Diagnostic::new(Code::NoEffect, named.span, message));
            }
        }
        match failed {
            true => Err(Reported),
            false => Ok(augments.into_iter().map(|(augment, _)| augment).collect()),
        }
    }

    /// The input, of which there has to be one.
    fn one_input(
        &mut self,
        value: &Value,
        nodes: &[Node],
        is_used: bool,
    ) -> Result<usize, Reported> {
        let inputs = nodes.iter().enumerate();
        let mut inputs = inputs.filter(|(_, node)| matches!(node.op, Op::Input(_)));
        let first = inputs.next().map(|(place, _)| place).ok_or(Reported)?;
        let others: Vec<&Node> = inputs.map(|(_, node)| node).collect();
        let Some(second) = others.first().filter(|_| is_used) else {
            return Ok(first);
        };
        let message = format!(
            "`augment` is for networks with one input, but there are {}",
            others.len() + 1
        );
        Err(self.report(
            Diagnostic::new(Code::AugmentMismatch, value.span, message)
                .secondary(second.keyword.span, "another input")
                .help("leave `augment` out, and change the examples in a `Dataset` of your own, which is told the epoch"),
        ))
    }

    fn fits_input(
        &mut self,
        augment: Augment,
        named: &Named<'_>,
        input: &Node,
    ) -> Result<(), Reported> {
        let Some(misfit) = augment.misfit_of_input(&input.shape.0) else {
            return Ok(());
        };
        let (name, shape) = (augment.name(), &input.shape);
        let parameter = augment.word().parameters.first();
        let argument = parameter.and_then(|parameter| named.bound.span(parameter.name));
        let argument = match augment {
            Augment::Elastic { .. } => named.bound.span("sigma"),
            _ => argument,
        };
        let place = argument.unwrap_or(named.span);
        let diagnostic = match misfit {
            Misfit::NotAnImage => {
                let message = format!("`{name}` is for images, but the input is {shape}");
                let help = match shape.is_flat() {
                    true => {
                        "write the input as height x width x channels, with `flatten;` behind it"
                            .to_owned()
                    }
                    false => {
                        format!("write the input as `input({shape}x1)`, an image of one channel")
                    }
                };
                Diagnostic::new(Code::AugmentMismatch, named.span, message).help(help)
            }
            Misfit::Angle(most) => {
                let message = format!("`{name}` turns by up to {most} degrees in either direction");
                let help = format!("write `{name}({most})` for any angle");
                Diagnostic::new(Code::OutOfRange, place, message).help(help)
            }
            Misfit::Pixels(most) => {
                let what = match augment {
                    Augment::Cutout { size } => format!("a square of {size}x{size} pixels covers"),
                    Augment::Elastic { .. } => "the Gaussian must be narrower than".to_owned(),
                    _ => format!("`{name}` by so many pixels moves away all of"),
                };
                let message = format!("{what} an image of {shape}");
                let diagnostic = Diagnostic::new(Code::AugmentMismatch, place, message);
                match (augment, most) {
                    (_, 0) => diagnostic.help(format!("leave `{name}` out")),
                    (Augment::Elastic { .. }, _) => {
                        diagnostic.help(format!("write `sigma = {most}`, or less"))
                    }
                    _ => diagnostic.help(format!("write `{name}({most})`, or less")),
                }
            }
            // Asked of outputs alone.
            Misfit::Position | Misfit::HardTargets(_) => return Ok(()),
        };
        Err(self.report(diagnostic.secondary(input.keyword.span, "the input")))
    }

    /// Reports the outputs whose targets would be wrong.
    fn fits_outputs(
        &mut self,
        augment: Augment,
        named: &Named<'_>,
        nodes: &[Node],
        outputs: &[Port],
        objectives: Option<&[Objective]>,
    ) {
        let name = augment.name();
        for (port, objective) in outputs.iter().zip(objectives.unwrap_or(&[])) {
            let last = &nodes[port.node];
            let (message, help) = match augment.misfit_of_output(&last.shape.0, objective.loss) {
                Some(Misfit::Position) => (
                    format!(
                        "`{name}` moves the input, but not the target of `{}`, an image of {}",
                        last.name, last.shape
                    ),
                    "change both in a `Dataset` of your own, which is told the epoch",
                ),
                Some(Misfit::HardTargets(loss)) => (
                    format!(
                        "`{name}` mixes targets, but `{}` takes {}",
                        loss.name(),
                        match loss.properties().output {
                            Output::Classes => "those of one class",
                            Output::Binary | Output::Signs | Output::Values => "a yes or a no",
                        }
                    ),
                    match loss.properties().output {
                        Output::Classes => {
                            "use a loss such as `categorical_crossentropy`, with `activation = softmax`"
                        }
                        Output::Binary | Output::Signs | Output::Values => {
                            "use `loss = binary_crossentropy;` with `activation = sigmoid`"
                        }
                    },
                ),
                None | Some(Misfit::NotAnImage | Misfit::Angle(_) | Misfit::Pixels(_)) => continue,
            };
            self.report(
                Diagnostic::new(Code::AugmentMismatch, named.span, message)
                    .secondary(last.keyword.span, "the output")
                    .help(help),
            );
            return;
        }
    }
}
