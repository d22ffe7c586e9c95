//! The summary: the table that Keras prints, and one line for a layer.

use crate::graph::{Network, Node, Op, Shape};
use crate::text_table::{Align, draw, thousands};

const COLUMNS: [(&str, Align); 3] = [
    ("Layer (type)", Align::Left),
    ("Output Shape", Align::Left),
    ("Param #", Align::Right),
];
const CONNECTED: (&str, Align) = ("Connected to", Align::Left);

impl Network {
    /// The table of layers, output shapes and parameters, as Keras prints it: inputs have no
    /// row, the last lines count the parameters and the bytes that they take as `f32`. Where a layer reads something
    /// else than the line above, a column says what each reads.
    pub fn summary(&self) -> String {
        let reads_above = |(id, node): (usize, &Node)| match node.inputs[..] {
            [] => id == 0,
            [input] => input + 1 == id,
            _ => false,
        };
        let is_sequence = self.nodes.iter().enumerate().all(reads_above);
        let mut columns = COLUMNS.to_vec();
        if !is_sequence {
            columns.push(CONNECTED);
        }
        let rows: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| !matches!(node.op, Op::Input(_)))
            .map(|node| {
                let mut row = vec![
                    format!("{} ({})", node.name, node.keyword.text),
                    tuple(&node.shape),
                    thousands(node.parameter_count()),
                ];
                if !is_sequence {
                    let inputs = node.inputs.iter().map(|&input| &*self.nodes[input].name);
                    row.push(inputs.collect::<Vec<_>>().join(", "));
                }
                row
            })
            .collect();
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
