//! Tables in boxes, as Keras draws them.

/// How a column stands in its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table of a heading and an alignment for each column, and of rows of as many cells. A cell may
/// have several lines.
pub(crate) fn draw(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(column, (heading, _))| {
            let lines = rows.iter().flat_map(|row| row[column].lines());
            let widths = lines.chain([*heading]).map(|line| line.chars().count());
            widths.max().unwrap_or_default()
        })
        .collect();
    let rule = |left: char, line: &str, cross: &str, right: char| {
        let lines: Vec<_> = widths.iter().map(|width| line.repeat(width + 2)).collect();
        format!("{left}{}{right}\n", lines.join(cross))
    };
    let line = |bar: char, cells: &[&str]| {
        let mut text = String::new();
        for ((cell, &width), (_, align)) in cells.iter().zip(&widths).zip(columns) {
            text += &match align {
                Align::Left => format!("{bar} {cell:<width$} "),
                Align::Right => format!("{bar} {cell:>width$} "),
            };
        }
        format!("{text}{bar}\n")
    };

    let headings: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
    let mut table = rule('┏', "━", "┳", '┓');
    table += &line('┃', &headings);
    table += &rule('┡', "━", "╇", '┩');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            table += &rule('├', "─", "┼", '┤');
        }
        let height = row.iter().map(|cell| cell.lines().count()).max();
        for at in 0..height.unwrap_or_default() {
            let cells: Vec<_> = row
                .iter()
                .map(|cell| cell.lines().nth(at).unwrap_or_default())
                .collect();
            table += &line('│', &cells);
        }
    }
    table + &rule('└', "─", "┴", '┘')
}

/// `121,930`.
pub(crate) fn thousands(count: usize) -> String {
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
    fn a_cell_may_have_several_lines() {
        let columns = [("Name", Align::Left), ("n", Align::Right)];
        let rows = [["a\n→", "1"], ["b", "10\n2\n3"]].map(|row| row.map(str::to_owned).to_vec());
        let expected = "\
┏━━━━━━┳━━━━┓
┃ Name ┃  n ┃
┡━━━━━━╇━━━━┩
│ a    │  1 │
│ →    │    │
├──────┼────┤
│ b    │ 10 │
│      │  2 │
│      │  3 │
└──────┴────┘
";
        assert_eq!(draw(&columns, &rows), expected);
    }
}
