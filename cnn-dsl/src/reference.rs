//! The reference page of the language, from the rows that the compiler reads by.

use crate::check::arguments::default;
use crate::check::{objectives, optimizer};
use crate::layers::{self, LayerKind, Parameter, Takes};
use cnn_ir::vocabulary::Word;
use cnn_ir::{
    Activation, Augment, Constraint, Initializer, Loss, Metric, Regularizer, Schedule, UpdateRule,
};

/// Every layer, activation and setting with its arguments and defaults, as Markdown: `docs/language.md`.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page += "\n## Layers\n\nOne layer a line: `conv2d(32, 3x3, activation = relu);`. Arguments are written in the order of \
             the tables, or with their names. Those without a default have to be written.\n";
    for kind in layers::kinds() {
        page += &layer(&kind);
    }
    page += "\n## Activations\n\nAs `activation = …` of a layer, or as a layer of its own (`linear` as \
             `activation(linear)`).\n\n";
    page += &words(Activation::WORDS);
    page += "\n## Initializers\n\nAs `kernel_initializer = …` and the like, with Keras' fans: of a kernel \
             `[height, width, channels, filters]`, `fan_in` is `height * width * channels` and `fan_out` \
             `height * width * filters`. A truncated normal distribution is one within two standard deviations.\n\n";
    page += &words(Initializer::WORDS);
    page += "\n## Regularizers\n\nAs `kernel_regularizer = …` and the like: a penalty on the tensor `w`, which is added \
             to the loss, in training and in evaluation.\n\n";
    page += &words(Regularizer::WORDS);
    page += "\n## Constraints\n\nAs `kernel_constraint = …` and the like: what a tensor is kept to, after each update. \
             Norms are Euclidean, of the weights of each output: over all axes of a kernel but the last, of a depthwise \
             one over height and width; over the whole of a bias, a gamma or a beta.\n\n";
    page += &words(Constraint::WORDS);
    page += "\n## Losses\n\n`loss = …`\n\n";
    page += &words(Loss::WORDS);
    page += "\nEvery loss takes `weight`, and those of classes and of a yes or no take `class_weights` too: \
             `categorical_crossentropy(class_weights = [1, 5, 1])`.\n\n| argument | default | |\n|---|---|---|\n";
    for parameter in objectives::shared_arguments() {
        page += &row(parameter, false);
    }
    page +=
        "\n## Optimizers\n\n`optimizer = …`; `rmsprop` where nothing is written, as in Keras.\n\n";
    page += &optimizers();
    page += "\n## Schedules\n\n`learning_rate = …`, where it is not a number: `adam(learning_rate = \
             cosine_decay(1e-3, 10000, warmup_steps = 500))`. `s` is the number of updates so far; with a warm-up of `n` \
             steps the learning rate rises linearly from 0, and then the schedule runs, with `s - n` in the place of \
             `s`. Arguments without a default have to be written.\n\n";
    page += &words(Schedule::WORDS);
    page += "\n## Metrics\n\n`metrics = […]`: over all examples, exact whatever the batches are. Each has to fit the loss of its \
             output: scores of classes (a softmax), a yes or no (a sigmoid, or `hinge`), or numbers.\n\n";
    page += &words(Metric::WORDS);
    page += "\n## Augmentation\n\n`augment = [shift(2), rotate(10)]`: random changes of the examples that are trained on, in each \
             epoch anew; never of those that are evaluated or predicted. The order in the list means nothing. For networks \
             with one input. [`data.md`](data.md#augmentation) has the formulas.\n\n";
    page += &words(Augment::WORDS);
    page
}

/// The layers with their arguments and what they do, and the words of the `train` block, as Markdown: for the
/// documentation of the macro.
pub fn layer_table() -> String {
    let mut table =
        "<!-- Written by `CNN_UPDATE=1 cargo test -p cnn-dsl --test reference`. -->\n\n".to_owned();
    table += "| layer | |\n|---|---|\n";
    for kind in layers::kinds() {
        // Those of a tensor are many, and few write them.
        let is_rare = |parameter: &&Parameter| {
            parameter.name.ends_with("_regularizer") || parameter.name.ends_with("_constraint")
        };
        let parameters: Vec<_> = (kind.parameters.iter().filter(|of| !is_rare(of)))
            .map(|parameter| match default(parameter, true) {
                Some(default) => format!("{} = {default}", parameter.name),
                None => parameter.name.to_owned(),
            })
            .collect();
        let arguments = match parameters.is_empty() {
            true => String::new(),
            false => format!("({})", parameters.join(", ")),
        };
        let docs = sentence(&kind.docs.lines().collect::<Vec<_>>());
        table += &format!("| `{}{arguments}` | {docs} |\n", kind.name);
    }
    table += "\nEach `…_initializer` has a `…_regularizer` and a `…_constraint` beside it, which are `none`.\n";
    for (what, names) in [
        ("Activations", names(Activation::WORDS)),
        ("Initializers", names(Initializer::WORDS)),
        ("Regularizers", names(Regularizer::WORDS)),
        ("Constraints", names(Constraint::WORDS)),
        ("Losses", names(Loss::WORDS)),
        ("Optimizers", names(UpdateRule::WORDS)),
        ("Schedules of the learning rate", names(Schedule::WORDS)),
        ("Metrics", names(Metric::WORDS)),
        ("Augmentations", names(Augment::WORDS)),
    ] {
        table += &format!("\n{what}: {names}.\n");
    }
    table
}

/// `relu`, `tanh`, in code font.
fn names<T>(words: &[Word<T>]) -> String {
    let names: Vec<_> = words
        .iter()
        .map(|word| format!("`{}`", word.name))
        .collect();
    names.join(", ")
}

const HEAD: &str = r##"<!-- Written by `CNN_UPDATE=1 cargo test -p cnn-dsl the_reference_page_is_current`. -->

# The language

A network is a list of layers, from the input on, with the names and the defaults of Keras. Images are height x width
x channels. `train` says how it is trained; without it the network is for inference.

```text
network Digits {
    input(28x28x1);
    stem: conv2d(32, 3x3, activation = relu);     // a label names the layer
    max_pool2d(2x2);
    flatten;
    dense(10, activation = softmax);

    train {
        loss = categorical_crossentropy;
        optimizer = adam(learning_rate = 1e-3);
        metrics = [accuracy];
        epochs = 5;                                // 1 where nothing is written
        batch_size = 64;                           // 32
        accumulate = 1;                            // batches in one step
        seed = 0;                                  // of shuffling, dropout and augmentation
        augment = [shift(2), rotate(10)];          // none
    }
}
```

A line reads the value of the line above. With `from = label` it reads that of another line, which has to stand above
it; `from = input` reads the input of the network. `add`, `subtract`, `multiply`, `average`, `maximum`, `minimum` and
`concat` join values, which they name by label. With a single label, the line above comes first: `subtract(a)` is the
line above minus `a`. The last line is the output, unless `output(…)` names others.

```text
stem: conv2d(16, 3x3, padding = same);
main: conv2d(32, 3x3, strides = 2, padding = same);
shortcut: conv2d(32, 1x1, strides = 2, padding = same, from = stem);
add(main, shortcut);
```

As in numpy and Keras, an axis of 1 is repeated in a join, and so is one that is missing: a flat value of 16 meets each
cell of an image of 16 channels. `concat` repeats nothing. So a block weighs its channels (squeeze and excitation, Hu et
al. 2018):

```text
block squeeze_excite(channels, reduced) {
    global_avg_pool2d;                             // HxWxC → C
    dense(reduced, activation = relu);
    dense(channels, activation = sigmoid);
    multiply(input);                               // C times HxWxC, which flowed into the block
}
```

## Constants, blocks, repeats

```text
network ResNet8 {
    const WIDTH = 16;

    block conv_bn(filters, strides = 1) {          // `strides` has a default
        conv2d(filters, 3x3, strides = strides, padding = same);
        batch_normalization;
    }
    block residual(filters) {
        conv_bn(filters);
        relu;
        conv_bn(filters);
        add(input);                                // what flowed into the block
        relu;
    }

    input(32x32x3);
    conv_bn(WIDTH);
    relu;
    repeat 3 { residual(WIDTH); }
    stage2: conv_bn(WIDTH * 2, strides = 2);       // a label names a call, too
    global_avg_pool2d;
    dense(10, activation = softmax);
}
```

Constants and blocks stand in front of the layers, in any order. A constant or a parameter is a number, sizes, an
activation, or any other value that an argument takes. Constants may also be used in `train`.

Arithmetic is `+`, `-`, `*`, `/`, `%` and parentheses, over numbers. `/` between integers has to be exact; a rest is
an error. `x` joins numbers to sizes and binds tighter than `*`. Beside a name, `x` needs blanks around it: `k x k`,
`3 x (n + 1)`.

The call of a block stands for the lines of the block. The value of the call is that of the last of these lines. The
call reads the line above, or the one that `from = label` names. Within a block, `input` is what the call reads;
within a `repeat`, it is what the round reads: the value of the round before. A repeat sees the labels around it. A
block sees only its own labels.

Labels within a block are local to each call. To name a layer from outside, write the label of the call in front of
it: `stage2.conv2d_1.kernel` in a file, `net.stage2().conv2d_1()` in Rust. Calls without a label are numbered, as in
`residual_1`, and so are the rounds of a repeat: `repeat_1_2` is the second round of the first repeat.

## Several inputs and outputs

```text
network TwoHeads {
    image: input(28x28x1);
    meta: input(4);

    conv2d(16, 3x3, activation = relu, from = image);
    seen: global_avg_pool2d;
    told: dense(16, activation = relu, from = meta);
    both: concat(seen, told);
    digit: dense(10, activation = softmax);        // reads `both`, the line above
    size: dense(1, from = both);
    output(digit, size);

    train {
        loss = [digit = categorical_crossentropy, size = mse(weight = 0.5)];
        metrics = [digit = accuracy, size = mae];
    }
}
```

Several inputs stand first, each with a label. The line behind them says which it reads, by `from = label` or as a
join. `output(…)` lists the labels of the outputs. It is the last line before `train`, and each output has to have a
label.

With several outputs, `loss` and `metrics` are lists. Each output has one loss. The loss of the network is the sum of
these losses, each times its `weight`, which is 1 where nothing is written. A metric without a label (`metrics =
[accuracy]`) is computed for every output.

In Rust, several inputs and outputs are structs whose fields are the labels. The names begin with that of the network:

| struct | fields | where |
|---|---|---|
| `TwoHeadsInputs` | `image: &[[[f32; 1]; 28]; 28]`, `meta: &[f32; 4]` | argument of `predict`, `infer` |
| `TwoHeadsOutputs` | `digit: [f32; 10]`, `size: [f32; 1]` | result of `predict`, `infer` |
| `TwoHeadsInputBatch` | `image`: a view `[N, 28, 28, 1]`, `meta`: a view `[N, 4]` | argument of `predict_batch` |
| `TwoHeadsOutputBatch` | `digit`: an array `[N, 10]`, `size`: an array `[N, 1]` | result of `predict_batch`, `predict_dataset` |

```rust
let net = TwoHeads::new(0);
let outputs = net.predict(TwoHeadsInputs { image: &image, meta: &meta });
let batch = TwoHeadsInputBatch { image: images.view(), meta: metas.view() };
let digits = cnn::argmax(&net.predict_batch(batch)?.digit);
```

Where there is only one input or only one output, it is an array, as in other networks. `predict_slice` takes all
inputs of an example one after the other, and writes all outputs the same way.

Examples for training are built up: first one input with one target, then the other inputs in their order, and the
other targets in the order of `output(…)`.

```rust
let examples = Examples::labelled(&images, &digits)?   // the first input, the target of the first output
    .and_input(&metas)?                                // the second input
    .and_values(&sizes)?;                              // the target of the second output
let scores = net.evaluate(&examples)?;
let digit = scores.output("digit").unwrap();           // the loss and metrics of one output
```

A target is added by `and_labels` (class labels), `and_label_maps` (a class for each position of an image) or
`and_values` (numbers).

## Values inside

`expose(code);` lists labels whose values prediction hands out as well: the code of an auto-encoder, or the features
of an image.

```text
code: dense(32, activation = relu);
dense(784, activation = sigmoid);
expose(code);
```

`net.predict_code(&image)` is the value for one input, `net.predict_batch_code(&images)` the values for a batch. Nothing
behind the value is computed. The label may be that of a call; both methods need `std`.

## Segmentation

The output may be an image. Then softmax is over the last axis, and a loss is the mean over all positions:

```text
network Segmentation {
    input(64x64x3);
    conv2d(16, 3x3, padding = same, activation = relu);
    conv2d(4, 1x1, activation = softmax);          // 64x64x4: one of 4 classes at each position

    train { loss = categorical_crossentropy; metrics = [accuracy]; }
}
```

Its targets are class labels `[N, 64, 64]` (`Examples::with_label_maps`) or probabilities `[N, 64, 64, 4]`
(`Examples::with_values`). `cnn::argmax` of its outputs gives the classes. With `sigmoid` and `binary_crossentropy`
each value of the output is a separate yes or no; with `mse` it is a number.

## Names and attributes

Attributes of the struct, such as `#[derive(…)]`, `#[cfg(…)]` and `#[allow(…)]`, stand in front of `network`. In front
of a layer only documentation may stand.

The names of the network and of labels become names in Rust: the label of a layer with parameters is a method of the
struct, and `r#type: dense(3);` gives `net.r#type()`. A name may not begin with `__cnn`, and a label may not be the
name of a method that every network has (`predict`, `clone`, `into`).
"##;

fn layer(kind: &LayerKind) -> String {
    let takes = match kind.takes {
        Takes::Nothing => "Stands first.",
        Takes::Anything => "Takes a value of any shape.",
        Takes::Image => "Takes an image.",
        Takes::Flat => "Takes a flat value.",
        Takes::Several => "Takes values by their labels.",
    };
    let mut text = format!("\n### `{}`\n\n{} {takes}\n", kind.name, kind.docs.trim());
    if !kind.parameters.is_empty() {
        text += "\n| argument | default | |\n|---|---|---|\n";
        for parameter in kind.parameters {
            text += &row(parameter, true);
        }
    }
    text
}

fn row(parameter: &Parameter, is_layer: bool) -> String {
    let default = default(parameter, is_layer).map_or(String::new(), |text| format!("`{text}`"));
    format!(
        "| `{}` | {default} | {} |\n",
        parameter.name,
        sentence(parameter.docs)
    )
}

/// The optimizers with the arguments that they have for themselves, then those that all of them have.
fn optimizers() -> String {
    let mut text = "| | arguments | |\n|---|---|---|\n".to_owned();
    let mut shared: &[Parameter] = &[];
    for rule in UpdateRule::WORDS {
        let arguments = optimizer::arguments(rule);
        let (own, rest) = arguments.split_at(1 + rule.parameters.len());
        text += &word(rule, own);
        if shared.is_empty() {
            shared = rest;
        }
    }
    text += "\nEvery optimizer takes these too, of the three for clipping at most one (`weight_decay = 0.004` is the default \
             of `adamw` and `muon`):\n\n| argument | default | |\n|---|---|---|\n";
    for parameter in shared {
        text += &row(parameter, false);
    }
    text
}

fn words<T>(words: &[Word<T>]) -> String {
    let mut text = "| | arguments | |\n|---|---|---|\n".to_owned();
    for word in words {
        text += &self::word(word, word.parameters);
    }
    text
}

/// A row of a table of words.
fn word<T>(word: &Word<T>, parameters: &[Parameter]) -> String {
    let names: Vec<_> = word.names().map(|name| format!("`{name}`")).collect();
    let arguments: Vec<_> = parameters
        .iter()
        .map(|parameter| match default(parameter, false) {
            Some(default) => format!("`{} = {default}`", parameter.name),
            None => format!("`{}`", parameter.name),
        })
        .collect();
    format!(
        "| {} | {} | {} |\n",
        names.join(", "),
        arguments.join(", "),
        sentence(word.docs)
    )
}

/// Lines of documentation as one cell of a table.
fn sentence(docs: &[&str]) -> String {
    let lines: Vec<_> = docs.iter().map(|line| line.trim()).collect();
    lines.join(" ").replace('|', "\\|").trim().to_owned()
}
