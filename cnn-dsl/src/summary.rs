//! The summary: the table that Keras prints, and one line for a layer.

use crate::graph::{Network, Node, Op, Shape};

const HEADINGS: [&str; 3] = ["Layer (type)", "Output Shape", "Param #"];

impl Network {
    /// The table of layers, output shapes and parameters, as Keras prints it: inputs have no
    /// row, the last lines count the parameters and the bytes that they take as `f32`.
    pub fn summary(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .nodes
            .iter()
            .filter(|node| node.op != Op::Input)
            .map(|node| {
                [
                    format!("{} ({})", node.name, node.keyword.text),
                    tuple(&node.shape),
                    thousands(node.parameter_count()),
                ]
            })
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].len());
            cells
                .chain([HEADINGS[column].len()])
                .max()
                .unwrap_or_default()
        };
        let widths = [0, 1, 2].map(width);
        let rule = |left: char, line: &str, cross: &str, right: char| {
            let lines = widths.map(|width| line.repeat(width + 2));
            format!("{left}{}{right}\n", lines.join(cross))
        };
        let row = |bar: char, cells: [&str; 3]| {
            let [a, b, c] = widths;
            format!(
                "{bar} {:<a$} {bar} {:<b$} {bar} {:>c$} {bar}\n",
                cells[0], cells[1], cells[2]
            )
        };

        let mut table = format!("Model: \"{}\"\n", self.name.text);
        table += &rule('┏', "━", "┳", '┓');
        table += &row('┃', HEADINGS);
        table += &rule('┡', "━", "╇", '┩');
        for (index, [name, shape, parameters]) in rows.iter().enumerate() {
            if index > 0 {
                table += &rule('├', "─", "┼", '┤');
            }
            table += &row('│', [name, shape, parameters]);
        }
        table += &rule('└', "─", "┴", '┘');
        let total = self.parameter_count();
        for (what, count) in [("Total", total), ("Trainable", total), ("Non-trainable", 0)] {
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

/// `121,930`.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
    fn thousands_are_separated() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (121_930, "121,930"),
            (1_000_000, "1,000,000"),
        ];
        for (count, expected) in cases {
            assert_eq!(thousands(count), expected);
        }
    }

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
