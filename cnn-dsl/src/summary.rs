//! The summary: the table that Keras prints, and one line for a layer.

use crate::graph::{Group, Name, Network, Node, NodeId, Op, Shape};
use crate::text_table::{Align, draw, thousands};

const COLUMNS: [(&str, Align); 3] = [
    ("Layer (type)", Align::Left),
    ("Output Shape", Align::Left),
    ("Param #", Align::Right),
];
const CONNECTED: (&str, Align) = ("Connected to", Align::Left);

impl Network {
    /// The table of layers, output shapes and parameters, as Keras prints it: inputs have no row, the last lines count
    /// the parameters and the bytes that they take as `f32`. Where a layer reads something else than the line above, a
    /// column says what each reads. A call of a block, and a round of a repeat, has a row above those of its layers,
    /// with the shape of its value and the parameters of all of them.
    pub fn summary(&self) -> String {
        let reads_above = |(id, node): (usize, &Node)| match node.inputs[..] {
            [] => id == 0,
            [input] => input + 1 == id && !self.is_joint(input),
            _ => false,
        };
        let is_sequence = self.nodes.iter().enumerate().all(reads_above);
        let mut columns = COLUMNS.to_vec();
        if !is_sequence {
            columns.push(CONNECTED);
        }
        let mut rows = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            let around = self.groups.iter().filter(|group| group.nodes.contains(&id));
            let around: Vec<_> = around.collect();
            for (depth, group) in around.iter().enumerate() {
                if group.nodes.start == id {
                    let nodes = &self.nodes[group.nodes.clone()];
                    let count = nodes.iter().map(Node::parameter_count).sum();
                    let value = nodes.last().unwrap_or(node);
                    let mut row = row(depth, &group.name, &group.keyword, value, count);
                    if !is_sequence {
                        row.push(self.connected(&group.inputs, &around[..depth]));
                    }
                    rows.push(row);
                }
            }
            if matches!(node.op, Op::Input(_)) || self.is_joint(id) {
                continue;
            }
            let (depth, count) = (around.len(), node.parameter_count());
            let mut row = row(depth, &node.name, &node.keyword, node, count);
            if !is_sequence {
                row.push(self.connected(&node.inputs, &around));
            }
            rows.push(row);
        }
        let mut table = format!("Model: \"{}\"\n", self.name.text);
        table += &draw(&columns, &rows);
        let total = self.parameter_count();
        let trainable = self.trainable_count();
        for (what, count) in [
            ("Total", total),
            ("Trainable", trainable),
            ("Non-trainable", total - trainable),
        ] {
            table += &format!(
                " {what} params: {} ({})\n",
                thousands(count),
                bytes(count as u64 * 4)
            );
        }
        table
    }

    /// The names of what a line within these groups reads: layers, and groups by their values; those of its own group
    /// without the group's name.
    fn connected(&self, inputs: &[NodeId], around: &[&Group]) -> String {
        let inputs = inputs.iter().filter(|&&input| !self.is_joint(input));
        let names = inputs.map(|&input| {
            let ends = |group: &&Group| group.nodes.end == input + 1 && !around.contains(group);
            let name = match self.groups.iter().find(ends) {
                Some(group) => &group.name,
                None => &self.nodes[input].name,
            };
            let own = around
                .last()
                .and_then(|group| name.strip_prefix(&group.name));
            own.and_then(|local| local.strip_prefix('.'))
                .unwrap_or(name)
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The row of a layer or a group within so many groups: its own name without those of the groups.
fn row(depth: usize, name: &str, keyword: &Name, value: &Node, count: usize) -> Vec<String> {
    let local = name.rsplit('.').next().unwrap_or(name);
    vec![
        format!("{}{local} ({})", "  ".repeat(depth), keyword.text),
        tuple(&value.shape),
        thousands(count),
    ]
}

impl Group {
    /// One line, as `stage2: 32x32x16 → 16x16x32, 14,432 parameters` with the name in backticks. `nodes` are those of
    /// the network.
    pub fn summary(&self, nodes: &[Node]) -> String {
        let of = |node: &Node| node.shape.to_string();
        let from: Vec<_> = self.inputs.iter().map(|&input| of(&nodes[input])).collect();
        let within = &nodes[self.nodes.clone()];
        let to = within.last().map(of).unwrap_or_default();
        let count = thousands(within.iter().map(Node::parameter_count).sum());
        let from = from.join(", ");
        format!("`{}`: {from} → {to}, {count} parameters", self.name)
    }
}

impl Node {
    /// One line, as `conv2d_1: 28x28x1 → 26x26x32, 320 parameters` with the name in backticks.
    pub fn summary(&self) -> String {
        let from: Vec<_> = self.input_shapes.iter().map(Shape::to_string).collect();
        let from = match from.is_empty() {
            true => String::new(),
            false => format!("{} → ", from.join(", ")),
        };
        let count = thousands(self.parameter_count());
        format!("`{}`: {from}{}, {count} parameters", self.name, self.shape)
    }
}

/// `(26, 26, 32)`.
fn tuple(shape: &Shape) -> String {
    let sizes: Vec<_> = shape.0.iter().map(usize::to_string).collect();
    format!("({})", sizes.join(", "))
}

/// `476.29 KB`, of 1024 bytes each.
fn bytes(count: u64) -> String {
    let mut size = count as f64;
    let mut unit = "B";
    for larger in ["KB", "MB", "GB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    format!("{size:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_in_units_of_1024() {
        let cases = [
            (0, "0.00 B"),
            (1023, "1023.00 B"),
            (1024, "1.00 KB"),
            (487_720, "476.29 KB"),
            (5 << 20, "5.00 MB"),
        ];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }
}
