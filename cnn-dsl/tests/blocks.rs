//! Blocks, repeats and constants: they mean the layers that they stand for.

use cnn_dsl::graph::Node;
use cnn_dsl::{Network, analyse};

#[track_caller]
fn good(source: &str) -> Network {
    let analysis = analyse(source);
    assert!(
        analysis.diagnostics.is_empty(),
        "{}",
        analysis.diagnostics.render(source, "good.cnn")
    );
    analysis.network.expect("a network without errors")
}

/// Descriptions with blocks, the same written out, and the names of the layers with blocks.
const CASES: &[(&str, &str, &str)] = &[
    // Constants, in any order, and arithmetic.
    (
        "const B = A * 2 + 1; const A = 3; const SIZE = A x (B - 4); const ACT = relu; const RATE = 1 / 4.0;
         input(16x16x1); conv2d(B, SIZE, activation = ACT); conv2d(20 - 2 * 3 - 4, 3 x A); dropout(RATE);
         conv2d(-A + 10 / 2 + 7 % 4, 1 x 1); conv2d((A + 1) * 2, A x 1)",
        "input(16x16x1); conv2d(7, 3x3, activation = relu); conv2d(10, 3x3); dropout(0.25);
         conv2d(5, 1x1); conv2d(8, 3x1)",
        "input conv2d_1 conv2d_2 dropout_1 conv2d_3 conv2d_4",
    ),
    // A block with a default, called three times.
    (
        "block conv_bn(filters, kernel = 3x3, act = linear) {
             conv2d(filters, kernel, padding = same, activation = act);
             batch_normalization;
         }
         input(8x8x1); conv_bn(4); stem: conv_bn(5, 1x1); conv_bn(kernel = 2x2, filters = 6, act = tanh)",
        "input(8x8x1);
         conv2d(4, 3x3, padding = same); batch_normalization; conv2d(5, 1x1, padding = same); batch_normalization;
         conv2d(6, 2x2, padding = same, activation = tanh); batch_normalization",
        "input conv_bn_1.conv2d_1 conv_bn_1.batch_normalization_1 stem.conv2d_1 stem.batch_normalization_1
         conv_bn_2.conv2d_1 conv_bn_2.batch_normalization_1",
    ),
    // `input` is what flows into the innermost body; labels are of their own body.
    (
        "block down(filters) {
             main: conv2d(filters, 3x3, strides = 2, padding = same);
             shortcut: conv2d(filters, 1x1, strides = 2, from = input);
             add(main, shortcut);
         }
         input(8x8x4); main: relu; a: down(4); b: down(4, from = main); add(a, b)",
        "input(8x8x4); main: relu;
         a: conv2d(4, 3x3, strides = 2, padding = same); b: conv2d(4, 1x1, strides = 2, from = main); c: add(a, b);
         d: conv2d(4, 3x3, strides = 2, padding = same, from = main); e: conv2d(4, 1x1, strides = 2, from = main);
         f: add(d, e); add(c, f)",
        "input main a.main a.shortcut a.add_1 b.main b.shortcut b.add_1 add_1",
    ),
    // Blocks in blocks; a repeat sees the labels and parameters around it, and its `input` is that of the round.
    (
        "block dense_stack(units, depth) {
             first: dense(units);
             repeat depth { dense(units); relu; add(input); add(first); }
             last: repeat 2 { gelu; elu; }
             add(last, first);
         }
         block twice(units) { dense_stack(units, 1); inner: dense_stack(units, depth = 2); }
         input(3); twice(5)",
        "input(3);
         f: dense(5); i: dense(5, from = f); relu; add(f); h: add(f); gelu; elu; gelu; l: elu; g: add(l, f);
         k: dense(5); dense(5); relu; add(k); m: add(k); dense(5); relu; add(m); add(k); gelu; elu; gelu; n: elu; add(n, k)",
        "input
         twice_1.dense_stack_1.first twice_1.dense_stack_1.repeat_1_1.dense_1 twice_1.dense_stack_1.repeat_1_1.relu_1
         twice_1.dense_stack_1.repeat_1_1.add_1 twice_1.dense_stack_1.repeat_1_1.add_2
         twice_1.dense_stack_1.last_1.gelu_1 twice_1.dense_stack_1.last_1.elu_1 twice_1.dense_stack_1.last_2.gelu_1
         twice_1.dense_stack_1.last_2.elu_1 twice_1.dense_stack_1.add_1
         twice_1.inner.first twice_1.inner.repeat_1_1.dense_1 twice_1.inner.repeat_1_1.relu_1 twice_1.inner.repeat_1_1.add_1
         twice_1.inner.repeat_1_1.add_2 twice_1.inner.repeat_1_2.dense_1 twice_1.inner.repeat_1_2.relu_1
         twice_1.inner.repeat_1_2.add_1 twice_1.inner.repeat_1_2.add_2 twice_1.inner.last_1.gelu_1 twice_1.inner.last_1.elu_1
         twice_1.inner.last_2.gelu_1 twice_1.inner.last_2.elu_1 twice_1.inner.add_1",
    ),
];

/// What a node computes, without its name.
fn computed(network: &Network) -> Vec<String> {
    let computed = |node: &Node| format!("{:?} of {:?}: {}", node.op, node.inputs, node.shape);
    network.nodes.iter().map(computed).collect()
}

#[test]
fn blocks_mean_their_layers() {
    let mut wrong = Vec::new();
    for (blocks, flat, names) in CASES {
        let blocks = good(&format!("network Blocks {{ {blocks}; }}"));
        let flat = good(&format!("network Flat {{ {flat}; }}"));
        let (found, expected) = (computed(&blocks), computed(&flat));
        if found != expected {
            wrong.push(format!("{found:#?}\ninstead of\n{expected:#?}"));
        }
        let found: Vec<_> = blocks.nodes.iter().map(|node| &node.name).collect();
        let expected: Vec<_> = names.split_whitespace().collect();
        if found != expected {
            wrong.push(format!("{found:#?}\ninstead of\n{expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The settings of `train` may name constants, too.
#[test]
fn constants_reach_into_train() {
    let network = good(
        "network Constants {
             const EPOCHS = 3; const RATE = 1e-2; const LOSS = mse;
             input(4);
             dense(2);
             train { loss = LOSS; optimizer = sgd(RATE / 10); epochs = EPOCHS * 2; }
         }",
    );
    let train = network.train.expect("a train block");
    assert_eq!(train.epochs, 6);
    assert_eq!(
        train.objectives[0].loss,
        cnn_dsl::graph::Loss::MeanSquaredError
    );
    let rate = format!("{:?}", train.optimizer);
    assert!(rate.contains("0.001"), "{rate}");
}

/// Calls and rounds are rows of their own; their layers stand below, without their names.
#[test]
fn the_summary_shows_blocks() {
    let network = good(
        "network Small {
             block residual(units) { dense(units, activation = relu); dense(units); add(input); }
             input(4);
             repeat 2 { residual(4); }
             head: residual(4);
             dense(2);
         }",
    );
    let expected = "\
Model: \"Small\"
┏━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)            ┃ Output Shape ┃ Param # ┃ Connected to        ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━┩
│ repeat_1_1 (repeat)     │ (4)          │      40 │ input               │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│   residual_1 (residual) │ (4)          │      40 │ input               │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│     dense_1 (dense)     │ (4)          │      20 │ input               │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│     dense_2 (dense)     │ (4)          │      20 │ dense_1             │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│     add_1 (add)         │ (4)          │       0 │ dense_2, input      │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│ repeat_1_2 (repeat)     │ (4)          │      40 │ repeat_1_1          │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│   residual_1 (residual) │ (4)          │      40 │ repeat_1_1          │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│     dense_1 (dense)     │ (4)          │      20 │ repeat_1_1          │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│     dense_2 (dense)     │ (4)          │      20 │ dense_1             │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│     add_1 (add)         │ (4)          │       0 │ dense_2, repeat_1_1 │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│ head (residual)         │ (4)          │      40 │ repeat_1_2          │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│   dense_1 (dense)       │ (4)          │      20 │ repeat_1_2          │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│   dense_2 (dense)       │ (4)          │      20 │ dense_1             │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│   add_1 (add)           │ (4)          │       0 │ dense_2, repeat_1_2 │
├─────────────────────────┼──────────────┼─────────┼─────────────────────┤
│ dense_1 (dense)         │ (2)          │      10 │ head                │
└─────────────────────────┴──────────────┴─────────┴─────────────────────┘
 Total params: 130 (520.00 B)
 Trainable params: 130 (520.00 B)
 Non-trainable params: 0 (0.00 B)
";
    assert_eq!(network.summary(), expected);
}
