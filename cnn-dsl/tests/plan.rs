//! The plan on text: what is fused, what runs, where values live.

use cnn_dsl::graph::Activation;
use cnn_dsl::plan::{Conv2dAlgorithm, Kernel, Place, Plan};

fn plan(layers: &str) -> Plan {
    let description = format!("network Test {{ {layers} }}");
    let network = cnn_dsl::check(&description)
        .unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(&description, "test.cnn")));
    Plan::new(&network)
}

fn kernels(plan: &Plan) -> Vec<Kernel> {
    plan.steps.iter().map(|step| step.kernel).collect()
}

const MNIST: &str = "input(28x28x1); conv2d(32, 3x3, activation = relu); max_pool2d(2x2);
    conv2d(64, 3x3, activation = relu); max_pool2d(2x2); flatten; dense(64, activation = relu);
    dense(10, activation = softmax);";
const CROSSENTROPY: &str = "train { loss = categorical_crossentropy; }";

#[test]
fn flatten_is_no_step() {
    let plan = plan(MNIST);
    let convolution = Kernel::Conv2d(Conv2dAlgorithm::Im2col);
    let expected = [
        convolution,
        Kernel::Pool2d,
        convolution,
        Kernel::Pool2d,
        Kernel::Dense,
        Kernel::Dense,
    ];
    assert_eq!(kernels(&plan), expected);
}

#[test]
fn an_activation_layer_joins_a_linear_step() {
    let plan = plan(
        "input(8x8x1); conv2d(4, 3x3); relu; max_pool2d(2x2); tanh; flatten; dense(2); sigmoid; sigmoid;",
    );
    let activations: Vec<_> = plan
        .steps
        .iter()
        .map(|step| (step.kernel, step.activation))
        .collect();
    let expected = [
        (Kernel::Conv2d(Conv2dAlgorithm::Im2col), Activation::Relu),
        (Kernel::Pool2d, Activation::Linear),
        (Kernel::Activation, Activation::Tanh),
        (Kernel::Dense, Activation::Sigmoid),
        (Kernel::Activation, Activation::Sigmoid),
    ];
    assert_eq!(activations, expected);
}

#[test]
fn an_activation_behind_flatten_keeps_the_axis_of_a_softmax() {
    // Softmax over 18 values is not softmax over 2 channels: it may not join the convolution.
    let plan = plan("input(5x5x1); conv2d(2, 3x3); flatten; softmax;");
    assert_eq!(kernels(&plan)[1], Kernel::Activation);
    assert_eq!(plan.values[plan.output].shape.0, [18]);
}

#[test]
fn the_last_softmax_belongs_to_the_loss() {
    let with_loss = plan(&format!("{MNIST} {CROSSENTROPY}"));
    assert_eq!(with_loss.output_activation, Activation::Softmax);
    assert_eq!(with_loss.steps[5].activation, Activation::Linear);
    let without_loss = plan(MNIST);
    assert_eq!(without_loss.output_activation, Activation::Linear);
    assert_eq!(without_loss.steps[5].activation, Activation::Softmax);
}

#[test]
fn a_softmax_of_its_own_gives_way_to_the_loss() {
    let plan = plan(&format!(
        "input(4x4x1); conv2d(3, 4x4); flatten; dropout(0.5); softmax; {CROSSENTROPY}"
    ));
    let convolution = Kernel::Conv2d(Conv2dAlgorithm::Im2col);
    assert_eq!(kernels(&plan), [convolution, Kernel::Dropout]);
    assert_eq!(plan.training.values[plan.output], Place::Output);
    assert_eq!(plan.inference.values[plan.output], Place::Output);
}

/// The loss turns the output into probabilities in place, which such a step must not see.
#[test]
fn logits_are_a_copy_if_their_step_reads_its_output_in_the_backward_pass() {
    for layers in [
        "input(2x2x3); conv2d(3, 1x1); max_pool2d(2x2); flatten; softmax;",
        "input(3); dense(3, activation = tanh); softmax;",
        "input(3); dense(3); relu; dropout(0.5); relu; softmax;",
    ] {
        let plan = plan(&format!("{layers} {CROSSENTROPY}"));
        let last = plan.steps.last().unwrap();
        let copy = (Kernel::Activation, Activation::Linear);
        assert_eq!((last.kernel, last.activation), copy, "{layers}");
        assert_eq!(plan.output_activation, Activation::Softmax, "{layers}");
    }
}

#[test]
fn pointwise_convolutions_need_no_im2col() {
    let plan = plan(
        "input(8x8x4); conv2d(4, 1x1); conv2d(4, 1x1, strides = 7); conv2d(4, 1x1, padding = 1);",
    );
    let expected = [
        Conv2dAlgorithm::Pointwise,
        Conv2dAlgorithm::Im2col,
        Conv2dAlgorithm::Im2col,
    ];
    assert_eq!(kernels(&plan), expected.map(Kernel::Conv2d));
}

#[test]
fn parameters_lie_side_by_side_in_source_order() {
    let plan = plan(MNIST);
    let ranges: Vec<_> = plan
        .parameters
        .iter()
        .map(|p| (p.role, p.range.clone()))
        .collect();
    let expected = [
        ("kernel", 0..288),
        ("bias", 288..320),
        ("kernel", 320..18_752),
        ("bias", 18_752..18_816),
        ("kernel", 18_816..121_216),
        ("bias", 121_216..121_280),
        ("kernel", 121_280..121_920),
        ("bias", 121_920..121_930),
    ];
    assert_eq!(ranges, expected);
}

#[test]
fn inference_needs_two_slots() {
    let plan = plan(MNIST);
    assert_eq!(plan.inference.slots, [26 * 26 * 32, 13 * 13 * 32]);
    assert_eq!(plan.inference.values[plan.output], Place::Output);
}

#[test]
fn dropout_costs_inference_nothing() {
    let with = plan("input(8); dense(4); dropout(0.5); dense(2);");
    let without = plan("input(8); dense(4); dense(2);");
    assert_eq!(with.inference.slots, without.inference.slots);
    let last = plan("input(8); dense(4); dropout(0.5); activation(linear);");
    assert_eq!(last.inference.values[last.output], Place::Output);
}

#[test]
fn what_has_no_parameters_before_it_wants_no_gradient() {
    let plan = plan(
        "input(8x8x1); max_pool2d(2x2); conv2d(2, 3x3); flatten; dense(2); train { loss = mse; }",
    );
    let wanted: Vec<_> = plan
        .values
        .iter()
        .map(|value| value.wants_gradient)
        .collect();
    assert_eq!(wanted, [false, false, true, true]);
    assert_eq!(plan.training.gradients[1], None);
}

/// Checks every moment of training: what is needed later is not overwritten.
#[test]
fn values_and_gradients_that_live_at_once_never_share_a_slot() {
    let networks = [
        format!("{MNIST} {CROSSENTROPY}"),
        "input(9x8x2); relu; conv2d(4, 3x3); leaky_relu(0.1); avg_pool2d(2x2); dropout(0.5); sigmoid;
         flatten; dropout(0.1); dense(7); dense(7); dense(2); tanh; train { loss = mse; }"
            .to_owned(),
        "input(3); dense(2); train { loss = mse; }".to_owned(),
    ];
    for description in &networks {
        let plan = plan(description);
        let memory = &plan.training;
        for (value, place) in memory.values.iter().enumerate() {
            let gradient = memory.gradients[value];
            for slot in [place.slot(), gradient].into_iter().flatten() {
                assert!(memory.slots[slot] >= plan.values[value].shape.len());
            }
        }
        for (step, mask) in plan.steps.iter().zip(&memory.masks) {
            let len = plan.values[step.output].shape.len();
            assert!(mask.is_none_or(|slot| memory.slots[slot] >= len));
        }
        // Forward: each step writes a value that everyone before it is still needed beside.
        let mut taken: Vec<usize> = Vec::new();
        for (index, step) in plan.steps.iter().enumerate() {
            let slots = [memory.values[step.output].slot(), memory.masks[index]];
            for slot in slots.into_iter().flatten() {
                assert!(
                    !taken.contains(&slot),
                    "slot {slot} is taken in `{description}`"
                );
                taken.push(slot);
            }
        }
        // Backward: a step's value, mask and gradient are free once its own pass is done.
        let mut gradient = memory.gradients[plan.output];
        assert!(gradient.is_none_or(|slot| !taken.contains(&slot)));
        for (index, step) in plan.steps.iter().enumerate().rev() {
            if !plan.values[step.output].wants_gradient {
                break;
            }
            let next = memory.gradients[step.input];
            if let Some(next) = next {
                assert!(
                    !taken.contains(&next),
                    "gradient slot {next} is taken in `{description}`"
                );
                assert_ne!(
                    Some(next),
                    gradient,
                    "a gradient overwrites the one it is made of"
                );
            }
            gradient = next;
            let done = [memory.values[step.output].slot(), memory.masks[index]];
            taken.retain(|slot| !done.contains(&Some(*slot)));
        }
    }
}
