//! No text makes the compiler panic, overflow, or answer differently twice.

use cnn_dsl::{Analysis, analyse};
use proptest::prelude::*;

const GOOD: &str = "\
/// Documentation.
pub(crate) network Good {
    input(28x28x1);
    stem: conv2d(8, 3 x 3, strides = 1, padding = same, activation = leaky_relu(0.1));
    max_pool2d(2x2); // a comment
    dropout(0.25);
    flatten();
    dense(10, activation = softmax); /* another */
    train {
        loss = categorical_crossentropy;
        optimizer = sgd(0.1, momentum = 0.9, nesterov = true);
        metrics = [accuracy, mae];
        epochs = 2;
        seed = 1_000;
    }
}
";

/// With all that a graph is made of.
const GRAPH: &str = "\
network Graph {
    const WIDTH = 2 * (3 + 1);
    const ACT = leaky_relu(0.1 / 2);
    /// Documentation.
    block conv_bn(filters, kernel = 3 x 3, act = ACT) {
        conv2d(filters, kernel, padding = same);
        batch_normalization;
        activation(act);
    }
    block residual(filters) {
        conv_bn(filters);
        main: conv_bn(filters, kernel = 1 x (filters % 2 + 1));
        shortcut: conv2d(filters, 1x1, from = input);
        add(main, shortcut);
    }
    image: input(8x8x2);
    meta: input(WIDTH / 4);
    stem: residual(WIDTH, from = image);
    body: repeat 2 { residual(WIDTH); dropout(0.1); }
    flat: global_avg_pool2d;
    told: dense(WIDTH, from = meta);
    both: multiply(flat, told);
    kind: dense(3, activation = softmax);
    size: dense(1, from = both);
    expose(stem, both);
    output(kind, size);
    train {
        loss = [kind = categorical_crossentropy, size = mse(weight = 0.5)];
        metrics = [kind = accuracy];
        optimizer = adamw(cosine_decay(1e-3, 100, warmup_steps = 10));
    }
}
";

/// What must hold for every text.
fn examine(source: &str) -> Analysis {
    let analysis = analyse(source);
    let again = analyse(source);
    assert_eq!(analysis.diagnostics, again.diagnostics);
    assert_eq!(analysis.outline, again.outline);
    let good = !analysis.diagnostics.has_errors();
    assert_eq!(
        analysis.network.is_some(),
        good,
        "{source}\n{}",
        analysis.diagnostics
    );
    let mut previous = 0;
    for diagnostic in &analysis.diagnostics {
        assert!(
            diagnostic.span.start >= previous,
            "in the order of the source"
        );
        previous = diagnostic.span.start;
        let spans = diagnostic.secondary.iter().map(|(span, _)| *span);
        for span in spans.chain([diagnostic.span]) {
            assert!(
                source.get(span.start..span.end).is_some(),
                "{span:?} of {source:?}"
            );
        }
    }
    let rendered = analysis.diagnostics.render(source, "hostile.cnn");
    assert_eq!(rendered.is_empty(), analysis.diagnostics.is_empty());
    if let Some(network) = &analysis.network {
        network.summary();
        network.flops();
    }
    analysis
}

/// Words, numbers and single symbols.
fn tokens(source: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, behind) = rest.split_at(end);
        tokens.push(token);
        rest = behind;
    }
    tokens
}

const INSERTS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ";",
    ",",
    "=",
    ":",
    "==",
    "-",
    "*",
    ".",
    "#",
    "\"",
    "'",
    "///",
    "//",
    "/*",
    "*/",
    "0",
    "0x3",
    "18446744073709551616",
    "2147483647",
    "4294967296x4294967296",
    "1e999",
    "1e-3",
    "3x",
    "x",
    "network",
    "train",
    "input(4);",
    "input",
    "pub",
    "dense(2);",
    "conv2d",
    "flatten;",
    "relu",
    "same",
    "add",
    "repeat",
    "repeat 3 {",
    "block",
    "block b(n) {",
    "b(2);",
    "const",
    "const N = 3;",
    "N",
    "N * 2",
    "from = input",
    "output(stem);",
    "expose(stem);",
    "stem",
    "/",
    "%",
    "é",
    "漢字",
    "🦀",
    "\t",
    "\r\n",
    "\n",
    "\u{a0}",
    "\u{feff}",
    "\\",
    "r#\"",
    "#[doc = \"",
    "#[doc = r\"x\"]",
    "label:",
    "[mse]",
];

#[derive(Clone, Debug)]
enum Edit {
    Delete(prop::sample::Index),
    Duplicate(prop::sample::Index),
    Insert(prop::sample::Index, &'static str),
    Swap(prop::sample::Index, prop::sample::Index),
    Truncate(prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => index().prop_map(Edit::Delete),
        2 => index().prop_map(Edit::Duplicate),
        6 => (index(), prop::sample::select(INSERTS)).prop_map(|(at, text)| Edit::Insert(at, text)),
        2 => (index(), index()).prop_map(|(a, b)| Edit::Swap(a, b)),
        1 => index().prop_map(Edit::Truncate),
    ]
}

fn mutated(source: &str, edits: &[Edit]) -> String {
    let mut tokens = tokens(source);
    for edit in edits {
        if tokens.is_empty() {
            break;
        }
        let count = tokens.len();
        match edit {
            Edit::Delete(at) => {
                tokens.remove(at.index(count));
            }
            Edit::Duplicate(at) => tokens.insert(at.index(count), tokens[at.index(count)]),
            Edit::Insert(at, text) => tokens.insert(at.index(count), text),
            Edit::Swap(a, b) => tokens.swap(a.index(count), b.index(count)),
            Edit::Truncate(at) => tokens.truncate(at.index(count)),
        }
    }
    tokens.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_description_is_examined(edits in prop::collection::vec(edit(), 1..8)) {
        examine(&mutated(GOOD, &edits));
    }

    #[test]
    fn a_mutated_graph_is_examined(edits in prop::collection::vec(edit(), 1..6)) {
        examine(&mutated(GRAPH, &edits));
    }

    #[test]
    fn any_text_is_examined(text in "\\PC{0,80}") {
        examine(&text);
    }

    #[test]
    fn any_tokens_are_examined(tokens in prop::collection::vec(prop::sample::select(INSERTS), 0..40)) {
        examine(&tokens.join(" "));
        examine(&tokens.concat());
        examine(&format!("network A {{ {} }}", tokens.join(" ")));
    }
}

#[test]
fn the_good_description_is_good() {
    for source in [GOOD, GRAPH] {
        let diagnostics = examine(source).diagnostics;
        assert!(
            diagnostics.is_empty(),
            "{}",
            diagnostics.render(source, "good.cnn")
        );
    }
}

#[test]
fn every_prefix_is_examined() {
    for source in [GOOD, GRAPH] {
        for end in (0..source.len()).filter(|&end| source.is_char_boundary(end)) {
            examine(&source[..end]);
        }
    }
}

/// A level of recursion takes more than 1 KiB, so that as many levels as the stack has KiB would
/// overflow it. The levels that are allowed need about half of it.
const STACK_KIB: usize = 384;

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let thread = std::thread::Builder::new().stack_size(STACK_KIB * 1024);
    let nested = thread.spawn(|| examine_nested(STACK_KIB));
    nested.expect("a thread").join().expect("no panic");
}

fn examine_nested(deep: usize) {
    for open in [
        "(",
        "[",
        "{",
        "a(",
        "a[",
        "(a=",
        "((a,",
        "1+(",
        "a x (",
        "repeat 2 {",
        "block a {",
        "a: repeat 2 {",
        "-(",
        "a(b,[",
        "network A {",
        "train {",
        "/*",
        "///",
        "\"",
        "'",
        "r#\"",
    ] {
        for (before, after) in [
            ("", ""),
            ("network A {", "}"),
            ("network A { dense(", ");}"),
            ("network A { dense(10) ", ";}"),
            ("network A { train { loss = ", ";}}"),
            ("network A { train { ", ";}}"),
            ("network ", "{}"),
            ("network A", "{}"),
            ("pub(", "network A {}"),
            ("#[doc = ", "]"),
            ("@", ""),
        ] {
            let source = format!("{before}{}{after}", open.repeat(deep));
            assert!(
                analyse(&source).diagnostics.has_errors(),
                "{before}{open}…{after}"
            );
        }
    }
}

#[test]
fn a_hundred_thousand_brackets_do_not_overflow_the_stack() {
    for open in ["(", "[", "{"] {
        let source = format!("network A {{ dense({}", open.repeat(100_000));
        assert!(analyse(&source).diagnostics.has_errors());
    }
}
