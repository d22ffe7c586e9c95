//! Pictures of all kinds from data that is made up: usual, odd and hostile.
#![allow(dead_code, reason = "each test file uses its share")]

use std::sync::LazyLock;

use cnn_plots::{
    FeatureMap, Node, Picture, confusion_matrix, feature_maps, filters, gradients, graph,
    learning_curves, mistakes, weights,
};
use cnn_runtime::ndarray::{Array1, Array2, Array4};
use cnn_runtime::{ConfusionMatrix, Epoch, Examples, History, Metric, Scores};

/// A name that is no text in XML, HTML or JavaScript.
pub const HOSTILE: &str = "</text><script>alert('1&2')</script>\u{0}\"";

/// Numbers from -1 to 1 that look random.
pub fn noise(place: usize) -> f32 {
    let hash = (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((hash >> 40) as f32 / (1u64 << 23) as f32) - 1.0
}

pub fn scores(loss: f64, accuracy: f64) -> Scores {
    Scores {
        loss,
        metrics: vec![(Metric::Accuracy, accuracy)],
        custom: Vec::new(),
        outputs: Vec::new(),
    }
}

pub fn epoch(number: usize, training: Scores, validation: Option<Scores>) -> Epoch {
    Epoch {
        number,
        scores: training,
        validation,
        learning_rate: 1e-3,
        examples: 60_000,
        seconds: 2.0,
    }
}

/// A training that learns, and learns too much from two thirds on.
pub fn history(epochs: usize) -> History {
    let epochs = (1..=epochs).map(|number| {
        let t = number as f64 / epochs as f64;
        let bump = 0.02 * f64::from(noise(number));
        let loss = 1.6 * (-4.0 * t).exp() + 0.03;
        let validation = 1.4 * (-4.0 * t).exp() + 0.12 + 0.25 * (t - 0.6).max(0.0) + bump;
        epoch(
            number,
            scores(loss, 1.0 - 0.35 * loss),
            Some(scores(validation, 1.0 - 0.35 * validation)),
        )
    });
    History {
        epochs: epochs.collect(),
        ..History::default()
    }
}

/// Mostly right; class 0 is taken for the last one now and then.
pub fn matrix(classes: usize) -> ConfusionMatrix {
    let counts = Array2::from_shape_fn((classes, classes), |(actual, found)| {
        match (actual, found) {
            (actual, found) if actual == found => 950 - 7 * (actual as u64 % 20),
            (0, found) if found + 1 == classes => 140,
            (actual, found) => ((noise(actual * classes + found) - 0.4).max(0.0) * 40.0) as u64,
        }
    });
    ConfusionMatrix::from_counts(counts).unwrap()
}

pub const CLOTHES: [&str; 10] = [
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// Images `[N, side, side, channels]` of discs, with their classes by size.
pub fn discs(count: usize, side: usize, channels: usize) -> (Array4<f32>, Vec<usize>) {
    let images = Array4::from_shape_fn((count, side, side, channels), |(n, y, x, c)| {
        let middle = (side as f32 - 1.0) / 2.0;
        let distance = (y as f32 - middle).hypot(x as f32 - middle) / side as f32;
        let radius = 0.1 + 0.35 * (n % 10) as f32 / 10.0;
        let inside = ((radius - distance) * 12.0).clamp(0.0, 1.0);
        inside * (1.0 - 0.4 * c as f32) + 0.05 * noise(y * side + x).abs()
    });
    (images, (0..count).map(|n| n % 10).collect())
}

/// The sheet of the mistakes of a network that takes each third disc for the next larger one.
pub fn sheet(count: usize, side: usize, channels: usize, names: &[&str]) -> Picture {
    let (images, labels) = discs(count, side, channels);
    let data = Examples::labelled(&images, &labels).unwrap();
    let scores = Array2::from_shape_fn((count, 10), |(n, class)| {
        let said = if n % 3 == 0 {
            (labels[n] + 1) % 10
        } else {
            labels[n]
        };
        let sure = 0.5 + 0.4999 * noise(n).abs();
        if class == said {
            sure
        } else {
            (1.0 - sure) / 9.0
        }
    });
    mistakes(&data, scores.view(), names).unwrap()
}

/// A residual network in blocks, with a second input.
pub fn residual() -> Picture {
    let node = |name, keyword, shape, reads, parameters| Node {
        name,
        keyword,
        shape,
        reads,
        parameters,
    };
    graph(&[
        node("image", "input", &[32, 32, 3], &[], 0),
        node("meta", "input", &[4], &[], 0),
        node("stem.conv2d_1", "conv2d", &[32, 32, 16], &[0], 448),
        node(
            "stem.batch_normalization_1",
            "batch_normalization",
            &[32, 32, 16],
            &[2],
            64,
        ),
        node("stem.relu_1", "relu", &[32, 32, 16], &[3], 0),
        node(
            "residual_1.conv_bn_1.conv2d_1",
            "conv2d",
            &[32, 32, 16],
            &[4],
            2320,
        ),
        node(
            "residual_1.conv_bn_1.batch_normalization_1",
            "batch_normalization",
            &[32, 32, 16],
            &[5],
            64,
        ),
        node("residual_1.relu_1", "relu", &[32, 32, 16], &[6], 0),
        node(
            "residual_1.conv_bn_2.conv2d_1",
            "conv2d",
            &[32, 32, 16],
            &[7],
            2320,
        ),
        node(
            "residual_1.conv_bn_2.batch_normalization_1",
            "batch_normalization",
            &[32, 32, 16],
            &[8],
            64,
        ),
        node("residual_1.add_1", "add", &[32, 32, 16], &[9, 4], 0),
        node("residual_1.relu_2", "relu", &[32, 32, 16], &[10], 0),
        node("global_avg_pool2d_1", "global_avg_pool2d", &[16], &[11], 0),
        node("told", "dense", &[8], &[1], 40),
        node("both", "concat", &[24], &[12, 13], 0),
        node("kind", "dense", &[10], &[14], 250),
        node("size", "dense", &[1], &[14], 25),
    ])
    .unwrap()
}

/// The feature maps of a small network.
pub fn maps() -> Picture {
    let layer = |shape: &[usize], is_signed: bool| -> Vec<f32> {
        let value = |place: usize| match is_signed {
            true => 2.0 * noise(place),
            false => (3.0 * noise(place)).max(0.0),
        };
        (0..shape.iter().product()).map(value).collect()
    };
    let (images, _) = discs(8, 28, 1);
    let input: Vec<f32> = images.iter().skip(7 * 784).copied().collect();
    let values = [
        ("input", vec![28, 28, 1], input),
        ("conv2d_1", vec![26, 26, 32], layer(&[26, 26, 32], false)),
        ("max_pool2d_1", vec![13, 13, 6], layer(&[13, 13, 6], false)),
        ("wide", vec![5, 5, 256], layer(&[5, 5, 256], true)),
        ("spectrum", vec![49, 10, 1], layer(&[49, 10, 1], true)),
        ("flatten_1", vec![1600], layer(&[1600], true)),
        ("dense_1", vec![64], layer(&[64], false)),
        (
            "dense_2",
            vec![10],
            vec![0.0, 0.001, 0.92, 1e-9, 0.01, 0.0, 0.03, 0.0, 0.02, 0.019],
        ),
    ];
    let maps: Vec<_> = (values.iter())
        .map(|(name, shape, values)| FeatureMap {
            name,
            shape,
            values,
        })
        .collect();
    feature_maps(&maps).unwrap()
}

/// Every picture with its name.
pub fn gallery() -> &'static [(&'static str, Picture)] {
    static GALLERY: LazyLock<Vec<(&'static str, Picture)>> = LazyLock::new(pictures);
    &GALLERY
}

fn pictures() -> Vec<(&'static str, Picture)> {
    let mut one = history(1);
    one.epochs[0].validation = None;
    let mut gaps = history(12);
    gaps.epochs[3].scores.loss = f64::NAN;
    gaps.epochs[4].scores.metrics[0].1 = f64::INFINITY;
    gaps.epochs[5].validation = None;
    let mut lost = history(3);
    for epoch in &mut lost.epochs {
        epoch.scores = scores(f64::NAN, f64::NAN);
        epoch.validation = None;
    }
    let mut decades = history(60);
    for epoch in &mut decades.epochs {
        epoch.learning_rate = 0.1 / epoch.number as f64;
        epoch.scores.loss = 3.0 * 0.85f64.powi(epoch.number as i32);
    }
    let several = History {
        epochs: (1..=5)
            .map(|number| {
                let loss = 1.0 / number as f64;
                let scores = Scores {
                    loss: 2.0 * loss,
                    metrics: Vec::new(),
                    custom: Vec::new(),
                    outputs: vec![
                        ("digit", scores(loss, 1.0 - 0.1 * loss)),
                        ("odd", scores(loss, 0.9)),
                    ],
                };
                epoch(number, scores.clone(), Some(scores))
            })
            .collect(),
        ..History::default()
    };
    let named = matrix(10).with_names(CLOTHES).unwrap();
    let hostile = matrix(3).with_names([HOSTILE, "", "名前"]).unwrap();
    let nothing = ConfusionMatrix::from_counts(Array2::zeros((0, 0))).unwrap();
    let empty = ConfusionMatrix::from_counts(Array2::zeros((2, 2))).unwrap();
    let kernel = |shape| {
        let mut place = 0;
        Array4::from_shape_simple_fn(shape, || {
            place += 1;
            noise(place)
        })
    };
    let mut broken = kernel((3, 3, 1, 8));
    broken[[0, 0, 0, 0]] = f32::NAN;
    broken[[1, 1, 0, 1]] = f32::INFINITY;
    let normal: Vec<f32> = (0..4000)
        .map(|place| (0..6).map(|draw| noise(6 * place + draw)).sum::<f32>() * 0.05)
        .collect();
    let tensors: Vec<(&str, &[f32])> = vec![
        ("conv2d_1.kernel", &normal),
        ("conv2d_1.bias", &[0.0; 8]),
        (
            "stage2.conv_bn_1.batch_normalization_1.gamma",
            &[1.0, 1.1, 0.9, 1.2, 0.7],
        ),
        ("dense_1.kernel", &[f32::NAN, 1e-7, -3e-7, f32::INFINITY]),
        ("empty", &[]),
        (HOSTILE, &[f32::MAX, f32::MIN]),
    ];
    let nan = [f32::NAN, 1.0, f32::NEG_INFINITY, -2.0];
    let odd = [
        FeatureMap {
            name: "input",
            shape: &[2, 2, 1],
            values: &nan,
        },
        FeatureMap {
            name: HOSTILE,
            shape: &[2, 2, 1],
            values: &nan,
        },
        FeatureMap {
            name: "none",
            shape: &[0],
            values: &[],
        },
        FeatureMap {
            name: "scalar",
            shape: &[],
            values: &[f32::MAX],
        },
        FeatureMap {
            name: "zeros",
            shape: &[5],
            values: &[0.0; 5],
        },
    ];
    let hostile_graph = [Node {
        name: HOSTILE,
        keyword: HOSTILE,
        shape: &[usize::MAX, usize::MAX],
        reads: &[],
        parameters: 1_000_000_000,
    }];
    vec![
        ("curves", learning_curves(&history(15))),
        ("curves_one", learning_curves(&one)),
        ("curves_gaps", learning_curves(&gaps)),
        ("curves_lost", learning_curves(&lost)),
        ("curves_decades", learning_curves(&decades)),
        ("curves_several", learning_curves(&several)),
        ("curves_many", learning_curves(&history(800))),
        ("curves_none", learning_curves(&History::default())),
        (
            "matrix_2",
            confusion_matrix(&matrix(2).with_names(["cat", "dog"]).unwrap()),
        ),
        ("matrix_10", confusion_matrix(&named)),
        ("matrix_20", confusion_matrix(&matrix(20))),
        ("matrix_100", confusion_matrix(&matrix(100))),
        ("matrix_hostile", confusion_matrix(&hostile)),
        ("matrix_none", confusion_matrix(&nothing)),
        ("matrix_empty", confusion_matrix(&empty)),
        ("mistakes_28", sheet(100, 28, 1, &CLOTHES)),
        ("mistakes_8", sheet(200, 8, 1, &[])),
        ("mistakes_96", sheet(30, 96, 3, &CLOTHES)),
        ("mistakes_hostile", sheet(4, 8, 3, &[HOSTILE; 10])),
        ("mistakes_none", sheet(0, 8, 1, &[])),
        ("filters", filters(kernel((3, 3, 1, 32)).view())),
        ("filters_rgb", filters(kernel((5, 5, 3, 24)).view())),
        ("filters_deep", filters(kernel((3, 3, 32, 64)).view())),
        ("filters_broken", filters(broken.view())),
        ("filters_none", filters(Array4::zeros((3, 3, 0, 4)).view())),
        ("maps", maps()),
        ("maps_odd", feature_maps(&odd).unwrap()),
        ("maps_none", feature_maps(&[]).unwrap()),
        ("weights", weights(tensors.iter().copied())),
        ("gradients_none", gradients::<&str, &[f32]>([])),
        ("graph", residual()),
        ("graph_hostile", graph(&hostile_graph).unwrap()),
        ("graph_none", graph(&[]).unwrap()),
        ("mistakes_yes_no", yes_or_no()),
    ]
}

/// A network with one output says yes too often; the second of its answers is NaN.
fn yes_or_no() -> Picture {
    let (images, _) = discs(4, 8, 1);
    let data = Examples::labelled(&images, [1, 0, 0, 1]).unwrap();
    let scores = Array1::from_vec(vec![0.9, f32::NAN, 0.8, 0.3]);
    let scores = scores.into_shape_with_order((4, 1)).unwrap();
    mistakes(&data, scores.view(), &["no", "yes"]).unwrap()
}
