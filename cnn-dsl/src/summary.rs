//! The summary: the table that Keras prints, and one line for a layer.

use crate::graph::{Network, Node, Op, Shape};
use crate::text_table::{Align, draw, thousands};

const COLUMNS: [(&str, Align); 3] = [
    ("Layer (type)", Align::Left),
    ("Output Shape", Align::Left),
    ("Param #", Align::Right),
];

impl Network {
    /// The table of layers, output shapes and parameters, as Keras prints it: inputs have no
    /// row, the last lines count the parameters and the bytes that they take as `f32`.
    pub fn summary(&self) -> String {
        let rows: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| !matches!(node.op, Op::Input(_)))
            .map(|node| {
                vec![
                    format!("{} ({})", node.name, node.keyword.text),
                    tuple(&node.shape),
                    thousands(node.parameter_count()),
                ]
            })
            .collect();
        let mut table = format!("Model: \"{}\"\n", self.name.text);
        table += &draw(&COLUMNS, &rows);
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
        let from = self.input_shapes.first();
        let from = from.map(|shape| format!("{shape} → ")).unwrap_or_default();
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
