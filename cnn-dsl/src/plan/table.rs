//! The plan as text: what runs for each step and why, and what memory it takes.

use super::{
    Conv2dAlgorithm, InputGradient, KernelGradient, Memory, Plan, Step, StepKind, algorithm, fuse,
    sparsity,
};
use crate::graph::{Activation, Network, Shape};
use crate::text_table::{Align, draw, thousands};

const LAYERS: [(&str, Align); 3] = [
    ("Layers", Align::Left),
    ("Computed", Align::Left),
    ("Forward", Align::Left),
];
const GRADIENTS: [(&str, Align); 2] = [
    ("Kernel gradient", Align::Left),
    ("Input gradient", Align::Left),
];
const WHY: [(&str, Align); 1] = [("Why", Align::Left)];

impl Plan {
    /// The table of steps: the layers that each runs and how much of their outputs it computes,
    /// how it runs forward, how it computes its gradients, and why; below it how the steps are grouped
    /// and what the workspace takes beside the kernels' scratch. Without a `train` block there
    /// are no gradients to tell of.
    pub fn table(&self, network: &Network) -> String {
        let gradients = if network.train.is_some() {
            &GRADIENTS[..]
        } else {
            &[]
        };
        let columns = [&LAYERS, gradients, &WHY].concat();
        let rows: Vec<_> = self
            .steps
            .iter()
            .map(|step| {
                let (layers, computed) = self.layers(step, network);
                let mut row = vec![layers, computed, step.kernel.name().to_owned()];
                if network.train.is_some() {
                    let of_kernel = step.kernel_gradient.map(KernelGradient::name);
                    let of_input = step.input_gradient.map(InputGradient::name);
                    row.extend([of_kernel, of_input].map(|name| name.unwrap_or("–").to_owned()));
                }
                row.push(self.why(step, network).join("\n"));
                row
            })
            .collect();
        let mut table = format!("Plan: \"{}\"\n", network.name.text);
        table += &draw(&columns, &rows);
        let (front, back) = self.steps.split_at(self.front);
        let images = match self.micro_batch {
            1 => "image by image".to_owned(),
            group => format!("{group} images at a time"),
        };
        for (steps, how) in [(front, &*images), (back, "all examples at once")] {
            if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
                let from = &network.nodes[first.node].name;
                let to = &self.values[last.output].name;
                let range = if from == to {
                    from.clone()
                } else {
                    format!("{from} to {to}")
                };
                table += &format!(" {range}: {how}\n");
            }
        }
        table += &self.workspace("Inference", &self.inference);
        if network.train.is_some() {
            table += &self.workspace("Training", &self.training);
        }
        table
    }

    /// The layers of a step, a line each, and how much of them it computes.
    fn layers(&self, step: &Step, network: &Network) -> (String, String) {
        let node = &network.nodes[step.node];
        let mut layers = node.name.clone();
        let output = &self.values[step.output].shape;
        if step.kernel != StepKind::Activation && step.activation != Activation::Linear {
            layers += &format!(", {}", step.activation.name());
        }
        if step.output == self.output && self.output_activation != Activation::Linear {
            layers += &format!(", {} in the loss", self.output_activation.name());
        }
        let Some(pool) = step.pool.map(|pool| &network.nodes[pool]) else {
            return (layers, computed(output, &node.shape));
        };
        let conv_output = step
            .conv_output
            .map_or(node.shape.clone(), |s| Shape(s.to_vec()));
        (
            format!("{layers}\n{}", pool.name),
            format!(
                "{}\n{}",
                computed(&conv_output, &node.shape),
                computed(output, &pool.shape)
            ),
        )
    }

    fn why(&self, step: &Step, network: &Network) -> Vec<String> {
        let mut reasons = algorithm::why(step, self, network);
        reasons.extend(fuse::why(step, self, network));
        if network.train.is_none() {
            return reasons;
        }
        reasons.extend(sparsity::why(step, self, network));
        let node = &network.nodes[step.node];
        if !node.trainable {
            reasons.push("frozen".to_owned());
        }
        if step.input_gradient.is_none() {
            reasons.push("nothing is trained before it".to_owned());
        }
        if step.kernel == StepKind::Activation && step.activation == Activation::Linear {
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

impl StepKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Conv2d(Conv2dAlgorithm::Direct) => "direct",
            Self::Conv2d(Conv2dAlgorithm::Winograd) => "winograd",
            Self::Conv2d(Conv2dAlgorithm::Winograd4) => "winograd 4x4",
            Self::Conv2d(Conv2dAlgorithm::Winograd5) => "winograd 5x5",
            Self::Conv2d(Conv2dAlgorithm::Pointwise) | Self::Dense => "product",
            Self::Pool2d => "pool",
            Self::Dropout => "dropout",
            Self::Activation => "activation",
        }
    }
}

impl KernelGradient {
    const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Pointwise | Self::Rows => "product",
            Self::PoolSparse => "pool-sparse",
            Self::Windowed => "windowed",
        }
    }
}

impl InputGradient {
    const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Winograd => "winograd",
            Self::Winograd4 => "winograd 4x4",
            Self::Pointwise | Self::Rows => "product",
            Self::Columns => "columns",
            Self::PoolSparse => "pool-sparse",
            Self::Pool => "pool",
            Self::Dropout => "mask",
            Self::Activation => "passes on",
        }
    }
}
