//! Which gradients share one place, and that all who read one find what it should be.

use crate::memory::train;
use crate::{MSE, config, network};
use cnn_dsl::plan::{Plan, ValueId};
use proptest::prelude::*;

#[test]
fn gradients_are_passed_on_where_nobody_else_needs_them_as_they_were() {
    // Values with a gradient in the place of another one's.
    let cases = [
        // Both operands are only read.
        (
            "input(4x4x2); a: conv2d(2, 1x1); b: conv2d(2, 1x1, from = input); add(a, b);",
            vec![("a", "add_1"), ("b", "add_1")],
        ),
        // The activation of one is undone while the other's gradient is still needed.
        (
            "input(4x4x2); a: conv2d(2, 1x1); b: conv2d(2, 1x1, activation = relu, from = input); add(a, b);",
            vec![("a", "add_1")],
        ),
        // Then it is no longer needed.
        (
            "input(4x4x2); a: conv2d(2, 1x1, activation = relu); b: conv2d(2, 1x1, from = input); add(a, b);",
            vec![("a", "add_1"), ("b", "add_1")],
        ),
        // What another reader has left is added when nobody else needs it.
        (
            "input(4x4x2); a: conv2d(2, 1x1); conv2d(2, 1x1, activation = relu); b: conv2d(2, 1x1); add(a, b);",
            vec![("a", "add_1"), ("b", "add_1")],
        ),
        // To a second reader it is added from where it is.
        (
            "input(4x4x2); a: conv2d(2, 1x1); b: add(a, a); c: add(b, a);",
            vec![("b", "c")],
        ),
        // Along a chain.
        (
            "input(4x4x2); a: conv2d(2, 1x1); dropout(0.5); b: activation(tanh); c: conv2d(2, 1x1, from = input); add(b);",
            vec![
                ("b", "add_1"),
                ("dropout_1", "add_1"),
                ("a", "add_1"),
                ("c", "add_1"),
            ],
        ),
        // Of a difference only to the first; not of other shapes.
        (
            "input(4x4x2); a: conv2d(2, 1x1); b: conv2d(2, 4x4, from = input); subtract(a, b); add(b);",
            vec![("subtract_1", "add_1"), ("a", "add_1")],
        ),
    ];
    for (layers, expected) in cases {
        let plan = Plan::new(&network(&format!("{layers} {MSE}")));
        let storage = plan.training.memory.gradient_storage.iter().enumerate();
        let shared = storage.filter(|(value, storage)| value != *storage);
        let name = |value: ValueId| &*plan.values[value].name;
        let mut found: Vec<_> = shared.map(|(v, s)| (name(v), name(*s))).collect();
        let mut expected = expected;
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{layers}");
        train(&plan);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_read_finds_what_was_written_where_many_values_join(layers in joins()) {
        train(&Plan::new(&network(&layers)));
    }
}

/// Networks in which any line reads any lines before it, all of one shape.
fn joins() -> impl Strategy<Value = String> {
    let layer = prop::sample::select(vec![
        "add(A, B)",
        "add(A, B)",
        "add(A, B, A)",
        "subtract(A, B)",
        "multiply(A, B)",
        "conv2d(2, 3x3, padding = same, from = A)",
        "conv2d(2, 3x3, padding = same, activation = relu, from = A)",
        "conv2d(2, 1x1, trainable = false, from = A)",
        "batch_normalization(from = A)",
        "batch_normalization(trainable = false, from = A)",
        "dropout(0.5, from = A)",
        "activation(tanh, from = A)",
        "activation(linear, from = A)",
    ]);
    let line = (
        layer,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    );
    let lines = prop::collection::vec(line, 2..14);
    lines.prop_map(|lines| {
        let mut layers = "input(4x4x2); l0: conv2d(2, 1x1);".to_owned();
        for (before, (layer, a, b)) in lines.iter().enumerate() {
            // More often those that have just been written.
            let line = |index: &prop::sample::Index| match index.index(3.min(before + 1)) {
                2 => format!("l{}", index.index(before + 1)),
                back => format!("l{}", before - back),
            };
            let layer = layer.replace('A', &line(a)).replace('B', &line(b));
            layers += &format!(" l{}: {layer};", before + 1);
        }
        // The last line reads what nothing else does, so that all count.
        let unread = (0..=lines.len()).filter(|line| {
            let name = format!("l{line}");
            let reads = |c: char| !c.is_ascii_digit();
            let places = layers.match_indices(&name);
            let after = |at: usize| layers[at + name.len()..].chars().next();
            places
                .filter(|(at, _)| after(*at).is_some_and(reads))
                .count()
                < 2
        });
        let unread: Vec<_> = unread.map(|line| format!("l{line}")).collect();
        let all = unread.chunks(8).map(|lines| match lines {
            [line] => format!("add({line}, {line})"),
            lines => format!("add({})", lines.join(", ")),
        });
        let all: Vec<_> = all.collect();
        match &all[..] {
            [all] => format!("{layers} {all}; {MSE}"),
            [first, second] => format!("{layers} m: {first}; {second}; add(m); {MSE}"),
            _ => unreachable!("at most sixteen lines"),
        }
    })
}
