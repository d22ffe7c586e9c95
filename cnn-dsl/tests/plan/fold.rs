use crate::{MSE, activation, network};
use cnn_dsl::Network;
use cnn_dsl::plan::{Plan, Step};

/// The names of a step's layers, the folded one in brackets, and the activation behind them.
fn words(network: &Network, step: &Step) -> String {
    let name = |node: usize| &network.nodes[node].name;
    let folded = step.folded.as_ref().map(|folded| folded.node);
    let folded = folded.map(|node| format!("[{}]", name(node)));
    let pool = step.pool.map(|node| format!("+{}", name(node)));
    let [folded, pool] = [folded, pool].map(Option::unwrap_or_default);
    format!(
        "{}{folded}{pool} {}",
        name(step.node),
        activation(step).name()
    )
}

/// What prediction makes of layers, without a `train` block and with one, where training keeps all steps.
#[test]
fn what_prediction_folds() {
    let cases: &[(&str, &[&str])] = &[
        (
            "input(8x8x1); conv2d(4, 3x3); n: batch_normalization; relu; max_pool2d(2x2); tanh;",
            &["conv2d_1[n]+max_pool2d_1 relu", "tanh_1 tanh"],
        ),
        (
            "input(8x8x3); depthwise_conv2d(3x3, depth_multiplier = 2); n: batch_normalization; relu; flatten;
             dense(5, use_bias = false); m: batch_normalization(scale = false); sigmoid;",
            &["depthwise_conv2d_1[n] relu", "dense_1[m] sigmoid"],
        ),
        (
            "input(8x8x4); conv2d(6, 3x3, groups = 2); n: batch_normalization; relu;
             conv2d_transpose(3, 2x2, strides = 2); m: batch_normalization; tanh;",
            &["conv2d_1[n] relu", "conv2d_transpose_1[m] tanh"],
        ),
        // A shortcut reads what was normalized.
        (
            "input(8x8x2); conv2d(2, 3x3, padding = same); n: batch_normalization; conv2d(2, 1x1);
             m: batch_normalization; add(n, m); relu;",
            &["conv2d_1[n] linear", "conv2d_2[m] linear", "add_1 relu"],
        ),
        // What is normalized has another reader.
        (
            "input(8x8x2); c: conv2d(2, 3x3); n: batch_normalization; multiply(c, n);",
            &["c linear", "n linear", "multiply_1 linear"],
        ),
        // Something stands between.
        (
            "input(8x8x2); conv2d(2, 3x3, activation = relu); n: batch_normalization;",
            &["conv2d_1 relu", "n linear"],
        ),
        (
            "input(8x8x2); conv2d(2, 3x3); max_pool2d(2x2); n: batch_normalization;",
            &["conv2d_1+max_pool2d_1 linear", "n linear"],
        ),
        // A flattened image has a channel for each value.
        (
            "input(8x8x2); conv2d(2, 3x3); flatten; n: batch_normalization;",
            &["conv2d_1 linear", "n linear"],
        ),
        (
            "input(8x8x2); conv2d(2, 8x8); flatten; n: batch_normalization;",
            &["conv2d_1[n] linear"],
        ),
        // One is enough.
        (
            "input(4); dense(2); n: batch_normalization; m: batch_normalization; relu;",
            &["dense_1[n] linear", "m relu"],
        ),
        (
            "input(4); n: batch_normalization; dense(2);",
            &["n linear", "dense_1 linear"],
        ),
    ];
    let mut wrong = Vec::new();
    for (layers, expected) in cases {
        for train in ["", MSE] {
            let network = network(&format!("{layers} {train}"));
            let plan = Plan::new(&network);
            let steps = &plan.for_prediction().steps;
            let found: Vec<_> = steps.iter().map(|step| words(&network, step)).collect();
            let is_folded = found.iter().any(|step| step.contains('['));
            let has_its_own = plan.prediction.is_some();
            let of_training = plan.steps.iter().any(|step| step.folded.is_some());
            if found != *expected
                || has_its_own != (is_folded && !train.is_empty())
                || (of_training && !train.is_empty())
            {
                wrong.push(format!(
                    "{layers} {train}\n  expected {expected:?}\n  found    {found:?}, {has_its_own}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A conv's own tensors, then those of the normalization.
#[test]
fn a_folded_step_has_the_tensors_of_both_layers() {
    let network = network("input(4x4x1); conv2d(2, 3x3); batch_normalization(center = false);");
    let plan = Plan::new(&network);
    let [step] = &plan.steps[..] else {
        panic!("{:?}", plan.steps);
    };
    let names: Vec<_> = plan.tensors(step).map(|tensor| tensor.name).collect();
    let expected = ["kernel", "bias", "gamma", "moving_mean", "moving_variance"];
    assert_eq!(names, expected);
}

/// What the logits' activation is, prediction and training agree on.
#[test]
fn the_loss_takes_the_softmax_of_both_plans() {
    let network = network(
        "input(4); dense(3); batch_normalization; softmax; train { loss = categorical_crossentropy; }",
    );
    let plan = Plan::new(&network);
    let prediction = plan.prediction.as_ref().expect("something is folded");
    assert_eq!(prediction.outputs[0].activation, plan.outputs[0].activation);
    assert_eq!(
        words(&network, &prediction.steps[0]),
        "dense_1[batch_normalization_1] linear"
    );
}

#[test]
fn the_table_says_where_a_normalization_went() {
    const LAYERS: &str =
        "input(6x6x1); conv2d(2, 3x3); batch_normalization; relu; max_pool2d(2x2);";
    let table = |train: &str| {
        let network = network(&format!("{LAYERS} {train}"));
        Plan::new(&network).table(&network)
    };
    let trained = table("flatten; dense(1); train { loss = mse; }");
    for line in [
        "│ batch_normalization_1, relu │ 4x4x2    │ prediction: folded into conv2d_1 │",
        "│ max_pool2d_1                │ 2x2x2    │                                  │",
    ] {
        assert!(trained.contains(line), "{trained}");
    }
    // A pool that no step of training takes along.
    let frozen = crate::network(
        "input(6x6x1); conv2d(2, 3x3); batch_normalization(trainable = false); max_pool2d(2x2); flatten;
         dense(1); train { loss = mse; }",
    );
    let frozen = Plan::new(&frozen).table(&frozen);
    assert!(
        frozen.contains("prediction: fused with conv2d_1"),
        "{frozen}"
    );
    let alone = table("");
    for line in [
        "│ conv2d_1                    │ 4x4x2    │ winograd 877 % of direct                   │",
        "│ batch_normalization_1, relu │ 4x4x2    │ batch_normalization_1 folded into conv2d_1 │",
        "│ max_pool2d_1                │ 2x2x2    │",
    ] {
        assert!(alone.contains(line), "{alone}");
    }
}
