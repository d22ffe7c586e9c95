//! Several inputs and outputs.
//!
//! The plan and the runtime know networks of one input and one output. Where a description has several, an example is
//! a row that holds all inputs one behind the other, in their order, and so are the outputs. [`join`] says that in the
//! graph: a node takes the row in, each input becomes a part of it, and a last node puts the outputs side by side.

use crate::check::arguments::{Context, Reported};
use crate::check::convert;
use crate::graph::{Input, InputPart, Merge, Network, Node, NodeId, Op, Port, Shape};
use crate::syntax::{Name, Span};
use cnn_ir::operation::MergeKind;

impl Context<'_> {
    /// Checks that the row of the inputs is not too long, and that of the outputs.
    pub(crate) fn rows(
        &mut self,
        nodes: &[Node],
        inputs: &[Port],
        outputs: &[Port],
    ) -> Result<(), Reported> {
        self.row(nodes, inputs, "the row of all inputs")?;
        self.row(nodes, outputs, "the row of all outputs")
    }

    fn row(&mut self, nodes: &[Node], ports: &[Port], what: &str) -> Result<(), Reported> {
        let Some(last) = ports.last() else {
            return Ok(());
        };
        let sizes = ports.iter().map(|port| nodes[port.node].shape.len());
        let row = Shape(vec![sizes.fold(0, usize::saturating_add)]);
        convert::elements(self, &row, last.span, what)
    }
}

/// Makes one input of several, and one output.
pub(crate) fn join(network: &mut Network) {
    if network.inputs.len() > 1 {
        join_inputs(network);
    }
    if network.outputs.len() > 1 {
        join_outputs(network);
    }
}

fn join_inputs(network: &mut Network) {
    let sizes = network
        .inputs
        .iter()
        .map(|port| network.nodes[port.node].shape.len());
    let row = Shape(vec![sizes.sum()]);
    for node in &mut network.nodes {
        node.inputs.iter_mut().for_each(|input| *input += 1);
    }
    let mut offset = 0;
    for Port { node: id, .. } in &mut network.inputs {
        let node = &mut network.nodes[*id];
        node.op = Op::InputPart(InputPart { offset });
        node.inputs = vec![0];
        node.input_shapes = vec![row.clone()];
        offset += node.shape.len();
        *id += 1;
    }
    let values = network.outputs.iter_mut().chain(&mut network.exposed);
    values.for_each(|port| port.node += 1);
    for group in &mut network.groups {
        group.inputs.iter_mut().for_each(|input| *input += 1);
        group.nodes = group.nodes.start + 1..group.nodes.end + 1;
    }
    let input = Op::Input(Input { shape: row.clone() });
    let name = network.free_name("inputs");
    let node = joint(name, input, Vec::new(), Vec::new(), row);
    network.nodes.insert(0, node);
    (network.input, network.output) = (0, network.output + 1);
}

fn join_outputs(network: &mut Network) {
    let sizes = network
        .outputs
        .iter()
        .map(|port| network.nodes[port.node].shape.len());
    let shapes: Vec<_> = sizes.map(|size| Shape(vec![size])).collect();
    let row = Shape(vec![shapes.iter().map(Shape::len).sum()]);
    let inputs = network.outputs.iter().map(|port| port.node).collect();
    let kind = MergeKind::Concat;
    let op = Op::Merge(Merge { kind });
    let name = network.free_name("outputs");
    let node = joint(name, op, inputs, shapes, row);
    network.output = network.nodes.len();
    network.nodes.push(node);
}

/// A node that nobody wrote.
fn joint(
    name: String,
    op: Op,
    inputs: Vec<NodeId>,
    input_shapes: Vec<Shape>,
    shape: Shape,
) -> Node {
    Node {
        keyword: Name {
            text: name.clone(),
            span: Span::default(),
        },
        name,
        label: None,
        docs: Vec::new(),
        op,
        inputs,
        input_shapes,
        shape,
    }
}
