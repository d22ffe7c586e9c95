use crate::{Cases, MSE, name, network};
use cnn_dsl::plan::Plan;

#[test]
fn gradients_are_computed_where_something_is_trained() {
    let cases: &[(&str, &[&str])] = &[
        // The first layer's input has no gradient, whatever stands before it.
        (
            "input(8x8x1); max_pool2d(2x2); conv2d(2, 3x3); relu; flatten; dense(2);",
            &[
                "max_pool2d_1: -",
                "conv2d_1: kernel",
                "dense_1: kernel, input",
            ],
        ),
        // A frozen layer passes the gradient on where something before it is trained,
        (
            "input(8x8x1); conv2d(2, 3x3); conv2d(2, 3x3, trainable = false); dropout(0.5);
             flatten; dense(2);",
            &[
                "conv2d_1: kernel",
                "conv2d_2: input",
                "dropout_1: input",
                "dense_1: kernel, input",
            ],
        ),
        // and else ends it.
        (
            "input(8x8x1); conv2d(2, 3x3, trainable = false); avg_pool2d(2x2); flatten;
             dense(2, trainable = false); dense(2); tanh; tanh;",
            &[
                "conv2d_1: -",
                "avg_pool2d_1: -",
                "dense_1: -",
                "dense_2: kernel",
                "tanh_2: input",
            ],
        ),
        (
            "input(8); dense(2, trainable = false); dense(2, trainable = false);",
            &["dense_1: -", "dense_2: -"],
        ),
    ];
    let with_loss: Vec<_> = cases
        .iter()
        .map(|(layers, expected)| (format!("{layers} {MSE}"), *expected))
        .collect();
    let cases: Vec<_> = with_loss
        .iter()
        .map(|(layers, e)| (&**layers, *e))
        .collect();
    Cases(&cases).check(|network, plan, step| {
        let kernel = step.wanted().tensors.then_some("kernel");
        let input = step.wanted().input.then_some("input");
        let found: Vec<_> = kernel.into_iter().chain(input).collect();
        let wanted = plan.values[step.output].wants_gradient;
        assert_eq!(wanted, !found.is_empty(), "{}", name(network, step));
        let found = if wanted {
            found.join(", ")
        } else {
            "-".to_owned()
        };
        format!("{}: {found}", name(network, step))
    });
}

#[test]
fn nothing_is_trained_without_a_train_block() {
    let plan = Plan::new(&network(crate::MNIST));
    assert!(plan.steps.iter().all(|step| !step.wanted().any()));
    assert!(plan.values.iter().all(|value| !value.wants_gradient));
    assert_eq!(plan.training, Default::default());
}
