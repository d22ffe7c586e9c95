use crate::{Cases, algorithms, front, network};
use cnn_dsl::plan::Plan;

/// What runs forward, and what computes the gradients of the kernel and of the input.
#[track_caller]
fn check(cases: &[(&str, &[&str])]) {
    Cases(cases).check(|_, _, step| algorithms(step).join(", "));
}

#[test]
fn a_1x1_convolution_is_a_product() {
    check(&[
        (
            "input(8x8x4); conv2d(4, 1x1); conv2d(4, 1x1); flatten; dense(2); train { loss = mse; }",
            &[
                "Pointwise, Pointwise, -",
                "Pointwise, Pointwise, Pointwise",
                "Dense, Dense, Dense",
            ],
        ),
        // Not where the image is no matrix, and not in one call with a pool.
        (
            "input(8x8x4); conv2d(8, 1x1, strides = 7); conv2d(8, 1x1, padding = 1);
             conv2d(4, 1x1); max_pool2d(1x2); train { loss = mse; }",
            &[
                "Direct, Direct, -",
                "Direct, Direct, Direct",
                "Direct, Direct, Direct",
            ],
        ),
    ]);
}

#[test]
fn transposed_convolutions_run_the_passes_of_a_convolution_the_other_way_round() {
    check(&[
        (
            "input(8x8x16); conv2d_transpose(16, 3x3, padding = same); conv2d_transpose(8, 2x2, strides = 2);
             conv2d_transpose(20, 1x1); conv2d_transpose(4, 5x5); conv2d_transpose(9, 5x5); flatten; dense(2);
             train { loss = mse; }",
            &[
                "Winograd4, Direct, -",
                "Columns, Direct, Direct",
                "Pointwise, Pointwise, Pointwise",
                "Columns, Direct, Direct",
                "Direct, Direct, Direct",
                "Dense, Dense, Dense",
            ],
        ),
        (
            "input(16x16x40); conv2d(40, 3x3, padding = same, groups = 2); conv2d(40, 1x1, groups = 4);",
            &["Winograd4, -, -", "Pointwise, -, -"],
        ),
    ]);
}

#[test]
fn winograd_takes_many_channels() {
    check(&[
        // 16 tiles of 4x4: 576 * 9 * 9 + 8000 * 18 is more than 2304 * 9 * 9; with 10 channels and filters it is less.
        (
            "input(16x16x9); conv2d(9, 3x3, padding = same);",
            &["Direct, -, -"],
        ),
        (
            "input(16x16x10); conv2d(10, 3x3, padding = same);",
            &["Winograd4, -, -"],
        ),
        // Of 14x14 outputs there are 9 tiles of 5x5 or 16 of 4x4, of 12x12 outputs 9 of either, of 10x10 outputs 4 or 9.
        (
            "input(16x16x20); conv2d(20, 3x3); conv2d(21, 3x3); conv2d(16, 3x3); conv2d(16, 3x3);
             conv2d(50, 3x3); train { loss = mse; }",
            &[
                "Winograd5, Direct, -",
                "Winograd4, Direct, Winograd4",
                "Winograd5, Direct, Winograd4",
                "Winograd4, Direct, Winograd4",
                "Winograd, Direct, Winograd4",
            ],
        ),
        (
            "input(32x32x32); conv2d(32, 3x3, padding = same); conv2d(32, 5x5); conv2d(32, 3x1);
             conv2d(32, 3x3, dilation = 2); conv2d(32, 3x3, strides = 2); conv2d(32, 3x3);
             train { loss = mse; }",
            &[
                "Winograd4, Direct, -",
                "Direct, Direct, Direct",
                "Direct, Direct, Direct",
                "Direct, Direct, Direct",
                "Direct, Direct, Columns",
                "Winograd4, Direct, Winograd4",
            ],
        ),
        // A padding of three lies outside of the kernel turned round.
        (
            "input(16x16x32); conv2d(32, 3x3); conv2d(32, 3x3, padding = 3); train { loss = mse; }",
            &["Winograd5, Direct, -", "Winograd4, Direct, Winograd4"],
        ),
    ]);
}

#[test]
fn large_tiles_need_few_of_them() {
    check(&[
        // 36 max(tiles, 7) 64 64 + 500 tiles 128 against 16 tiles 64 64 + 200 tiles 128: of 12x12 outputs there
        // are 9 and 36 tiles, of 6x6 outputs 4 and 9. But 8x8 inputs have 4 and 16 again.
        (
            "input(12x12x64); conv2d(64, 3x3, padding = same); conv2d(64, 3x3, padding = same);
             avg_pool2d(5x5, strides = 1); conv2d(64, 3x3); train { loss = mse; }",
            &[
                "Winograd4, Direct, -",
                "Winograd4, Direct, Winograd4",
                "Pool2d, -, Pool2d",
                "Winograd, Direct, Winograd4",
            ],
        ),
        // 10x10 outputs are 4 tiles of 5x5 or 9 of 4x4, 12x12 of either 9. Gradients have no tiles of 5x5.
        (
            "input(12x12x32); conv2d(64, 3x3); conv2d(64, 3x3, padding = 2); train { loss = mse; }",
            &["Winograd5, Direct, -", "Winograd4, Direct, Winograd4"],
        ),
    ]);
}

#[test]
fn winners_are_counted_where_they_are() {
    check(&[
        // Tiles of the input's gradient: 9 for 12x12, of 4x4, and 41 % of what a direct pass over these would cost, but
        // 59 % of one over the 10x10 outputs; 16 for 16x16, and 35 %.
        (
            "input(12x12x8); conv2d(32, 3x3, padding = same); conv2d(64, 3x3); max_pool2d(2x2);
             train { loss = mse; }",
            &["Winograd4, Direct, -", "Winograd5, PoolSparse, PoolSparse"],
        ),
        (
            "input(16x16x8); conv2d(64, 3x3, padding = same); conv2d(64, 3x3, padding = same);
             max_pool2d(2x2); train { loss = mse; }",
            &["Winograd4, Direct, -", "Winograd4, PoolSparse, Winograd4"],
        ),
    ]);
}

#[test]
fn winograd_counts_tiles_that_hang_over() {
    check(&[
        // Nine tiles would make 36 outputs. The 25 of 5x5 cells are too few for 32 channels, as
        // the 9 of the second convolution's four tiles are.
        (
            "input(7x7x32); conv2d(32, 3x3); conv2d(32, 3x3); train { loss = mse; }",
            &["Direct, Direct, -", "Direct, Direct, Direct"],
        ),
        // What nobody reads makes no tiles: of 5x5 outputs, 4x4 are needed.
        (
            "input(7x7x32); conv2d(32, 3x3); max_pool2d(2x2);",
            &["Winograd, -, -"],
        ),
    ]);
}

#[test]
fn winograd_runs_before_any_pool() {
    check(&[
        (
            "input(32x32x32); conv2d(32, 3x3); max_pool2d(2x2); conv2d(32, 3x3); max_pool2d(4x4);",
            &["Winograd4, -, -", "Winograd4, -, -"],
        ),
        // The windows of the last two pools share cells, so the gradient is dense.
        (
            "input(40x40x32); conv2d(32, 3x3); conv2d(32, 3x3); max_pool2d(3x3, strides = 2);
             conv2d(32, 3x3); max_pool2d(2x2, strides = 1); conv2d(32, 3x3);
             max_pool2d(2x3, strides = 2x1); train { loss = mse; }",
            &[
                "Winograd4, Direct, -",
                "Winograd5, PoolSparse, PoolSparse",
                "Winograd5, Direct, Winograd4",
                "Winograd4, Direct, Winograd4",
            ],
        ),
    ]);
}

#[test]
fn the_gradient_of_few_channels_is_a_product() {
    check(&[
        (
            "input(32x32x1); conv2d(7, 3x3); conv2d(8, 3x3); conv2d(4, 5x5, dilation = 2);
             conv2d(8, 1x2, padding = 3); conv2d(4, 1x2, padding = 3); train { loss = mse; }",
            &[
                "Direct, Direct, -",
                "Direct, Direct, Columns",
                "Direct, Direct, Direct",
                "Direct, Direct, Columns",
                "Direct, Direct, Direct",
            ],
        ),
        (
            "input(32x32x1); conv2d(8, 3x3); conv2d(8, 3x3, strides = 2x1);
             conv2d(8, 3x3, strides = 1x2); train { loss = mse; }",
            &[
                "Direct, Direct, -",
                "Direct, Direct, Columns",
                "Direct, Direct, Columns",
            ],
        ),
    ]);
}

#[test]
fn a_group_has_four_tiles() {
    // Of 1, 2, 3, 4 and 16 tiles; of one that a single output fills to a quarter.
    let one = |size: &str| format!("input({size}x64); conv2d(64, 3x3, padding = same);");
    let cases = [
        (one("2x2"), "Winograd 4"),
        (one("2x4"), "Winograd 2"),
        (one("2x6"), "Winograd 2"),
        (one("4x4"), "Winograd 1"),
        (one("8x8"), "Winograd4 1"),
        (one("1x1"), "Direct 1"),
        // The hungriest layer decides, but one that is not run by Winograd has no say.
        (
            "input(8x8x64); conv2d(64, 3x3); conv2d(64, 3x3); conv2d(64, 3x3);".to_owned(),
            "Winograd 4",
        ),
        (
            "input(8x8x64); conv2d(64, 3x3); conv2d(64, 3x3); conv2d(8, 3x3);".to_owned(),
            "Winograd 1",
        ),
        ("input(8); dense(3);".to_owned(), "Dense 1"),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(layers, expected)| {
            let plan = Plan::new(&network(&layers));
            let [forward, ..] = algorithms(&plan.steps[0]);
            let found = format!("{forward} {}", plan.micro_batch);
            (found != expected).then(|| format!("{layers} expected {expected}, found {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_gradient_of_the_input_asks_for_images_too() {
    // Back there are 2x2 = 4 tiles; without padding 1 forward.
    let forward = "input(4x4x64); conv2d(64, 1x1); conv2d(64, 3x3);";
    assert_eq!(Plan::new(&network(forward)).micro_batch, 4);
    // Forward there are 4 tiles of 4x4 behind the padding, back 1 of 2x2.
    let padded = "input(2x2x64); conv2d(64, 1x1); conv2d(64, 3x3, padding = 2);";
    assert_eq!(Plan::new(&network(padded)).micro_batch, 1);
    let trained = format!("{padded} {}", crate::MSE);
    assert_eq!(Plan::new(&network(&trained)).micro_batch, 4);
}

#[test]
fn the_back_begins_at_the_first_dense_layer() {
    let cases = [
        (
            "input(8x8x1); conv2d(2, 3x3); relu; flatten; dropout(0.5); dense(2); dense(2);",
            2,
        ),
        ("input(8); dropout(0.5); relu; dense(2);", 2),
        ("input(8); dense(2);", 0),
        ("input(8x8x1); conv2d(2, 3x3); flatten; softmax;", 2),
    ];
    for (layers, expected) in cases {
        assert_eq!(front(&Plan::new(&network(layers))), expected, "{layers}");
    }
}
