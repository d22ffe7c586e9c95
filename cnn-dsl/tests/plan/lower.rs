use crate::{Cases, MNIST, name, network};
use cnn_dsl::plan::Plan;

#[test]
fn steps_stand_in_source_order_and_flatten_is_none() {
    let cases: &[(&str, &[&str])] = &[
        (
            "input(8x8x2); avg_pool2d(2x2); dropout(0.5); conv2d(2, 3x3); flatten; dense(2);",
            &["avg_pool2d_1", "dropout_1", "conv2d_1", "dense_1"],
        ),
        ("input(2x2x3); flatten;", &[]),
        (
            "input(12); dense(12); reshape(2x2x3); conv2d(2, 1x1); reshape(4x2); flatten; dense(2);",
            &["dense_1", "conv2d_1", "dense_2"],
        ),
        ("input(2x2x3); reshape(12); reshape(3x4x1);", &[]),
    ];
    Cases(cases).check(|network, _, step| name(network, step));
}

#[test]
fn a_layer_becomes_several_steps_that_share_out_its_tensors() {
    let cases: &[(&str, &[&str])] = &[
        (
            "input(8x8x2); separable_conv2d(3, 3x3, activation = relu); max_pool2d(2x2); flatten; dense(2);",
            &[
                "separable_conv2d_1_depthwise: DepthwiseConv2d of depthwise_kernel to 6x6x2",
                "separable_conv2d_1: Conv2d of pointwise_kernel, bias to 3x3x3",
                "dense_1: Dense of kernel, bias to 2",
            ],
        ),
        // A name of its own, whatever the labels are.
        (
            "input(4x4x1); a_depthwise: relu; a: separable_conv2d(2, 3, use_bias = false);",
            &[
                "a_depthwise: Activate of  to 4x4x1",
                "a_depthwise_: DepthwiseConv2d of depthwise_kernel to 2x2x1",
                "a: Conv2d of pointwise_kernel to 2x2x2",
            ],
        ),
    ];
    Cases(cases).check(|_, plan, step| {
        let tensors: Vec<_> = plan.tensors(step).map(|tensor| tensor.name).collect();
        let (kind, output) = (step.operation.kind(), &plan.values[step.output].shape);
        format!(
            "{}: {kind} of {} to {output}",
            step.name,
            tensors.join(", ")
        )
    });
}

#[test]
fn groups_are_what_is_the_fastest_for_their_size() {
    let cases: &[(&str, &[&str])] = &[(
        "input(8x8x4); conv2d(8, 3x3, groups = 1); conv2d(8, 3x3, groups = 2); conv2d(16, 3x3, groups = 8);",
        &["Conv2d", "GroupedConv2d", "DepthwiseConv2d"],
    )];
    Cases(cases).check(|_, _, step| step.operation.kind().to_owned());
}

#[test]
fn a_network_that_only_reshapes_hands_its_input_out() {
    let plan = Plan::new(&network("input(2x2x3); flatten;"));
    assert_eq!((plan.input, plan.output, plan.steps.len()), (0, 0, 0));
}

/// Each step has its own view of a value; a reader of other cells needs all of them.
#[test]
fn steps_read_a_value_in_the_shape_of_their_line() {
    let layers =
        "input(4x6x2); a: conv2d(4, 1x1); b: reshape(6x4x4); max_pool2d(4x4); flatten; c: dense(2);
        avg_pool2d(3x3, from = a); flatten; dense(2); add(c);";
    let plan = Plan::new(&network(layers));
    let found: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            let seen: Vec<_> = step.input_shapes.iter().map(ToString::to_string).collect();
            format!("{} → {}", seen.join(" "), plan.values[step.output].shape)
        })
        .collect();
    let expected = [
        "4x6x2 → 4x6x4",
        "6x4x4 → 1x1x4",
        "4 → 2",
        "4x6x4 → 1x2x4",
        "8 → 2",
        "2 2 → 2",
    ];
    assert_eq!(found, expected);
}

#[test]
fn parameters_lie_side_by_side_in_source_order() {
    let plan = Plan::new(&network(MNIST));
    let ranges: Vec<_> = plan
        .parameters
        .iter()
        .map(|p| (p.node, p.name, p.range.clone()))
        .collect();
    let expected = [
        (1, "kernel", 0..288),
        (1, "bias", 288..320),
        (3, "kernel", 320..18_752),
        (3, "bias", 18_752..18_816),
        (6, "kernel", 18_816..121_216),
        (6, "bias", 121_216..121_280),
        (7, "kernel", 121_280..121_920),
        (7, "bias", 121_920..121_930),
    ];
    assert_eq!(ranges, expected);
    let tensors: Vec<_> = plan.steps.iter().map(|step| step.tensors.clone()).collect();
    assert_eq!(tensors, [0..2, 2..4, 4..6, 6..8]);
}

#[test]
fn frozen_parameters_keep_their_place() {
    let layers = "input(3); dense(2, trainable = false); dense(2, use_bias = false);";
    let plan = Plan::new(&network(layers));
    let found: Vec<_> = plan
        .parameters
        .iter()
        .map(|p| (p.range.clone(), p.trainable))
        .collect();
    assert_eq!(found, [(0..6, false), (6..8, false), (8..12, true)]);
}
