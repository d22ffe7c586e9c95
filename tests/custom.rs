//! Losses and metrics of one's own: they train as those of the language with the same formula, and are told by name.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;

use std::sync::atomic::{AtomicBool, Ordering};

use cnn::callbacks::{EarlyStopping, Mode};
use cnn::{CustomMetric, Error, Examples, Metric, Model, Network, Optimizer, gradient_deviation};
use folder::Folder;
use small::{bits, stripes, xor};

mod networks {
    cnn::network! {
        pub network Line {
            input(3);
            dense(5, activation = tanh, kernel_regularizer = l2(0.01));
            dense(4);
            train { loss = mse; metrics = [mae]; optimizer = adam(learning_rate = 0.01); epochs = 3; batch_size = 8; }
        }
    }

    cnn::network! {
        /// A softmax that is computed with the loss.
        pub network Fused {
            input(8x8x1);
            conv2d(4, 3x3, activation = relu);
            flatten;
            dense(3, activation = softmax);
            train { loss = categorical_crossentropy; metrics = [accuracy]; optimizer = sgd(learning_rate = 0.05); batch_size = 15; }
        }
    }

    cnn::network! {
        /// The same network under a loss that is not.
        pub network Apart {
            input(8x8x1);
            conv2d(4, 3x3, activation = relu);
            flatten;
            dense(3, activation = softmax);
            train { loss = mse; optimizer = sgd(learning_rate = 0.05); batch_size = 15; }
        }
    }

    cnn::network! {
        pub network Binary {
            input(2);
            dense(8, activation = tanh);
            dense(1, activation = sigmoid);
            train { loss = binary_crossentropy; optimizer = sgd(learning_rate = 0.05); batch_size = 4; }
        }
    }

    cnn::network! {
        pub network Two {
            input(3);
            body: dense(6, activation = tanh);
            class: dense(4, activation = softmax);
            size: dense(2, from = body);
            output(class, size);
            train { loss = [class = mse, size = mse(weight = 0.5)]; metrics = [class = mae]; batch_size = 8; epochs = 2; }
        }
    }
}
use networks::{Apart, Binary, Fused, Line, Two};

fn values(units: usize, shift: usize) -> ndarray::Array2<f32> {
    ndarray::Array2::from_shape_fn((21, units), |(i, j)| {
        ((i * 5 + j * 3 + shift) % 7) as f32 * 0.25 - 0.5
    })
}

fn line() -> Examples<'static> {
    Examples::with_values(values(3, 0), values(4, 2)).unwrap()
}

fn mse(y: &[f32], t: &[f32], gradient: &mut [f32]) -> f32 {
    let count = y.len() as f32;
    let mut sum = 0.0;
    for ((slope, y), t) in gradient.iter_mut().zip(y).zip(t) {
        assert_eq!(*slope, 0.0);
        *slope = 2.0 * (y - t) / count;
        sum += (y - t) * (y - t);
    }
    sum / count
}

fn crossentropy(p: &[f32], t: &[f32], gradient: &mut [f32]) -> f32 {
    let mut loss = 0.0;
    for ((slope, p), t) in gradient.iter_mut().zip(p).zip(t) {
        *slope = -t / p;
        loss -= t * p.ln();
    }
    loss
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], most: f32) {
    let pairs = found.iter().zip(expected);
    let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off <= most, "off by {off}");
    assert_eq!(found.len(), expected.len());
}

/// Of four outputs, so that no division is rounded.
#[test]
fn a_square_of_ones_own_trains_to_the_same_bits() {
    let data = line()
        .with_sample_weights((0..21).map(|i| (i % 3) as f32))
        .unwrap();
    for data in [line(), data] {
        let fit = |is_own: bool, threads, accumulate| {
            let mut net = Line::new(1);
            let trainer = net
                .trainer()
                .progress(false)
                .threads(threads)
                .accumulate(accumulate);
            let mut trainer = trainer.validation_split(0.25);
            if is_own {
                trainer = trainer.loss("square", mse);
            }
            let history = trainer.fit(&data).unwrap();
            let scores = history.epochs.into_iter();
            let scores = scores.map(|epoch| (epoch.scores, epoch.validation));
            (bits(net.parameters()), scores.collect::<Vec<_>>())
        };
        for (threads, accumulate) in [(1, 1), (3, 1), (2, 2)] {
            let (expected, expected_scores) = fit(false, threads, accumulate);
            let (found, scores) = fit(true, threads, accumulate);
            assert!(found == expected, "{threads} threads, {accumulate} batches");
            for ((found, validation), (expected, expected_validation)) in
                scores.iter().zip(&expected_scores)
            {
                // The sum of four squares is rounded otherwise.
                assert!(
                    (found.loss - expected.loss).abs() < 1e-6,
                    "{found}, {expected}"
                );
                assert_eq!(found.metrics, expected.metrics);
                let [found, expected] =
                    [validation, expected_validation].map(|scores| scores.as_ref().unwrap().loss);
                assert!((found - expected).abs() < 1e-6);
            }
        }
    }
}

/// The function sees probabilities, and its gradient goes through the softmax or the sigmoid.
#[test]
fn gradients_go_through_an_activation_of_the_loss() {
    let fit = |spec, own: bool, loss: fn(&[f32], &[f32], &mut [f32]) -> f32| {
        let mut model = Model::new(spec, 2);
        let mut trainer = model.trainer().epochs(2).progress(false);
        if own {
            trainer = trainer.loss("own", loss);
        }
        let history = trainer.fit(&stripes(45)).unwrap();
        (model.parameters().to_vec(), history.epochs[1].scores.loss)
    };
    // As that of the language, from the logits.
    let (expected, expected_loss) = fit(Fused::spec(), false, mse);
    let (found, loss) = fit(Fused::spec(), true, crossentropy);
    assert_close(&found, &expected, 2e-6);
    assert!((loss - expected_loss).abs() < 1e-5);
    // As one that has nothing to do with the softmax.
    let (expected, expected_loss) = fit(Apart::spec(), false, mse);
    let start = Model::new(Fused::spec(), 2);
    assert!(
        expected
            .iter()
            .zip(start.parameters())
            .any(|(a, b)| (a - b).abs() > 1e-3)
    );
    for spec in [Fused::spec(), Apart::spec()] {
        let (found, loss) = fit(spec, true, mse);
        assert_close(&found, &expected, 2e-6);
        assert!((loss - expected_loss).abs() < 1e-6);
    }

    let binary = |own: bool| {
        let mut net = Binary::new(2);
        let mut trainer = net.trainer().epochs(20).progress(false);
        if own {
            trainer = trainer.loss("own", |p, t, gradient| {
                gradient[0] = (1.0 - t[0]) / (1.0 - p[0]) - t[0] / p[0];
                -(t[0] * p[0].ln() + (1.0 - t[0]) * (1.0 - p[0]).ln())
            });
        }
        trainer.fit(&xor()).unwrap();
        net.parameters().to_vec()
    };
    assert_close(&binary(true), &binary(false), 2e-6);
}

/// The correlation of the first output and its target, as a function of sums.
struct Correlation;

impl CustomMetric for Correlation {
    fn sums(&self) -> usize {
        5
    }

    fn add(&self, prediction: &[f32], target: &[f32], sums: &mut [f64]) {
        let (y, t) = (f64::from(prediction[0]), f64::from(target[0]));
        for (sum, value) in sums.iter_mut().zip([y, t, y * y, t * t, y * t]) {
            *sum += value;
        }
    }

    fn value(&self, sums: &[f64], examples: usize) -> f64 {
        let [y, t, yy, tt, yt] = [0, 1, 2, 3, 4].map(|place| sums[place] / examples as f64);
        (yt - y * t) / ((yy - y * y) * (tt - t * t)).sqrt()
    }

    fn larger_is_better(&self) -> Option<bool> {
        Some(true)
    }
}

fn mean_error(y: &[f32], t: &[f32]) -> f64 {
    let errors = y.iter().zip(t).map(|(y, t)| f64::from((y - t).abs()));
    errors.sum::<f64>() / y.len() as f64
}

/// 21 examples in batches of 8: the last one has 5.
#[test]
fn metrics_are_exact_over_uneven_batches() {
    let data = line();
    let fit = |threads, batch_size| {
        let mut net = Line::new(1);
        let trainer = net
            .trainer()
            .progress(false)
            .threads(threads)
            .batch_size(batch_size);
        // A learning rate that changes nothing.
        let trainer = trainer.optimizer(Optimizer::sgd().with_learning_rate(1e-30));
        let trainer = trainer
            .metric("error", mean_error)
            .metric_of_sums("correlation", Correlation);
        let trainer = trainer.validation(&data);
        let scores = trainer.evaluate(&data).unwrap();
        let history = trainer.fit(&data).unwrap();
        (net, scores, history)
    };
    let (net, scores, _) = fit(1, 8);
    let outputs = net.predict_batch(&values(3, 0)).unwrap();
    let targets = values(4, 2);
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let pairs = outputs.column(0).into_iter().zip(targets.column(0));
        pairs
            .map(|(y, t)| of(f64::from(*y), f64::from(*t)))
            .sum::<f64>()
            / 21.0
    };
    let (y, t) = (mean(&|y, _| y), mean(&|_, t| t));
    let covariance = mean(&|y_i, t_i| (y_i - y) * (t_i - t));
    let variances = mean(&|y_i, _| (y_i - y).powi(2)) * mean(&|_, t_i| (t_i - t).powi(2));
    let expected = covariance / variances.sqrt();
    for (threads, batch_size) in [(1, 8), (3, 8), (2, 21), (1, 4)] {
        let (_, scores, history) = fit(threads, batch_size);
        for scores in [
            &scores,
            &history.epochs[0].scores,
            history.validation().unwrap(),
        ] {
            let [(error, mean_of_errors), (correlation, value)] = &scores.custom[..] else {
                panic!("{scores:?}");
            };
            assert_eq!(
                (error.as_str(), correlation.as_str()),
                ("error", "correlation")
            );
            let mae = scores.metric(Metric::MeanAbsoluteError).unwrap();
            assert!((mean_of_errors - mae).abs() < 1e-9, "{scores}");
            assert!((value - expected).abs() < 1e-6, "{value}, {expected}");
        }
    }
    let text = scores.to_string();
    assert!(
        text.contains(" - mae: ")
            && text.contains(" - error: ")
            && text.contains(" - correlation: "),
        "{text}"
    );
}

#[test]
fn callbacks_and_logs_know_metrics_by_name() {
    let folder = Folder::new("custom");
    let path = folder.file("log.csv");
    let data = line();
    let fit = |monitor: &str, mode| {
        let mut net = Line::new(1);
        let trainer = net.trainer().progress(false).epochs(4).validation(&data);
        let trainer = trainer
            .metric("error", mean_error)
            .metric_of_sums("correlation", Correlation);
        let stopping = EarlyStopping::new().monitor(monitor).mode(mode).patience(1);
        trainer.csv_log(&path).early_stopping(stopping).fit(&data)
    };
    // It becomes less, which is worse where more is better.
    assert_eq!(fit("val_error", Mode::Max).unwrap().epochs.len(), 2);
    assert_eq!(fit("error", Mode::Min).unwrap().epochs.len(), 4);
    assert_eq!(fit("val_correlation", Mode::Auto).unwrap().epochs.len(), 4);
    let log = std::fs::read_to_string(&path).unwrap();
    let header = "epoch,loss,mae,error,correlation,val_loss,val_mae,val_error,val_correlation,learning_rate,seconds";
    assert_eq!(log.lines().next(), Some(header));
    let error = fit("error", Mode::Auto).unwrap_err();
    assert!(
        matches!(&error, Error::Setting { name: "mode", .. }),
        "{error}"
    );

    for name in ["", "two words", "a,b", "loss", "mae", "val_loss", "error"] {
        let mut net = Line::new(1);
        let trainer = net.trainer().progress(false).metric("error", mean_error);
        let result = trainer.metric(name, mean_error).fit(&data);
        match name {
            // There is no such score where there is no validation.
            "val_loss" => drop(result.unwrap()),
            _ => {
                let error = result.unwrap_err();
                assert!(
                    matches!(&error, Error::Setting { name: "metric", .. }),
                    "{name}: {error}"
                );
            }
        }
    }
}

#[test]
fn a_step_that_is_not_finite_is_rejected() {
    let data = line();
    for case in 0..3 {
        let mut net = Line::new(1);
        let before = bits(net.parameters());
        let trainer = net
            .trainer()
            .progress(false)
            .loss("bad", move |y, t, gradient| {
                let loss = mse(y, t, gradient);
                match case {
                    0 => f32::NAN,
                    1 => f32::INFINITY,
                    _ => {
                        gradient[1] = f32::NAN;
                        loss
                    }
                }
            });
        let error = trainer.fit(&data).unwrap_err();
        match case {
            0 | 1 => assert!(
                matches!(
                    error,
                    Error::NonFiniteLoss {
                        epoch: 1,
                        step: 1,
                        ..
                    }
                ),
                "{error}"
            ),
            _ => assert!(matches!(error, Error::NonFiniteGradient { .. }), "{error}"),
        }
        assert_eq!(bits(net.parameters()), before);
    }
}

#[test]
fn outputs_have_losses_and_metrics_of_their_own() {
    let data = Examples::with_values(values(3, 0), values(4, 2).mapv(f32::abs)).unwrap();
    let data = data.and_values(values(2, 4)).unwrap();
    let fit = |is_own: bool| {
        let mut net = Two::new(1);
        let mut trainer = net.trainer().progress(false).validation(&data);
        if is_own {
            trainer = trainer.loss_of("size", "square", mse).unwrap();
            trainer = trainer.loss_of("class", "square", mse).unwrap();
            trainer = trainer.metric_of("class", "error", mean_error).unwrap();
        }
        let history = trainer.fit(&data).unwrap();
        (bits(net.parameters()), history)
    };
    let (expected, _) = fit(false);
    let (found, history) = fit(true);
    assert!(found == expected);
    let scores = &history.validation().unwrap();
    let of_class = scores.output("class").unwrap();
    let mae = of_class.metric(Metric::MeanAbsoluteError).unwrap();
    assert!((of_class.custom[0].1 - mae).abs() < 1e-9);
    let names: Vec<_> = scores.named().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "loss",
            "class_loss",
            "class_mae",
            "class_error",
            "size_loss"
        ]
    );

    let mut net = Two::new(1);
    let error = net.trainer().loss_of("clas", "square", mse).unwrap_err();
    assert!(
        matches!(&error, Error::Output { name, .. } if name == "clas"),
        "{error}"
    );
    let error = net.trainer().loss("square", mse).fit(&data).unwrap_err();
    assert!(
        matches!(&error, Error::Output { name, .. } if name.is_empty()),
        "{error}"
    );
    let error = net
        .trainer()
        .metric("error", mean_error)
        .evaluate(&data)
        .unwrap_err();
    assert!(
        matches!(&error, Error::Output { name, .. } if name.is_empty()),
        "{error}"
    );

    let mut net = Fused::new(1);
    let trainer = net
        .trainer()
        .loss("own", crossentropy)
        .class_weights([1.0, 2.0, 3.0]);
    let error = trainer.fit(&stripes(15)).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Setting {
                name: "class_weights",
                ..
            }
        ),
        "{error}"
    );
}

/// Of functions, a checkpoint knows the names.
#[test]
fn a_training_is_resumed_with_functions_of_the_same_names() {
    let folder = Folder::new("custom");
    let path = folder.file("run.safetensors");
    let train = |seed, stop_after, resume, loss: Option<&str>, metric: &str| {
        let mut net = Line::new(seed);
        let stop = AtomicBool::new(false);
        let mut steps = 0;
        let mut trainer = net
            .trainer()
            .progress(false)
            .stop(&stop)
            .metric(metric, mean_error);
        if let Some(name) = loss {
            trainer = trainer.loss(name, mse);
        }
        if resume {
            trainer = trainer.resume_from(&path);
        } else {
            trainer = trainer.checkpoint(&path);
        }
        let trainer = trainer.on_step(|_, _| {
            steps += 1;
            stop.store(steps == stop_after, Ordering::Relaxed);
        });
        let history = trainer.fit(&line())?;
        let scores = history.epochs.into_iter().map(|epoch| epoch.scores);
        Ok::<_, Error>((bits(net.parameters()), scores.collect::<Vec<_>>()))
    };
    let whole = train(1, 0, false, Some("square"), "error").unwrap();
    train(1, 4, false, Some("square"), "error").unwrap();
    assert_eq!(train(5, 0, true, Some("square"), "error").unwrap(), whole);
    for (loss, metric, expected) in [
        (
            Some("other"),
            "error",
            "the losses `square`, but shall be resumed with `other`",
        ),
        (
            None,
            "error",
            "the losses `square`, but shall be resumed with those of the description",
        ),
        (
            Some("square"),
            "other",
            "the metrics of the description and `error`, but shall be resumed with those of the description and `other`",
        ),
    ] {
        let error = train(5, 0, true, loss, metric).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
}

#[test]
fn a_wrong_gradient_is_found() {
    let (y, t) = ([0.2, 0.5, 0.3], [0.0, 1.0, 0.0]);
    assert!(gradient_deviation(mse, &y, &t) < 1e-3);
    assert!(gradient_deviation(crossentropy, &y, &t) < 1e-3);
    let wrong = |y: &[f32], t: &[f32], gradient: &mut [f32]| {
        let loss = mse(y, t, gradient);
        gradient[2] *= 1.1;
        loss
    };
    assert!(gradient_deviation(wrong, &y, &t) > 0.05);
    let missing = |y: &[f32], t: &[f32], _: &mut [f32]| mse(y, t, &mut [0.0; 3]);
    assert!(gradient_deviation(missing, &y, &t) > 0.9);
    let not_a_number = |_: &[f32], _: &[f32], gradient: &mut [f32]| {
        gradient[0] = f32::NAN;
        0.0
    };
    assert!(gradient_deviation(not_a_number, &y, &t).is_nan());
}
