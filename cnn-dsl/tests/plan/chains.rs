use crate::network;
use cnn_dsl::plan::Plan;

/// The names of the steps of each chain.
fn chains(layers: &str) -> Vec<String> {
    let plan = Plan::new(&network(layers));
    let plan = plan.for_prediction();
    let names = |chain: &std::ops::Range<usize>| {
        let steps = plan.steps[chain.clone()].iter();
        let names: Vec<_> = steps.map(|step| &*step.name).collect();
        names.join(" ")
    };
    plan.inference.chains.iter().map(names).collect()
}

#[test]
fn a_short_step_and_what_reads_it_row_by_row_are_a_chain() {
    // Each step in front of a 1x1 convolution, which is long.
    let pairs = [
        "depthwise_conv2d(3x3, padding = same)",
        "depthwise_conv2d(3x3, strides = 2)",
        "avg_pool2d(3x3, strides = 1)",
        "add(a, b)",
        "add(a, b); batch_normalization",
    ];
    for step in pairs {
        let layers = format!(
            "input(20x20x16); a: conv2d(32, 3x3, padding = same); b: conv2d(32, 3x3, padding = same);
             {step}; conv2d(64, 1x1);"
        );
        let found = chains(&layers);
        assert_eq!(found.len(), 1, "{step}: {found:?}");
        assert!(found[0].ends_with(" conv2d_1"), "{step}: {found:?}");
    }
    // Folded normalizations and activations are steps no more.
    let block = "depthwise_conv2d(3x3, padding = same); batch_normalization; relu;
                 conv2d(64, 1x1); batch_normalization; relu;";
    assert_eq!(
        chains(&format!("input(25x5x64); {block} {block}")),
        ["depthwise_conv2d_1 conv2d_1", "depthwise_conv2d_2 conv2d_2"]
    );
}

#[test]
fn others_meet() {
    let none = [
        // Windows see rows of other threads.
        "input(20x20x32); depthwise_conv2d(3x3); depthwise_conv2d(3x3);",
        "input(20x20x32); depthwise_conv2d(3x3); conv2d(64, 1x1, strides = 2);",
        // Two readers.
        "input(20x20x32); a: depthwise_conv2d(3x3); conv2d(64, 1x1); concat(a);",
        // A long step, behind which a meeting counts little.
        "input(40x40x64); conv2d(64, 1x1); conv2d(64, 1x1);",
        // Too short for two threads.
        "input(8x8x4); depthwise_conv2d(3x3); conv2d(4, 1x1);",
    ];
    for layers in none {
        assert_eq!(chains(layers), [""; 0], "{layers}");
    }
}

#[test]
fn what_a_chain_reads_stays_until_its_end() {
    let block = "depthwise_conv2d(3x3, padding = same); conv2d(64, 1x1);";
    let plan = Plan::new(&network(&format!(
        "input(25x5x64); {block} {block} {block}"
    )));
    let memory = &plan.inference.memory;
    for chain in &plan.inference.chains {
        let steps = &plan.steps[chain.clone()];
        let written = steps.iter().map(|step| memory.values[step.output]);
        let read = memory.values[steps[0].inputs[0]];
        assert!(written.into_iter().all(|place| place != read));
    }
    assert_eq!(plan.inference.chains.len(), 3);
    // Where no threads share an example, it does not.
    let floats = |plan: &Plan| -> usize {
        let slots = plan.inference.memory.slots.iter();
        slots.map(|slot| slot.len).sum()
    };
    let alone = plan.clone().without_chains();
    assert!(alone.inference.chains.is_empty());
    assert_eq!([floats(&plan), floats(&alone)], [3 * 8_000, 2 * 8_000]);
}
