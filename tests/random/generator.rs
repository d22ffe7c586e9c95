//! Random descriptions of networks that compile, from all layers, activations and losses of the language.
//!
//! A line is proposed, and kept if the compiler takes it. So nothing here knows what fits what: the shapes come from the
//! checked graph. The number of a network is its seed: the same one is the same network.

use cnn_dsl::graph::Shape;

/// Every activation within a network, with arguments where it takes some. `exponential` stands at outputs alone: behind it
/// values grow beyond what any `f32` computes with.
pub const ACTIVATIONS: [&str; 18] = [
    "relu",
    "tanh",
    "leaky_relu(0.2)",
    "gelu",
    "sigmoid",
    "relu6",
    "elu",
    "silu",
    "softmax",
    "selu",
    "mish",
    "hard_swish",
    "softplus",
    "hard_sigmoid",
    "softsign",
    "log_softmax",
    "elu(alpha = 0.5)",
    "gelu(approximate = true)",
];

/// Every loss, with the activation of an output that suits it.
pub const LOSSES: [(&str, &str); 17] = [
    ("categorical_crossentropy", "softmax"),
    ("mse", "linear"),
    ("binary_crossentropy", "sigmoid"),
    ("huber(delta = 0.5)", "tanh"),
    ("categorical_focal_crossentropy", "softmax"),
    ("mae", "linear"),
    ("kl_divergence", "softmax"),
    ("log_cosh", "softsign"),
    ("hinge", "tanh"),
    ("poisson", "softplus"),
    ("binary_focal_crossentropy", "sigmoid"),
    ("cosine_similarity", "linear"),
    ("squared_hinge", "linear"),
    ("msle", "softplus"),
    ("categorical_hinge", "linear"),
    ("categorical_crossentropy(label_smoothing = 0.1)", "softmax"),
    ("mape", "exponential"),
];

/// Joins of values of one shape.
const JOINS: [&str; 6] = [
    "add", "multiply", "subtract", "maximum", "average", "minimum",
];

/// Blocks that may be called, under their names.
const BLOCKS: [(&str, &str); 3] = [
    (
        "residual",
        "block residual(filters, act = relu) {
            conv2d(filters, 3x3, padding = same, use_bias = false); batch_normalization; activation(act);
            conv2d(filters, 1x1); add(input);
        }",
    ),
    (
        "normalized",
        "block normalized(filters, act = relu) {
            conv2d(filters, 3x3, padding = same); batch_normalization; activation(act);
            conv2d(filters, 1x1, use_bias = false); batch_normalization; add(input); activation(act);
        }",
    ),
    (
        "pair",
        "block pair(filters, k = 2) {
            wide: conv2d(filters, k x k, padding = same, activation = tanh);
            deep: depthwise_conv2d(3x3, padding = same, from = input);
            concat(wide, deep);
        }",
    ),
];

/// The most values of an image or a flat value.
const LARGEST: usize = 700;

/// The most floating-point operations of a network for one example.
const FLOPS: u64 = 300_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// A value that lines may read.
#[derive(Clone)]
struct Value {
    label: String,
    shape: Vec<usize>,
}

/// A description that grows.
struct Draft {
    random: Random,
    inputs: Vec<String>,
    lines: Vec<String>,
    /// Activations, joins, losses and layers take turns, so that none is left out for long.
    turns: Turns,
}

/// The places in the lists of what comes next.
struct Turns {
    activation: usize,
    join: usize,
    loss: usize,
    layer: usize,
}

/// The network with this number: `network RandomN { … }`.
pub fn network(number: usize) -> String {
    let mut attempt = 0;
    loop {
        let seed = number as u64 + (attempt << 32);
        if let Some(text) = attempt_network(number, seed) {
            return text;
        }
        attempt += 1;
    }
}

/// The network, unless one line after another was refused, or there is something to say about it.
fn attempt_network(number: usize, seed: u64) -> Option<String> {
    let mut draft = Draft {
        random: Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)),
        inputs: Vec::new(),
        lines: Vec::new(),
        turns: Turns {
            activation: 7 * number,
            join: number,
            loss: number,
            layer: 5 * number,
        },
    };
    let first = draft.input();
    let second = draft.random.one_in(3).then(|| draft.input());
    let steps = 4 + draft.random.below(5);
    let mut value = draft.chain(first, steps)?;
    if let Some(second) = second {
        let steps = draft.random.below(3);
        let other = draft.chain(second, steps)?;
        value = draft.join_flat(&value, &other)?;
    }
    let outputs = match draft.random.below(6) {
        0 => 3,
        1 | 2 => 2,
        _ => 1,
    };
    let heads: Option<Vec<_>> = (0..outputs).map(|_| draft.head(&value)).collect();
    let text = draft.finish(number, &heads?);
    let analysis = cnn_dsl::analyse(&text);
    let fits = analysis
        .network
        .is_some_and(|network| network.flops() <= FLOPS);
    (fits && analysis.diagnostics.is_empty()).then_some(text)
}

impl Draft {
    /// An input, which the first line that reads it names.
    fn input(&mut self) -> Value {
        let random = &mut self.random;
        let shape = match random.below(6) {
            0 => vec![3 + random.below(8)],
            _ => vec![
                4 + random.below(6),
                4 + random.below(6),
                1 + random.below(4),
            ],
        };
        let label = format!("in{}", self.inputs.len());
        self.inputs
            .push(format!("{label}: input({})", Shape(shape.clone())));
        Value { label, shape }
    }

    /// The text with these lines, without a `train` block.
    fn text(&self, name: &str, lines: &[String], end: &str) -> String {
        let blocks = BLOCKS.iter().filter(|(name, _)| {
            let call = format!(": {name}(");
            lines.iter().any(|line| line.contains(&call))
        });
        let blocks: String = blocks.map(|(_, block)| format!("    {block}\n")).collect();
        let lines: String = (self.inputs.iter().chain(lines))
            .map(|line| match line.ends_with('}') {
                true => format!("    {line}\n"),
                false => format!("    {line};\n"),
            })
            .collect();
        format!("network {name} {{\n{blocks}{lines}{end}}}")
    }

    /// Adds a line, if the compiler takes it.
    fn add(&mut self, line: &str) -> Option<Value> {
        let label = format!("v{}", self.lines.len());
        self.lines.push(format!("{label}: {line}"));
        let network = cnn_dsl::check(&self.text("Draft", &self.lines, "")).ok();
        let shape = network
            .filter(|network| network.flops() <= FLOPS)
            .map(|network| network.nodes[network.output].shape.clone());
        match shape.filter(|shape| shape.len() <= LARGEST) {
            Some(Shape(shape)) => Some(Value { label, shape }),
            None => {
                self.lines.pop();
                None
            }
        }
    }

    /// Adds one of many lines that are proposed.
    fn add_one(&mut self, propose: impl Fn(&mut Self) -> String) -> Option<Value> {
        (0..40).find_map(|_| {
            let line = propose(self);
            self.add(&line)
        })
    }

    /// Some lines one behind the other, with values that go around some of them.
    fn chain(&mut self, start: Value, steps: usize) -> Option<Value> {
        let mut values = vec![start.clone()];
        let mut value = start;
        for _ in 0..steps {
            let earlier = values[self.random.below(values.len())].clone();
            value = match self.random.below(10) {
                // A branch from an earlier value, which comes back.
                0 if earlier.label != value.label => {
                    let branch = self.add_one(|draft| draft.layer(&earlier))?;
                    self.join(&value, &branch)?
                }
                1 if earlier.label != value.label => self.join(&value, &earlier)?,
                // A layer that keeps the shape, and the way around it.
                3 | 4 => {
                    let activation = self.activation();
                    let line = match value.shape[..] {
                        [_, _, channels] => format!(
                            "conv2d({channels}, 3x3, padding = same, activation = {activation}"
                        ),
                        [units] => format!("dense({units}, activation = {activation}"),
                        _ => format!("activation({activation}"),
                    };
                    let around = self.add(&from(&line, &value, true))?;
                    self.join(&around, &value)?
                }
                2 if value.shape.len() == 3 && self.random.one_in(2) => {
                    let channels = value.shape[2];
                    let activation = self.activation();
                    let between = format!(
                        "repeat 2 {{ conv2d({channels}, 3x3, padding = same); batch_normalization; {activation}; }}"
                    );
                    self.repeat(&value, &between)?
                }
                _ => self.add_one(|draft| draft.layer(&value))?,
            };
            values.push(value.clone());
        }
        Some(value)
    }

    /// A repeat has no label, so a line behind it has.
    fn repeat(&mut self, value: &Value, repeat: &str) -> Option<Value> {
        // It reads the line above.
        let above = self.add(&from("dropout(1e-9", value, true))?;
        self.lines.push(repeat.to_owned());
        let behind = self.add("tanh");
        if behind.is_none() {
            self.lines.pop();
            return Some(above);
        }
        behind
    }

    /// Two values as one.
    fn join(&mut self, a: &Value, b: &Value) -> Option<Value> {
        let (a_label, b_label) = (&a.label, &b.label);
        let fit_side_by_side = a.shape.len() == b.shape.len()
            && a.shape[..a.shape.len() - 1] == b.shape[..b.shape.len() - 1];
        if a.shape == b.shape && !self.random.one_in(4) {
            return self.join_elements(a, b);
        }
        // The channels of one by those of the other.
        if let ([_, _, channels], true) = (&a.shape[..], self.random.one_in(3)) {
            let gate = self.add(&from(&format!("dense({channels}"), b, true));
            let gate = gate.or_else(|| {
                self.add(&from("global_avg_pool2d(keepdims = true", b, true))?;
                self.add(&format!("conv2d({channels}, 1x1, activation = sigmoid)"))
            });
            if let Some(joined) = gate.and_then(|gate| self.join_elements(a, &gate)) {
                return Some(joined);
            }
        }
        let joined = fit_side_by_side.then(|| self.add(&format!("concat({a_label}, {b_label})")));
        joined.flatten().or_else(|| self.join_flat(a, b))
    }

    /// Two values as one, element by element.
    fn join_elements(&mut self, a: &Value, b: &Value) -> Option<Value> {
        let kind = JOINS[self.turns.join % JOINS.len()];
        self.turns.join += 1;
        self.add(&format!("{kind}({}, {})", a.label, b.label))
    }

    /// Two values as one flat value.
    fn join_flat(&mut self, a: &Value, b: &Value) -> Option<Value> {
        let [a, b] = [self.flat(a)?, self.flat(b)?];
        self.add(&format!("concat({}, {})", a.label, b.label))
    }

    /// A flat value of another.
    fn flat(&mut self, value: &Value) -> Option<Value> {
        if value.shape.len() == 1 {
            return Some(value.clone());
        }
        let keyword = match value.shape.len() {
            3 => self
                .random
                .of(&["flatten", "global_avg_pool2d", "global_max_pool2d"]),
            _ => "flatten",
        };
        self.add(&from(keyword, value, false))
    }

    /// An output: its label, and its loss.
    fn head(&mut self, value: &Value) -> Option<(String, &'static str)> {
        let (loss, activation) = LOSSES[self.turns.loss % LOSSES.len()];
        self.turns.loss += 5;
        let units = 2 + self.random.below(4);
        let is_image = value.shape.len() == 3 && self.random.one_in(3);
        let line = if is_image {
            from(
                &format!("conv2d({units}, 1x1, activation = {activation}"),
                value,
                true,
            )
        } else {
            let flat = self.flat(value)?;
            from(
                &format!("dense({units}, activation = {activation}"),
                &flat,
                true,
            )
        };
        Some((self.add(&line)?.label, loss))
    }

    fn activation(&mut self) -> &'static str {
        self.turns.activation += 1;
        ACTIVATIONS[self.turns.activation % ACTIVATIONS.len()]
    }

    /// Any layer that reads a value; it may not fit.
    fn layer(&mut self, value: &Value) -> String {
        match value.shape[..] {
            [height, width, channels] => self.image_layer(value, [height, width, channels]),
            _ => self.flat_layer(value),
        }
    }

    fn image_layer(&mut self, value: &Value, [height, width, channels]: [usize; 3]) -> String {
        let activation = self.activation();
        let random = &mut self.random;
        let filters = 1 + random.below(6);
        let kernel = format!("{}x{}", 1 + random.below(3), 1 + random.below(3));
        let strides = random.of(&["", "", ", strides = 2", ", strides = 2x1", ", dilation = 2"]);
        let padding = random.of(&["", ", padding = same", ", padding = same", ", padding = 1"]);
        let bias = random.of(&["", "", ", use_bias = false"]);
        let activation = match random.below(3) {
            0 => String::new(),
            _ => format!(", activation = {activation}"),
        };
        let window = format!("{kernel}{strides}{padding}");
        self.turns.layer += 1 + random.below(3);
        let (line, has_arguments) = match self.turns.layer % 22 {
            0..=3 => (
                format!("conv2d({filters}, {window}{activation}{bias}"),
                true,
            ),
            // Enough channels for the faster kernels.
            4 => (
                format!("conv2d(16, 3x3, padding = same{activation}{bias}"),
                true,
            ),
            5 => {
                let groups = 2 + random.below(2);
                (
                    format!(
                        "conv2d({}, {window}, groups = {groups}{activation}{bias}",
                        filters * groups
                    ),
                    true,
                )
            }
            6 => (
                format!(
                    "conv2d({}, {window}, groups = {channels}{activation}",
                    channels * 2
                ),
                true,
            ),
            7 => {
                let multiplier = 1 + random.below(2);
                (
                    format!(
                        "depthwise_conv2d({window}, depth_multiplier = {multiplier}{activation}{bias}"
                    ),
                    true,
                )
            }
            8 => (
                format!("separable_conv2d({filters}, {window}{activation}{bias}"),
                true,
            ),
            9 => {
                let strides = random.of(&["", ", strides = 2", ", strides = 1x2"]);
                let padding = random.of(&["", ", padding = same"]);
                (
                    format!(
                        "conv2d_transpose({filters}, {kernel}{strides}{padding}{activation}{bias}"
                    ),
                    true,
                )
            }
            10 => {
                let padding = random.of(&["", ", padding = same"]);
                (
                    format!(
                        "max_pool2d({}{padding}",
                        random.of(&["2x2", "3x2", "2x2, strides = 1"])
                    ),
                    true,
                )
            }
            11 => {
                let padding = random.of(&["", ", padding = same"]);
                (
                    format!(
                        "avg_pool2d({}{padding}",
                        random.of(&["2x2", "2x3", "3x3, strides = 2"])
                    ),
                    true,
                )
            }
            12 => (
                format!(
                    "zero_padding2d({}",
                    random.of(&["1", "1x0", "top = 1, right = 2"])
                ),
                true,
            ),
            13 => (
                format!(
                    "cropping2d({}",
                    random.of(&["1", "0x1", "bottom = 1, left = 1"])
                ),
                true,
            ),
            14 => (
                format!(
                    "upsampling2d({}",
                    random.of(&["2", "1x2", "2x1, interpolation = bilinear", "2, bilinear"])
                ),
                true,
            ),
            15 | 16 => {
                let settings = random.of(&[
                    "(",
                    "(momentum = 0.9",
                    "(scale = false",
                    "(center = false",
                    "(trainable = false",
                ]);
                (format!("batch_normalization{settings}"), true)
            }
            17 => (format!("reshape({width}x{height}x{channels}"), true),
            18 => ("dropout(1e-9".to_owned(), true),
            19 => (
                random
                    .of(&[
                        "residual(FILTERS, relu",
                        "residual(FILTERS, gelu",
                        "normalized(FILTERS, relu",
                        "normalized(FILTERS, tanh",
                        "normalized(FILTERS, silu",
                    ])
                    .replace("FILTERS", &channels.to_string()),
                true,
            ),
            20 => (format!("pair({filters}, {}", 1 + random.below(3)), true),
            _ => (
                random
                    .of(&["global_avg_pool2d", "flatten", "tanh", "softplus"])
                    .to_owned(),
                false,
            ),
        };
        from(&line, value, has_arguments)
    }

    fn flat_layer(&mut self, value: &Value) -> String {
        let activation = self.activation();
        let random = &mut self.random;
        let units = 2 + random.below(9);
        let settings = random.of(&["", "", ", use_bias = false", ", trainable = false"]);
        match random.below(9) {
            0..=3 => from(
                &format!("dense({units}, activation = {activation}{settings}"),
                value,
                true,
            ),
            4 => from(&format!("dense({units}{settings}"), value, true),
            5 => from(
                random.of(&[
                    "batch_normalization(epsilon = 1e-2",
                    "batch_normalization(momentum = 0.5",
                ]),
                value,
                true,
            ),
            6 => from(&format!("activation({activation}"), value, true),
            7 => {
                let len = value.shape.iter().product::<usize>();
                let height = 2 + random.below(3);
                from(&format!("reshape({height}x{}x1", len / height), value, true)
            }
            _ => from("dropout(1e-9", value, true),
        }
    }

    /// The whole description, without the labels that nobody reads.
    fn finish(mut self, number: usize, heads: &[(String, &'static str)]) -> String {
        let several = heads.len() > 1;
        let labels: Vec<&str> = heads.iter().map(|(label, _)| &label[..]).collect();
        let output = several.then(|| format!("output({})", labels.join(", ")));
        self.lines.extend(output);
        let mut lines = std::mem::take(&mut self.lines);
        if number.is_multiple_of(2) {
            read_the_line_above(&mut lines);
        }
        let is_read = |label: &str| {
            let reads = lines
                .iter()
                .map(|line| line.split_once(": ").map_or(&line[..], |(_, line)| line));
            let mut words = reads.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
            words.any(|word| word == label)
        };
        let without_label = |line: &String| match line.split_once(": ") {
            Some((label, rest)) if !is_read(label) && number % 4 < 3 => rest.to_owned(),
            _ => line.clone(),
        };
        let lines: Vec<String> = lines.iter().map(without_label).collect();
        let losses: Vec<String> = (heads.iter())
            .map(|(label, loss)| match several {
                true => format!("{label} = {loss}"),
                false => (*loss).to_owned(),
            })
            .collect();
        let losses = match several {
            true => format!("[{}]", losses.join(", ")),
            false => losses.concat(),
        };
        let optimizers = [
            "sgd(momentum = 0.5, global_clip_norm = 1.0)",
            "adam",
            "rmsprop",
            "nadam",
            "adagrad",
        ];
        let optimizer = optimizers[number % optimizers.len()];
        let train =
            format!("    train {{ loss = {losses}; optimizer = {optimizer}; batch_size = 7; }}\n");
        self.text(&format!("Random{number}"), &lines, &train)
    }
}

/// A line with its closing bracket, that reads a value.
fn from(line: &str, value: &Value, has_arguments: bool) -> String {
    let label = &value.label;
    match has_arguments && !line.ends_with('(') {
        true => format!("{line}, from = {label})"),
        false => format!("{}(from = {label})", line.trim_end_matches('(')),
    }
}

/// Leaves `from` away where it names the line above.
fn read_the_line_above(lines: &mut [String]) {
    for place in (1..lines.len()).rev() {
        let Some((above, _)) = lines[place - 1].split_once(": ") else {
            continue;
        };
        let line = &lines[place];
        let line = line.replace(&format!(", from = {above})"), ")");
        lines[place] = line.replace(&format!("(from = {above})"), "");
    }
}
