use crate::{Cases, MNIST, config, conv_output, networks};
use cnn_dsl::graph::{Network, NodeId, Op, Shape};
use cnn_dsl::plan::Plan;
use cnn_ir::Operation;
use cnn_ir::operation::{Conv2d, Interpolation};
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
        // What is cropped below and to the right is not computed, nor is what nobody enlarges.
        (
            "input(9x9x1); conv2d(2, 2x2); cropping2d(top = 1, bottom = 2, right = 3); relu;",
            &["6x5x2", "5x5x2", "5x5x2"],
        ),
        (
            "input(6x6x1); conv2d(2, 1x1); upsampling2d(3x2); avg_pool2d(7x7);",
            &["5x4x2", "14x7x2", "2x1x2"],
        ),
        (
            "input(6x6x1); conv2d(2, 1x1); upsampling2d(3x2, bilinear); avg_pool2d(4x4, strides = 9);",
            &["5x3x2", "13x4x2", "2x1x2"],
        ),
        (
            "input(6x6x1); conv2d(2, 1x1); zero_padding2d(3x1); avg_pool2d(5x5, strides = 9);",
            &["2x4x2", "5x5x2", "1x1x2"],
        ),
        // Other axes read all of it.
        (
            "input(6x6x1); conv2d(2, 1x1); reshape(4x9x2); max_pool2d(3x3);",
            &["6x6x2", "1x3x2"],
        ),
        // Two that end where they began move nothing.
        (
            "input(6x6x1); conv2d(2, 1x1); reshape(4x9x2); reshape(6x6x2); cropping2d(right = 2);",
            &["6x4x2", "6x4x2"],
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
        let inputs = node.inputs.iter().map(|&input| source(network, input));
        let inputs: Vec<_> = inputs.collect();
        for &input in &inputs {
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
            for &input in &inputs {
                let output = read[id][axis].clone();
                let cells = &mut read[input][axis];
                // What is flattened or reshaped is read whole.
                let parts = node.op.operations(&node.input_shapes, &node.shape);
                let is_reshaped = parts.is_empty() && node.input_shapes[0] != node.shape;
                if node.shape.image().is_none() || is_reshaped {
                    cells.fill(true);
                    continue;
                }
                // All that is behind the first operation of a layer moves no cell.
                let operation = parts.first().map(|part| part.operation);
                // A flat value that is joined with an image has no cells.
                let Some(edge) = cells.len().checked_sub(1) else {
                    continue;
                };
                for at in (0..output.len()).take_while(|&at| output[at]) {
                    let read = |op: Operation| places(&op, axis, at, cells.len());
                    for place in operation.map_or(vec![at as isize], read) {
                        // What hangs over the edge takes the image up to its edge.
                        if let Ok(place) = usize::try_from(place) {
                            cells[place.min(edge)] = true;
                        }
                    }
                }
            }
        }
    }
    read
}

/// Where a value of this shape comes from: reshapes that end in the shape with which they began move nothing.
fn source(network: &Network, id: NodeId) -> NodeId {
    let shape = &network.nodes[id].shape;
    let (mut at, mut found) = (id, id);
    loop {
        let node = &network.nodes[at];
        let is_view = node
            .op
            .operations(&node.input_shapes, &node.shape)
            .is_empty();
        match node.inputs[..] {
            [input] if is_view => at = input,
            _ => return found,
        }
        if network.nodes[at].shape == *shape {
            found = at;
        }
    }
}

/// The cells, of so many on an axis, that a cell of the output reads, those beside the image included.
fn places(operation: &Operation, axis: usize, at: usize, cells: usize) -> Vec<isize> {
    let window = |size: usize, stride: usize, before: usize, dilation: usize| {
        let first = (at * stride) as isize - before as isize;
        let taps = (0..size).map(|tap| first + (tap * dilation) as isize);
        taps.collect()
    };
    let of_conv = |conv: &Conv2d| {
        window(
            conv.kernel[axis],
            conv.strides[axis],
            conv.padding[axis],
            conv.dilation[axis],
        )
    };
    match operation {
        Operation::Conv2d(conv) => of_conv(conv),
        Operation::GroupedConv2d(grouped) => of_conv(&grouped.conv),
        Operation::DepthwiseConv2d(conv) => window(
            conv.kernel[axis],
            conv.strides[axis],
            conv.padding[axis],
            conv.dilation[axis],
        ),
        // Those that the inner convolution would compute from this cell.
        Operation::Conv2dTranspose(transpose) => {
            let conv = &transpose.conv;
            let reaches = |cell: &usize| {
                (0..conv.kernel[axis]).any(|tap| {
                    let place = cell * conv.strides[axis] + tap * conv.dilation[axis];
                    place == at + conv.padding[axis]
                })
            };
            (0..cells)
                .filter(reaches)
                .map(|cell| cell as isize)
                .collect()
        }
        Operation::Pool2d(pool) => {
            window(pool.size[axis], pool.strides[axis], pool.padding[axis], 1)
        }
        Operation::Pad2d(pad) => vec![at as isize - pad.before[axis]],
        Operation::UpSampling2d(layer) => {
            let center = match layer.interpolation {
                Interpolation::Nearest => (at / layer.size[axis]) as f64,
                Interpolation::Bilinear => (at as f64 + 0.5) / layer.size[axis] as f64 - 0.5,
            };
            // Before the first center there is the first cell.
            vec![
                center.floor().max(0.0) as isize,
                center.ceil().max(0.0) as isize,
            ]
        }
        Operation::Activate(_)
        | Operation::Part(_)
        | Operation::Dense(_)
        | Operation::Dropout(_)
        | Operation::BatchNormalization(_)
        | Operation::Merge(_) => vec![at as isize],
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
