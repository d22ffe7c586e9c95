//! The whole way from text to a checked network.

use crate::check::arguments::Context;
use crate::check::names::unraw;
use crate::check::resolve::{Listed, Resolved};
use crate::check::shape::Shapes;
use crate::check::trace::Trace;
use crate::diagnostic::Diagnostics;
use crate::graph::{Group, Name, Network, Node, Op, Port, Shape};
use crate::ports;
use crate::syntax::parse::parse;
use crate::syntax::{NetworkSyntax, Span};
use crate::words::{Word, words};

/// Everything there is to say about a description.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The network, if there are no errors.
    pub network: Option<Network>,
    /// What is known in any case.
    pub outline: Outline,
    /// Errors and warnings, in the order of the source.
    pub diagnostics: Diagnostics,
}

/// What is known of a description that may hold errors: enough to generate a struct whose
/// methods have the right types, so that the rest of a program goes on to compile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// The name of the struct.
    pub name: Option<Name>,
    /// `pub`, `pub(crate)`, …, or empty.
    pub visibility: String,
    /// The documentation above the network.
    pub docs: Vec<String>,
    /// Where the other attributes above the network stand.
    pub attributes: Vec<Span>,
    /// The inputs, and the shapes of one example.
    pub inputs: Vec<(String, Option<Shape>)>,
    /// The outputs.
    pub outputs: Vec<(String, Option<Shape>)>,
    /// The values inside that prediction hands out.
    pub exposed: Vec<(String, Option<Shape>)>,
    /// Whether there is a `train` block.
    pub train: bool,
    /// The layers with parameters, in source order.
    pub layers: Vec<OutlineLayer>,
    /// The layers that are known without a gap from the input on.
    pub nodes: Vec<Node>,
    /// The calls of blocks and the rounds of repeats whose layers are among these.
    pub groups: Vec<Group>,
    /// The words that an editor may complete.
    pub words: Vec<Word>,
}

/// A layer with parameters, whatever else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineLayer {
    /// The label, or the Keras name.
    pub name: String,
    /// The runtime's type of a view of its parameters.
    pub view: &'static str,
}

/// Checks a description.
///
/// # Errors
///
/// All that is wrong with it, and its warnings. Those of a good network are in [`analyse`].
pub fn check(source: &str) -> Result<Network, Diagnostics> {
    let analysis = analyse(source);
    analysis.network.ok_or(analysis.diagnostics)
}

/// Checks a description and tells everything that is known of it.
pub fn analyse(source: &str) -> Analysis {
    let mut diagnostics = Diagnostics::default();
    let description = parse(source, &mut diagnostics);
    let mut outline = Outline::default();
    let mut network = None;
    if let Some(syntax) = description.network {
        let mut context = Context {
            source,
            diagnostics: &mut diagnostics,
            trace: Trace::default(),
            levels: 0,
        };
        let resolved = context.resolve(&syntax);
        let shapes = context.shapes(&resolved.layers);
        outline = Outline::new(source, &syntax, &resolved, &shapes);
        let nodes = shapes.complete.then_some(shapes.nodes);
        let outputs = nodes
            .as_deref()
            .and_then(|nodes| outputs(source, nodes, &resolved));
        let outputs = nodes.as_deref().zip(outputs).and_then(|(nodes, outputs)| {
            let rows = context.rows(nodes, &inputs(nodes), &outputs);
            rows.ok().map(|()| outputs)
        });
        let exposed = resolved.exposed.as_ref();
        let exposed = exposed.map_or_else(Vec::new, |listed| ports(source, listed));
        let known = nodes.as_deref().zip(outputs.as_deref());
        if let Some((nodes, outputs)) = known {
            context.lint(nodes, outputs, &exposed, &resolved.layers);
        }
        let train = resolved.train.as_ref();
        let train = train.and_then(|train| context.train(train, known));
        for diagnostic in context.trace.settle() {
            context.diagnostics.push(diagnostic);
        }
        let known = syntax.name.zip(nodes).zip(outputs);
        network = known.map(|((name, nodes), outputs)| {
            let inputs = inputs(&nodes);
            let mut network = Network {
                name,
                visibility: syntax.visibility,
                docs: syntax.docs,
                input: inputs.first().map_or(0, |port| port.node),
                output: outputs.last().map_or(0, |port| port.node),
                inputs,
                outputs,
                exposed,
                nodes,
                groups: resolved.groups,
                train,
            };
            ports::join(&mut network);
            network
        });
    }
    diagnostics.sort();
    if diagnostics.has_errors() {
        network = None;
    }
    Analysis {
        network,
        outline,
        diagnostics,
    }
}

fn inputs(nodes: &[Node]) -> Vec<Port> {
    let inputs = nodes.iter().enumerate();
    let inputs = inputs.filter(|(_, node)| matches!(node.op, Op::Input(_)));
    let port = |(node, input): (usize, &Node)| Port {
        name: input.name.clone(),
        span: input.label.unwrap_or(input.keyword.span),
        node,
    };
    inputs.map(port).collect()
}

/// What `output` lists, else the last layer; none where something of the list was wrong.
fn outputs(source: &str, nodes: &[Node], resolved: &Resolved) -> Option<Vec<Port>> {
    let Some(listed) = &resolved.outputs else {
        let last = nodes.len().checked_sub(1)?;
        let port = Port {
            name: nodes[last].name.clone(),
            span: nodes[last].keyword.span,
            node: last,
        };
        return Some(vec![port]);
    };
    (!listed.damaged).then(|| ports(source, listed))
}

/// The values of a list of labels.
fn ports(source: &str, listed: &Listed) -> Vec<Port> {
    let port = |&(node, span): &(usize, Span)| Port {
        name: unraw(span.text(source)).to_owned(),
        span,
        node,
    };
    listed.values.iter().map(port).collect()
}

impl Outline {
    /// The shape of an input example, where there is one input.
    pub fn input(&self) -> Option<&Shape> {
        only(&self.inputs)
    }

    /// The shape of the output for one example, where there is one output.
    pub fn output(&self) -> Option<&Shape> {
        only(&self.outputs)
    }

    fn new(source: &str, syntax: &NetworkSyntax, resolved: &Resolved, known: &Shapes) -> Self {
        let layers = resolved.layers.iter().flatten();
        let lines = resolved.layers.iter().zip(&known.shapes);
        let inputs = lines.clone().filter_map(|(layer, shape)| {
            let layer = layer.as_ref()?;
            matches!(layer.op, Some(Op::Input(_))).then(|| (layer.name.clone(), shape.clone()))
        });
        let listed = |listed: &Listed| -> Vec<(String, Option<Shape>)> {
            let values = listed.values.iter();
            values
                .map(|&(place, span)| {
                    let name = unraw(span.text(source)).to_owned();
                    (name, known.shapes[place].clone())
                })
                .collect()
        };
        let outputs = match &resolved.outputs {
            Some(outputs) => listed(outputs),
            None => (lines.clone().next_back().into_iter())
                .map(|(layer, shape)| {
                    let name = layer.as_ref().map(|layer| layer.name.clone());
                    (name.unwrap_or_default(), shape.clone())
                })
                .collect(),
        };
        Self {
            name: syntax.name.clone(),
            visibility: syntax.visibility.clone(),
            docs: syntax.docs.clone(),
            attributes: syntax.attributes.clone(),
            inputs: inputs.collect(),
            outputs,
            exposed: resolved.exposed.as_ref().map_or_else(Vec::new, listed),
            train: resolved.train.is_some(),
            layers: layers
                .filter_map(|layer| {
                    Some(OutlineLayer {
                        name: layer.name.clone(),
                        view: layer.kind?.view?,
                    })
                })
                .collect(),
            groups: resolved
                .groups
                .iter()
                .filter(|group| group.nodes.end <= known.nodes.len())
                .cloned()
                .collect(),
            nodes: known.nodes.clone(),
            words: words(syntax),
        }
    }
}

fn only(ports: &[(String, Option<Shape>)]) -> Option<&Shape> {
    match ports {
        [(_, shape)] => shape.as_ref(),
        [] | [_, _, ..] => None,
    }
}
