use crate::{CROSSENTROPY, Cases, MNIST, MSE, activation, name, network};
use cnn_dsl::graph::Activation;
use cnn_dsl::plan::{Place, Plan};
use cnn_ir::Operation;

#[test]
fn what_joins_the_step_before_it() {
    let cases: &[(&str, &[&str])] = &[
        (
            "input(8x8x1); conv2d(4, 3x3); relu; max_pool2d(2x2); tanh; flatten; dense(2); sigmoid; sigmoid;",
            &[
                "conv2d_1+max_pool2d_1 relu",
                "tanh_1 tanh",
                "dense_1 sigmoid",
                "sigmoid_2 sigmoid",
            ],
        ),
        // Before or behind the pool is the same.
        (
            "input(8x8x1); conv2d(4, 3x3); max_pool2d(2x2); leaky_relu(0.1);",
            &["conv2d_1+max_pool2d_1 leaky_relu"],
        ),
        // Behind a flatten too.
        (
            "input(8x8x1); conv2d(4, 3x3); flatten; relu;",
            &["conv2d_1 relu"],
        ),
        // But a softmax is over the last axis, and 18 values are not 2 channels.
        (
            "input(5x5x1); conv2d(2, 3x3); flatten; softmax;",
            &["conv2d_1 linear", "softmax_1 softmax"],
        ),
        (
            "input(5x5x1); conv2d(2, 3x3); softmax;",
            &["conv2d_1 softmax"],
        ),
        (
            "input(8x8x1); conv2d(4, 3x3); max_pool2d(2x2); softmax;",
            &["conv2d_1+max_pool2d_1 linear", "softmax_1 softmax"],
        ),
        (
            "input(8x8x1); conv2d(4, 3x3, activation = softmax); max_pool2d(2x2);",
            &["conv2d_1 softmax", "max_pool2d_1 linear"],
        ),
        // What falls and rises again commutes with no pool, but may come behind it.
        (
            "input(8x8x1); conv2d(4, 3x3, activation = silu); max_pool2d(2x2);",
            &["conv2d_1 silu", "max_pool2d_1 linear"],
        ),
        (
            "input(8x8x1); conv2d(4, 3x3); gelu; max_pool2d(2x2);",
            &["conv2d_1 gelu", "max_pool2d_1 linear"],
        ),
        (
            "input(8x8x1); conv2d(4, 3x3); max_pool2d(2x2); mish;",
            &["conv2d_1+max_pool2d_1 mish"],
        ),
        (
            "input(8x8x1); conv2d(4, 3x3, activation = relu); batch_normalization; hard_swish; max_pool2d(2x2);",
            &[
                "conv2d_1 relu",
                "batch_normalization_1 hard_swish",
                "max_pool2d_1 linear",
            ],
        ),
        (
            "input(8x8x1); conv2d(4, 3x3); elu; max_pool2d(2x2); relu6;",
            &["conv2d_1+max_pool2d_1 elu", "relu6_1 relu6"],
        ),
        // Overlapping windows and strides larger than the window are fine.
        (
            "input(9x9x1); conv2d(4, 3x3); max_pool2d(3x3, strides = 2);",
            &["conv2d_1+max_pool2d_1 linear"],
        ),
        (
            "input(9x9x1); conv2d(4, 3x3); max_pool2d(2x1, strides = 3); max_pool2d(2x2);",
            &["conv2d_1+max_pool2d_1 linear", "max_pool2d_2 linear"],
        ),
        // `same` adds no padding where the windows fit.
        (
            "input(9x9x1); conv2d(4, 2x2); max_pool2d(2x2, padding = same);",
            &["conv2d_1+max_pool2d_1 linear"],
        ),
        (
            "input(9x9x1); conv2d(4, 3x3); max_pool2d(2x2, padding = same);",
            &["conv2d_1 linear", "max_pool2d_1 linear"],
        ),
        // Only a max pool, right behind a convolution.
        (
            "input(8x8x1); conv2d(4, 3x3); avg_pool2d(2x2);",
            &["conv2d_1 linear", "avg_pool2d_1 linear"],
        ),
        (
            "input(8x8x1); conv2d(4, 3x3); dropout(0.5); max_pool2d(2x2);",
            &["conv2d_1 linear", "dropout_1 linear", "max_pool2d_1 linear"],
        ),
        // Behind a reshape an activation is the same, but a window has other cells.
        (
            "input(4x4x1); conv2d(4, 1x1); reshape(8x4x2); relu; max_pool2d(2x2);",
            &["conv2d_1 relu", "max_pool2d_1 linear"],
        ),
        (
            "input(4x4x1); conv2d(4, 1x1); reshape(2x8x4); max_pool2d(2x2); softmax;",
            &[
                "conv2d_1 linear",
                "max_pool2d_1 linear",
                "softmax_1 softmax",
            ],
        ),
        (
            "input(16); dense(16); reshape(4x4); softmax;",
            &["dense_1 linear", "softmax_1 softmax"],
        ),
        // A code is one byte.
        (
            "input(40x40x1); conv2d(4, 3x3); max_pool2d(15x17);",
            &["conv2d_1+max_pool2d_1 linear"],
        ),
        (
            "input(40x40x1); conv2d(4, 3x3); max_pool2d(16x16);",
            &["conv2d_1 linear", "max_pool2d_1 linear"],
        ),
    ];
    Cases(cases)
        .check(|network, _, step| format!("{} {}", name(network, step), activation(step).name()));
}

/// The steps of training, with what each reads.
#[test]
fn normalizations_take_additions_and_max_pools() {
    let cases: &[(&str, &[&str])] = &[
        // At the end of a residual block, in either order.
        (
            "input(8x8x2); a: conv2d(4, 1x1); b: batch_normalization; add(b, a); relu;",
            &["a linear of input", "b+add_1 relu of a, a"],
        ),
        (
            "input(8x8x2); a: conv2d(4, 1x1); relu; c: conv2d(4, 1x1); n: batch_normalization; add(a); tanh;",
            &[
                "a linear of input",
                "relu_1 relu of a",
                "c linear of relu_1",
                "n+add_1 tanh of c, a",
            ],
        ),
        // It runs where the addition stands, behind what computes the other operand.
        (
            "input(8x8x2); a: conv2d(4, 1x1); n: batch_normalization; b: conv2d(4, 1x1, from = input); add(n, b);",
            &[
                "a linear of input",
                "b linear of input",
                "n+add_1 linear of a, b",
            ],
        ),
        // One of two, and then the next addition.
        (
            "input(8x8x2); a: conv2d(4, 1x1); n: batch_normalization; b: conv2d(4, 1x1, from = input);
             m: batch_normalization; add(n, m); add(n);",
            &[
                "a linear of input",
                "n linear of a",
                "b linear of input",
                "m+add_1 linear of b, n",
                "add_2 linear of add_1, n",
            ],
        ),
        // Not where another layer reads what was normalized, or an activation stands between,
        (
            "input(8x8x2); n: batch_normalization; a: conv2d(2, 1x1); add(n);",
            &[
                "n linear of input",
                "a linear of n",
                "add_1 linear of a, n",
            ],
        ),
        (
            "input(8x8x2); n: batch_normalization; add(n, n);",
            &["n linear of input", "add_1 linear of n, n"],
        ),
        (
            "input(8x8x2); n: batch_normalization; relu; add(input);",
            &["n relu of input", "add_1 linear of n, input"],
        ),
        // nor with more operands, another join, an operand that is repeated, or another shape,
        (
            "input(8x8x2); n: batch_normalization; add(n, input, input);",
            &["n linear of input", "add_1 linear of n, input, input"],
        ),
        (
            "input(8x8x2); n: batch_normalization; multiply(input);",
            &["n linear of input", "multiply_1 linear of n, input"],
        ),
        (
            "input(8x8x2); n: batch_normalization; c: conv2d(1, 1x1, from = input); add(n, c);",
            &[
                "n linear of input",
                "c linear of input",
                "add_1 linear of n, c",
            ],
        ),
        (
            "input(2x2x2); n: batch_normalization; d: flatten; e: flatten(from = input); add(d, e);",
            &["n linear of input", "add_1 linear of n, input"],
        ),
        // nor without statistics of the batch.
        (
            "input(8x8x2); n: batch_normalization(trainable = false); add(input);",
            &["n linear of input", "add_1 linear of n, input"],
        ),
        // A max pool, before or behind an activation that is monotone, windows that overlap or lie apart,
        (
            "input(9x8x2); n: batch_normalization; relu; m: max_pool2d(2x2);",
            &["n+m relu of input"],
        ),
        (
            "input(9x8x2); n: batch_normalization; m: max_pool2d(3x2, strides = 2); t: tanh;",
            &["n+m linear of input", "t tanh of m"],
        ),
        (
            "input(9x8x2); n: batch_normalization; sigmoid; m: max_pool2d(1x2, strides = 3);",
            &["n+m sigmoid of input"],
        ),
        // but not behind one that is not, nor another pool, another reader, a reshape, windows over padding,
        (
            "input(9x8x2); n: batch_normalization; silu; m: max_pool2d(2x2);",
            &["n silu of input", "m linear of n"],
        ),
        (
            "input(9x8x2); n: batch_normalization; m: avg_pool2d(2x2);",
            &["n linear of input", "m linear of n"],
        ),
        (
            "input(8x8x2); n: batch_normalization; m: max_pool2d(2x2); a: avg_pool2d(2x2, from = n); add(a, m);",
            &[
                "n linear of input",
                "m linear of n",
                "a linear of n",
                "add_1 linear of a, m",
            ],
        ),
        (
            "input(8x8x2); n: batch_normalization; reshape(4x16x2); m: max_pool2d(2x2);",
            &["n linear of input", "m linear of n"],
        ),
        (
            "input(9x8x2); n: batch_normalization; m: max_pool2d(2x2, padding = same);",
            &["n linear of input", "m linear of n"],
        ),
        // nor behind an addition, or where nothing is computed of the batch.
        (
            "input(8x8x2); n: batch_normalization; s: add(input); m: max_pool2d(2x2);",
            &["n+s linear of input, input", "m linear of s"],
        ),
        (
            "input(8x8x2); n: batch_normalization(trainable = false); m: max_pool2d(2x2);",
            &["n linear of input", "m linear of n"],
        ),
    ];
    let with_loss: Vec<_> = (cases.iter())
        .map(|(layers, expected)| {
            (
                format!("{layers} flatten; last: dense(1); {MSE}"),
                *expected,
            )
        })
        .collect();
    let mut wrong = Vec::new();
    for (layers, expected) in &with_loss {
        let network = network(layers);
        let plan = Plan::new(&network);
        let (_, steps) = plan.steps.split_last().unwrap();
        let words = steps.iter().map(|step| {
            let inputs = step.inputs.iter();
            let inputs: Vec<_> = inputs.map(|&value| &*plan.values[value].name).collect();
            let (name, activation) = (name(&network, step), activation(step).name());
            format!("{name} {activation} of {}", inputs.join(", "))
        });
        let found: Vec<_> = words.collect();
        if found != *expected {
            wrong.push(format!(
                "{layers}\n  expected {expected:?}\n  found    {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The step, its padding above and left, and the image that it reads.
#[test]
fn convolutions_take_the_zero_padding_in_front_of_them() {
    let cases: &[(&str, &[&str])] = &[
        (
            "input(8x8x2); zero_padding2d(bottom = 1, right = 1); conv2d(4, 3x3, strides = 2);",
            &["zero_padding2d_1+conv2d_1 [0, 0] of 8x8x2"],
        ),
        (
            "input(8x8x2); relu; zero_padding2d(top = 2, left = 1); depthwise_conv2d(3x2); max_pool2d(2x2);",
            &[
                "relu_1",
                "zero_padding2d_1+depthwise_conv2d_1 [2, 1] of 8x8x2",
                "max_pool2d_1",
            ],
        ),
        (
            "input(8x8x2); zero_padding2d(1); conv2d(4, 3x3); max_pool2d(2x2);",
            &["zero_padding2d_1+conv2d_1+max_pool2d_1 [1, 1] of 8x8x2"],
        ),
        // Its own padding comes on top, as long as every window sees the image.
        (
            "input(8x8x2); zero_padding2d(1); conv2d(4, 3x3, padding = same);",
            &["zero_padding2d_1+conv2d_1 [2, 2] of 8x8x2"],
        ),
        (
            "input(8x8x2); zero_padding2d(2); conv2d(4, 3x3, padding = same);",
            &["zero_padding2d_1", "conv2d_1 [1, 1] of 12x12x2"],
        ),
        (
            "input(8x8x2); zero_padding2d(bottom = 1); conv2d(4, 1x1);",
            &["zero_padding2d_1", "conv2d_1 [0, 0] of 9x8x2"],
        ),
        // Only the last of two.
        (
            "input(8x8x2); zero_padding2d(1); zero_padding2d(1); conv2d(4, 3x3);",
            &[
                "zero_padding2d_1",
                "zero_padding2d_2+conv2d_1 [1, 1] of 10x10x2",
            ],
        ),
        // Not one that others read, a cropping, or one of other cells.
        (
            "input(8x8x2); a: zero_padding2d(1); conv2d(2, 3x3, padding = same); add(a);",
            &["a", "conv2d_1 [1, 1] of 10x10x2", "add_1"],
        ),
        (
            "input(8x8x2); cropping2d(1); conv2d(4, 3x3);",
            &["cropping2d_1", "conv2d_1 [0, 0] of 6x6x2"],
        ),
        (
            "input(8x8x2); zero_padding2d(1); reshape(20x5x2); conv2d(4, 3x3);",
            &["zero_padding2d_1", "conv2d_1 [0, 0] of 20x5x2"],
        ),
    ];
    Cases(cases).check(|network, _, step| {
        let (padding, input) = match &step.operation {
            Operation::Conv2d(conv) => (conv.padding, conv.input),
            Operation::DepthwiseConv2d(conv) => (conv.padding, conv.input),
            _ => return name(network, step),
        };
        let [rows, columns, channels] = input;
        format!(
            "{} {padding:?} of {rows}x{columns}x{channels}",
            name(network, step)
        )
    });
}

#[test]
fn a_step_with_a_pool_writes_the_pooled_value() {
    let plan = Plan::new(&network(MNIST));
    let names: Vec<_> = plan.values.iter().map(|value| &*value.name).collect();
    let expected = [
        "input",
        "max_pool2d_1",
        "max_pool2d_2",
        "dense_1",
        "dense_2",
    ];
    assert_eq!(names, expected);
    for (index, step) in plan.steps.iter().enumerate() {
        assert_eq!(plan.values[step.output].producer, Some(index));
    }
}

#[test]
fn the_last_softmax_belongs_to_the_loss() {
    let with_loss = Plan::new(&network(&format!("{MNIST} {CROSSENTROPY}")));
    assert_eq!(with_loss.outputs[0].activation, Activation::Softmax);
    assert_eq!(activation(&with_loss.steps[3]), Activation::Linear);
    let without_loss = Plan::new(&network(MNIST));
    assert_eq!(without_loss.outputs[0].activation, Activation::Linear);
    assert_eq!(activation(&without_loss.steps[3]), Activation::Softmax);
}

#[test]
fn a_softmax_of_its_own_gives_way_to_the_loss() {
    for layers in [
        "input(4x4x1); conv2d(3, 4x4); flatten; dropout(0.5); softmax;",
        "input(4x4x3); conv2d(3, 3x3); max_pool2d(2x2); flatten; softmax;",
        // A gradient from the pre-activation reads no output.
        "input(3); dense(3, activation = silu); softmax;",
    ] {
        let plan = Plan::new(&network(&format!("{layers} {CROSSENTROPY}")));
        assert_eq!(plan.outputs[0].activation, Activation::Softmax, "{layers}");
        let last = plan.steps.last().unwrap();
        assert_ne!(last.operation.kind(), "Activate", "{layers}");
        assert_eq!(last.output, plan.output, "{layers}");
        assert_eq!(
            plan.training.memory.values[plan.output],
            Place::Output,
            "{layers}"
        );
        assert_eq!(
            plan.inference.memory.values[plan.output],
            Place::Output,
            "{layers}"
        );
    }
}

/// The loss turns the output into probabilities in place, which such a step must not see.
#[test]
fn logits_are_a_copy_if_their_step_reads_its_output_in_the_backward_pass() {
    for layers in [
        "input(4x4x3); conv2d(3, 3x3); max_pool2d(2x2); relu; flatten; softmax;",
        "input(2x2x3); conv2d(3, 1x1); avg_pool2d(2x2); flatten; softmax;",
        "input(3); dense(3, activation = tanh); softmax;",
        "input(3); dense(3); relu; dropout(0.5); relu; softmax;",
    ] {
        let plan = Plan::new(&network(&format!("{layers} {CROSSENTROPY}")));
        let last = plan.steps.last().unwrap();
        let Operation::Activate(copy) = last.operation else {
            panic!("{layers}: {:?}", last.operation);
        };
        assert_eq!(copy.activation, Activation::Linear, "{layers}");
        assert_eq!(plan.outputs[0].activation, Activation::Softmax, "{layers}");
    }
}
