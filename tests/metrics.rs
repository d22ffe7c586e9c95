//! Metrics of whole networks: pictures with a class for each pixel, uneven batches, outputs of NaN.

use cnn::{Examples, Model, Network, argmax};
use ndarray::{Array, Array2, Array3, Array4, ArrayD, Axis, Zip};

mod pixels {
    cnn::network! {
        pub network Pixels {
            input(6x6x1);
            conv2d(3, 3x3, padding = same);
            softmax;
            train { loss = mse; metrics = [accuracy, mae, mse]; }
        }
    }
}

mod mask {
    cnn::network! {
        pub network Mask {
            input(6x6x1);
            conv2d(1, 3x3, padding = same, activation = sigmoid);
            train { loss = binary_crossentropy; metrics = [accuracy]; }
        }
    }
}

mod picture {
    cnn::network! {
        pub network Picture {
            input(6x6x1);
            conv2d(1, 3x3, padding = same);
            train { loss = mse; metrics = [accuracy]; }
        }
    }
}

mod digits {
    cnn::network! {
        pub network Digits {
            input(4);
            dense(3, activation = softmax);
            train { loss = categorical_crossentropy; metrics = [accuracy]; }
        }
    }
}

mod one {
    cnn::network! {
        pub network One {
            input(4);
            dense(1, activation = sigmoid);
            train { loss = binary_crossentropy; metrics = [accuracy]; }
        }
    }
}

mod number {
    cnn::network! {
        pub network Number {
            input(4);
            dense(1);
            train { loss = mse; metrics = [accuracy]; }
        }
    }
}

mod numbers {
    cnn::network! {
        pub network Numbers {
            input(4);
            dense(3);
            train { loss = mse; metrics = [accuracy]; }
        }
    }
}

fn models() -> [Model; 7] {
    [
        pixels::Pixels::spec(),
        mask::Mask::spec(),
        picture::Picture::spec(),
        digits::Digits::spec(),
        one::One::spec(),
        number::Number::spec(),
        numbers::Numbers::spec(),
    ]
    .map(|spec| Model::new(spec, 3))
}

/// Inputs without a pattern.
fn inputs(model: &Model, n: usize) -> ArrayD<f32> {
    let shape = [&[n], model.spec().input].concat();
    let mut state = 1_u32;
    Array::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

#[test]
fn accuracy_is_the_share_of_positions_in_uneven_batches() {
    // More than a chunk of 64, and not a multiple of anything.
    const N: usize = 101;
    for model in models() {
        let x = inputs(&model, N);
        let y: ArrayD<f32> = model.predict_batch(x.view()).unwrap();
        let classes = y.shape()[y.ndim() - 1];
        // Every third position is wrong.
        let mut target = ArrayD::<f32>::zeros(y.shape());
        let positions = y.len() / classes;
        let rows = target.rows_mut().into_iter().zip(y.rows());
        for (position, (mut t, y)) in rows.enumerate() {
            let wrong = usize::from(position % 3 == 0);
            match classes {
                1 => t[0] = f32::from(u8::from((y[0] > 0.5) ^ (wrong == 1))),
                _ => t[(argmax(&y).into_scalar() + wrong) % classes] = 1.0,
            }
        }
        let expected = 1.0 - positions.div_ceil(3) as f64 / positions as f64;
        let data = Examples::with_values(&x, &target).unwrap();
        let name = model.spec().name;
        let found = model.evaluate(&data).unwrap().accuracy().unwrap();
        assert!(
            (found - expected).abs() < 1e-12,
            "{name}: {found}, not {expected}"
        );

        // Steps of 7 examples, the last one of 3, that change next to nothing.
        let mut copy = model.clone();
        let trainer = copy.trainer().epochs(1).batch_size(7).learning_rate(1e-30);
        let found = trainer
            .progress(false)
            .fit(&data)
            .unwrap()
            .accuracy()
            .unwrap();
        assert!(
            (found - expected).abs() < 1e-12,
            "{name}: {found}, not {expected} in training"
        );
    }
}

#[test]
fn one_pixel_of_36_is_wrong() {
    let net = pixels::Pixels::new(0);
    let x = Array4::from_shape_fn((3, 6, 6, 1), |(n, i, j, _)| ((n + i * j) % 5) as f32);
    let y = net.predict_batch(&x).unwrap();
    let classes: Array3<usize> = argmax(&y);
    let target = Array4::from_shape_fn((3, 6, 6, 3), |(n, i, j, class)| {
        let wrong = usize::from((i, j) == (0, 0));
        f32::from(u8::from((classes[[n, i, j]] + wrong) % 3 == class))
    });
    let scores = net
        .evaluate(&Examples::with_values(&x, &target).unwrap())
        .unwrap();
    assert!((scores.accuracy().unwrap() - 35.0 / 36.0).abs() < 1e-12);
    let difference = Zip::from(&y)
        .and(&target)
        .map_collect(|y, t| f64::from(y - t));
    let mae = difference.mapv(f64::abs).mean().unwrap();
    let mse = difference.mapv(|d| d * d).mean().unwrap();
    let found = [1, 2].map(|metric: usize| scores.metrics[metric].1);
    assert!(
        (found[0] - mae).abs() < 1e-7 && (found[1] - mse).abs() < 1e-7,
        "{scores}"
    );
    assert!((scores.loss - mse).abs() < 1e-7, "{scores}");
}

#[test]
fn nan_is_no_answer() {
    for mut model in models() {
        model
            .tensors_mut()
            .for_each(|(_, mut tensor)| tensor.fill(f32::NAN));
        let x = inputs(&model, 10);
        let shape = [&[10], model.spec().output].concat();
        let classes = shape[shape.len() - 1];
        // All of class 0, of class 1 or "yes", and some of each.
        for wanted in [&[0][..], &[1], &[0, 1]] {
            let mut target = ArrayD::<f32>::zeros(&shape[..]);
            for (position, mut t) in target.rows_mut().into_iter().enumerate() {
                let class = wanted[position % wanted.len()];
                match classes {
                    1 => t[0] = class as f32,
                    _ => t[class] = 1.0,
                }
            }
            let data = Examples::with_values(&x, &target).unwrap();
            let scores = model.evaluate(&data).unwrap();
            let name = model.spec().name;
            assert_eq!(scores.accuracy(), Some(0.0), "{name}: {scores}");
            assert!(scores.loss.is_nan(), "{name}: {scores}");
        }
    }
}

#[test]
fn one_output_of_nan_spoils_its_example_alone() {
    let mut model = Model::new(digits::Digits::spec(), 1);
    let x = inputs(&model, 10).into_dimensionality().unwrap();
    let y: Array2<f32> = model.predict_batch(x.view()).unwrap();
    let labels = argmax(&y);
    let mut with_nan: Array2<f32> = x;
    with_nan.row_mut(3).fill(f32::NAN);
    let data = Examples::labelled(&with_nan, &labels).unwrap();
    assert_eq!(model.evaluate(&data).unwrap().accuracy(), Some(0.9));
    // One class is NaN, and with it the softmax of all.
    let mut bias = model.tensor_mut("dense_1.bias").unwrap();
    bias[2] = f32::NAN;
    assert_eq!(model.evaluate(&data).unwrap().accuracy(), Some(0.0));
    let mut model = Model::new(numbers::Numbers::spec(), 1);
    model.tensor_mut("dense_1.bias").unwrap()[2] = f32::NAN;
    assert_eq!(model.evaluate(&data).unwrap().accuracy(), Some(0.0));
    let y: Array2<f32> = model.predict_batch(with_nan.view()).unwrap();
    assert!(
        argmax(&y)
            .iter()
            .enumerate()
            .all(|(i, class)| *class == if i == 3 { 0 } else { 2 })
    );
    assert_eq!(y.len_of(Axis(0)), 10);
}
