//! Tables of text.

use cnn::data::csv::{Csv, Table};

/// Files to begin with.
pub const SEEDS: &[&[u8]] = &[
    b"a,b,c\n1,2,x\n3.5,-4e3,y\n5,6,x\n",
    b"1;2\r\n\"3\";\"4\"\r\n",
    b"x,y\n\n0,\"a \"\"quoted\"\" text\"\n1,\"two\nlines\"\n",
    "\u{feff}gr\u{f6}\u{df}e,art\n1,rose\n".as_bytes(),
];

/// Reads `bytes`, and checks what comes out.
pub fn run(bytes: &[u8]) {
    for csv in [
        Csv::labelled(0),
        Csv::labelled("a").header(true),
        Csv::labelled(1).header(false).delimiter(b';'),
        Csv::with_values([0]),
        Csv::with_values([1, 0]).header(false).inputs([0, 0]),
        Csv::labelled(1).inputs([0]).classes(["x", "y"]),
    ] {
        if let Ok(table) = csv.from_bytes(bytes) {
            check(&table);
        }
    }
}

fn check(table: &Table) {
    let examples = &table.examples;
    assert!(!examples.is_empty());
    assert_eq!(examples.input_shape(), [table.inputs.len()]);
    assert!(examples.inputs().iter().all(|value| value.is_finite()));
    let labels = examples.labels();
    let mut labels = labels.iter().flatten();
    assert!(labels.all(|label| (*label as usize) < table.classes.len()));
}
