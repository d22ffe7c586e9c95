//! Diagnostics look as rustc would print them.

use cnn_dsl::analyse;

#[track_caller]
fn assert_rendered(source: &str, expected: &str) {
    let rendered = analyse(source).diagnostics.render(source, "lenet.cnn");
    assert_eq!(
        rendered, expected,
        "\n--- found\n{rendered}\n--- expected\n{expected}"
    );
}

#[test]
fn the_example_of_the_design() {
    let source = "\
network Mnist {
    input(28x28x1);
    conv2d(32, 3x3, activation = relu);
    max_pool2d(2x2);
    conv2d(64, 3x3, activation = relu);
    max_pool2d(2x2);


    // The classifier.

        dense(64, activation = relu);
}
";
    let expected = "\
error[not_flat]: `dense_1` needs a flat input, but `max_pool2d_2` produces 5x5x64
  --> lenet.cnn:11:9
   |
11 |         dense(64, activation = relu);
   |         ^^^^^
   = note: input 28x28x1 → conv2d_1 26x26x32 → max_pool2d_1 13x13x32 → conv2d_2 11x11x64 → max_pool2d_2 5x5x64
   = help: insert `flatten;` before this line (5x5x64 → 1600)
";
    assert_rendered(source, expected);
}

#[test]
fn several_places_and_labels() {
    let source = "network A {\n    input(4);\n\n\n    dense(2, activation = relu, activation = relu);\n    train {}\n    train {}\n}";
    let expected = "\
error[duplicate_argument]: `activation` is given twice
 --> lenet.cnn:5:33
  |
5 |     dense(2, activation = relu, activation = relu);
  |                                 ^^^^^^^^^^^^^^^^^ given again
  |                           ---- first given here

error[missing_argument]: `train` needs a `loss`
 --> lenet.cnn:6:5
  |
6 |     train {}
  |     ^^^^^
  = help: write `loss = mse;`

error[several_train_blocks]: a network has one `train` block
 --> lenet.cnn:7:5
  |
6 |     train {}
  |     ----- the first one is here
7 |     train {}
  |     ^^^^^
";
    assert_rendered(source, expected);
}

#[test]
fn distant_places_leave_lines_out() {
    let source =
        "network A {\n    a: input(4);\n    dense(1);\n    dense(1);\n    a: dense(2);\n}\n";
    let expected = "\
error[duplicate_label]: two layers are called `a`
 --> lenet.cnn:5:5
  |
2 |     a: input(4);
  |     - the first one is here
...
5 |     a: dense(2);
  |     ^
";
    assert_rendered(source, expected);
}

#[test]
fn tabs_wide_characters_and_carriage_returns() {
    let source = "network A {\r\n\tinput(4); /* 漢字 é */ dens(2);\r\n}\r\n";
    let expected = "\
error[unknown_layer]: there is no layer `dens`
 --> lenet.cnn:2:23
  |
2 |     input(4); /* 漢字 é */ dens(2);
  |                            ^^^^
  = help: did you mean `dense`?
";
    assert_rendered(source, expected);
}

#[test]
fn the_end_of_the_text() {
    let source = "network A {\n    input(4);\n    dense(2);";
    let expected = "\
error[unclosed]: expected `}` at the end of the network
 --> lenet.cnn:3:14
  |
1 | network A {
  |         - the network begins here
...
3 |     dense(2);
  |              ^
";
    assert_rendered(source, expected);
    let expected = "\
error[no_network]: the description is empty
 --> lenet.cnn:1:1
  |
1 |
  | ^
  = help: write `network Name { input(28x28x1); … }`
";
    assert_rendered("", expected);
}

#[test]
fn a_span_over_several_lines_is_marked_on_the_first() {
    let source = "network A {\n    input(28,\n        28);\n    dense(2);\n}\n";
    let expected = "\
error[separate_sizes]: the sizes of an input are one value, joined by `x`
 --> lenet.cnn:2:11
  |
2 |     input(28,
  |           ^^^
  = help: write `input(28x28)`
";
    assert_rendered(source, expected);
}
