//! Losses and metrics of whole networks: sums over uneven batches and threads, weights of examples and classes, the
//! confusion matrix.

use cnn::callbacks::EarlyStopping;
use cnn::{Error, Examples, Metric, Model, Network, runtime};
use ndarray::{Array, Array2, ArrayD, array};

mod digits {
    cnn::network! {
        pub network Digits {
            input(4);
            dense(3, activation = softmax);
            train {
                loss = categorical_crossentropy(label_smoothing = 0.1);
                optimizer = sgd(0.1);
                metrics = [accuracy, precision, recall, f1_score, mean_iou, top_k_accuracy(k = 2), rmse];
            }
        }
    }
}

mod spam {
    cnn::network! {
        pub network Spam {
            input(4);
            dense(1, activation = sigmoid);
            train {
                loss = binary_focal_crossentropy(apply_class_balancing = true);
                optimizer = sgd(0.1);
                metrics = [auc, precision, precision(threshold = 0.75), recall, f1_score, binary_iou, binary_accuracy];
            }
        }
    }
}

mod sizes {
    cnn::network! {
        pub network Sizes {
            input(4);
            dense(2);
            train { loss = log_cosh; optimizer = sgd(0.1); metrics = [r2_score, mae, mape, rmse]; }
        }
    }
}

mod sides {
    cnn::network! {
        pub network Sides {
            input(4);
            dense(2);
            train { loss = squared_hinge; optimizer = sgd(0.1); metrics = [accuracy, recall(threshold = 0)]; }
        }
    }
}

mod regions {
    cnn::network! {
        pub network Regions {
            input(4x3x1);
            conv2d(3, 3x3, padding = same, activation = softmax);
            train {
                loss = categorical_crossentropy(class_weights = [1, 5, 0.5]);
                optimizer = sgd(0.1);
                metrics = [mean_iou, accuracy];
            }
        }
    }
}

mod heads {
    cnn::network! {
        pub network Heads {
            input(4);
            trunk: dense(6, activation = tanh);
            digit: dense(3, activation = softmax, from = trunk);
            even: dense(1, activation = sigmoid, from = trunk);
            output(digit, even);
            train {
                loss = [
                    digit = categorical_crossentropy(class_weights = [1, 2, 3]),
                    even = binary_crossentropy(weight = 0.5),
                ];
                optimizer = sgd(0.1);
                metrics = [accuracy, digit = f1_score, even = auc];
            }
        }
    }
}

const N: usize = 101;

/// Numbers without a pattern.
fn noise(shape: &[usize], seed: u32) -> ArrayD<f32> {
    let mut state = seed;
    Array::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

fn labels(classes: usize) -> impl Iterator<Item = usize> + Clone {
    (0..N).map(move |index| (index * index + index / 7) % classes)
}

/// A network and data for it.
fn cases() -> Vec<(Model, Examples<'static>)> {
    let flat = || noise(&[N, 4], 1);
    let images = noise(&[N, 4, 3, 1], 2);
    let maps = Array::from_shape_fn((N, 4, 3), |(n, i, j)| (n + i * j) % 3);
    vec![
        (
            Model::new(digits::Digits::spec(), 1),
            Examples::labelled(flat(), labels(3)).unwrap(),
        ),
        (
            Model::new(spam::Spam::spec(), 1),
            Examples::labelled(flat(), labels(2)).unwrap(),
        ),
        (
            Model::new(sizes::Sizes::spec(), 1),
            Examples::with_values(flat(), noise(&[N, 2], 3)).unwrap(),
        ),
        (
            Model::new(sides::Sides::spec(), 1),
            Examples::with_values(flat(), noise(&[N, 2], 3).mapv(f32::signum)).unwrap(),
        ),
        (
            Model::new(regions::Regions::spec(), 1),
            Examples::with_label_maps(images, &maps).unwrap(),
        ),
        (
            Model::new(heads::Heads::spec(), 1),
            Examples::labelled(flat(), labels(3))
                .unwrap()
                .and_labels(labels(2))
                .unwrap(),
        ),
    ]
}

/// Weights without a pattern, some of them 0.
fn weights() -> impl Iterator<Item = f32> {
    (0..N).map(|index| [0.0, 1.0, 2.5, 0.5][index % 4])
}

#[test]
fn metrics_are_exact_in_uneven_batches_and_on_any_number_of_threads() {
    for (model, data) in cases() {
        let evaluated = model.evaluate(&data).unwrap();
        let mut first = None;
        for threads in [1, 2, 5] {
            // Steps of 7 examples, the last one of 3, that change next to nothing.
            let mut copy = model.clone();
            let trainer = copy.trainer().batch_size(7).learning_rate(1e-30);
            let history = trainer.threads(threads).progress(false).fit(&data).unwrap();
            let scores = history.epochs[0].scores.clone();
            for ((name, found), (_, expected)) in scores.named().iter().zip(evaluated.named()) {
                let case = format!("{}, {name}: {found}, not {expected}", model.spec().name);
                // Losses have weights of classes in both.
                assert!(
                    (found - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                    "{case}"
                );
            }
            let bits = scores.named().into_iter().map(|(_, value)| value.to_bits());
            let bits: Vec<u64> = bits.collect();
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits);
        }
    }
}

/// The values are those of the formulas, which the runtime's tests compare with Keras, over all outputs at once.
#[test]
fn metrics_are_those_of_the_outputs() {
    for (model, data) in cases().into_iter().take(5) {
        let training = model.spec().training.as_ref().unwrap();
        let (objective, shape) = (training.objectives[0], model.spec().output);
        let outputs: ArrayD<f32> = model.predict_batch(data.inputs().view()).unwrap();
        let mut targets = ArrayD::<f32>::zeros(outputs.raw_dim());
        for (index, mut target) in targets.outer_iter_mut().enumerate() {
            cnn::Dataset::read_target(&data, index, target.as_slice_mut().unwrap());
        }
        let scores = model.evaluate(&data).unwrap();
        for (metric, found) in &scores.metrics {
            let mut sums = vec![0.0; runtime::metric::columns(*metric, objective.loss, shape)];
            let [output, target] = [&outputs, &targets].map(|values| values.as_slice().unwrap());
            runtime::metric::add(*metric, objective.loss, shape, output, target, &mut sums);
            let expected = runtime::metric::value(*metric, objective.loss, shape, &sums, N);
            assert!(
                (found - expected).abs() < 1e-9,
                "{metric:?}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn scores_have_names() {
    let (model, data) = cases().swap_remove(1);
    let scores = model.evaluate(&data).unwrap();
    let names: Vec<String> = scores.named().into_iter().map(|(name, _)| name).collect();
    let expected = "loss auc precision precision_1 recall f1_score binary_iou binary_accuracy";
    assert_eq!(names.join(" "), expected);
    let strict = Metric::Precision { threshold: 0.75 };
    assert_eq!(scores.metric(strict), Some(scores.named()[3].1));
    assert_eq!(scores.metric(Metric::auc()), Some(scores.named()[1].1));
    assert_eq!(scores.metric(Metric::mae()), None);
}

/// An area under the curve is better where it is larger, a root of a mean square where it is smaller.
#[test]
fn callbacks_follow_metrics() {
    let log = std::env::temp_dir().join(format!("cnn-objectives-{}.csv", std::process::id()));
    for (place, monitor, larger_is_better) in [(1, "auc", true), (2, "rmse", false)] {
        let (mut model, data) = cases().swap_remove(place);
        let stopping = EarlyStopping::new().monitor(monitor).patience(3);
        let history = model
            .trainer()
            .epochs(12)
            .progress(false)
            .early_stopping(stopping)
            .csv_log(&log)
            .fit(&data)
            .unwrap();
        let values: Vec<f64> = (history.epochs.iter())
            .map(|epoch| {
                let named = epoch.scores.named();
                named.iter().find(|(name, _)| name == monitor).unwrap().1
            })
            .collect();
        let best = history.best_epoch.unwrap();
        let is_best = |value: &f64| match larger_is_better {
            true => *value <= values[best - 1],
            false => *value >= values[best - 1],
        };
        assert!(values.iter().all(is_best), "{monitor}: {values:?}, {best}");
        let text = std::fs::read_to_string(&log).unwrap();
        let header = text.lines().next().unwrap();
        assert!(header.contains(monitor), "{header}");
        assert_eq!(text.lines().count(), 1 + history.epochs.len());
    }
    std::fs::remove_file(log).unwrap();
}

/// The gradients of a weighted loss are its slopes.
#[test]
fn weighted_gradients_are_slopes() {
    for (model, data) in cases() {
        let data = data.with_sample_weights(weights()).unwrap();
        let (loss, gradients) = model.gradients(&data, 0).unwrap();
        assert!((loss - model.evaluate(&data).unwrap().loss).abs() < 1e-6);
        for (place, gradient) in gradients.into_iter().enumerate() {
            let shifted = |by: f32| {
                let mut copy = model.clone();
                copy.parameters_mut()[place] += by;
                copy.evaluate(&data).unwrap().loss
            };
            let difference = (shifted(1.0 / 128.0) - shifted(-1.0 / 128.0)) * 64.0;
            let found = f64::from(gradient);
            let name = model.spec().name;
            assert!(
                (difference - found).abs() < 2e-4,
                "{name}, {place}: {found}, not {difference}"
            );
        }
    }
}

fn trained(model: &Model, data: &Examples<'_>, threads: usize, classes: &[f32]) -> Vec<u32> {
    let mut copy = model.clone();
    let trainer = copy.trainer().epochs(2).batch_size(19).threads(threads);
    let trainer = trainer.class_weights(classes.iter().copied());
    trainer.progress(false).fit(data).unwrap();
    copy.parameters()
        .iter()
        .map(|value| value.to_bits())
        .collect()
}

#[test]
fn weights_give_the_same_bits_on_any_number_of_threads() {
    for (model, data) in cases() {
        let even = trained(&model, &data, 1, &[]);
        let weighted = data.clone().with_sample_weights(weights()).unwrap();
        let one = trained(&model, &weighted, 1, &[]);
        assert_ne!(even, one);
        for threads in [2, 5] {
            assert_eq!(
                trained(&model, &weighted, threads, &[]),
                one,
                "{}",
                model.spec().name
            );
        }
        // Weights of 1 are none.
        let ones = data.with_sample_weights([1.0; N]).unwrap();
        assert_eq!(trained(&model, &ones, 3, &[]), even);
    }
}

/// Weights of classes are those of the examples that have these classes.
#[test]
fn class_weights_are_weights_of_examples() {
    let by_class = [0.5, 3.0, 1.25];
    let (model, data) = cases().swap_remove(0);
    let of_examples = data
        .clone()
        .with_sample_weights(labels(3).map(|class| by_class[class]));
    let expected = trained(&model, &of_examples.unwrap(), 1, &[]);
    let found = trained(&model, &data, 3, &by_class);
    let distance = |(a, b): (&u32, &u32)| (f32::from_bits(*a) - f32::from_bits(*b)).abs();
    assert!(found.iter().zip(&expected).map(distance).all(|d| d < 1e-6));
    assert_ne!(found, trained(&model, &data, 1, &[]));

    // A weight of 2 is an example that is there twice, but in the number of examples.
    let doubled = data
        .clone()
        .with_sample_weights(labels(3).map(|class| [1.0, 2.0, 1.0][class]));
    let (loss, _) = model.gradients(&doubled.unwrap(), 0).unwrap();
    let twice: Vec<usize> = (0..N)
        .chain(
            labels(3)
                .enumerate()
                .filter(|(_, class)| *class == 1)
                .map(|(index, _)| index),
        )
        .collect();
    let inputs = data.inputs().select(ndarray::Axis(0), &twice);
    let of_twice: Vec<usize> = twice
        .iter()
        .map(|index| data.label(*index).unwrap())
        .collect();
    let repeated = Examples::labelled(&inputs, of_twice).unwrap();
    let (expected, _) = model.gradients(&repeated, 0).unwrap();
    assert!((loss * N as f64 - expected * twice.len() as f64).abs() < 1e-4);
}

/// Those of the trainer are in place of those of the loss, and the validation has those of the loss.
#[test]
fn class_weights_of_the_trainer() {
    let (mut model, data) = cases().swap_remove(4);
    let of_loss = trained(&model, &data, 1, &[]);
    assert_eq!(trained(&model, &data, 2, &[1.0, 5.0, 0.5]), of_loss);
    assert_ne!(trained(&model, &data, 1, &[1.0; 3]), of_loss);
    let history = model
        .trainer()
        .class_weights([2.0, 10.0, 1.0])
        .learning_rate(1e-30)
        .validation(&data)
        .progress(false)
        .fit(&data)
        .unwrap();
    let (trained, validated) = (history.loss().unwrap(), history.validation().unwrap().loss);
    assert!(
        (trained - 2.0 * validated).abs() < 1e-5,
        "{trained}, {validated}"
    );
}

#[test]
fn weights_that_make_no_sense() {
    let (mut model, data) = cases().swap_remove(0);
    for (wrong, index) in [(f32::NAN, 3), (-1.0, 50), (f32::INFINITY, 100)] {
        let with = (0..N).map(|place| if place == index { wrong } else { 1.0 });
        let error = data.clone().with_sample_weights(with).unwrap_err();
        assert!(
            matches!(error, Error::SampleWeight { index: at, .. } if at == index),
            "{error}"
        );
    }
    let error = data.clone().with_sample_weights([1.0]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Count {
                inputs: N,
                targets: 1
            }
        ),
        "{error}"
    );
    let twice = data.clone().with_sample_weights([1.0; N]).unwrap();
    let error = twice.and_sample_weights([1.0; N]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Parts {
                expected: 1,
                found: 2,
                ..
            }
        ),
        "{error}"
    );
    let fit = |model: &mut Model, data: &Examples<'_>, weights: &[f32]| {
        let trainer = model.trainer().class_weights(weights.iter().copied());
        trainer.progress(false).fit(data).unwrap_err().to_string()
    };
    assert_eq!(
        fit(&mut model, &data, &[1.0, 2.0]),
        "`class_weights` is [1.0, 2.0], but must be a weight for each class"
    );
    assert_eq!(
        fit(&mut model, &data, &[1.0, -2.0, 1.0]),
        "`class_weights` is [1.0, -2.0, 1.0], but must be zero or more and finite"
    );
    let (mut sizes, values) = cases().swap_remove(2);
    assert!(fit(&mut sizes, &values, &[1.0]).contains("of numbers"));
    let (mut heads, targets) = cases().swap_remove(5);
    assert!(fit(&mut heads, &targets, &[1.0]).contains("several outputs"));
}

/// A dataset of one's own with a weight that makes no sense.
#[test]
fn weights_are_checked_as_they_are_read() {
    struct Own(Examples<'static>, f32);
    impl cnn::Dataset for Own {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn input_shape(&self) -> &[usize] {
            self.0.input_shape()
        }
        fn read_input(&self, index: usize, out: &mut [f32]) {
            self.0.read_input(index, out);
        }
        fn read_target(&self, index: usize, out: &mut [f32]) {
            self.0.read_target(index, out);
        }
        fn weight_of(&self, _: usize, index: usize) -> f32 {
            if index == 70 { self.1 } else { 1.0 }
        }
    }
    let (mut model, data) = cases().swap_remove(0);
    let wrong = Own(data.clone(), -1.0);
    let error = model.evaluate(&wrong).unwrap_err();
    assert!(
        matches!(
            error,
            Error::SampleWeight {
                index: 70,
                weight: -1.0
            }
        ),
        "{error}"
    );
    let before = model.parameters().to_vec();
    let error = model
        .trainer()
        .batch_size(N)
        .progress(false)
        .fit(&wrong)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "training data: the weight of example 70 is -1, but must be zero or more and finite"
    );
    assert_eq!(model.parameters(), before);
    let split = model
        .trainer()
        .batch_size(9)
        .validation_split(0.5)
        .progress(false);
    let error = split.fit(&wrong).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("validation data: the weight of example 70"),
        "{error}"
    );
    model.evaluate(&Own(data, 3.0)).unwrap();
}

/// Each output may have weights of its own.
#[test]
fn weights_by_output() {
    let (model, data) = cases().swap_remove(5);
    let even = model.evaluate(&data).unwrap();
    let all = data.clone().with_sample_weights([2.0; N]).unwrap();
    let scores = model.evaluate(&all).unwrap();
    assert!((scores.loss - 2.0 * even.loss).abs() < 1e-6);
    let by_output = data
        .with_sample_weights([2.0; N])
        .unwrap()
        .and_sample_weights([3.0; N])
        .unwrap();
    let scores = model.evaluate(&by_output).unwrap();
    let loss = |scores: &cnn::Scores, output| scores.output(output).unwrap().loss;
    assert!((loss(&scores, "digit") - 2.0 * loss(&even, "digit")).abs() < 1e-6);
    assert!((loss(&scores, "even") - 3.0 * loss(&even, "even")).abs() < 1e-6);
    let total = loss(&scores, "digit") + 0.5 * loss(&scores, "even");
    assert!((scores.loss - total).abs() < 1e-6);
    // Metrics know no weights.
    for output in ["digit", "even"] {
        assert_eq!(
            scores.output(output).unwrap().metrics,
            even.output(output).unwrap().metrics
        );
    }
    // Of a part of the examples, too.
    let part = by_output.slice(50..60);
    assert_eq!(cnn::Dataset::weight_of(&part, 1, 0), 3.0);
}

#[test]
fn a_confusion_matrix_counts_what_is_predicted() {
    let net = digits::Digits::new(1);
    let x: Array2<f32> = noise(&[N, 4], 1).into_dimensionality().unwrap();
    let data = Examples::labelled(&x, labels(3)).unwrap();
    let found = cnn::argmax(&net.predict_batch(&x).unwrap());
    let mut expected = Array2::<u64>::zeros((3, 3));
    for (actual, found) in labels(3).zip(&found) {
        expected[[actual, *found]] += 1;
    }
    let matrix = net.confusion_matrix(&data).unwrap();
    assert_eq!(matrix.counts(), expected);
    let scores = net.evaluate(&data).unwrap();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a}, {b}");
    close(matrix.accuracy(), scores.accuracy().unwrap());
    let mean = |of: &dyn Fn(usize) -> f64| (0..3).map(of).sum::<f64>() / 3.0;
    close(
        mean(&|class| matrix.precision(class)),
        scores.metric(Metric::precision()).unwrap(),
    );
    close(
        mean(&|class| matrix.recall(class)),
        scores.metric(Metric::recall()).unwrap(),
    );
    close(
        mean(&|class| matrix.f1_score(class)),
        scores.metric(Metric::f1_score()).unwrap(),
    );

    // Images without a label, and outputs of NaN, are left out.
    let none = Examples::with_values(&x, Array2::<f32>::zeros((N, 3))).unwrap();
    assert_eq!(net.confusion_matrix(&none).unwrap().total(), 0);
    let mut with_nan = x.clone();
    with_nan.row_mut(7).fill(f32::NAN);
    let data = Examples::labelled(&with_nan, labels(3)).unwrap();
    assert_eq!(net.confusion_matrix(&data).unwrap().total(), N as u64 - 1);
}

#[test]
fn confusion_matrices_of_images_and_of_several_outputs() {
    let (model, data) = cases().swap_remove(4);
    let matrix = model.confusion_matrix(&data).unwrap();
    assert_eq!((matrix.classes(), matrix.total()), (3, (N * 12) as u64));
    let accuracy = model.evaluate(&data).unwrap().accuracy().unwrap();
    assert!((matrix.accuracy() - accuracy).abs() < 1e-12);

    let (model, data) = cases().swap_remove(5);
    let error = model.confusion_matrix(&data).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the network has several outputs, `digit`, `even`"
    );
    let error = model.confusion_matrix_of("odd", &data).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no output `odd`, but there is `digit`, `even`"
    );
    let scores = model.evaluate(&data).unwrap();
    for (output, classes) in [("digit", 3), ("even", 2)] {
        let matrix = model.confusion_matrix_of(output, &data).unwrap();
        assert_eq!((matrix.classes(), matrix.total()), (classes, N as u64));
        let accuracy = scores.output(output).unwrap().accuracy().unwrap();
        assert!((matrix.accuracy() - accuracy).abs() < 1e-12);
    }
    let error = model
        .confusion_matrix_of("even", &data)
        .unwrap()
        .with_names(["odd"])
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Parts {
                expected: 2,
                found: 1,
                ..
            }
        ),
        "{error}"
    );
}

/// The answers of a hinge are on either side of 0, with targets of 0 or of -1.
#[test]
fn signs() {
    let mut net = sides::Sides::new(0);
    let inputs = array![[1.0, 0.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0]];
    let zeros = Examples::with_values(&inputs, array![[1.0, 0.0], [0.0, 1.0]]).unwrap();
    let signs = Examples::with_values(&inputs, array![[1.0, -1.0], [-1.0, 1.0]]).unwrap();
    assert_eq!(net.evaluate(&zeros).unwrap(), net.evaluate(&signs).unwrap());
    net.trainer()
        .epochs(50)
        .progress(false)
        .fit(&signs)
        .unwrap();
    assert_eq!(net.evaluate(&zeros).unwrap().accuracy(), Some(1.0));
    let [yes, no] = net.predict(&[1.0, 0.0, 0.0, 0.0]);
    assert!(yes > 0.5 && no < -0.5, "{yes}, {no}");
    let half = Examples::with_values(&inputs, array![[1.0, 0.5], [0.0, 1.0]]).unwrap();
    let error = net.evaluate(&half).unwrap_err().to_string();
    assert!(
        error.ends_with("the targets of `squared_hinge` must be -1, 0 or 1"),
        "{error}"
    );
}

/// Where the sums of all chunks would not fit, they are added up in between.
#[test]
fn many_sums() {
    mod wide {
        cnn::network! {
            pub network Wide {
                input(2);
                dense(2000, activation = softmax);
                train { loss = categorical_crossentropy; metrics = [f1_score, accuracy]; }
            }
        }
    }
    // 6,001 sums of each chunk of 64 examples, of which 21 are kept at once.
    let x: Array2<f32> = noise(&[3000, 2], 5).into_dimensionality().unwrap();
    let net = wide::Wide::new(0);
    let found: Vec<usize> = cnn::argmax(&net.predict_batch(&x).unwrap()).to_vec();
    let labels = (0..3000).map(|index| if index % 3 == 0 { 0 } else { found[index] });
    let data = Examples::labelled(&x, labels).unwrap();
    let right = (0..3000)
        .filter(|index| index % 3 != 0 || found[*index] == 0)
        .count();
    let scores = net.evaluate(&data).unwrap();
    assert_eq!(scores.accuracy(), Some(right as f64 / 3000.0));
    let matrix = net.confusion_matrix(&data).unwrap();
    let occur = (0..2000).filter(|class| {
        matrix.counts().row(*class).sum() + matrix.counts().column(*class).sum() > 0
    });
    let occur: Vec<usize> = occur.collect();
    let f1 = occur
        .iter()
        .map(|class| matrix.f1_score(*class))
        .sum::<f64>()
        / occur.len() as f64;
    assert!((scores.metric(Metric::f1_score()).unwrap() - f1).abs() < 1e-12);
}
