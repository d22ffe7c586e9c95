//! The plan on text: a description in, what each pass makes of it out.

mod algorithm;
mod chains;
mod fold;
mod fuse;
mod gradient_storage;
mod gradients;
mod kernels;
mod lower;
mod memory;
mod sparsity;
mod table;
mod trim;

use cnn_dsl::Network;
use cnn_dsl::graph::{Activation, Shape};
use cnn_dsl::plan::{Plan, Scope, Step};
use cnn_ir::Operation;
use cnn_ir::operation::Conv2d;
use proptest::prelude::*;

/// The convnet of the Keras MNIST tutorial.
const MNIST: &str = "input(28x28x1); conv2d(32, 3x3, activation = relu); max_pool2d(2x2);
    conv2d(64, 3x3, activation = relu); max_pool2d(2x2); flatten; dense(64, activation = relu);
    dense(10, activation = softmax);";
const CROSSENTROPY: &str = "train { loss = categorical_crossentropy; }";
const MSE: &str = "train { loss = mse; }";

/// A checked network of these layers, with or without a `train` block behind them.
fn network(layers: &str) -> Network {
    let description = format!("network Test {{ {layers} }}");
    cnn_dsl::check(&description)
        .unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(&description, "test.cnn")))
}

/// What a pass makes of the steps of each description, in a few words a step.
struct Cases<'a>(&'a [(&'a str, &'a [&'a str])]);

impl Cases<'_> {
    /// Compares all of them before it complains.
    fn check(&self, words: impl Fn(&Network, &Plan, &Step) -> String) {
        let mut wrong = Vec::new();
        for (layers, expected) in self.0 {
            let network = network(layers);
            let plan = Plan::new(&network);
            let found: Vec<_> = plan
                .steps
                .iter()
                .map(|s| words(&network, &plan, s))
                .collect();
            if found != *expected {
                wrong.push(format!(
                    "{layers}\n  expected {expected:?}\n  found    {found:?}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The names of a step's layers.
fn name(network: &Network, step: &Step) -> String {
    let nodes = [step.padding, Some(step.node), step.addition, step.pool];
    let names: Vec<_> = nodes
        .into_iter()
        .flatten()
        .map(|n| &*network.nodes[n].name)
        .collect();
    names.join("+")
}

/// The algorithm of a convolution forward and for the gradients of the kernel and of the input, or the kind of
/// another operation; `-` where nothing is computed.
fn algorithms(step: &Step) -> [String; 3] {
    let wanted = step.wanted();
    let of_conv = |conv: &Conv2d| {
        [
            format!("{:?}", conv.algorithm),
            format!("{:?}", conv.kernel_gradient),
            format!("{:?}", conv.input_gradient),
        ]
    };
    let [forward, kernel, input] = match &step.operation {
        Operation::Conv2d(conv) => of_conv(conv),
        Operation::GroupedConv2d(grouped) => of_conv(&grouped.conv),
        // Its passes are those of the convolution the other way round.
        Operation::Conv2dTranspose(transpose) => {
            let [forward, kernel, input] = of_conv(&transpose.conv);
            [input, kernel, forward]
        }
        other => [(); 3].map(|()| other.kind().to_owned()),
    };
    let variant = |name: String| name.rsplit("::").next().unwrap_or_default().to_owned();
    let if_wanted = |wanted: bool, name: String| {
        if wanted {
            variant(name)
        } else {
            "-".to_owned()
        }
    };
    [
        variant(forward),
        if_wanted(wanted.tensors, kernel),
        if_wanted(wanted.input, input),
    ]
}

/// The activation that a step applies.
fn activation(step: &Step) -> Activation {
    match &step.operation {
        Operation::Activate(activate) => activate.activation,
        operation => operation.facts().activation(),
    }
}

/// What a convolution computes before its pool.
fn conv_output(step: &Step) -> Option<Shape> {
    match &step.operation {
        Operation::Conv2d(conv) => Some(Shape(conv.output.to_vec())),
        _ => None,
    }
}

/// How many steps stand before the first that takes all examples at once.
fn front(plan: &Plan) -> usize {
    let share = plan
        .inference
        .stages
        .iter()
        .find(|stage| stage.scope == Scope::Share);
    share.map_or(plan.steps.len(), |stage| stage.steps.start)
}

/// Few cases, for each of them is checked many times over, and no files beside the tests.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 100,
        failure_persistence: None,
        max_shrink_iters: 1000,
        ..ProptestConfig::default()
    }
}

/// `reshape(12x13x2);` behind layers that end with 13x12x2, for the axes `1x0x2);`.
fn reshape(layers: &str, axes: &str) -> String {
    let shape = network(&format!("{layers} linear: activation(linear);"));
    let shape = shape.nodes.last().and_then(|node| node.shape.image());
    let size = |c: char| match c.to_digit(10) {
        Some(axis) => shape.map_or(1, |shape| shape[axis as usize]).to_string(),
        None => c.to_string(),
    };
    let (axes, rest) = axes.split_at(5);
    let sizes: String = axes.chars().map(size).collect();
    format!("reshape({sizes}{rest}")
}

/// Networks of all kinds of layers in any order that the language takes.
fn networks() -> impl Strategy<Value = String> {
    let window = || {
        let padding = prop::sample::select(vec!["valid", "same", "1"]);
        (1..4_usize, 1..4_usize, 1..3_usize, padding)
    };
    let activation = || prop::sample::select(vec!["linear", "relu", "tanh", "softmax"]);
    // With a line that may not exist, or have another shape: then it is left out.
    let join = || {
        let kinds = vec!["add", "multiply", "maximum", "average", "concat"];
        (prop::sample::select(kinds), 0..8_usize)
            .prop_map(|(kind, line)| format!("{kind}(l{line});"))
    };
    let from = prop::option::weighted(0.2, 0..8_usize);
    let image = prop_oneof![
        4 => (1..4_usize, window(), 1..3_usize, activation(), any::<bool>()).prop_map(
            |(filters, (rows, columns, strides, padding), dilation, activation, trainable)| {
                // Strides and dilation exclude each other.
                let dilation = if strides > 1 { 1 } else { dilation };
                format!(
                    "conv2d({filters}, {rows}x{columns}, strides = {strides}, padding = {padding}, \
                     dilation = {dilation}, activation = {activation}, trainable = {trainable});"
                )
            }
        ),
        3 => (any::<bool>(), window()).prop_map(|(max, (rows, columns, strides, padding))| {
            let kind = if max { "max" } else { "avg" };
            format!("{kind}_pool2d({rows}x{columns}, strides = {strides}, padding = {padding});")
        }),
        2 => Just("max_pool2d(2x2);".to_owned()),
        2 => (1..3_usize, 1..3_usize, window(), activation()).prop_map(
            |(multiplier, dilation, (rows, columns, strides, padding), activation)| {
                let dilation = if strides > 1 { 1 } else { dilation };
                format!(
                    "depthwise_conv2d({rows}x{columns}, strides = {strides}, padding = {padding}, \
                     dilation = {dilation}, depth_multiplier = {multiplier}, activation = {activation});"
                )
            }
        ),
        2 => (1..3_usize, window(), 0..2_usize, activation()).prop_map(
            |(filters, (rows, columns, strides, padding), more, activation)| {
                let more = if more < strides { more.to_string() } else { "none".to_owned() };
                format!(
                    "conv2d_transpose({filters}, {rows}x{columns}, strides = {strides}, padding = {padding}, \
                     output_padding = {more}, activation = {activation});"
                )
            }
        ),
        2 => (1..3_usize, window(), 1..3_usize, activation()).prop_map(
            |(filters, (rows, columns, strides, padding), multiplier, activation)| {
                format!(
                    "separable_conv2d({filters}, {rows}x{columns}, strides = {strides}, padding = {padding}, \
                     depth_multiplier = {multiplier}, activation = {activation});"
                )
            }
        ),
        // Where the channels do not fall into two groups, the line is left out.
        1 => (window(), activation()).prop_map(|((rows, columns, strides, padding), activation)| {
            format!(
                "conv2d(4, {rows}x{columns}, strides = {strides}, padding = {padding}, groups = 2, \
                 activation = {activation});"
            )
        }),
        3 => join(),
        1 => (0..3_usize, 0..3_usize, 0..4_usize, 0..4_usize, any::<bool>()).prop_map(
            |(top, bottom, left, right, pads)| {
                let kind = if pads { "zero_padding2d" } else { "cropping2d" };
                format!("{kind}(top = {top}, bottom = {bottom}, left = {left}, right = {right});")
            }
        ),
        1 => (1..4_usize, 1..3_usize, any::<bool>()).prop_map(|(rows, columns, nearest)| {
            let kind = if nearest { "nearest" } else { "bilinear" };
            format!("upsampling2d({rows}x{columns}, {kind});")
        }),
        // The axes of the line above in another order.
        2 => prop::sample::select(vec!["reshape(1x0x2);", "reshape(0x2x1);", "reshape(2x0x1);"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            "relu;",
            "tanh;",
            "dropout(0.5);",
            "batch_normalization;",
            "batch_normalization(trainable = false);",
        ]).prop_map(str::to_owned),
    ];
    let flat = prop_oneof![
        1 => join(),
        2 => (1..9_usize, activation(), any::<bool>()).prop_map(|(units, activation, trainable)| {
            format!("dense({units}, activation = {activation}, trainable = {trainable});")
        }),
        1 => prop::sample::select(vec![
            "relu;",
            "dropout(0.5);",
            "batch_normalization;",
        ]).prop_map(str::to_owned),
    ];
    let end = prop::sample::select(vec![
        MSE,
        "flatten; sigmoid; train { loss = binary_crossentropy; }",
        "flatten; dense(3, activation = softmax); train { loss = categorical_crossentropy; }",
        "flatten; softmax; train { loss = categorical_crossentropy; }",
    ]);
    let parts = (
        prop::collection::vec((image, from.clone()), 0..9),
        prop::collection::vec((flat, from), 0..5),
        end,
    );
    parts.prop_map(|(image, flat, end)| {
        let fits = |layers: &str| cnn_dsl::check(&format!("network A {{ {layers} }}")).is_ok();
        let mut layers = "input(13x12x2);".to_owned();
        let flatten = [("flatten;".to_owned(), None)];
        for (line, (layer, from)) in image.into_iter().chain(flatten).chain(flat).enumerate() {
            let layer = match from {
                Some(from) if layer.contains(')') => {
                    layer.replace(')', &format!(", from = l{from})"))
                }
                Some(_) | None => layer,
            };
            let layer = match layer.strip_prefix("reshape(") {
                Some(axes) => reshape(&layers, axes),
                None => layer,
            };
            let longer = format!("{layers} l{line}: {layer}");
            if fits(&longer) {
                layers = longer;
            }
        }
        let trained = format!("{layers} {end}");
        if fits(&trained) {
            trained
        } else {
            format!("{layers} flatten; dense(2); {MSE}")
        }
    })
}
