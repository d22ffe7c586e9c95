//! Good descriptions: what they mean.

use cnn_dsl::graph::{
    Activation, Initializer, Loss, Metric, Objective, Op, Optimizer, Role, Train,
};
use cnn_dsl::{Network, analyse, check};
use cnn_ir::{Clip, Schedule, UpdateRule};

const MNIST: &str = "\
/// The convnet of the Keras MNIST tutorial.
pub network Mnist {
    input(28x28x1);
    conv2d(32, 3x3, activation = relu);
    max_pool2d(2x2);
    conv2d(64, 3x3, activation = relu);
    max_pool2d(2x2);
    flatten;
    dense(64, activation = relu);
    dense(10, activation = softmax);

    train {
        loss = categorical_crossentropy;
        optimizer = rmsprop(learning_rate = 1e-3);
        metrics = [accuracy];
        epochs = 5;
        batch_size = 64;
    }
}
";

#[track_caller]
fn good(source: &str) -> Network {
    let analysis = analyse(source);
    assert!(
        analysis.diagnostics.is_empty(),
        "{}",
        analysis.diagnostics.render(source, "good.cnn")
    );
    analysis.network.expect("a network without errors")
}

/// The four networks of MLPerf Tiny and others, as they are published.
#[test]
fn known_networks_have_the_published_numbers_of_parameters() {
    let networks = [
        (include_str!("plan/networks/resnet8.cnn"), 78_666, 78_186),
        (include_str!("plan/networks/ds_cnn.cnn"), 24_908, 23_756),
        (
            include_str!("plan/networks/mobilenet_v1.cnn"),
            221_794,
            216_322,
        ),
        (
            include_str!("plan/networks/autoencoder.cnn"),
            269_992,
            267_928,
        ),
        // The Keras example `cifar10_resnet`, and `keras.applications.MobileNetV2(alpha=0.35, classes=2)`.
        (include_str!("plan/networks/resnet20.cnn"), 274_442, 273_066),
        (
            include_str!("plan/networks/mobilenet_v2.cnn"),
            412_770,
            398_690,
        ),
        (include_str!("plan/networks/harley.cnn"), 63_802, 63_802),
    ];
    let mut wrong = Vec::new();
    for (source, count, trainable) in networks {
        let network = good(source);
        let found = [network.parameter_count(), network.trainable_count()];
        if found != [count, trainable] {
            wrong.push(format!("{}: {found:?}", network.name.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_summary_is_the_table_of_the_tutorial() {
    let network = good(MNIST);
    let expected = "\
Model: \"Mnist\"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━┓
┃ Layer (type)              ┃ Output Shape ┃ Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━┩
│ conv2d_1 (conv2d)         │ (26, 26, 32) │     320 │
├───────────────────────────┼──────────────┼─────────┤
│ max_pool2d_1 (max_pool2d) │ (13, 13, 32) │       0 │
├───────────────────────────┼──────────────┼─────────┤
│ conv2d_2 (conv2d)         │ (11, 11, 64) │  18,496 │
├───────────────────────────┼──────────────┼─────────┤
│ max_pool2d_2 (max_pool2d) │ (5, 5, 64)   │       0 │
├───────────────────────────┼──────────────┼─────────┤
│ flatten_1 (flatten)       │ (1600)       │       0 │
├───────────────────────────┼──────────────┼─────────┤
│ dense_1 (dense)           │ (64)         │ 102,464 │
├───────────────────────────┼──────────────┼─────────┤
│ dense_2 (dense)           │ (10)         │     650 │
└───────────────────────────┴──────────────┴─────────┘
 Total params: 121,930 (476.29 KB)
 Trainable params: 121,930 (476.29 KB)
 Non-trainable params: 0 (0.00 B)
";
    assert_eq!(network.summary(), expected);
    assert_eq!(network.parameter_count(), 121_930);
}

#[test]
fn a_good_description_passes_check() {
    assert!(check(MNIST).is_ok());
}

/// The shape of the last layer of `input(…); layer; …`.
fn last_shape(layers: &str) -> String {
    let source = format!("network A {{ {layers} }}");
    match analyse(&source).network {
        Some(network) => network
            .nodes
            .last()
            .expect("a network has layers")
            .shape
            .to_string(),
        None => analyse(&source).diagnostics.to_string(),
    }
}

#[test]
fn every_shape_rule() {
    // Sizes as Keras 3 computes them; numbered padding as PyTorch does.
    let cases = [
        ("input(28x28x1); conv2d(8, 3x3);", "26x26x8"),
        ("input(28x28x1); conv2d(8, 3);", "26x26x8"),
        ("input(28x28x1); conv2d(8, kernel = 5x3);", "24x26x8"),
        (
            "input(28x28x1); conv2d(filters = 8, kernel = 28x28);",
            "1x1x8",
        ),
        (
            "input(28 x 28 x 3); conv2d(8, 3 x 3, padding = same);",
            "28x28x8",
        ),
        (
            "input(7x8x3); conv2d(8, 3x3, strides = 2, padding = same);",
            "4x4x8",
        ),
        (
            "input(7x8x3); conv2d(8, 2x2, strides = 3x2, padding = same);",
            "3x4x8",
        ),
        ("input(7x9x3); conv2d(8, 3x3, strides = 2);", "3x4x8"),
        ("input(7x9x3); conv2d(8, 3x3, 1x2);", "5x4x8"),
        ("input(8x8x3); conv2d(8, 3x3, padding = 1);", "8x8x8"),
        ("input(8x8x3); conv2d(8, 5x5, padding = 2x1);", "8x6x8"),
        ("input(8x8x3); conv2d(8, 3x3, padding = 0);", "6x6x8"),
        ("input(9x9x3); conv2d(8, 3x3, dilation = 2);", "5x5x8"),
        ("input(9x9x3); conv2d(8, 3x3, dilation = 4x1);", "1x7x8"),
        (
            "input(9x9x3); conv2d(8, 3x3, dilation = 3, padding = same);",
            "9x9x8",
        ),
        ("input(28x28x3); max_pool2d(2x2);", "14x14x3"),
        ("input(28x28x3); max_pool2d;", "14x14x3"),
        ("input(11x11x3); max_pool2d(2);", "5x5x3"),
        ("input(11x11x3); max_pool2d(2x2, padding = same);", "6x6x3"),
        ("input(11x11x3); avg_pool2d(3x3, strides = 1);", "9x9x3"),
        (
            "input(11x11x3); avg_pool2d(3x3, strides = 2, padding = 1);",
            "6x6x3",
        ),
        ("input(11x11x3); avg_pool2d(3x2, 2);", "5x5x3"),
        ("input(5x5x64); flatten;", "1600"),
        ("input(28x28); flatten();", "784"),
        ("input(7x6x2); zero_padding2d;", "9x8x2"),
        ("input(7x6x2); zero_padding2d(2);", "11x10x2"),
        ("input(7x6x2); zero_padding2d(1x2);", "9x10x2"),
        (
            "input(7x6x2); zero_padding2d(bottom = 1, right = 3);",
            "8x9x2",
        ),
        ("input(7x6x2); zero_padding2d(2, top = 0);", "9x10x2"),
        (
            "input(7x6x2); zero_padding2d(top = 1, bottom = 2, left = 3, right = 4);",
            "10x13x2",
        ),
        ("input(7x6x2); cropping2d(1);", "5x4x2"),
        ("input(7x6x2); cropping2d(3x1);", "1x4x2"),
        ("input(7x6x2); cropping2d(left = 5);", "7x1x2"),
        ("input(7x6x2); cropping2d(1, bottom = 4);", "2x4x2"),
        ("input(7x6x2); upsampling2d;", "14x12x2"),
        ("input(7x6x2); upsampling2d(3);", "21x18x2"),
        ("input(7x6x2); upsampling2d(1x3, bilinear);", "7x18x2"),
        (
            "input(7x6x2); upsampling2d(interpolation = nearest, size = 3x1);",
            "21x6x2",
        ),
        ("input(128); reshape(4x4x8);", "4x4x8"),
        ("input(4x4x8); reshape(8x16);", "8x16"),
        ("input(4x32); reshape(128);", "128"),
        ("input(4x4x8); reshape(target_shape = 2x8x8);", "2x8x8"),
        ("input(4); dense(1_000);", "1000"),
        ("input(4); dense(units = 2, use_bias = false);", "2"),
        ("input(4x4x2); dropout(0.5); relu; flatten;", "32"),
        ("input(4x4x2); sigmoid();", "4x4x2"),
        ("input(4x4); tanh;", "4x4"),
        ("input(4); softmax;", "4"),
        ("input(4); activation(leaky_relu(0.1));", "4"),
        ("input(4); leaky_relu(negative_slope = 0);", "4"),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .map(|(layers, expected)| (layers, last_shape(layers), expected))
        .filter(|(_, found, expected)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn padding_is_split_as_tensorflow_splits_it() {
    let cases = [
        (
            "input(28x28x1); conv2d(8, 3x3, padding = same);",
            [[1, 1], [1, 1]],
        ),
        (
            "input(28x28x1); conv2d(8, 4x2, padding = same);",
            [[1, 2], [0, 1]],
        ),
        (
            "input(28x27x1); conv2d(8, 3x3, strides = 2, padding = same);",
            [[0, 1], [1, 1]],
        ),
        (
            "input(28x28x1); conv2d(8, 2x2, strides = 2, padding = same);",
            [[0, 0], [0, 0]],
        ),
        (
            "input(28x28x1); conv2d(8, 3x3, padding = 2x1);",
            [[2, 2], [1, 1]],
        ),
        (
            "input(11x11x1); max_pool2d(2x2, padding = same);",
            [[0, 1], [0, 1]],
        ),
    ];
    for (layers, expected) in cases {
        let network = check(&format!("network A {{ {layers} }}")).expect(layers);
        let window = match &network.nodes[1].op {
            Op::Conv2d(conv) => conv.window,
            Op::Pool2d(pool) => pool.window,
            other => panic!("{other:?}"),
        };
        let [height, width, _] = network.nodes[0].shape.image().expect("an image");
        let placed = window.place([height, width]).expect("a window that fits");
        assert_eq!(placed.padding, expected, "{layers}");
    }
}

#[test]
fn names_docs_and_visibility_are_kept() {
    let network = good(
        "#[doc = \" First \\u{e9}\"]\n#[doc = r#\" \"Second\"\"#] pub(in crate::a) network Names {
            // A comment, and /* another */
            image: input(8x8x1);
            /// The stem.
            #[doc = r\" Of it.\"]
            stem: conv2d(4, 3x3); /* between */
            conv2d(4, 3x3);; relu(); squash: tanh;
            conv2d(4, 3x3); flatten;
        }",
    );
    assert_eq!(network.docs, [" First é", " \"Second\""]);
    assert_eq!(network.visibility, "pub(in crate::a)");
    assert_eq!(network.nodes[1].docs, [" The stem.", " Of it."]);
    let names: Vec<_> = network
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .collect();
    // Keras counts the layers without a name.
    assert_eq!(
        names,
        [
            "image",
            "stem",
            "conv2d_1",
            "relu_1",
            "squash",
            "conv2d_2",
            "flatten_1"
        ]
    );
    assert_eq!(network.nodes[3].inputs, [2]);
    assert_eq!((network.input, network.output), (0, 6));
}

#[test]
fn leaky_relu_has_both_defaults_of_keras() {
    let cases = [
        ("leaky_relu;", 0.3),
        ("leaky_relu();", 0.3),
        ("leaky_relu(0.1);", 0.1),
        ("activation(leaky_relu);", 0.2),
        ("activation(leaky_relu(0.1));", 0.1),
        ("dense(2, activation = leaky_relu);", 0.2),
        ("dense(2, activation = leaky_relu());", 0.2),
        (
            "dense(2, activation = leaky_relu(negative_slope = 0.1));",
            0.1,
        ),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .map(|(layer, slope)| {
            let network = good(&format!("network A {{ input(4); {layer} }}"));
            let expected = Some(Activation::LeakyRelu {
                negative_slope: slope,
            });
            (layer, network.nodes[1].output_activation(), expected)
        })
        .filter(|(_, found, expected)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// As values and as layers, with the defaults of Keras 3.
#[test]
fn activations_have_the_names_and_defaults_of_keras() {
    let gelu = |approximate| Activation::Gelu { approximate };
    let cases = [
        ("relu6", Activation::Relu6),
        ("elu", Activation::Elu { alpha: 1.0 }),
        ("elu(0.5)", Activation::Elu { alpha: 0.5 }),
        ("elu(alpha = 0)", Activation::Elu { alpha: 0.0 }),
        ("selu", Activation::Selu),
        ("gelu", gelu(false)),
        ("gelu(true)", gelu(true)),
        ("gelu(approximate = true)", gelu(true)),
        ("silu", Activation::Silu),
        ("swish", Activation::Silu),
        ("mish", Activation::Mish),
        ("hard_swish", Activation::HardSwish),
        ("hard_silu", Activation::HardSwish),
        ("hard_sigmoid", Activation::HardSigmoid),
        ("softplus", Activation::Softplus),
        ("softsign", Activation::Softsign),
        ("exponential", Activation::Exponential),
    ];
    let mut wrong = Vec::new();
    for (written, expected) in cases {
        for line in [
            format!("{written};"),
            format!("activation({written});"),
            format!("dense(2, activation = {written});"),
        ] {
            let network = good(&format!("network A {{ input(4); {line} }}"));
            let found = network.nodes[1].output_activation();
            if found != Some(expected) {
                wrong.push(format!("{line}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn ordinary_words_may_be_labels() {
    let words = [
        "add", "borrow", "concat", "default", "drop", "multiply", "some", "summary", "train",
        "type_id", "_stem", "stem_",
    ];
    for word in words {
        let network = good(&format!("network A {{ input(4); {word}: dense(2); }}"));
        assert_eq!(network.nodes[1].name, word);
    }
}

/// Raw identifiers are names without their `r#`, wherever a word stands.
#[test]
fn raw_identifiers_are_names() {
    let network = good(
        "pub(in crate::r#mod) r#network r#Raw { r#input(4); r#stem: r#dense(2, r#activation = r#relu);
         r#type: dense(3, use_bias = r#true); r#try: dense(2);
         r#train { r#loss = r#mse; r#metrics = [r#mae]; } }",
    );
    assert_eq!(network.name.text, "Raw");
    assert_eq!(network.visibility, "pub(in crate::r#mod)");
    let names: Vec<_> = network.nodes.iter().map(|node| &*node.name).collect();
    assert_eq!(names, ["input", "stem", "type", "try"]);
    assert_eq!(
        network.train.map(|train| train.objectives[0].loss),
        Some(Loss::MeanSquaredError)
    );
    assert_eq!(
        good("network r#match { input(4); dense(2); }").name.text,
        "match"
    );
}

/// Attributes in front of a network end where their brackets do, and documentation stays documentation.
#[test]
fn attributes_are_found() {
    let source = "#[derive(Debug, Clone)] /// Docs.
         #[cfg_attr(feature = \"]\", derive(A), b([1, '\"', r#\"]\"#, {\"\\\"]\"}]))]
         # [ doc(alias = \"a\") ] #[doc = \" More.\"] #[doc = include_str!(\"a.md\")]
         pub network A { input(4); dense(2); }";
    let analysis = analyse(source);
    let spans = analysis.outline.attributes.iter();
    let attributes: Vec<_> = spans.map(|span| span.text(source)).collect();
    let expected = [
        "#[derive(Debug, Clone)]",
        "#[cfg_attr(feature = \"]\", derive(A), b([1, '\"', r#\"]\"#, {\"\\\"]\"}]))]",
        "# [ doc(alias = \"a\") ]",
        "#[doc = include_str!(\"a.md\")]",
    ];
    assert_eq!(attributes, expected);
    assert_eq!(good(source).docs, [" Docs.", " More."]);
}

/// What users of Keras write every day gives no warning: strides that leave out a row, images of few rows.
#[test]
fn everyday_networks_are_silent() {
    let layers = [
        "input(28x28x1); conv2d(16, 3x3, strides = 2);",
        "input(11x11x1); max_pool2d(2x2);",
        "input(3x3x1); max_pool2d(2x2);",
        "input(100x100x3); conv2d(8, 16x16, strides = 16);",
        "input(32x32x3); conv2d(8, 3x3);",
        "input(3x32x32); conv2d(8, 3x5);",
        "input(3x32x32); conv2d(8, 1x1);",
        "input(3x32x32); flatten; dense(8);",
        "input(1x128x9); conv2d(8, 3x3, padding = same);",
        "input(4x64x20); conv2d(8, 3x3);",
        "input(3x4x4); conv2d(8, 3x3);",
    ];
    for layers in layers {
        good(&format!("network A {{ {layers} }}"));
    }
}

#[test]
fn numbers_near_the_ends_of_their_ranges_are_taken() {
    good(
        "network A { input(4); dropout(0.9999999); leaky_relu(3.4e38); leaky_relu(0); dense(2); }",
    );
    for optimizer in [
        "sgd(1e-45, momentum = 0.9999999)",
        "sgd(3.4e38)",
        "rmsprop(rho = 0, momentum = 0, epsilon = 1e-45)",
        "adam(beta_1 = 0, beta_2 = 0.9999999)",
    ] {
        good(&format!(
            "network A {{ input(4); dense(2); train {{ loss = mse; optimizer = {optimizer}; }} }}"
        ));
    }
}

#[test]
fn training_has_the_defaults_of_keras() {
    let train = |settings: &str| {
        let source =
            format!("network A {{ input(4); dense(2); train {{ loss = mse; {settings} }} }}");
        good(&source).train.expect("a train block")
    };
    let rmsprop = |learning_rate: f64| Optimizer::rmsprop().with_learning_rate(learning_rate);
    let expected = Train {
        objectives: vec![Objective {
            loss: Loss::MeanSquaredError,
            weight: 1.0,
            class_weights: Vec::new(),
            metrics: vec![],
        }],
        optimizer: rmsprop(1e-3),
        epochs: 1,
        batch_size: 32,
        accumulate: 1,
        seed: 0,
        augment: Vec::new(),
    };
    assert_eq!(train(""), expected);
    let cases = [
        ("sgd", Optimizer::sgd().with_learning_rate(0.01)),
        (
            "sgd(1, 0.9, true)",
            Optimizer::from(UpdateRule::Sgd {
                momentum: 0.9,
                nesterov: true,
            })
            .with_learning_rate(1.0),
        ),
        ("rmsprop(0.01)", rmsprop(0.01)),
        (
            "adam()",
            Optimizer::from(UpdateRule::Adam {
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-7,
                amsgrad: false,
            })
            .with_learning_rate(1e-3),
        ),
        ("adamw", Optimizer::adamw().with_weight_decay(0.004)),
        (
            "lion(1e-4, weight_decay = 0.1, decay_biases = true, clip_norm = none)",
            Optimizer {
                decay_biases: true,
                ..Optimizer::lion()
                    .with_learning_rate(1e-4)
                    .with_weight_decay(0.1)
            },
        ),
        (
            "adagrad(clip_value = 0.5)",
            Optimizer::adagrad().with_clip(Clip::Value(0.5)),
        ),
        (
            "adadelta(clip_norm = 1)",
            Optimizer::adadelta().with_clip(Clip::Norm(1.0)),
        ),
        (
            "adamax(global_clip_norm = 2)",
            Optimizer::adamax().with_clip(Clip::GlobalNorm(2.0)),
        ),
        (
            "sgd(cosine_decay(0.1, 1000, warmup_steps = 2000))",
            Optimizer::sgd()
                .with_learning_rate(Schedule::cosine_decay(0.1, 1000).with_warmup(2000)),
        ),
        (
            "sgd(learning_rate = piecewise_constant_decay([10, 20], [1, 0.5, 0.25]), weight_decay = 0)",
            Optimizer::sgd().with_learning_rate(Schedule::piecewise_constant_decay(
                &[10, 20],
                &[1.0, 0.5, 0.25],
            )),
        ),
        (
            "sgd(one_cycle(0.1, total_steps = 100, pct_start = 0.4))",
            Optimizer::sgd().with_learning_rate(Schedule::OneCycle {
                max_learning_rate: 0.1,
                total_steps: 100,
                pct_start: 0.4,
                div_factor: 25.0,
                final_div_factor: 1e4,
            }),
        ),
    ];
    for (text, optimizer) in cases {
        assert_eq!(
            train(&format!("optimizer = {text};")).optimizer,
            optimizer,
            "{text}"
        );
    }
    let seed = train("seed = 18446744073709551615; metrics = [accuracy, mae, mse];");
    assert_eq!(seed.seed, u64::MAX);
    assert_eq!(
        seed.objectives[0].metrics,
        [
            Metric::Accuracy,
            Metric::MeanAbsoluteError,
            Metric::MeanSquaredError
        ]
    );
}

#[test]
fn costs_are_counted() {
    let network = good(MNIST);
    let flops: Vec<_> = network
        .nodes
        .iter()
        .map(cnn_dsl::graph::Node::flops)
        .collect();
    let conv = |outputs: u64, fan_in: u64| outputs * (2 * fan_in + 2);
    let expected = [
        0,
        conv(26 * 26 * 32, 9),
        13 * 13 * 32 * 4,
        conv(11 * 11 * 64, 9 * 32),
        5 * 5 * 64 * 4,
        0,
        conv(64, 1600),
        conv(10, 64),
    ];
    assert_eq!(flops, expected);
    let glorot = Initializer::GlorotUniform;
    let found: Vec<_> = network.nodes[3]
        .tensors()
        .into_iter()
        .map(|t| (t.name, t.shape, t.role, t.settings.initializer))
        .collect();
    assert_eq!(
        found,
        [
            ("kernel", vec![3, 3, 32, 64], Role::Weight, glorot),
            ("bias", vec![64], Role::Bias, Initializer::Zeros)
        ]
    );
}

#[test]
fn a_frozen_layer_is_not_trained() {
    let network = good(
        "network A { input(4x4x1); conv2d(2, 3x3, trainable = false); relu; flatten;
         dense(3, use_bias = false, trainable = true); train { loss = mse; } }",
    );
    let trainable: Vec<_> = network
        .nodes
        .iter()
        .map(|node| node.is_trainable())
        .collect();
    assert_eq!(trainable, [true, false, true, true, true]);
    assert_eq!(
        (network.parameter_count(), network.trainable_count()),
        (44, 24)
    );
    let expected = "\
 Total params: 44 (176.00 B)
 Trainable params: 24 (96.00 B)
 Non-trainable params: 20 (80.00 B)
";
    assert!(
        network.summary().ends_with(expected),
        "{}",
        network.summary()
    );
}

#[test]
fn the_outline_of_a_wrong_description_tells_what_is_known() {
    let analysis = analyse(
        "/// Docs.\npub network A { input(8x8x1); stem: conv2d(4, 9x9); dense(10); train {} }",
    );
    assert!(analysis.network.is_none());
    let outline = analysis.outline;
    assert_eq!(outline.name.clone().expect("a name").text, "A");
    assert_eq!(
        (outline.visibility.as_str(), outline.docs.clone()),
        ("pub", vec![" Docs.".to_owned()])
    );
    assert_eq!(
        outline.input().map(|shape| &shape.0[..]),
        Some(&[8, 8, 1][..])
    );
    assert_eq!(outline.output().map(|shape| &shape.0[..]), Some(&[10][..]));
    assert!(outline.train);
    let layers: Vec<_> = outline
        .layers
        .iter()
        .map(|layer| (layer.name.as_str(), layer.view))
        .collect();
    assert_eq!(layers, [("stem", "Conv2dView"), ("dense_1", "DenseView")]);
}

#[test]
fn all_mistakes_are_reported_in_one_run() {
    let diagnostics = check(
        "network A { input(28x28x1); conv2d(8, 3x3, activation = reul); max_pool2d(2x2, 0); desne(3); dropout(2)\n train { loss = mse, epochs = 0; } }",
    )
    .expect_err("mistakes");
    let codes: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code.name())
        .collect();
    let expected = [
        "unknown_name",
        "zero_size",
        "unknown_layer",
        "out_of_range",
        "missing_semicolon",
        "missing_semicolon",
        "zero_size",
    ];
    assert_eq!(codes, expected);
}
