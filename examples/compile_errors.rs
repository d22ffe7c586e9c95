//! What the compiler says about wrong descriptions.
//!
//! ```text
//! cargo run --release --example compile_errors
//! ```
//!
//! `network!` reports these while `cargo check` runs, at the tokens of your own source. Here the
//! same checker reads them as text, so that one run shows them all.

/// What is wrong, and the description.
const MISTAKES: &[(&str, &str)] = &[
    (
        "A dense layer behind an image: `flatten` was forgotten.",
        "network Digits {
    input(28x28x1);
    conv2d(32, 3x3, activation = relu);
    max_pool2d(2x2);
    dense(10, activation = softmax);
}",
    ),
    (
        "A kernel that is larger than what is left of the image.",
        "network Tiny {
    input(8x8x3);
    conv2d(8, 5x5, activation = relu);
    max_pool2d(2x2);
    conv2d(16, 3x3, activation = relu);
    flatten;
    dense(2);
}",
    ),
    (
        "Names from elsewhere, and two mistakes at once.",
        "network Names {
    input(28x28x1);
    Conv2D(32, 3x3);
    flatten;
    dense(10, activaton = relu);
}",
    ),
    (
        "Commas for `x`, and a missing semicolon.",
        "network Commas {
    input(28, 28, 1);
    conv2d(32, 3x3)
    flatten;
    dense(10);
}",
    ),
    (
        "A last layer that does not fit the loss.",
        "network Loss {
    input(4);
    dense(3, activation = relu);
    train { loss = categorical_crossentropy; }
}",
    ),
];

fn main() {
    for (number, (what, description)) in MISTAKES.iter().enumerate() {
        println!("{}. {what}\n", number + 1);
        match cnn_dsl::check(description) {
            Ok(_) => println!("no mistake found\n"),
            Err(diagnostics) => println!("{}", diagnostics.render(description, "mistake.cnn")),
        }
    }
}
