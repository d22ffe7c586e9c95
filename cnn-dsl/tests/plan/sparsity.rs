use crate::{Cases, algorithms, name};

#[test]
fn gradients_behind_a_pool_are_sparse_where_it_pays() {
    let cases: &[(&str, &[&str])] = &[
        // Rows of 16 values fill vectors; those of 15, and of 8, do not.
        (
            "input(64x64x1); conv2d(4, 1x16); max_pool2d(2x2); conv2d(5, 3x4); max_pool2d(2x2);
             conv2d(8, 1x3); max_pool2d(2x2); conv2d(6, 1x1); max_pool2d(1x2, strides = 4x2);
             train { loss = mse; }",
            &[
                "conv2d_1+max_pool2d_1 PoolSparse, -",
                "conv2d_2+max_pool2d_2 PoolSparse, PoolSparse",
                "conv2d_3+max_pool2d_3 PoolSparse, Columns",
                "conv2d_4+max_pool2d_4 Direct, Direct",
            ],
        ),
        (
            "input(32x32x1); conv2d(8, 1x1); conv2d(8, 3x1); max_pool2d(2x2);
             train { loss = mse; }",
            &[
                "conv2d_1 Pointwise, -",
                "conv2d_2+max_pool2d_1 PoolSparse, Direct",
            ],
        ),
        // Less than four cells for each window, its own or because it shares the others, do not
        // pay; strides beyond the window do.
        (
            "input(64x64x8); conv2d(8, 3x3); max_pool2d(1x3); conv2d(8, 3x3);
             max_pool2d(2x2, strides = 1); conv2d(8, 3x3); max_pool2d(3x3, strides = 2x1);
             conv2d(8, 3x3); max_pool2d(3x3, strides = 2); conv2d(8, 3x3);
             max_pool2d(2x2, strides = 3); train { loss = mse; }",
            &[
                "conv2d_1+max_pool2d_1 Direct, -",
                "conv2d_2+max_pool2d_2 Direct, Direct",
                "conv2d_3+max_pool2d_3 Direct, Direct",
                "conv2d_4+max_pool2d_4 PoolSparse, PoolSparse",
                "conv2d_5+max_pool2d_5 PoolSparse, PoolSparse",
            ],
        ),
        // Strides, dilation, padding and a kernel of 1x1 change nothing, but nobody asks a
        // frozen layer for the gradient of its kernel.
        (
            "input(64x64x8); conv2d(8, 3x3, strides = 2); max_pool2d(2x2);
             conv2d(16, 3x3, dilation = 2); max_pool2d(2x2); conv2d(8, 1x1);
             max_pool2d(2x2); conv2d(16, 1x1, padding = 4); max_pool2d(2x2);
             conv2d(8, 3x3, trainable = false, padding = same); max_pool2d(2x2);
             train { loss = mse; }",
            &[
                "conv2d_1+max_pool2d_1 PoolSparse, -",
                "conv2d_2+max_pool2d_2 PoolSparse, PoolSparse",
                "conv2d_3+max_pool2d_3 PoolSparse, PoolSparse",
                "conv2d_4+max_pool2d_4 PoolSparse, Direct",
                "conv2d_5+max_pool2d_5 -, PoolSparse",
            ],
        ),
    ];
    check(cases);
}

/// How the gradients of the kernel and of the input are computed.
#[track_caller]
fn check(cases: &[(&str, &[&str])]) {
    Cases(cases).check(|network, _, step| {
        let [_, kernel, input] = algorithms(step);
        format!("{} {kernel}, {input}", name(network, step))
    });
}
