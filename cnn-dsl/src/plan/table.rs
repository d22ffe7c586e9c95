//! The plan as text: what runs for each step and why, and what memory it takes.

use super::{Memory, Plan, Scope, Step, algorithm, fold, fuse, sparsity};
use crate::graph::{Activation, Network, Node, Shape};
use crate::text_table::{Align, draw, thousands};
use cnn_ir::Operation;

const COLUMNS: [(&str, Align); 3] = [
    ("Layers", Align::Left),
    ("Computed", Align::Left),
    ("Why", Align::Left),
];

impl Plan {
    /// The table of steps: the layers that each runs, how much of their outputs it computes, and why it runs as it
    /// does; then the kernels that compute it; below them how the steps are grouped and what the workspace takes
    /// beside the kernels' scratch. Without a `train` block there are no gradients to tell of.
    pub fn table(&self, network: &Network) -> String {
        let rows: Vec<_> = self
            .steps
            .iter()
            .map(|step| {
                let (layers, computed) = self.layers(step, network);
                vec![layers, computed, self.why(step, network).join("\n")]
            })
            .collect();
        let mut table = format!("Plan: \"{}\"\n", network.name.text);
        table += &draw(&COLUMNS, &rows);
        table += &self.kernels(network);
        let images = match self.micro_batch {
            1 => "image by image".to_owned(),
            count => format!("{count} images at a time"),
        };
        let schedule = match network.train {
            Some(_) => &self.training,
            None => &self.inference,
        };
        for stage in &schedule.stages {
            let steps = &self.steps[stage.steps.clone()];
            let mut how = match stage.scope {
                Scope::Images => &*images,
                Scope::Share => "all examples at once",
            }
            .to_owned();
            if let Some(step) = stage.meets_for {
                let name = &self.steps[step].name;
                how += &format!(", then the statistics for {name}");
            }
            if let [first, .., last] | [first @ last] = steps {
                let from = &first.name;
                let to = &self.values[last.output].name;
                let range = if from == to {
                    from.clone()
                } else {
                    format!("{from} to {to}")
                };
                table += &format!(" {range}: {how}\n");
            }
        }
        table += &self.for_prediction().chains();
        table += &self.workspace("Inference", &self.for_prediction().inference.memory);
        if network.train.is_some() {
            table += &self.workspace("Training", &self.training.memory);
        }
        table
    }

    /// ` depthwise_conv2d_1 to conv2d_2, and 3 other chains: row by row, where threads share an example`; nothing without
    /// chains.
    fn chains(&self) -> String {
        let [chain, others @ ..] = &self.inference.chains[..] else {
            return String::new();
        };
        let [first, last] = [chain.start, chain.end - 1].map(|step| &self.steps[step].name);
        let others = match others.len() {
            0 => String::new(),
            1 => ", and another chain".to_owned(),
            count => format!(", and {count} other chains"),
        };
        format!(" {first} to {last}{others}: row by row, where threads share an example\n")
    }

    /// The layers of a step, a line each, and how much of them it computes.
    fn layers(&self, step: &Step, network: &Network) -> (String, String) {
        let node = &network.nodes[step.node];
        let mut layers = step.name.clone();
        // A normalization that is folded into it, or an addition that it takes along.
        let behind = step.folded_node().or(step.addition);
        if let Some(node) = behind {
            layers += &format!("\n{}", network.nodes[node].name);
        }
        let output = &self.values[step.output].shape;
        let applied = step.operation.facts().activation();
        if applied != Activation::Linear {
            layers += &format!(", {}", applied.name());
        }
        let mut outputs = self.outputs.iter();
        if let Some(output) = outputs.find(|output| output.value == step.output)
            && output.activation != Activation::Linear
        {
            layers += &format!(", {} in the loss", output.activation.name());
        }
        // A line for each of them: both compute as much.
        let lines = |shape: &Shape| {
            // The value behind a pool is the pooled one.
            let whole = match step.pool {
                Some(_) => &node.shape,
                None => &self.values[step.output].whole,
            };
            let line = computed(shape, whole);
            match behind {
                Some(_) => format!("{line}\n{line}"),
                None => line,
            }
        };
        let Some(pool) = step.pool.map(|pool| &network.nodes[pool]) else {
            return (layers, lines(output));
        };
        // Only a convolution or a normalization takes a pool along.
        let before = match &step.operation {
            Operation::Conv2d(conv) => Shape(conv.output.to_vec()),
            Operation::BatchNormalization(layer) => Shape(layer.output.to_vec()),
            _ => node.shape.clone(),
        };
        (
            format!("{layers}\n{}", pool.name),
            format!("{}\n{}", lines(&before), computed(output, &pool.shape)),
        )
    }

    fn why(&self, step: &Step, network: &Network) -> Vec<String> {
        let mut reasons = algorithm::why(step);
        reasons.extend(fuse::why(step, self));
        if let Some(padding) = step.padding {
            reasons.push(format!("padded by {}", network.nodes[padding].name));
        }
        reasons.extend(fold::why(step, self, network));
        let first = (step.part == 0).then_some(step.node);
        let nodes = [first, step.pool].into_iter().flatten();
        reasons.extend(nodes.filter_map(|node| unread(&network.nodes[node])));
        if network.train.is_none() {
            return reasons;
        }
        reasons.extend(sparsity::why(step));
        if !network.nodes[step.node].is_trainable() {
            reasons.push("frozen".to_owned());
        }
        if !step.wanted().input {
            reasons.push("nothing is trained before it".to_owned());
        }
        if let Operation::Activate(activate) = &step.operation
            && activate.activation == Activation::Linear
        {
            reasons.push("a copy, for the loss works in place".to_owned());
        }
        reasons
    }

    /// ` Training: 7,946 floats and 6,208 bytes for each example, 4,608 floats for each micro-batch`.
    fn workspace(&self, what: &str, memory: &Memory) -> String {
        let per_example = thousands(memory.per_example());
        let argmax = match memory.argmax_bytes() {
            0 => String::new(),
            bytes => format!(" and {} bytes", thousands(bytes)),
        };
        let at_hand = match memory.per_micro_batch_image() * self.micro_batch {
            0 => String::new(),
            floats => format!(", {} floats for each micro-batch", thousands(floats)),
        };
        format!(" {what}: {per_example} floats{argmax} for each example{at_hand}\n")
    }
}

/// `24x24x32 of 26x26`, or the shape alone where all of it is computed.
fn computed(stored: &Shape, whole: &Shape) -> String {
    match whole.image() {
        Some([height, width, _]) if stored.image().is_some() && stored != whole => {
            format!("{stored} of {height}x{width}")
        }
        _ => stored.to_string(),
    }
}

/// `1 row, 1 column of 11x11 unread`, of the image before a window whose strides do not divide it.
fn unread(node: &Node) -> Option<String> {
    let [height, width, _] = node.input_shapes.first()?.image()?;
    let lines = node.unread().into_iter().zip(["row", "column"]);
    let lines = lines.filter_map(|(count, noun)| match count {
        0 => None,
        1 => Some(format!("1 {noun}")),
        _ => Some(format!("{count} {noun}s")),
    });
    let lines: Vec<_> = lines.collect();
    (!lines.is_empty()).then(|| format!("{} of {height}x{width} unread", lines.join(", ")))
}
