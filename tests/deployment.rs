//! Predictions with little memory: between slices, into the caller's arrays, on small stacks.

use cnn::{Error, Network};

cnn::network! {
    /// An output that no stack should hold.
    pub network Upright {
        input(512x512x3);
        conv2d(3, 3x3, padding = same, activation = sigmoid);
    }
}

cnn::network! {
    pub network Digits {
        input(28x28x1);
        conv2d(32, 3x3, activation = relu);
        max_pool2d(2x2);
        conv2d(64, 3x3, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(64, activation = relu);
        dense(10, activation = softmax);
        train { loss = categorical_crossentropy; epochs = 1; batch_size = 32; }
    }
}

/// The example for a device.
mod firmware {
    cnn::network_file!("../examples/firmware/digits.cnn");

    pub(super) static WEIGHTS: &[f32; Digits::PARAMETERS] =
        cnn::weights!(Digits, "../examples/firmware/digits.safetensors");
}

/// Runs `run` on a thread with a stack of 96 KiB.
fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(96 << 10);
        builder.spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

/// An array of some value on the heap.
fn boxed<T: Clone, const N: usize>(value: T) -> Box<[T; N]> {
    let boxed = vec![value; N].into_boxed_slice();
    boxed.try_into().ok().expect("N values")
}

#[test]
fn large_images_need_no_stack() {
    let net = Upright::new(1);
    let mut image = boxed::<_, 512>([[0.0_f32; 3]; 512]);
    for (index, value) in image
        .as_flattened_mut()
        .as_flattened_mut()
        .iter_mut()
        .enumerate()
    {
        *value = (index % 251) as f32 / 251.0;
    }
    let mut output = boxed::<_, 512>([[0.0_f32; 3]; 512]);
    let mut workspace = boxed::<_, { Upright::WORKSPACE }>(f32::NAN);
    let parameters: &[f32; Upright::PARAMETERS] = net.parameters().try_into().unwrap();
    let mut flat = vec![f32::NAN; 512 * 512 * 3];
    on_a_small_stack(|| {
        Upright::infer_into(parameters, &image, &mut output, &mut workspace);
        let input = image.as_flattened().as_flattened();
        net.predict_slice(input, &mut flat).unwrap();
    });
    let batch =
        ndarray::ArrayView::from_shape((1, 512, 512, 3), image.as_flattened().as_flattened());
    let batch = net.predict_batch(batch.unwrap()).unwrap();
    let into = output.as_flattened().as_flattened();
    for ((flat, batch), into) in flat.iter().zip(&batch).zip(into) {
        assert!((flat - batch).abs() < 1e-6 && (into - batch).abs() < 1e-6);
    }
}

/// Predictions, a whole training step and an evaluation: what they need lies on the heap.
#[test]
fn everything_runs_on_a_small_stack() {
    let images = ndarray::Array4::<f32>::from_shape_fn((70, 28, 28, 1), |(n, y, x, _)| {
        ((n * 7 + y * 3 + x) % 11) as f32 / 11.0
    });
    let labels: Vec<u32> = (0..70).map(|n| n % 10).collect();
    let data = cnn::Examples::labelled(&images, &labels[..]).unwrap();
    let mut net = Digits::new(1);
    let (batch, dataset) = on_a_small_stack(|| {
        net.trainer().threads(1).fit(&data).unwrap();
        net.evaluate(&data).unwrap();
        let batch = net.predict_batch(&images).unwrap();
        (batch, net.predict_dataset(&data).unwrap())
    });
    assert_eq!(dataset, batch);
    let classes: Vec<usize> = cnn::argmax(&dataset).into_iter().collect();
    assert!(classes.len() == 70 && classes.iter().all(|class| *class < 10));
}

#[test]
fn slices_are_arrays_without_their_shape() {
    let net = Digits::new(3);
    let image: [[[f32; 1]; 28]; 28] =
        core::array::from_fn(|y| core::array::from_fn(|x| [((y * 5 + x) % 7) as f32]));
    let mut output = [f32::NAN; 10];
    let input = image.as_flattened().as_flattened();
    net.predict_slice(input, &mut output).unwrap();
    assert_eq!(output, net.predict(&image));

    let cases = [
        (
            783,
            10,
            "the network's input is 28x28x1, 784 floats, but the slice has 783",
        ),
        (
            0,
            0,
            "the network's input is 28x28x1, 784 floats, but the slice has 0",
        ),
        (
            784,
            11,
            "the network's output is 10, 10 floats, but the slice has 11",
        ),
    ];
    for (input, output, expected) in cases {
        let error = net.predict_slice(&vec![0.0; input], &mut vec![0.0; output]);
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Length { .. }));
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn the_weights_for_a_device_know_digits() {
    let (_, test) = cnn::data::mnist("../examples/data/mnist").unwrap();
    let test = test.take(1_000);
    let mut workspace = [f32::NAN; firmware::Digits::WORKSPACE];
    let mut image = [[[0.0; 1]; 28]; 28];
    let right = (0..test.len()).filter(|&index| {
        cnn::Dataset::read_input(&test, index, image.as_flattened_mut().as_flattened_mut());
        let scores = firmware::Digits::infer(firmware::WEIGHTS, &image, &mut workspace);
        Some(cnn::argmax(&scores)) == test.label(index)
    });
    let right = right.count();
    assert!(right >= 970, "{right} of 1,000");
}

#[test]
fn the_workspace_is_told_in_floats_and_in_bytes() {
    assert_eq!(Digits::WORKSPACE_BYTES, 4 * Digits::WORKSPACE);
    assert_eq!(Digits::WORKSPACE, Digits::spec().workspace.floats(1));
}
