use crate::network;
use cnn_dsl::plan::Plan;

/// The lines of a layer in the table of kernels: the direction, and what runs with AVX-512, AVX2 and portably. An
/// empty cell is filled from its left neighbour.
fn kernels(layers: &str, layer: &str) -> Vec<[String; 4]> {
    let network = network(layers);
    let table = Plan::new(&network).table(&network);
    let (_, kernels) = table.split_once("┃ Kernels").expect("a table of kernels");
    let rows = kernels.lines().filter(|line| line.starts_with('│'));
    let mut current = String::new();
    let mut found = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.split('│').map(str::trim).collect();
        let [_, name, direction, avx512, avx2, portable, _] = cells[..] else {
            panic!("a row of five cells: {row}");
        };
        if !name.is_empty() {
            name.clone_into(&mut current);
        }
        if current == layer {
            let avx2 = if avx2.is_empty() { avx512 } else { avx2 };
            let portable = if portable.is_empty() { avx2 } else { portable };
            found.push([direction, avx512, avx2, portable].map(str::to_owned));
        }
    }
    found
}

/// Compares all of them before it complains.
fn check(cases: &[(&str, &str, &[[&str; 4]])]) {
    let mut wrong = Vec::new();
    for (layers, layer, expected) in cases {
        let found = kernels(layers, layer);
        if found != *expected {
            wrong.push(format!(
                "{layer} of {layers}\n  expected {expected:?}\n  found    {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn instruction_sets_have_kernels_of_their_own() {
    const LENET: &str = "input(28x28x1); conv2d(6, 5x5, padding = same, activation = relu);
        max_pool2d(2x2); conv2d(16, 5x5, activation = relu); max_pool2d(2x2); flatten;
        dense(10, activation = softmax); train { loss = categorical_crossentropy; }";
    check(&[
        (
            LENET,
            "conv2d_1",
            &[
                [
                    "forward",
                    "channel planes",
                    "channel planes",
                    "im2col, matrixmultiply",
                ],
                ["kernel gradient", "permuted", "pool sparse", "pool sparse"],
            ],
        ),
        (
            LENET,
            "conv2d_2",
            &[
                ["forward", "direct", "direct", "im2col, matrixmultiply"],
                [
                    "kernel gradient",
                    "pool sparse",
                    "pool sparse",
                    "pool sparse",
                ],
                [
                    "input gradient",
                    "pool sparse",
                    "pool sparse",
                    "pool sparse",
                ],
            ],
        ),
        (
            LENET,
            "dense_1",
            &[
                ["inference", "packed gemm", "packed gemm", "matrixmultiply"],
                ["forward", "gemm", "gemm", "matrixmultiply"],
                [
                    "kernel gradient",
                    "packed gemm",
                    "matrixmultiply",
                    "matrixmultiply",
                ],
                [
                    "input gradient",
                    "gemm, transposed kernel",
                    "matrixmultiply",
                    "matrixmultiply",
                ],
            ],
        ),
    ]);
}

/// The batch of the train block decides between kernels of dense layers, and one image for predictions.
#[test]
fn the_number_of_examples_decides() {
    let batch_of = |batch: usize| {
        format!("input(400); dense(40); train {{ loss = mse; batch_size = {batch}; }}")
    };
    let inference = ["inference", "packed gemm", "packed gemm", "matrixmultiply"];
    let forward = ["forward", "gemm", "gemm", "matrixmultiply"];
    check(&[
        (
            &batch_of(16),
            "dense_1",
            &[
                inference,
                forward,
                [
                    "kernel gradient",
                    "packed gemm",
                    "matrixmultiply",
                    "matrixmultiply",
                ],
            ],
        ),
        (
            &batch_of(17),
            "dense_1",
            &[
                inference,
                forward,
                [
                    "kernel gradient",
                    "packed gemm",
                    "packed gemm",
                    "matrixmultiply",
                ],
            ],
        ),
        (
            "input(8x8x128); conv2d(128, 3x3, padding = same); train { loss = mse; }",
            "conv2d_1",
            &[
                [
                    "forward",
                    "winograd 4x4",
                    "winograd 4x4",
                    "im2col, matrixmultiply",
                ],
                [
                    "kernel gradient",
                    "direct",
                    "direct",
                    "im2col, matrixmultiply",
                ],
            ],
        ),
    ]);
}

/// Predictions pass dropout by and normalize with the running statistics, or fold these into the layer before.
#[test]
fn predictions_have_a_line_of_their_own_where_they_differ() {
    const LAYERS: &str =
        "input(8x8x4); conv2d(4, 3x3, use_bias = false); batch_normalization; relu;
        dropout(0.5); flatten; batch_normalization; train { loss = mse; }";
    let same = |direction, name| [direction, name, name, name];
    check(&[
        (
            LAYERS,
            "batch_normalization_1",
            &[
                same("forward", "normalize"),
                same("kernel gradient", "sums"),
                same("input gradient", "normalize"),
            ],
        ),
        (
            LAYERS,
            "batch_normalization_2",
            &[
                same("inference", "scale and shift"),
                same("forward", "normalize"),
                same("kernel gradient", "sums"),
                same("input gradient", "normalize"),
            ],
        ),
        (
            LAYERS,
            "dropout_1",
            &[
                same("inference", "passes on"),
                same("forward", "dropout"),
                same("input gradient", "mask"),
            ],
        ),
    ]);
}
