//! Short texts that would become large: each ends with an error, soon.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use cnn_dsl::check;

/// A network of these lines.
fn network(lines: &str) -> String {
    format!("network A {{ {lines} }}")
}

/// `first`, and 40 constants of which each names the one before twice.
fn doubled(first: &str, next: impl Fn(&str) -> String, last: &str) -> String {
    let mut lines = format!("const C0 = {first};");
    for number in 1..=40 {
        let value = next(&format!("C{}", number - 1));
        write!(lines, "const C{number} = {value};").unwrap();
    }
    network(&format!("{lines} input(2); {last}"))
}

/// 30 blocks of which each calls the next one twice.
fn blocks(parameters: &str, argument: &str, last: &str, call: &str) -> String {
    let mut lines = String::new();
    for number in 0..30 {
        let next = format!("b{}{argument};", number + 1);
        write!(lines, "block b{number}{parameters} {{ {next} {next} }}").unwrap();
    }
    network(&format!(
        "{lines} block b30{parameters} {{ {last} }} input(2); b0{call};"
    ))
}

/// A constant that reads the next one below eight parentheses, each with a hundred operators.
fn nested_sum(number: usize) -> String {
    let (open, close) = ("(".repeat(8), format!("{})", " + 1".repeat(100)).repeat(8));
    format!("const C{number} = {open}C{}{close};", number + 1)
}

#[test]
fn texts_that_would_become_large_are_refused() {
    let constants = "const A = 1; ".repeat(300);
    let repeated = |lines: &str| network(&format!("input(2); repeat 1000000 {{ {lines} }}"));
    let chain: String = (0..1000)
        .map(|number| format!("const C{number} = C{} + 1;", number + 1))
        .collect();
    let max = u64::MAX;
    let cases = [
        ("many layers", "too_many_layers", repeated("relu;")),
        (
            "a long sum",
            "nested_too_deeply",
            network(&format!("input(2); dense({}1);", "1 + ".repeat(20_000))),
        ),
        (
            "sums in parentheses in constants",
            "nested_too_deeply",
            network(&format!(
                "{} const C60 = 1; input(2); dense(C0);",
                (0..60).map(nested_sum).collect::<String>()
            )),
        ),
        (
            "repeats of nothing in repeats",
            "too_many_layers",
            repeated("repeat 1000000 { }"),
        ),
        (
            "repeats of nothing that is a layer",
            "misplaced_statement",
            repeated(&constants),
        ),
        (
            "more lines than layers",
            "too_many_layers",
            repeated(&format!("relu; {constants}")),
        ),
        (
            "blocks that call one another",
            "too_many_layers",
            blocks("", "", "relu;", ""),
        ),
        (
            "lists in blocks",
            "nested_too_deeply",
            blocks("(n)", "([n, n])", "dense(n);", "(1)"),
        ),
        (
            "numbers",
            "number_too_large",
            doubled("3", |c| format!("{c} * {c}"), "dense(C40);"),
        ),
        (
            "sizes",
            "out_of_range",
            doubled("3", |c| format!("{c} x {c}"), "dense(C40);"),
        ),
        (
            "lists",
            "nested_too_deeply",
            doubled("[1]", |c| format!("[{c}, {c}]"), "dense(C40);"),
        ),
        (
            "calls",
            "nested_too_deeply",
            doubled("relu", |c| format!("f({c}, a = {c})"), "dense(C40);"),
        ),
        (
            "constants that are read one for the other",
            "nested_too_deeply",
            network(&format!("{chain} const C1000 = 1; input(2); dense(C0);")),
        ),
        (
            "an input beyond memory",
            "shape_too_large",
            network("input(2000000000x2000000000x3); flatten; dense(2);"),
        ),
        (
            "an output beyond memory",
            "shape_too_large",
            network("input(60000x60000x1); upsampling2d(60000x60000); flatten; dense(2);"),
        ),
        (
            "parameters beyond memory",
            "out_of_range",
            network(&format!("input(2); dense({max}); dense({max});")),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, expected, text) in cases {
        let start = Instant::now();
        match check(&text) {
            Ok(_) => wrong.push(format!("{name}: no error")),
            Err(found) => {
                let found = found.to_string();
                if !found.contains(&format!("error[{expected}]")) {
                    let first: String = found.chars().take(300).collect();
                    wrong.push(format!("{name}: expected {expected}, found {first}"));
                }
            }
        }
        // Some seconds where nothing is optimised.
        if start.elapsed() > Duration::from_secs(60) {
            wrong.push(format!("{name}: {:?}", start.elapsed()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
