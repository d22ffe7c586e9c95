use crate::{CROSSENTROPY, Cases, MNIST, activation, name, network};
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
