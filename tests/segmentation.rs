//! Networks with an output at each position: a class, a yes or no, a value. From label maps and images to the loss,
//! the metrics and the errors.

#[path = "support/small.rs"]
mod small;

use cnn::{Dataset, Error, Examples, Loss, Model, Network as _, argmax};
use ndarray::{Array3, Array4, ArrayD, Axis, IxDyn, s};
use small::bits;

mod shapes {
    cnn::network! {
        /// Which pixels belong to nothing, to a square, to a cross.
        pub network Shapes {
            input(10x12x1);
            conv2d(8, 3x3, padding = same, activation = relu);
            conv2d(12, 3x3, padding = same, activation = relu);
            conv2d(3, 1x1, activation = softmax);

            train {
                loss = categorical_crossentropy;
                optimizer = adam(learning_rate = 0.01);
                metrics = [accuracy];
                epochs = 20;
                batch_size = 16;
            }
        }
    }
}

mod mask {
    cnn::network! {
        /// Which pixels belong to a shape.
        pub network Mask {
            input(10x12x1);
            conv2d(6, 3x3, padding = same, activation = relu);
            conv2d(1, 3x3, padding = same, activation = sigmoid);

            train {
                loss = binary_crossentropy;
                optimizer = adam(learning_rate = 0.02);
                metrics = [accuracy];
                epochs = 15;
                batch_size = 16;
            }
        }
    }
}

mod copy {
    cnn::network! {
        /// An autoencoder: the image through fewer values.
        pub network Copy {
            input(6x5x2);
            conv2d(8, 3x3, padding = same, activation = tanh);
            conv2d(2, 3x3, padding = same);

            train {
                loss = mse;
                optimizer = adam(learning_rate = 0.01);
                epochs = 60;
                batch_size = 16;
            }
        }
    }
}

/// Images `[n, 10, 12, 1]` with noise, a square of 3x3 and a cross of 3x3, and the class of each pixel.
fn scenes(n: usize, seed: u32) -> (Array4<f32>, Array3<u8>) {
    let mut state = seed;
    let mut number = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut images = Array4::from_shape_fn((n, 10, 12, 1), |_| number(100) as f32 * 0.002);
    let mut labels = Array3::zeros((n, 10, 12));
    for image in 0..n {
        let [y, x] = [number(8), number(4)].map(|place| place as usize);
        let (first, second) = (1 + number(2) as u8, 6 + number(4) as usize);
        for (class, x) in [(first, x), (3 - first, second)] {
            for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
                if class == 1 || i == 1 || j == 1 {
                    images[[image, y + i, x + j, 0]] += 0.8;
                    labels[[image, y + i, x + j]] = class;
                }
            }
        }
    }
    (images, labels)
}

/// One-hot, `[N, H, W, 3]`.
fn one_hot(labels: &Array3<u8>) -> Array4<f32> {
    let (n, height, width) = labels.dim();
    Array4::from_shape_fn((n, height, width, 3), |(n, y, x, class)| {
        f32::from(labels[[n, y, x]] as usize == class)
    })
}

#[test]
fn a_network_learns_the_class_of_each_pixel() {
    let (images, labels) = scenes(200, 1);
    let (test_images, test_labels) = scenes(50, 2);
    let mut net = shapes::Shapes::new(3);
    net.fit(&Examples::with_label_maps(&images, &labels).unwrap())
        .unwrap();
    let test = Examples::with_label_maps(&test_images, &test_labels).unwrap();
    let scores = net.evaluate(&test).unwrap();
    assert!(scores.accuracy().unwrap() > 0.999, "{scores:?}");

    let predicted = argmax(&net.predict_batch(&test_images).unwrap());
    let wrong = predicted.iter().zip(&test_labels);
    let wrong = wrong.filter(|(p, t)| **p != usize::from(**t)).count();
    let share = 1.0 - wrong as f64 / test_labels.len() as f64;
    assert!(
        (scores.accuracy().unwrap() - share).abs() < 1e-12,
        "{wrong}"
    );
}

#[test]
fn a_network_learns_a_mask() {
    let (images, labels) = scenes(200, 1);
    let (test_images, test_labels) = scenes(50, 2);
    let [labels, test_labels] = [labels, test_labels].map(|labels| labels.mapv(|class| class > 0));
    let mut net = mask::Mask::new(3);
    net.fit(&Examples::with_label_maps(&images, &labels).unwrap())
        .unwrap();
    let test = Examples::with_label_maps(&test_images, &test_labels).unwrap();
    let scores = net.evaluate(&test).unwrap();
    assert!(scores.accuracy().unwrap() > 0.999, "{scores:?}");
    // With the axis of channels it is the same.
    let with_channels = test_labels.insert_axis(Axis(3));
    let same = Examples::with_label_maps(&test_images, &with_channels).unwrap();
    assert_eq!(net.evaluate(&same).unwrap(), scores);
}

#[test]
fn a_network_learns_an_image() {
    let (scenes, _) = scenes(100, 5);
    let images = Array4::from_shape_fn((100, 6, 5, 2), |(n, y, x, c)| {
        scenes[[n, y + c, x + 2 * c, 0]]
    });
    let data = Examples::with_values(&images, &images).unwrap();
    let mut net = copy::Copy::new(1);
    net.fit(&data).unwrap();
    let scores = net.evaluate(&data).unwrap();
    assert!(scores.loss < 0.002, "{scores:?}");
    let difference = net.predict_batch(&images).unwrap() - &images;
    let mean = difference.mapv(|d| f64::from(d * d)).mean().unwrap();
    assert!((scores.loss - mean).abs() < 1e-7, "{scores:?}, {mean}");
}

#[test]
fn label_maps_are_one_hot_targets() {
    let (images, labels) = scenes(37, 1);
    let train = |data: &Examples<'_>| {
        let mut net = shapes::Shapes::new(3);
        let history = net.trainer().epochs(2).progress(false).fit(data).unwrap();
        (bits(net.parameters()), history.loss())
    };
    let maps = Examples::with_label_maps(&images, &labels).unwrap();
    let expected = train(&maps);
    let signed = Examples::with_label_maps(&images, &labels.mapv(i64::from)).unwrap();
    assert!(train(&signed) == expected);
    // An array in another order in memory.
    let reversed = labels.clone().reversed_axes();
    let view = Examples::with_label_maps(&images, &reversed.t()).unwrap();
    assert!(train(&view) == expected);
    let values = Examples::with_values(&images, one_hot(&labels)).unwrap();
    assert!(train(&values) == expected);
}

#[test]
fn the_loss_is_the_mean_over_all_positions() {
    let (images, labels) = scenes(7, 1);
    let net = shapes::Shapes::new(3);
    let data = Examples::with_label_maps(&images, &labels).unwrap();
    let p = net.predict_batch(&images).unwrap();
    let sums = p.sum_axis(Axis(3));
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6));
    let losses = labels.indexed_iter().map(|((n, y, x), class)| {
        let p: f32 = p[[n, y, x, usize::from(*class)]];
        -f64::from(p).ln()
    });
    let mean = losses.sum::<f64>() / labels.len() as f64;
    let scores = net.evaluate(&data).unwrap();
    assert!((scores.loss - mean).abs() < 1e-6, "{scores:?}, {mean}");

    // Soft targets, and a position without any.
    let mut soft = one_hot(&labels).mapv(|t| 0.8 * t + 0.05);
    soft.slice_mut(s![3, 4, 5, ..]).fill(0.0);
    let terms = p.iter().zip(&soft);
    let sum: f64 = terms
        .map(|(p, t)| -f64::from(*t) * f64::from(*p).ln())
        .sum();
    let mean = sum / labels.len() as f64;
    let scores = net
        .evaluate(&Examples::with_values(&images, &soft).unwrap())
        .unwrap();
    assert!((scores.loss - mean).abs() < 1e-6, "{scores:?}, {mean}");
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let (images, labels) = scenes(45, 1);
    let maps = Examples::with_label_maps(&images, &labels).unwrap();
    let mask = labels.mapv(|class| class > 0);
    let mask = Examples::with_label_maps(&images, &mask).unwrap();
    let small = images.slice(s![.., ..6, ..5, ..]);
    let image = ndarray::concatenate(Axis(3), &[small, small]).unwrap();
    let copies = Examples::with_values(&image, &image).unwrap();
    let cases = [
        (shapes::Shapes::spec(), &maps),
        (mask::Mask::spec(), &mask),
        (copy::Copy::spec(), &copies),
    ];
    for (spec, data) in cases {
        let run = |threads| {
            let mut model = Model::new(spec, 7);
            let trainer = model.trainer().threads(threads).epochs(2).validation(data);
            let history = trainer.progress(false).fit(data).unwrap();
            let last = history.epochs.into_iter().next_back().unwrap();
            (bits(model.parameters()), last.scores, last.validation)
        };
        let one = run(1);
        for threads in [2, 3, 7, 0] {
            assert!(run(threads) == one, "{}, {threads} threads", spec.name);
        }
    }
}

#[test]
fn targets_that_do_not_fit_are_refused() {
    let (images, labels) = scenes(4, 1);
    let mut wrong_class = labels.clone();
    wrong_class[[2, 7, 11]] = 3;
    let mut negative = labels.mapv(i32::from);
    negative[[1, 0, 3]] = -1;
    let negative = Examples::with_label_maps(&images, &negative).map(|_| ());
    assert_eq!(
        negative.unwrap_err().to_string(),
        "the label of example 1 at row 0, column 3 is -1, but labels are counted from 0"
    );
    let maps = |maps: &ndarray::ArrayRef<u8, ndarray::Ix3>| {
        Examples::with_label_maps(images.to_owned(), maps).unwrap()
    };
    let values = |shape: &[usize], value: f32, place: &[usize]| {
        let mut values = ArrayD::<f32>::zeros(IxDyn(shape));
        values[place] = value;
        Examples::with_values(images.to_owned(), values).unwrap()
    };
    let one_each = Examples::labelled(&images, [0, 1, 2, 1]).unwrap();
    let cases = [
        (
            maps(&wrong_class),
            "the label of example 2 at row 7, column 11 is 3, but there are 3 classes, counted from 0",
        ),
        (
            maps(&labels.slice(s![.., .., ..11])),
            "the network has an output for each of 10x12 positions, but a label map is 10x11",
        ),
        (
            maps(&labels.view().permuted_axes([0, 2, 1])),
            "the network has an output for each of 10x12 positions, but a label map is 12x10",
        ),
        (
            one_each,
            "one class label for each example needs a flat output, but the network's output is 10x12x3",
        ),
        (
            values(&[4, 10, 12], 0.0, &[0, 0, 0]),
            "the network's output is 10x12x3, but a target is 10x12; class labels of each position go to \
             `Examples::with_label_maps`",
        ),
        (
            values(&[4, 10, 12, 1], 0.0, &[0, 0, 0, 0]),
            "the network's output is 10x12x3, but a target is 10x12x1",
        ),
        (
            values(&[4, 10, 12, 3], 1.5, &[3, 9, 0, 2]),
            "a target of example 3 at row 9, column 0, channel 2 is 1.5, but the targets of \
             `categorical_crossentropy` must be from 0 to 1",
        ),
    ];
    let mut wrong = Vec::new();
    for (data, expected) in &cases {
        let mut net = shapes::Shapes::new(1);
        let found = [
            net.fit(data).map(|_| ()),
            net.trainer()
                .validation(data)
                .fit(&maps(&labels))
                .map(|_| ()),
            net.evaluate(data).map(|_| ()),
        ];
        let places = ["training data: ", "validation data: ", ""];
        for (found, place) in found.into_iter().zip(places) {
            let found = found.unwrap_err().to_string();
            if found != format!("{place}{expected}") {
                wrong.push(found);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (classified, _) = &cases[0];
    assert!(matches!(
        classified.check(&[10, 12, 1], &[10, 12, 3]),
        Err(Error::Label { index: 2, position, label: 3, classes: 3 }) if position == [7, 11]
    ));

    // Two classes at one position.
    let mut two = one_hot(&labels);
    two.slice_mut(s![1, 2, 3, ..2]).fill(1.0);
    let two = Examples::with_values(&images, two).unwrap();
    let error = shapes::Shapes::new(1).evaluate(&two).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the targets of example 1 at row 2, column 3 sum to 2, but those of `categorical_crossentropy` are \
         probabilities, which sum to at most 1"
    );
    // Images of another shape, and of no numbers.
    let mut net = copy::Copy::new(1);
    let image = Array4::<f32>::zeros((2, 6, 5, 2));
    let error = net.fit(&Examples::with_values(&image, images.slice(s![..2, .., .., ..])).unwrap());
    assert_eq!(
        error.unwrap_err().to_string(),
        "training data: the network's output is 6x5x2, but a target is 10x12x1"
    );
    let mut infinite = image.clone();
    infinite[[1, 2, 3, 1]] = f32::INFINITY;
    let data = Examples::with_values(&image, &infinite).unwrap();
    assert!(matches!(
        net.evaluate(&data),
        Err(Error::TargetValue { index: 1, position, loss: Loss::MeanSquaredError, .. }) if position == [2, 3, 1]
    ));
    let error = net.predict_batch(&images).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the network's input is 6x5x2, but an example is 10x12x1"
    );
}

/// A dataset that makes its label maps while it is read.
struct Made;

impl Dataset for Made {
    fn len(&self) -> usize {
        6
    }

    fn input_shape(&self) -> &[usize] {
        &[10, 12, 1]
    }

    fn read_input(&self, _index: usize, out: &mut [f32]) {
        out.fill(0.5);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        out.fill(0.0);
        for (place, out) in out.chunks_exact_mut(3).enumerate() {
            out[place % 3] = 1.0;
        }
        if index == 4 {
            out[3 * (12 * 8 + 5)] = f32::NAN;
        }
    }
}

#[test]
fn targets_of_any_dataset_are_checked_at_each_position() {
    for error in [
        shapes::Shapes::new(1).evaluate(&Made).unwrap_err(),
        shapes::Shapes::new(1).fit(&Made).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.ends_with(
                "a target of example 4 at row 8, column 5, channel 0 is NaN, but the targets of \
                 `categorical_crossentropy` must be from 0 to 1"
            ),
            "{text}"
        );
    }
}
