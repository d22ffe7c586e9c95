use crate::{Cases, MNIST, config, conv_output, networks};
use cnn_dsl::graph::{Network, NodeId, Op, Shape};
use cnn_dsl::plan::Plan;
use cnn_ir::Operation;
use cnn_ir::operation::Conv2d;
use proptest::prelude::*;

#[test]
fn what_nobody_reads_is_not_computed() {
    let cases: &[(&str, &[&str])] = &[
        (
            MNIST,
            &["24x24x32 → 12x12x32", "10x10x64 → 5x5x64", "64", "10"],
        ),
        // Nothing is left out of the network's output and of what is flattened.
        ("input(9x9x1); conv2d(2, 2x2);", &["8x8x2"]),
        (
            "input(9x9x1); conv2d(2, 3x3); flatten; dense(2);",
            &["7x7x2", "2"],
        ),
        // Padding is not read, and what is behind it neither.
        (
            "input(8x8x1); conv2d(2, 1x1); conv2d(2, 3x3, padding = same); avg_pool2d(3x3);",
            &["7x7x2", "6x6x2", "2x2x2"],
        ),
        // Elementwise steps hand the need on; strides and dilation count.
        (
            "input(12x12x1); conv2d(2, 1x1); dropout(0.5); avg_pool2d(2x2, strides = 4);",
            &["10x10x2", "10x10x2", "3x3x2"],
        ),
        (
            "input(14x14x1); avg_pool2d(1x1); conv2d(2, 2x3, dilation = 2); conv2d(2, 1x1, strides = 5);",
            &["13x10x1", "11x6x2", "3x2x2"],
        ),
        // Cells of a transposed convolution reach as far as its kernel; within a layer, as outside.
        (
            "input(9x9x1); relu; conv2d_transpose(2, 3x3, strides = 2, padding = same); max_pool2d(5x5);",
            &["8x8x1", "15x15x2", "3x3x2"],
        ),
        (
            "input(9x9x2); relu; separable_conv2d(3, 3x3, padding = same); avg_pool2d(4x4);
             conv2d(6, 1x1, groups = 3);",
            &["9x9x2", "8x8x2", "8x8x3", "2x2x3", "2x2x6"],
        ),
        // A window may lie in the padding alone.
        (
            "input(1x4x1); relu; conv2d(1, 1x2, padding = 0x1, strides = 1x9); avg_pool2d(1x1);",
            &["1x1x1", "1x1x1", "1x1x1"],
        ),
    ];
    Cases(cases).check(|_, plan, step| {
        let stored = plan.values[step.output].shape.to_string();
        match conv_output(step).map(|shape| shape.to_string()) {
            Some(before) if before != stored => format!("{before} → {stored}"),
            _ => stored,
        }
    });
}

proptest! {
    #![proptest_config(config())]

    /// The slow twin follows every single cell.
    #[test]
    fn stored_shapes_are_the_cells_that_are_read(layers in networks()) {
        let network = crate::network(&layers);
        let plan = Plan::new(&network);
        let read = read(&network);
        for value in plan.values.iter().filter(|value| value.producer.is_some()) {
            let node = network.nodes.iter().position(|node| node.name == value.name);
            // What lies within a layer is not known of the graph.
            let Some(node) = node else { continue };
            prop_assert_eq!(&value.shape, &bounds(&network, node, &read), "{}", value.name);
        }
        for step in plan.steps.iter() {
            let found = conv_output(step);
            let expected = found.as_ref().map(|_| bounds(&network, step.node, &read));
            prop_assert_eq!(found, expected, "{}", network.nodes[step.node].name);
        }
    }
}

/// Which rows and columns of each image are read, from the output backwards; one at least. All
/// before one that is read are computed, so what they take is read as well.
fn read(network: &Network) -> Vec<[Vec<bool>; 2]> {
    let cells_of = |shape: &Shape| {
        let [height, width, _] = shape.image().unwrap_or_default();
        [height, width].map(|size| vec![false; size])
    };
    let mut read: Vec<_> = network
        .nodes
        .iter()
        .map(|node| cells_of(&node.shape))
        .collect();
    for cells in read.last_mut().into_iter().flatten() {
        cells.fill(true);
    }
    // What nothing reads is not computed at all.
    let mut is_needed = vec![false; network.nodes.len()];
    if let Some(output) = is_needed.last_mut() {
        *output = true;
    }
    for (id, node) in network.nodes.iter().enumerate().rev() {
        if !is_needed[id] {
            continue;
        }
        for &input in &node.inputs {
            is_needed[input] = true;
        }
        for axis in 0..2 {
            // Every cell counts in the statistics of a batch, and has a gradient.
            if let Op::BatchNormalization(layer) = &node.op
                && layer.trainable
            {
                read[id][axis].fill(true);
            }
            let last = read[id][axis].iter().rposition(|&read| read);
            read[id][axis]
                .iter_mut()
                .take(last.unwrap_or(0) + 1)
                .for_each(|read| *read = true);
            for &input in &node.inputs {
                let output = read[id][axis].clone();
                let cells = &mut read[input][axis];
                if node.shape.image().is_none() {
                    cells.fill(true);
                    continue;
                }
                let of_input = &node.input_shapes;
                // All that is behind the first operation of a layer moves no cell.
                let parts = node.op.operations(of_input, &node.shape);
                let operation = parts.first().map(|part| part.operation);
                read_cells(operation, axis, &output, cells);
            }
        }
    }
    read
}

/// Marks the rows (or columns) that an operation reads to compute those of `output`.
fn read_cells(operation: Option<Operation>, axis: usize, output: &[bool], cells: &mut [bool]) {
    let window = |conv: &Conv2d| {
        (
            conv.kernel[axis],
            conv.strides[axis],
            conv.padding[axis],
            conv.dilation[axis],
        )
    };
    let (size, stride, before, dilation) = match operation {
        Some(Operation::Conv2d(conv)) => window(&conv),
        Some(Operation::GroupedConv2d(grouped)) => window(&grouped.conv),
        Some(Operation::DepthwiseConv2d(conv)) => (
            conv.kernel[axis],
            conv.strides[axis],
            conv.padding[axis],
            conv.dilation[axis],
        ),
        Some(Operation::Conv2dTranspose(transpose)) => {
            let (size, stride, before, dilation) = window(&transpose.conv);
            for (cell, is_read) in cells.iter_mut().enumerate() {
                let mut places = (0..size)
                    .filter_map(|tap| (cell * stride + tap * dilation).checked_sub(before));
                *is_read |= places.any(|place| output.get(place) == Some(&true));
            }
            return;
        }
        Some(Operation::Pool2d(pool)) => {
            (pool.size[axis], pool.strides[axis], pool.padding[axis], 1)
        }
        Some(
            Operation::Activate(_)
            | Operation::Dense(_)
            | Operation::Dropout(_)
            | Operation::BatchNormalization(_)
            | Operation::Merge(_),
        )
        | None => (1, 1, 0, 1),
    };
    for at in (0..output.len()).take_while(|&at| output[at]) {
        for tap in 0..size {
            // What hangs over the edge takes the image up to its edge.
            if let Some(place) = (at * stride + tap * dilation).checked_sub(before) {
                let edge = cells.len() - 1;
                cells[place.min(edge)] = true;
            }
        }
    }
}

/// The smallest image from the first cell on that holds all that is read, of one cell at least.
fn bounds(network: &Network, node: NodeId, read: &[[Vec<bool>; 2]]) -> Shape {
    let shape = &network.nodes[node].shape;
    let Some([_, _, channels]) = shape.image() else {
        return shape.clone();
    };
    let [height, width] = [0, 1].map(|axis| {
        let last = read[node][axis].iter().rposition(|&read| read);
        last.map_or(1, |last| last + 1)
    });
    Shape(vec![height, width, channels])
}
