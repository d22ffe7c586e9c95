//! Networks of several inputs and outputs: typed values in and out, and the same numbers as networks of one.

use cnn::data::Examples;
use ndarray::{Array1, Array2, Array4, Axis, s};

cnn::network! {
    /// An image and four numbers; a class and two values.
    pub network TwoHeads {
        image: input(6x5x2);
        meta: input(4);

        conv2d(3, 3x3, activation = relu, from = image);
        max_pool2d(2x2);
        seen: flatten;
        told: dense(5, activation = tanh, from = meta);
        both: concat(seen, told);
        digit: dense(3, activation = softmax);
        size: dense(2, from = both);
        output(digit, size);

        train {
            loss = [digit = categorical_crossentropy, size = mse(weight = 0.5)];
            metrics = [digit = accuracy, size = mae];
            optimizer = adam(0.01);
            batch_size = 8;
            epochs = 3;
        }
    }
}

cnn::network! {
    /// Two images in, one value out.
    network Difference {
        a: input(4x4x1);
        b: input(4x4x1);
        subtract(a, b);
        flatten;
        dense(1);
        train { loss = mse; optimizer = sgd(0.05); epochs = 40; batch_size = 16; }
    }
}

cnn::network! {
    /// One image in, two maps out.
    network Maps {
        input(5x4x1);
        conv2d(4, 3x3, padding = same, activation = relu);
        mask: conv2d(1, 1x1, activation = sigmoid);
        kinds: conv2d(3, 3x3, activation = softmax, padding = same, from = input);
        output(mask, kinds);
        train { loss = [mask = binary_crossentropy, kinds = categorical_crossentropy]; metrics = [accuracy]; optimizer = adam(0.02); }
    }
}

cnn::network! {
    /// So large that several threads share a batch.
    network Shared {
        image: input(24x24x1);
        meta: input(3);
        conv2d(16, 3x3, from = image);
        batch_normalization;
        relu;
        seen: global_avg_pool2d;
        told: dense(16, activation = relu, from = meta);
        both: multiply(seen, told);
        dropout(0.2);
        digit: dense(4, activation = softmax);
        back: dense(3, from = both);
        output(digit, back);
        train {
            loss = [digit = categorical_crossentropy, back = mse];
            optimizer = adam; batch_size = 32; epochs = 2;
        }
    }
}

fn value(i: usize) -> f32 {
    ((i * 37 % 101) as f32 - 50.0) / 50.0
}

fn images(n: usize) -> Array4<f32> {
    Array4::from_shape_fn((n, 6, 5, 2), |(n, y, x, c)| {
        value(n * 60 + y * 10 + x * 2 + c)
    })
}

fn metas(n: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, 4), |(n, i)| value(n * 11 + i * 5 + 3))
}

fn examples(n: usize) -> Examples<'static> {
    let sizes = Array2::from_shape_fn((n, 2), |(n, i)| value(n + i * 3));
    Examples::labelled(images(n), (0..n).map(|n| n % 3))
        .and_then(|examples| examples.and_input(metas(n)))
        .and_then(|examples| examples.and_values(sizes))
        .expect("columns of one length")
}

/// One example, a batch, a dataset and `infer` without allocation: all the same bits.
#[test]
fn every_way_predicts_the_same() {
    let net = TwoHeads::new(7);
    let (images, metas) = (images(9), metas(9));
    let batch = TwoHeadsInputBatch {
        image: images.view(),
        meta: metas.view(),
    };
    let all = net.predict_batch(batch).expect("inputs that fit");
    let of_dataset = net.predict_dataset(&examples(9)).expect("inputs that fit");
    assert_eq!(all, of_dataset);
    assert_eq!((all.digit.dim(), all.size.dim()), ((9, 3), (9, 2)));
    let parameters: &[f32; TwoHeads::PARAMETERS] = net.parameters().try_into().expect("all");
    let mut workspace = Box::new([0.0; TwoHeads::WORKSPACE]);
    for n in 0..9 {
        let mut image = [[[0.0; 2]; 5]; 6];
        let flat = image.as_flattened_mut().as_flattened_mut();
        flat.copy_from_slice(images.index_axis(Axis(0), n).as_slice().expect("in order"));
        let mut meta = [0.0; 4];
        meta.copy_from_slice(metas.row(n).as_slice().expect("in order"));
        let inputs = TwoHeadsInputs {
            image: &image,
            meta: &meta,
        };
        let one: TwoHeadsOutputs = net.predict(inputs);
        assert_eq!(
            one.digit.as_slice(),
            all.digit.row(n).as_slice().expect("in order")
        );
        assert_eq!(
            one.size.as_slice(),
            all.size.row(n).as_slice().expect("in order")
        );
        assert!((one.digit.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(TwoHeads::infer(parameters, inputs, &mut workspace), one);
        let mut row = [0.0; 5];
        let flat = [image.as_flattened().as_flattened(), &meta].concat();
        net.predict_slice(&flat, &mut row).expect("rows that fit");
        assert_eq!([&one.digit[..], &one.size].concat(), row);
    }
}

/// The loss is the weighted sum, and each output has its own scores.
#[test]
fn each_output_has_scores() {
    let net = TwoHeads::new(7);
    let examples = examples(21);
    let scores = net.evaluate(&examples).expect("examples that fit");
    let outputs = net.predict_dataset(&examples).expect("inputs that fit");
    let (mut digit, mut size, mut right) = (0.0, 0.0, 0.0);
    for n in 0..21 {
        digit -= f64::from(outputs.digit[[n, n % 3]].ln()) / 21.0;
        let row = outputs.digit.row(n);
        let best = (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b]));
        right += f64::from(u8::from(best == Some(n % 3))) / 21.0;
        for i in 0..2 {
            size += f64::from(outputs.size[[n, i]] - value(n + i * 3)).powi(2) / 42.0;
        }
    }
    let near = |a: f64, b: f64| (a - b).abs() < 1e-5;
    let of = |label: &str| scores.output(label).expect("an output");
    assert!(near(of("digit").loss, digit), "{scores} instead of {digit}");
    assert!(near(of("size").loss, size), "{scores} instead of {size}");
    assert!(near(scores.loss, digit + 0.5 * size), "{scores}");
    assert!(near(of("digit").accuracy().expect("asked for"), right));
    assert_eq!(of("size").accuracy(), None);
    assert!(
        scores.to_string().contains(" - digit_accuracy: "),
        "{scores}"
    );
}

/// Finite differences of the loss, for each parameter.
#[test]
fn gradients_are_those_of_the_weighted_loss() {
    let mut net = TwoHeads::new(3);
    let data = examples(5);
    let (_, gradients) = cnn::Network::model(&net)
        .gradients(&data, 0)
        .expect("good data");
    let mut wrong = Vec::new();
    for (index, gradient) in gradients.iter().enumerate().step_by(3) {
        let at = |delta: f32| {
            let mut flat: Vec<f32> = net.parameters().to_vec();
            flat[index] += delta;
            let moved = TwoHeads::from_parameters(&flat.try_into().expect("all"));
            moved.evaluate(&data).expect("good data").loss
        };
        let step = 2e-3;
        let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
        if (slope - f64::from(*gradient)).abs() > 2e-3 {
            wrong.push((index, slope, *gradient));
        }
    }
    assert!(wrong.len() <= gradients.len() / 60, "{wrong:?}");
    net.fit(&data).expect("good data");
}

#[test]
fn several_threads_leave_the_same_bits() {
    let n = 50;
    let images = Array4::from_shape_fn((n, 24, 24, 1), |(n, y, x, _)| value(n * 576 + y * 24 + x));
    let metas = Array2::from_shape_fn((n, 3), |(n, i)| value(n * 7 + i));
    let data = Examples::labelled(&images, (0..n).map(|n| n % 4))
        .and_then(|data| data.and_input(&metas))
        .and_then(|data| data.and_values(&metas))
        .expect("columns of one length");
    let train = |threads: usize| {
        let mut net = Shared::new(1);
        let trainer = net.trainer().threads(threads);
        trainer.fit(&data).expect("good examples");
        net.parameters().to_vec()
    };
    let one = train(1);
    for threads in [2, 3, 7, 64] {
        assert!(train(threads) == one, "{threads} threads");
    }
}

#[test]
fn a_difference_is_learned() {
    let n = 64;
    let image = |seed: usize| {
        Array4::from_shape_fn((n, 4, 4, 1), |(n, y, x, _)| {
            value(seed + n * 16 + y * 4 + x)
        })
    };
    let (a, b) = (image(0), image(5));
    let sums = Array1::from_shape_fn(n, |n| {
        let difference = &a.slice(s![n, .., .., ..]) - &b.slice(s![n, .., .., ..]);
        difference.sum() / 4.0
    });
    let data = Examples::with_values(&a, &sums)
        .and_then(|data| data.and_input(&b))
        .expect("columns of one length");
    let mut net = Difference::new(0);
    let before = net.evaluate(&data).expect("good data").loss;
    let history = net.fit(&data).expect("good data");
    let after = history.loss().expect("epochs");
    assert!(after < before / 20.0, "{before} {after}");
    let inputs = DifferenceInputs {
        a: &[[[1.0]; 4]; 4],
        b: &[[[1.0]; 4]; 4],
    };
    let [nothing] = net.predict(inputs);
    assert!(nothing.abs() < 0.1, "{nothing}");
}

#[test]
fn outputs_may_be_maps() {
    let n = 6;
    let images = Array4::from_shape_fn((n, 5, 4, 1), |(n, y, x, _)| value(n * 20 + y * 4 + x));
    let masks = images.mapv(|value| f32::from(u8::from(value > 0.0)));
    let kinds = ndarray::Array3::from_shape_fn((n, 5, 4), |(_, y, x)| (y + x) % 3);
    let data = Examples::with_values(&images, &masks)
        .and_then(|data| data.and_label_maps(&kinds))
        .expect("columns of one length");
    let mut net = Maps::new(0);
    let history = net.trainer().epochs(60).fit(&data).expect("good data");
    let scores = &history.epochs.last().expect("epochs").scores;
    let mask = scores
        .output("mask")
        .and_then(|of| of.accuracy())
        .expect("asked for");
    assert!(mask > 0.9, "{scores}");
    let outputs = net.predict_batch(&images).expect("inputs that fit");
    assert_eq!(outputs.mask.dim(), (n, 5, 4, 1));
    assert_eq!(outputs.kinds.dim(), (n, 5, 4, 3));
}

/// What does not fit is said by a typed error.
#[test]
fn columns_that_do_not_fit() {
    let mut net = TwoHeads::new(0);
    let one_input = Examples::labelled(images(4), [0, 1, 2, 0]).expect("columns");
    let sizes = Array2::<f32>::zeros((4, 2));
    let without_meta = || {
        one_input
            .clone()
            .and_values(sizes.clone())
            .expect("columns")
    };
    let with = |meta: Array2<f32>| without_meta().and_input(meta).expect("columns");
    let cases: [(&str, Examples<'_>, &str); 4] = [
        ("one input", without_meta(), "2 inputs, these have 1"),
        (
            "one target",
            one_input.clone().and_input(metas(4)).expect("columns"),
            "2 targets, these have 1",
        ),
        (
            "a longer input",
            with(Array2::zeros((4, 5))),
            "is 4, but an example is 5",
        ),
        (
            "three targets",
            with(metas(4)).and_labels([0, 0, 0, 0]).expect("columns"),
            "2 targets, these have 3",
        ),
    ];
    for (case, data, message) in cases {
        let error = net.fit(&data).expect_err(case).to_string();
        assert!(error.contains(message), "{case}: {error}");
    }
    let lengths = one_input
        .clone()
        .and_input(metas(5))
        .expect_err("another length");
    assert!(lengths.to_string().contains('5'), "{lengths}");
    let (image, meta) = (images(2), metas(3));
    let batch = TwoHeadsInputBatch {
        image: image.view(),
        meta: meta.view(),
    };
    let error = net
        .predict_batch(batch)
        .expect_err("another length")
        .to_string();
    assert!(error.contains("2 and 3"), "{error}");
    let wrong_label = examples(4);
    let data = Examples::labelled(images(4), [0, 1, 3, 0])
        .and_then(|data| data.and_input(metas(4)))
        .and_then(|data| data.and_values(Array2::<f32>::zeros((4, 2))))
        .expect("columns");
    let error = net.fit(&data).expect_err("no class 3").to_string();
    assert!(error.contains('3'), "{error}");
    net.fit(&wrong_label).expect("good examples");
}

#[test]
fn constants_name_the_values() {
    let names: Vec<_> = TwoHeads::INPUTS
        .iter()
        .map(|port| (port.name, port.shape))
        .collect();
    assert_eq!(names, [("image", &[6, 5, 2][..]), ("meta", &[4][..])]);
    let names: Vec<_> = TwoHeads::OUTPUTS
        .iter()
        .map(|port| (port.name, port.shape))
        .collect();
    assert_eq!(names, [("digit", &[3][..]), ("size", &[2][..])]);
    assert_eq!(Difference::OUTPUT, [1]);
    assert!(
        TwoHeads::SUMMARY.contains("image (input)"),
        "{}",
        TwoHeads::SUMMARY
    );
    assert!(
        !TwoHeads::SUMMARY.contains("outputs"),
        "{}",
        TwoHeads::SUMMARY
    );
}

cnn::network! {
    /// Codes of images, and what they are made of.
    network Coder {
        block encode(units) {
            conv2d(4, 3x3, strides = 2, padding = same);
            batch_normalization;
            relu;
            flatten;
            code: dense(units, activation = tanh);
        }
        input(6x6x1);
        stem: conv2d(2, 3x3, padding = same, activation = relu);
        code: encode(3);
        dropout(0.5);
        dense(36);
        reshape(6x6x1);
        expose(code, stem);
        train { loss = mse; optimizer = adam; epochs = 2; batch_size = 4; }
    }
}

/// A value inside is what the layers up to it compute, before and after a change of the weights.
#[test]
fn values_inside_are_exposed() {
    let images = Array4::from_shape_fn((5, 6, 6, 1), |(n, y, x, _)| value(n * 36 + y * 6 + x));
    let mut net = Coder::new(2);
    for round in 0..2 {
        let codes = net.predict_batch_code(&images).expect("inputs that fit");
        let stems = net.predict_batch_stem(&images).expect("inputs that fit");
        assert_eq!((codes.dim(), stems.dim()), ((5, 3), (5, 6, 6, 2)));
        // What is behind the code makes the output of it.
        let outputs = net.predict_batch(&images).expect("inputs that fit");
        let (kernel, bias) = (
            net.dense_1().kernel().to_owned(),
            net.dense_1().bias().map(|b| b.to_owned()),
        );
        let expected = codes.dot(&kernel) + bias.expect("a bias");
        let outputs = outputs
            .into_shape_with_order((5, 36))
            .expect("the same values");
        let furthest = (&outputs - &expected).fold(0.0, |most: f32, d| most.max(d.abs()));
        assert!(furthest < 1e-5, "round {round}: {furthest}");
        let mut image = [[[0.0]; 6]; 6];
        let flat = image.as_flattened_mut().as_flattened_mut();
        flat.copy_from_slice(images.index_axis(Axis(0), 3).as_slice().expect("in order"));
        let code: [f32; 3] = net.predict_code(&image);
        assert_eq!(code.as_slice(), codes.row(3).as_slice().expect("in order"));
        let data = Examples::with_values(&images, &images).expect("columns of one length");
        net.fit(&data).expect("good data");
    }
}
